"""Orthogonal regularization, with which BigGAN's generator accepts truncated latents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from zerosum.game.play import Play

EXCLUDED_PARAMETER = "embedding"
"""Component of the names of class embeddings, whose rows are no filters: they are excluded."""


class OrthogonalRegularization(TermSettings):
    """Sum of the squared inner products of the generator's different filters, regardless of their norms.

    Brock et al. 2018 (BigGAN), arXiv:1809.11096, equation 3. It is computed on the trained weights, before spectral
    norm divides them, and it grows with the size of the network.
    """

    kind: Literal["orthogonal"] = "orthogonal"
    weight: Schedule = 1e-4
    """Weight of the term, the paper's beta."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"

    def __call__(self, play: Play) -> Tensor:
        """Return the sum of |W W^T (1 - I)|_F^2 over weight matrices W, one row per output: a float32 scalar."""
        import torch

        # in half precision, the rounding error would soon exceed the remaining inner products
        matrices = list(weight_matrices(play.game.generator))
        with torch.autocast(matrices[0].device.type, enabled=False):
            sums = [_off_diagonal_gram_sq(matrix) for matrix in matrices]
        return torch.stack(sums).sum()


def _off_diagonal_gram_sq(matrix: Tensor) -> Tensor:
    """Return the sum of the squared inner products of different rows."""
    products = matrix @ matrix.T
    return (products - products.diagonal().diag()).square().sum()


def weight_matrices(network: nn.Module) -> Iterator[Tensor]:
    """Yield the weights of a network as matrices, one row per output, without class embeddings, gains and biases."""
    from torch import nn

    transposed = {
        id(parameter)
        for module in network.modules()
        if isinstance(module, nn.ConvTranspose2d)
        for parameter in module.parameters()
    }
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and EXCLUDED_PARAMETER not in name.split("."):
            rows = parameter.transpose(0, 1) if id(parameter) in transposed else parameter
            yield rows.flatten(1)
