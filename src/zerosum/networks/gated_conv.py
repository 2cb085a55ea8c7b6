"""Gated convolutions: a picture's holes are filled by layers that learn where to look.

Yu, Lin, Yang, Shen, Lu, Huang 2019, "Free-Form Image Inpainting with Gated Convolution", arXiv:1806.03589, sections 3.1
and 3.2: the first of the paper's two networks, of which the second refines what it makes.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import receptive_field
from zerosum.networks.layers import Activation, Doubling, Weights
from zerosum.networks.padding import cropped, framed
from zerosum.networks.receptive_field import Span


class Gate(nn.Module):
    """The second half of the channels says how much of the first half, after ELU, passes (equation 3)."""

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, 2C, H, W) to (N, C, H, W)."""
        feature, gate = hidden.chunk(2, 1)
        # on a CPU copies are 2.6 times as fast as slices of channels_last, as in fastgan.Gate
        return functional.elu(feature.clone()) * gate.clone().sigmoid()


GATED = Activation(Gate, 2.2404)
"""Its gain g solves E[elu(g u)^2] E[sigmoid(g v)^2] = 1 for standard normal u and v."""


class Inpainter(nn.Module):
    """A picture with holes, and where they are, to the whole picture."""

    takes: tuple[str, ...] = ()
    multiple = 4

    def __init__(self, channels: int, width: int, dilations: tuple[int, ...], weights: Weights) -> None:
        """Build it.

        Args:
            channels: of the picture; the mask is one more.
            width: channels at the picture's own size; twice and four times as many after each halving.
            dilations: of the 3x3 convolutions in the middle, between one and one more that have none.
            weights: how weights are drawn.
        """
        super().__init__()
        half, middle = 2 * width, 4 * width
        spread = [weights.convolution(middle, 2 * middle, side=3, dilation=d, gain=GATED.gain) for d in dilations]
        self.layers = nn.Sequential(
            _gated(weights.convolution(channels + 1, 2 * width, side=5, gain=GATED.gain)),
            _gated(weights.halving(width, 2 * half, GATED.gain)),
            _gated(weights.convolution(half, 2 * half, side=3, gain=GATED.gain)),
            _gated(weights.halving(half, 2 * middle, GATED.gain)),
            _gated(weights.convolution(middle, 2 * middle, side=3, gain=GATED.gain)),
            *map(_gated, spread),
            _gated(weights.convolution(middle, 2 * middle, side=3, gain=GATED.gain)),
            _gated(Doubling(weights.convolution(middle, 2 * half, side=3, gain=GATED.gain))),
            _gated(Doubling(weights.convolution(half, 2 * width, side=3, gain=GATED.gain))),
            weights.convolution(width, channels, side=3),
            nn.Tanh(),
        )
        self._dilations = dilations
        self.reach = receptive_field.farthest(self._span, self.multiple)

    def forward(self, given: Tensor) -> Tensor:
        """(N, C + 1, H, W), the picture and last its mask, -1 where it is known and 1 in the hole, to (N, C, H, W).

        What is known comes back to the last bit; the hole is filled in [-1, 1].
        """
        known, hole = given[:, :-1], (given[:, -1:] + 1) / 2
        made = cropped(self.layers(framed(given, self.multiple)), *given.shape[2:])
        return hole * made + (1 - hole) * known

    def _span(self, span: Span) -> Span:
        """What is seen to make these pixels."""
        span = receptive_field.doubled(receptive_field.doubled(receptive_field.convolved(span, 3)))
        span = receptive_field.convolved(span, 3, dilation=2 + sum(self._dilations))
        span = receptive_field.halved(receptive_field.convolved(receptive_field.halved(span), 3))
        return receptive_field.convolved(span, 5)


def _gated(convolution: nn.Module) -> nn.Module:
    return nn.Sequential(convolution, GATED.make())
