"""Filters that look at different things: what makes BigGAN's generator take latents it was not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zerosum.game.play import Play

EXCLUDED_PARAMETER = "embedding"
"""A part of the name of parameters that hold a vector for each class, and whose rows are no filters."""


class OrthogonalRegularization(TermSettings):
    """The generator's filters are drawn towards right angles with each other, whatever their lengths.

    Brock et al. 2018 (BigGAN), arXiv:1809.11096, equation 3. It is worked out on the weights as they are learned,
    before spectral norm divides them, and it grows with the network's size.
    """

    kind: Literal["orthogonal"] = "orthogonal"
    weight: Schedule = 1e-4
    """Beta."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"

    def __call__(self, play: Play) -> Tensor:
        """The sum over weight matrices W, a row for each output, of |W W^T (1 - I)|_F^2: a scalar, at least float32."""
        import torch

        # in half precision the products would be off by more than what is left of them after a while
        with torch.autocast(play.real_samples.device.type, enabled=False):
            sums = [_off_diagonal_gram_sq(matrix) for matrix in weight_matrices(play.game.generator)]  # type: ignore[arg-type]
        return torch.stack(sums).sum()


def _off_diagonal_gram_sq(matrix: Tensor) -> Tensor:
    """The sum of the squared products of different rows."""
    products = matrix @ matrix.T
    return (products - products.diagonal().diag()).square().sum()


def weight_matrices(network: nn.Module) -> Iterator[Tensor]:
    """The network's weights as matrices, a row for each output; class vectors, gains and biases are left out."""
    from torch import nn

    turned = {
        id(parameter)
        for module in network.modules()
        if isinstance(module, nn.ConvTranspose2d)
        for parameter in module.parameters()
    }
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and EXCLUDED_PARAMETER not in name.split("."):
            rows = parameter.transpose(0, 1) if id(parameter) in turned else parameter
            yield rows.flatten(1)
