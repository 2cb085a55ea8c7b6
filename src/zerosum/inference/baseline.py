"""What a generator has to be better than: another one in its place that has learned nothing in the game."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from zerosum.game.types import at_least_float32
from zerosum.inference.generator import Generator
from zerosum.networks.autoencoder import DecodedGenerator
from zerosum.networks.gaussian_codes import GaussianCodes

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset

FITTED_EXAMPLES = 10_000
"""Training examples to whose codes the distribution is fitted."""
_BATCH_SIZE = 500
GAUSSIAN_CODES = "codes from a normal distribution"


@torch.no_grad()
def with_gaussian_codes(generator: Generator, dataset: Dataset) -> Generator | None:
    """Return the generator with codes from a normal distribution that is fitted to those of training examples.

    It shows how good samples are by the decoder alone. None for a generator that makes no codes.

    Args:
        generator: the generator.
        dataset: the data that it was trained on.
    """
    network = generator.network
    if not isinstance(network, DecodedGenerator):
        return None
    device = next(network.parameters()).device
    codes = []
    for first in range(0, min(len(dataset.train), FITTED_EXAMPLES), _BATCH_SIZE):
        sample = dataset.samples(dataset.train[first : first + _BATCH_SIZE])
        assert isinstance(sample, torch.Tensor), "an autoencoder has samples of one tensor"
        codes.append(at_least_float32(network.autoencoder.encode(sample.to(device))))
    fitted = GaussianCodes.fit(torch.cat(codes)).to(device).eval()
    return replace(generator, network=DecodedGenerator(fitted, network.autoencoder).eval())
