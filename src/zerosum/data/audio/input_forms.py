"""What inputs are of which sounds are made: sounds, or their log-mel spectrograms alone.

Importing this module does not import PyTorch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zerosum.game.sample_spec import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.audio.log_mel import LogMel


@dataclass(frozen=True)
class InputForm(ABC):
    """The form of inputs: what is made of sounds, and what can be compared with them."""

    log_mel: LogMel
    """The form of spectrograms, and the rate."""
    is_spectrogram: ClassVar[bool] = False
    """Whether an input is a spectrogram, not a sound."""
    baseline_name: ClassVar[str] = "input"
    """What `as_waves` makes of inputs, in a word."""

    @property
    @abstractmethod
    def spec(self) -> TensorSpec:
        """What an input is."""

    @abstractmethod
    def make(self, sounds: Tensor) -> Tensor:
        """Return inputs (N, ...) that are made of sounds (N, T), of any number of whole frames."""

    @abstractmethod
    def as_waves(self, inputs: Tensor) -> Tensor:
        """Return waveforms (N, 1, T) in [-1, 1] that are made of inputs (N, ...) without a network."""

    @abstractmethod
    def as_spectrograms(self, inputs: Tensor) -> Tensor:
        """Return the log-mel spectrograms (N, 1, H, W) of inputs (N, ...)."""


class SoundInputs(InputForm):
    """Inputs are sounds (N, 1, T)."""

    @property
    def spec(self) -> TensorSpec:
        """A sound (1, T)."""
        return TensorSpec((1, self.log_mel.length), bounded=True)

    def make(self, sounds: Tensor) -> Tensor:
        """Return sounds (N, T) as they are, (N, 1, T)."""
        return sounds[:, None]

    def as_waves(self, inputs: Tensor) -> Tensor:
        """Return inputs as they are."""
        return inputs

    def as_spectrograms(self, inputs: Tensor) -> Tensor:
        """Return the spectrograms (N, 1, H, W) of inputs (N, 1, T)."""
        return self.log_mel.spectrogram(inputs[:, 0])


class SpectrogramInputs(InputForm):
    """Inputs are log-mel spectrograms (N, H, W) in [-1, 1], the highest band first."""

    is_spectrogram: ClassVar[bool] = True
    baseline_name: ClassVar[str] = "Griffin-Lim"

    @property
    def spec(self) -> TensorSpec:
        """A spectrogram (H, W)."""
        return TensorSpec((self.log_mel.bands, self.log_mel.frames), bounded=True)

    def make(self, sounds: Tensor) -> Tensor:
        """Return the spectrograms (N, H, W) of sounds (N, T)."""
        return self.log_mel.spectrogram(sounds)[:, 0]

    def as_waves(self, inputs: Tensor) -> Tensor:
        """Return waveforms (N, 1, T) of spectrograms (N, H, W), by the algorithm of Griffin and Lim."""
        import torch

        seeds = torch.zeros(len(inputs), dtype=torch.int64)
        return self.log_mel.sounds(inputs[:, None].float(), seeds)[:, None].clamp(-1, 1)

    def as_spectrograms(self, inputs: Tensor) -> Tensor:
        """Return spectrograms (N, H, W) as images (N, 1, H, W)."""
        return inputs[:, None]
