"""Codes from a normal distribution: its moments, and the seeds of samples."""

import torch

from zerosum.game.seeded_rng import derive_seeds
from zerosum.networks.gaussian_codes import GaussianCodes


def test_codes_have_the_moments_of_those_that_were_fitted() -> None:
    torch.manual_seed(0)
    real = torch.randn(5000, 3) @ torch.tensor([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.1]]) + 1
    count = 20_000
    codes = GaussianCodes.fit(real)(torch.zeros(count, 5), seed=derive_seeds(0, 0, count))
    torch.testing.assert_close(codes.mean(0), real.mean(0), atol=0.06, rtol=0)  # 4 standard errors of the widest
    torch.testing.assert_close(codes.T.cov(), real.T.cov(), atol=0.2, rtol=0)


def test_codes_of_a_shape_are_those_of_their_seeds() -> None:
    torch.manual_seed(0)
    network, seeds = GaussianCodes.fit(torch.randn(50, 2, 3, 1)), derive_seeds(0, 0, 9)
    codes = network(torch.zeros(9, 1), seed=seeds)
    assert codes.shape == (9, 2, 3, 1)
    torch.testing.assert_close(network(torch.ones(2, 1), seed=seeds[4:6]), codes[4:6])
