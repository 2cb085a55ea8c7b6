"""Settings of the translator into waveforms that ends in an inverse Fourier transform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.game.sample_spec import require_single_tensor
from zerosum.game.stft_window import choose_window
from zerosum.networks.configs.base import GeneratorConfig, Width, format_shape

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec, TensorSpec
    from zerosum.networks.vocos import Backbone


class VocosGeneratorConfig(GeneratorConfig):
    """Log-mel spectrograms, or waveforms, to waveforms, frame by frame (Vocos, Siuzdak 2023, arXiv:2306.00814).

    The magnitudes of a spectrogram's frames start from those that its bands leave open (Lv et al. 2024, "FreeV",
    arXiv:2406.08196); waveforms get a correction.
    """

    kind: Literal["vocos"] = "vocos"
    is_translator: ClassVar[bool] = True
    keeps_weights_across_sizes: ClassVar[bool] = True
    condition: Literal["none"] = "none"
    """Translators have no class condition."""
    width: Width = 512
    """Channels of the blocks."""
    blocks: Annotated[int, Field(ge=1, le=64)] = 8
    """Number of blocks; each sees three more frames on either side."""
    hidden_factor: Annotated[int, Field(ge=1, le=8)] = 3
    """Channels within a block, as a multiple of `width`."""
    fitting_steps: Annotated[int, Field(ge=0, le=64)] = 32
    """Of spectrograms: steps that bring the bands of the output to those of the input (arXiv:1903.03971)."""
    training_steps: Annotated[int, Field(ge=0, le=64)] = 32
    """As many of these steps while it is trained; fewer take less time."""
    hop: Annotated[int, Field(ge=16, le=4096)] = 256
    """Numbers of a waveform from one frame to the next, where inputs are waveforms; of spectrograms it follows."""

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms may require."""
        return frozenset({"waveforms"})

    def build(
        self,
        latent_size: int,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network: spectrograms (N, H, W) or waveforms (N, 1, T) to waveforms (N, 1, T), of any length.

        Raises:
            BadInput: samples are no waveforms, or the inputs do not fit.
        """
        output = require_single_tensor(spec, self.kind)
        check_waveform(self.kind, output)
        if input_spec is None:
            raise BadInput(f'{self.kind} translates: set `game.kind` to "translation", or choose another generator.')
        inputs = require_single_tensor(input_spec, self.kind)
        return self._build_corrector() if inputs.shape == output.shape else self._build_vocoder(inputs, output)

    def _build_vocoder(self, inputs: TensorSpec, output: TensorSpec) -> nn.Module:
        """Return the network of log-mel spectrograms.

        Raises:
            BadInput: the inputs are no spectrograms of the outputs.
        """
        bands, frames = inputs.shape if len(inputs.shape) == 2 else (0, 0)
        length = output.shape[1]
        if not frames or length % frames:
            raise BadInput(
                f"{self.kind} needs spectrograms of whole frames, or waveforms, got inputs of shape "
                f"{format_shape(inputs.shape)} for outputs of shape {format_shape(output.shape)}."
            )
        assert output.window, "a kind of data whose inputs are spectrograms says what their window is"
        from zerosum.networks import vocos

        transform = vocos.Transform(output.window, length // frames)
        mel_bands = vocos.MelBands(bands, transform, output.rate)
        backbone = self._build_backbone(bands, transform.bins)
        return vocos.SpectrogramVocoder(backbone, transform, mel_bands, self.fitting_steps, self.training_steps)

    def _build_corrector(self) -> nn.Module:
        """Return the network of waveforms."""
        from zerosum.networks import vocos

        transform = vocos.Transform(choose_window(self.hop), self.hop)
        return vocos.WaveformCorrector(self._build_backbone(2 * transform.bins, transform.bins), transform)

    def _build_backbone(self, in_channels: int, bins: int) -> Backbone:
        from zerosum.networks import vocos

        return vocos.Backbone(in_channels, self.width, self.hidden_factor * self.width, self.blocks, bins)


def check_waveform(kind: str, spec: TensorSpec) -> None:
    """Check that samples are mono waveforms.

    Raises:
        BadInput: they are not.
    """
    if len(spec.shape) != 2 or spec.shape[0] != 1 or not spec.rate:
        raise BadInput(
            f"{kind} needs waveforms, got samples of shape {format_shape(spec.shape)}: train on sounds with "
            "`data.degrade`, or choose other networks."
        )
