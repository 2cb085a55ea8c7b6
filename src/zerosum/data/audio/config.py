"""Settings of sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from zerosum.data.audio.degradations import check_degradations
from zerosum.data.config import DataConfig
from zerosum.data.images.groups import check_pattern, is_pattern
from zerosum.errors import BadInput
from zerosum.game.stft_window import choose_window

if TYPE_CHECKING:
    from zerosum.data.audio.codec import SpectrogramCodec
    from zerosum.data.audio.wave_codec import WaveCodec

MIN_RATE = 2_000
"""Least rate in Hz of sounds."""
MIN_HOP = 16
MAX_HOP_SECONDS = 0.1


def _split_commas(names: object) -> object:
    """Split a string of comma-separated names into a list; return any other value unchanged."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


class AudioDataConfig(DataConfig):
    """Sounds in a folder."""

    kind: Literal["audio"] = "audio"
    source: str = ""
    """A folder of sound files: .wav, .flac, .ogg, .mp3, .aiff; its subfolders are the classes, or a labels.csv."""
    label: str = ""
    """The column of labels.csv that holds the classes. Left out: label, class, category and the like."""
    groups: str = ""
    """Sounds that stay on one side of the split: those with one value of this column of labels.csv, those of one
    folder ("folder"), or those for which a regular expression finds one text, such as ([^/]*)-, in their paths: a kit,
    a speaker."""
    size: Annotated[int, Field(ge=16, le=512)] | None = None
    """Number of mel bands, and of frames, of a spectrogram: 64 or 128. Default: chosen by inspecting the data."""
    rate: Annotated[int, Field(ge=MIN_RATE, le=192_000)] | None = None
    """Rate in Hz to which sounds are resampled. Default: 16000, with `data.size` of 128 or more 44100, and never more
    than the sounds have."""
    seconds: Annotated[float, Field(gt=0, le=60)] | None = None
    """Length of a sound; longer ones are cut, and shorter ones end with silence. Default: about 1."""
    pieces: bool = False
    """Cut longer sounds into pieces of this length, all on one side of the split, in place of using their start."""
    trim: bool = True
    """Remove the silence before a sound."""
    normalize: bool = True
    """Scale each sound, with all its pieces, to a peak of 0.9."""
    time_shift: Annotated[int, Field(ge=0, le=16)] = 2
    """Shift each spectrogram by up to so many frames in training, to later times if it starts with an onset; 0: not."""
    gain: Annotated[float, Field(ge=0, le=20)] = 2.0
    """Change the level of each sound by up to so many decibels in training; 0: not."""
    degrade: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = ()
    """Translate into sounds: samples are waveforms, and each input is made from its sound by these degradations in
    order: noise, lowpass, telephone, mel (its log-mel spectrogram alone). Left out: samples are spectrograms."""
    crop: Annotated[int, Field(ge=0, le=4096)] = 32
    """With `data.degrade`, train on a random part of each sound, of so many hops; 0: on the whole."""
    form_fields: ClassVar[tuple[str, ...]] = ("size", "rate", "seconds", "normalize", "degrade")

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        if self.groups and self.held_out == 0:
            raise ValueError(f"`data.groups` {self.groups}: nothing is held out, so nothing is split; leave it out")
        if is_pattern(self.groups):
            check_pattern(self.groups)
        return self

    @model_validator(mode="after")
    def _check_degradations(self) -> Self:
        try:
            check_degradations(self.degrade)
        except BadInput as error:
            raise ValueError(f"`data.degrade` {','.join(self.degrade)}: {error}") from None
        other = "time_shift" if self.degrade else "crop"
        if (value := dict(self)[other]) != type(self).model_fields[other].default:
            form = "waveforms" if self.degrade else "spectrograms, as `data.degrade` is not set"
            raise ValueError(f"`data.{other}` {value}: has no effect on {form}; leave it out")
        return self

    @model_validator(mode="after")
    def _check_frames(self) -> Self:
        if self.size and self.rate and self.seconds:
            hop = self.hop
            if hop < MIN_HOP or hop > MAX_HOP_SECONDS * self.rate:
                low, high = MIN_HOP * self.size / self.rate, MAX_HOP_SECONDS * self.size
                raise ValueError(
                    f"`data.seconds` {self.seconds:g}: {self.size} frames at {self.rate} Hz hold {low:.2g} to "
                    f"{high:.2g} seconds; give a length in this range, or another `data.size`"
                )
        return self

    @property
    def has_inputs(self) -> bool:
        """Whether a sample has an input, from which a game of translation generates it."""
        return bool(self.degrade)

    @property
    def has_targets(self) -> bool:
        """Whether each input has its own target."""
        return self.has_inputs

    @property
    def degradations(self) -> tuple[str, ...]:
        """The degradations by which the inputs are made from the targets, in order."""
        return self.degrade

    @property
    def hop(self) -> int:
        """Numbers of a sound from one frame to the next; the form must be chosen."""
        return max(1, round((self.seconds or 0) * (self.rate or 0) / (self.size or 1)))

    @property
    def codec(self) -> SpectrogramCodec:
        """The codec of samples that are spectrograms; the form must be chosen."""
        from zerosum.data.audio.codec import SpectrogramCodec

        size, rate = self.size or 0, self.rate or 0
        assert size * rate > 0, "open settings are chosen before data are loaded"
        return SpectrogramCodec(rate, size, size, self.hop, choose_window(self.hop), self.normalize)

    @property
    def wave_codec(self) -> WaveCodec:
        """The codec of samples that are waveforms; the form must be chosen."""
        from zerosum.data.audio.wave_codec import WaveCodec

        return WaveCodec.of(self.codec)
