"""Settings of the discriminators of waveforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zerosum.errors import BadInput
from zerosum.game.sample_spec import require_single_tensor
from zerosum.networks.configs.base import DiscriminatorConfig, Width, Widths
from zerosum.networks.configs.vocos import check_waveform

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.sample_spec import SampleSpec

Period = Annotated[int, Field(ge=2, le=100)]
Window = Annotated[int, Field(ge=64, le=8192)]


class HiFiGANDiscriminatorConfig(DiscriminatorConfig):
    """Scores waveforms folded at several periods (HiFi-GAN, arXiv:2010.05646), and their spectrograms (UnivNet)."""

    kind: Literal["hifigan"] = "hifigan"
    keeps_weights_across_sizes: ClassVar[bool] = True
    condition: Literal["none"] = "none"
    """It has no class condition."""
    periods: Annotated[tuple[Period, ...], Field(max_length=16)] = (2, 3, 5, 7, 11)
    """Periods at which a waveform is folded, one discriminator each; the paper's are primes."""
    period_widths: Widths = (32, 128, 512, 1024, 1024)
    """Channels of the convolutions of each period, of which all but the last skip two of three numbers."""
    windows: Annotated[tuple[Window, ...], Field(max_length=8)] = (512, 1024, 2048)
    """Lengths of the windows of spectrograms, one discriminator each (UnivNet, arXiv:2106.07889)."""
    window_width: Width = 32
    """Channels of the convolutions of each spectrogram."""
    window_layers: Annotated[int, Field(ge=1, le=6)] = 4
    """Number of convolutions of each spectrogram, which halve its frequencies, and all but the first its frames."""

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        if not self.periods and not self.windows:
            raise ValueError("`periods` and `windows` are both empty: give at least one period or one window")
        return self

    @property
    def capabilities(self) -> frozenset[str]:
        """The properties of the network that terms and games may require."""
        return frozenset({"feature maps"})

    def build(
        self,
        spec: SampleSpec,
        num_classes: int = 0,
        input_spec: SampleSpec | None = None,
        condition_spec: SampleSpec | None = None,
    ) -> nn.Module:
        """Build the network, waveforms (N, 1, T) to scores of their positions.

        Raises:
            BadInput: the samples are no waveforms, or are shorter than a window.
        """
        tensor_spec = require_single_tensor(spec, self.kind)
        check_waveform(self.kind, tensor_spec)
        if tensor_spec.shape[1] < max(self.windows, default=0):
            raise BadInput(
                f"`discriminator.windows` {max(self.windows)}: is longer than sounds of {tensor_spec.shape[1]} numbers"
                "; give shorter ones, or a larger `data.seconds`"
            )
        from zerosum.networks import hifigan

        periods = [
            hifigan.PeriodDiscriminator(period, hifigan.build_period_branch(self.period_widths))
            for period in self.periods
        ]
        windows = [
            hifigan.ResolutionDiscriminator(
                window, hifigan.build_resolution_branch(self.window_width, self.window_layers)
            )
            for window in self.windows
        ]
        return hifigan.Discriminator([*periods, *windows])
