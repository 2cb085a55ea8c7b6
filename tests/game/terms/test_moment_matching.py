"""Matching of moments against the sum over pairs, and against the distance of known distributions."""

from itertools import permutations

import pytest
import torch
from torch import Tensor, nn

from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.schedule import Progress
from zerosum.game.terms.moment_matching import MomentMatching


def moment_term(real: Tensor, fake: Tensor) -> Tensor:
    play = Play(
        nn.Module(), pytest.fail, DiscriminatorInput(real), lambda: DiscriminatorInput(fake), {"real": real}, Progress()
    )
    return MomentMatching()(play)


def mean_over_pairs(first: Tensor, second: Tensor) -> float:
    """Return the mean of x.y + (x.y)^2 over all pairs of different places."""
    products = [float(first[i] @ second[j]) for i, j in permutations(range(len(first)), 2)]
    return sum(product + product**2 for product in products) / len(products)


def test_term_equals_the_sum_over_pairs() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(5, 3).double(), torch.randn(5, 3).double()
    scale = real.square().sum(1).mean() ** -0.5
    x, y = real * scale, fake * scale
    expected = mean_over_pairs(x, x) + mean_over_pairs(y, y) - 2 * mean_over_pairs(y, x)
    assert moment_term(real, fake).item() == pytest.approx(expected, rel=1e-12)
    assert moment_term(real.view(5, 3, 1), fake.view(5, 3, 1)).item() == pytest.approx(expected, rel=1e-12)


def test_mean_is_0_for_equal_distributions_and_the_squared_distance_of_moments_for_others() -> None:
    torch.manual_seed(0)
    equal, other = [], []
    for _ in range(100):
        real = torch.randint(0, 2, (512, 1)).double()
        equal.append(moment_term(real, torch.randint(0, 2, (512, 1)).double()).item())
        other.append(moment_term(real, torch.ones(512, 1).double()).item())
    # half of the real values are 1, which is scaled to the root of 2: means differ by half of it, and squares by 1
    assert abs(torch.tensor(equal).mean()) < 0.002  # 4 standard errors
    assert torch.tensor(other).mean().item() == pytest.approx(0.5 + 1, rel=0.05)


def test_the_gradient_moves_fakes_and_not_real_samples() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(256, 2).double() + 1, torch.zeros(256, 2).double()
    real.requires_grad_(True)
    fake = (fake + 0.1 * torch.randn(256, 2)).requires_grad_(True)
    optimizer = torch.optim.Adam([fake], 0.05)
    for _ in range(200):
        optimizer.zero_grad()
        moment_term(real, fake).backward()
        optimizer.step()
    assert real.grad is None
    torch.testing.assert_close(fake.mean(0), real.mean(0).detach(), atol=0.1, rtol=0)
    torch.testing.assert_close(fake.T.cov(), real.detach().T.cov(), atol=0.2, rtol=0)


def test_a_single_sample_has_no_pairs() -> None:
    assert moment_term(torch.ones(1, 3), torch.zeros(1, 3)).item() == 0
