"""Tanh whose gradient does not vanish where it leads back from an end of the range.

If all outputs of a generator lie at an end of [-1, 1], such as blank paper, the median of ink on paper, plain
tanh passes no gradient back: its slope is 1e-3 at 4, and 0 from 3.5 on in bfloat16. The generator never moves again,
whatever the discriminator says. So where an output is at an end and gradient descent would move it away from there, the
slope is `RETURN_SLOPE`. All other gradients are those of tanh, to the last bit.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

RETURN_SLOPE = 0.05
"""Slope at the ends, towards 0; .01 is also enough (docs/log.md)."""
END_SLOPE = 1.34e-3
"""Slope of tanh below which an output is at an end: at 4, less than a tenth of a step of 8 bits from it."""


class _Context(Protocol):
    """What `torch.autograd.Function` passes to `backward`."""

    saved_tensors: tuple[Tensor, ...]

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors for `saved_tensors`."""


class _Tanh(torch.autograd.Function):
    """Tanh in value, with the gradient that the module describes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(inputs: Tensor) -> Tensor:
        return inputs.tanh()

    @staticmethod
    def setup_context(ctx: _Context, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: _Context, gradient: Tensor) -> Tensor:
        (output,) = ctx.saved_tensors
        plain: Tensor = torch.ops.aten.tanh_backward(gradient, output)  # the same bits as the derivative of tanh
        # descent leads towards 0 where the gradient has the sign of the output
        is_stuck = (gradient * output > 0) & (1 - output.square() < END_SLOPE)
        return torch.where(is_stuck, RETURN_SLOPE * gradient, plain)


class BoundedTanh(nn.Module):
    """Tanh that passes gradients back from its ends in training mode, plain tanh in evaluation mode."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Map any shape to the same shape, in [-1, 1]."""
        if not self.training:
            return inputs.tanh()
        output: Tensor = _Tanh.apply(inputs)  # type: ignore[no-untyped-call]
        return output
