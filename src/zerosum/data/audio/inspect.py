"""A quick inspection of a folder of sounds, from which settings are chosen: a listing and some headers."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from zerosum.data.audio.config import MIN_RATE, AudioDataConfig
from zerosum.data.audio.imports import require_audio_packages
from zerosum.data.audio.sound_file import SoundReader, UnreadableSound
from zerosum.data.audio.sources import AudioFolder
from zerosum.data.images.splits import Split
from zerosum.data.kind import Inspection
from zerosum.errors import BadInput
from zerosum.settings import Decision

_MAX_SAMPLED = 64
SMALL_SIZE, LARGE_SIZE = 64, 128
SMALL_RATE, LARGE_RATE = 16_000, 44_100
"""Rates in Hz of spectrograms of less than 128 bands, and of others."""
_SECONDS = {SMALL_RATE: 1.024, LARGE_RATE: 1.0}


@dataclass(frozen=True)
class AudioInspection(Inspection):
    """The result of a quick inspection."""

    rates: tuple[int, ...] = ()
    """The rates in Hz of evenly spaced files that can be read."""
    seconds: tuple[float, ...] = ()
    """Their lengths."""
    folder: AudioFolder | None = field(default=None, repr=False, compare=False)


def inspect_sounds(data: AudioDataConfig) -> AudioInspection:
    """Inspect the training sounds.

    Raises:
        BadInput: the folder cannot be used, no sampled file can be read, or a package is missing.
    """
    require_audio_packages()
    folder = AudioFolder(data.source, Split.TRAINING, data.label)
    step = max(1, len(folder.names) // _MAX_SAMPLED)
    rates, seconds, unreadable = [], [], []
    for index in range(0, len(folder.names), step):
        try:
            with SoundReader(folder.path(index)) as file:
                file.read(0, file.rate // 10)
                rates.append(file.rate)
                seconds.append(file.seconds)
        except UnreadableSound as error:
            unreadable.append((folder.names[index], str(error)))
    if not rates:
        name, reason = unreadable[0]
        raise BadInput(
            f"no sound sampled in {folder.display_name} can be read, for example {name} ({reason}): replace the files"
        )
    return AudioInspection(
        data.source, len(folder.names), folder.classes, folder.notes,
        rates=tuple(rates), seconds=tuple(seconds), folder=folder,
    )  # fmt: skip


def choose_audio_settings(table: dict[str, object], inspection: AudioInspection, on_cpu: bool) -> list[Decision]:
    """Choose the open settings, add them to the table of `[data]`, and return the decisions."""
    decisions = []

    def choose(name: str, value: float, text: str, reason: str) -> None:
        if table.get(name) is None:
            table[name] = value
            decisions.append(Decision(name, text, reason))

    usual = round(statistics.median_low(inspection.rates))
    is_large = not on_cpu and usual >= LARGE_RATE * 0.7
    size = LARGE_SIZE if is_large else SMALL_SIZE
    larger = "" if is_large else f"; finer ones need {'a GPU or hours' if on_cpu else 'a longer run'} (`data.size` 128)"
    choose("size", size, f"{size} mel bands x {size} frames", f"a spectrogram of each sound{larger}")
    wanted = LARGE_RATE if int(str(table["size"])) >= LARGE_SIZE else SMALL_RATE
    rate = max(MIN_RATE, min(wanted, usual))
    lower = f"keeps frequencies up to {rate // 2} Hz; most sounds have {usual} Hz (`data.rate`)"
    choose("rate", rate, f"{rate} Hz", "as in the sounds" if rate == usual else lower)
    seconds = _SECONDS[wanted]
    median = statistics.median(inspection.seconds)
    choose("seconds", seconds, f"{seconds:g} s", f"of sounds of {median:.2f} s in the median (`data.seconds`)")
    return decisions
