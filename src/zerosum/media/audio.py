"""Sounds as media: WAV files, a sheet of their spectrograms, and a page that plays them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.audio.codec import AudioCodec
from zerosum.data.audio.degradations import MEL
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.data.codec import Codec, Items
from zerosum.data.generated_files import LABELS_FILE
from zerosum.errors import BadInput
from zerosum.files import write_atomically, write_unflushed
from zerosum.media import audio_file, audio_script
from zerosum.media.audio_page import Clip, ClipSection, count_shown, render_page
from zerosum.media.audio_sheet import color_spectrograms, draw_sheet
from zerosum.media.kind import MediaKind, WrittenSamples
from zerosum.media.raster import Images, save_image
from zerosum.media.script import ScriptPart
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.media.signals import SignalFiles

SHEET_FILE, PAGE_FILE = "sheet.png", "listen.html"
FACTS = {
    "rates": "rates",
    "channels": "channels",
    "formats": "formats",
    "duplicates": "duplicates",
    "clipped at full scale": "clipped",
    "of which the end was cut off": "cut",
    "pieces": "pieces",
    "other files": "other_files",
}
"""Labels of the report with the keys of `data.json`."""


class AudioMedia(MediaKind):
    """Sounds (N, T), drawn as spectrograms (N, H, W, 1), and written to a WAV file each."""

    preview_count: ClassVar[int] = 64
    batch_size: ClassVar[int] = 16
    has_signals: ClassVar[bool] = True
    has_frames: ClassVar[bool] = True
    sequence_suffix: ClassVar[str] = audio_file.SUFFIX

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image:
        """Draw spectrograms (N, H, W, 1), as the codec makes them of sounds, in a grid."""
        return draw_sheet(_as_images(items), columns=columns)

    def frames(self, items: Items) -> Images:
        """Return spectrograms (N, H, W, 1) in color, uint8 (N, H, W, 3)."""
        return color_spectrograms(_as_images(items))

    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Write 00000.wav, 00001.wav, ...: 16 bits, mono."""
        for number, content in enumerate(audio_file.encode_each(items, _audio_codec(codec).rate), first):
            write_unflushed(folder / audio_file.file_name(number), content)

    def file_name(self, codec: Codec, number: int) -> str:
        """Return the name of the file of sound `number`; each has its own."""
        return audio_file.file_name(number)

    def describe_files(self, codec: Codec) -> str:
        """Return the names of the files."""
        rate = _audio_codec(codec).rate
        return f"WAV of {rate:,} Hz, with {SHEET_FILE} (spectrograms) and {PAGE_FILE} (open it to hear them)"

    def write_sequence(self, items: Items, codec: Codec, path: Path) -> None:
        """Write sounds (N, T) one after the other into one WAV file."""
        rate = _audio_codec(codec).rate
        content = audio_file.encode_wav(audio_file.join_sounds(items, rate), rate)
        write_atomically(path, lambda part: part.write_bytes(content))

    def complete(self, samples: WrittenSamples, codec: Codec) -> list[str]:
        """Write sheet.png and listen.html of the first sounds of the folder; real sounds are next to them."""
        audio = _audio_codec(codec)
        shown = ShownSounds.read(samples.folder, audio)
        if not shown.numbers:
            return []
        legends = [f"{number} {title}".rstrip() for number, title in zip(shown.numbers, shown.titles, strict=True)]
        save_image(draw_sheet(shown.images, legends), samples.folder / SHEET_FILE)
        real, notes = None, []
        try:
            real = samples.load_training()
        except BadInput as error:
            notes.append(f"{PAGE_FILE} has no real sounds next to the generated ones: {error}")
        text = render_page(samples.folder.name, _describe_page(audio), shown.sections(real, audio), audio.rate)
        write_atomically(samples.folder / PAGE_FILE, lambda part: part.write_text(text, "utf8"))
        return notes

    def signal_files(self, data: DataConfig, codec: Codec, degrade: bool) -> SignalFiles:
        """Return how sounds, or their spectrograms, are read and sounds are written."""
        from zerosum.media.audio_signals import AudioSignals

        assert isinstance(codec, WaveCodec), "a translation has samples that are waveforms"
        return AudioSignals(codec, data.degradations, degrade)

    def sample_script(self, codec: Codec) -> ScriptPart:
        """Return how scripts write samples: as `write` does, after the inversion of spectrograms."""
        return audio_script.sample_script(_audio_codec(codec))

    def signal_script(self, data: DataConfig, codec: Codec, numbers: Mapping[str, Json]) -> ScriptPart:
        """Return how scripts make sounds of spectrograms, or correct sounds."""
        script = audio_script.vocoder_script if MEL in data.degradations else audio_script.corrector_script
        return script(_audio_codec(codec), numbers)

    def describe(self, record: Mapping[str, Json]) -> str:
        """Return how the sounds are read."""
        form = record.get("form")
        return f"They are read as {form}." if form else ""

    def facts(self, record: Mapping[str, Json]) -> list[tuple[str, object]]:
        """Return the lengths, rates, channels and formats of the files, and what was done with them."""
        seconds, silent = record.get("seconds"), record.get("silent")
        lengths = ""
        if isinstance(seconds, Mapping) and seconds:
            lengths = f"{seconds['min']:.3g} to {seconds['max']:.3g}, median {seconds['median']:.3g}"
        return [
            ("seconds", lengths),
            *((label, record.get(key) or "") for label, key in FACTS.items()),
            ("silent files, which are skipped", len(silent) if isinstance(silent, Sequence) and silent else ""),
        ]


AUDIO_MEDIA = AudioMedia()


@dataclass(frozen=True, eq=False)
class ShownSounds:
    """The generated sounds of a page, with their classes."""

    numbers: Sequence[str]
    titles: Sequence[str]
    """The class of each; "" without classes."""
    sounds: NDArray[np.float32]
    """(N, T)"""
    images: Images
    """Their spectrograms (N, H, W, 1)."""

    @classmethod
    def read(cls, folder: Path, codec: AudioCodec) -> Self:
        """Read the first files of samples in a folder, as many as a page holds, without those that are not whole."""
        labels = _read_labels(folder / LABELS_FILE)
        numbers, titles, sounds = [], [], []
        for path in audio_file.list_numbered(folder, count_shown(codec.length)):
            try:
                sound = audio_file.decode_wav(path.read_bytes())
            except (OSError, ValueError):
                continue
            if len(sound) == codec.length:
                numbers.append(str(int(path.stem)))
                titles.append(labels.get(path.name, ""))
                sounds.append(sound)
        stacked = np.stack(sounds) if sounds else np.zeros((0, codec.length), np.float32)
        return cls(numbers, titles, stacked, codec.preview(stacked))

    def sections(self, real: Dataset | None, codec: AudioCodec) -> list[ClipSection]:
        """Return a section for each class, with as many real training sounds as generated ones."""
        sections = []
        for title in sorted(set(self.titles)):
            rows = [row for row, own in enumerate(self.titles) if own == title]
            generated = [Clip(self.numbers[row], self.sounds[row], self.images[row]) for row in rows]
            chosen = [] if real is None else _choose_real(real, title, len(rows), codec)
            sections.append(ClipSection(title, generated, chosen))
        return sections


def _choose_real(dataset: Dataset, title: str, count: int, codec: AudioCodec) -> list[Clip]:
    """Return training sounds of a class ("": of all), evenly from first to last."""
    rows = dataset.train
    if title in dataset.classes:
        rows = rows[dataset.labels[rows] == dataset.classes.index(title)]
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).round().astype(np.int64))]
    if not len(chosen):
        return []
    sounds = np.asarray(dataset.items(chosen), np.float32)
    return [
        Clip(f"real {row}", *pair) for row, *pair in zip(chosen.tolist(), sounds, codec.preview(sounds), strict=True)
    ]


def _describe_page(codec: AudioCodec) -> str:
    return (
        f"Sounds of {codec.seconds:.3g} s at {codec.rate:,} Hz. Time runs to the right and frequency upward; the "
        "brighter, the louder. Click a spectrogram to hear it."
    )


def _read_labels(path: Path) -> dict[str, str]:
    """Return the class of each file by its name, from the table of labels; {} if there is none."""
    try:
        with path.open(encoding="utf8", newline="") as file:
            return {row["file"]: row["label"] for row in csv.DictReader(file)}
    except (OSError, KeyError):
        return {}


def _as_images(items: Items) -> Images:
    assert items.dtype == np.uint8, "the codec turns sounds into spectrograms before they are drawn"
    return items.view(np.uint8)


def _audio_codec(codec: Codec) -> AudioCodec:
    assert isinstance(codec, AudioCodec), "sounds have no other codec"
    return codec
