"""Sounds as a kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import ValidationError

from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.audio.sources import claim_sounds
from zerosum.data.kind import DataKind, Inspection, LoadOptions
from zerosum.errors import BadInput
from zerosum.settings import Decision

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.audio.codec import AudioCodec
    from zerosum.data.codec import Codec
    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.run_folder import Json


class Audio(DataKind):
    """Sounds in a folder, whose samples are log-mel spectrograms."""

    name: ClassVar[str] = "audio"
    noun: ClassVar[str] = "sound"
    extra: ClassVar[str] = "audio"
    traits: ClassVar[tuple[str, ...]] = ("positions",)
    class_hint: ClassVar[str] = "put the sounds of each class into a folder of its own, or add a labels.csv"

    @property
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""
        return AudioDataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        """Return nearly 1 for a folder most files of which are sounds."""
        return claim_sounds(str(table.get("source", "")))

    def find_traits(self, data: DataConfig) -> tuple[str, ...]:
        """Return "positions": rows are pitches and columns times, which a discriminator must tell apart."""
        return self.traits

    def inspect(self, data: DataConfig) -> Inspection:
        """List the folder, and read the headers of some sounds.

        Raises:
            BadInput: it cannot be used, or soundfile or SciPy is not installed.
        """
        from zerosum.data.audio.inspect import inspect_sounds

        assert isinstance(data, AudioDataConfig), "the settings are of this kind"
        return inspect_sounds(data)

    def choose_settings(self, table: dict[str, object], inspection: Inspection, on_cpu: bool) -> list[Decision]:
        """Choose size, rate and length."""
        from zerosum.data.audio.inspect import AudioInspection, choose_audio_settings

        assert isinstance(inspection, AudioInspection), "this kind made the inspection"
        return choose_audio_settings(table, inspection, on_cpu)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Load the sounds, prepared, with their spectrograms."""
        from zerosum.data.audio.inspect import AudioInspection
        from zerosum.data.audio.load import load_sounds

        assert isinstance(data, AudioDataConfig), "the settings are of this kind"
        folder = inspection.folder if isinstance(inspection, AudioInspection) else None
        return load_sounds(data, options, folder)

    def choose_common_settings(self, sources: Mapping[str, str], given: Mapping[str, object]) -> AudioDataConfig:
        """Return the form of the first source, or the given one, for all.

        Raises:
            BadInput: a source cannot be used, or a setting is wrong.
        """
        from zerosum.data.audio.inspect import choose_audio_settings, inspect_sounds

        table: dict[str, object] = {**given, "source": next(iter(sources.values()))}
        try:
            checked = AudioDataConfig.model_validate(table)
            choose_audio_settings(table, inspect_sounds(checked), on_cpu=True)
            return AudioDataConfig.model_validate(table)
        except ValidationError as error:
            first = error.errors()[0]
            reason = first["msg"].removeprefix("Value error, ")
            field = f"`{first['loc'][0]}` {first['input']}: " if first["loc"] else ""
            raise BadInput(field + reason[0].lower() + reason[1:]) from None

    def load_file(self, data: DataConfig, path: Path, codec: Codec) -> Tensor:
        """Load a sound file as a sample (1, 1, H, W) of a run.

        Raises:
            BadInput: it cannot be used, or is silent.
        """
        from zerosum.data.audio.codec import AudioCodec
        from zerosum.data.audio.imports import require_audio_packages
        from zerosum.data.audio.mono import read_mono
        from zerosum.data.audio.prepare import Preparation
        from zerosum.data.audio.sound_file import SoundReader, refuse_unreadable

        assert isinstance(data, AudioDataConfig), "the settings are of this kind"
        assert isinstance(codec, AudioCodec), "and so is the codec"
        require_audio_packages()
        preparation = Preparation(codec, data.trim)
        with refuse_unreadable(path), SoundReader(path) as file:
            items = preparation(read_mono(file, codec.rate, preparation.max_seconds))
        if not len(items):
            raise BadInput(f"{path}: this sound is silent; give another file")
        return codec.encode_sounds(items)

    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> AudioCodec:
        """Return the codec of sounds that was saved."""
        from zerosum.data.audio.codec import AudioCodec
        from zerosum.data.audio.wave_codec import FORM, WaveCodec

        return (WaveCodec if settings.get("form") == FORM else AudioCodec).restore(settings)


AUDIO = Audio()
