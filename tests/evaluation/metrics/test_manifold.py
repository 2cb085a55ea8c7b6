"""Scores of all pairs against naive loops, torchmetrics, closed forms and redraws."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.image.kid import KernelInceptionDistance

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.manifold import (
    compute_cross_scores,
    compute_pairwise_scores,
    compute_self_distances,
    kernel_distance,
)


def draw(rows: int, width: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=random) * scale + shift


def naive(reals: torch.Tensor, fakes: torch.Tensor, k: int) -> dict[str, np.ndarray]:
    """Precision and its like as their papers write them: distances from differences, one row after another."""
    x, y = reals.double().numpy(), fakes.double().numpy()

    def distances(one: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.sqrt(((others - one) ** 2).sum(1))

    real_radii = np.array([np.sort(np.delete(distances(row, x), i))[k - 1] for i, row in enumerate(x)])
    fake_radii = np.array([np.sort(np.delete(distances(row, y), i))[k - 1] for i, row in enumerate(y)])
    crowd = np.array([(distances(row, x) < real_radii).sum() for row in y])
    reached = np.array([(distances(row, y) < fake_radii).any() for row in x])
    covered = np.array([(distances(row, y) < radius).any() for row, radius in zip(x, real_radii, strict=True)])
    return {"crowd": crowd, "inside": crowd > 0, "reached": reached, "covered": covered}


def with_copies(rows: torch.Tensor, count: int, of: torch.Tensor, seed: int) -> torch.Tensor:
    """Some rows replaced by copies of rows of another set, or of their own."""
    random = torch.Generator().manual_seed(seed)
    rows = rows.clone()
    to = torch.randperm(len(rows), generator=random)[:count]
    rows[to] = of[torch.randint(len(of), (count,), generator=random)]
    return rows


def sets(case: str) -> tuple[torch.Tensor, torch.Tensor]:
    reals, fakes = draw(140, 9, 1, shift=30), draw(95, 9, 2, scale=1.2, shift=30)
    many, more = draw(1300, 5, 7), draw(2700, 5, 9, scale=1.3)
    return {
        "plain": (reals, fakes),
        "duplicates": (with_copies(reals, 60, reals, 3), with_copies(fakes, 40, fakes, 4)),
        "fakes copy reals": (with_copies(reals, 20, reals, 3), with_copies(fakes, 60, reals, 5)),
        "all fakes are reals": (reals, reals.flip(0)),
        "on a grid": (reals.round(), fakes.round()),
        "far apart": (reals, fakes * 1e4),
        "a far outlier": (torch.cat([reals, draw(1, 9, 6, scale=1e4)]), fakes),
        "several blocks": (with_copies(many, 200, many, 8), with_copies(more, 700, many, 8)),
    }[case]


CASES = ["plain", "duplicates", "fakes copy reals", "all fakes are reals", "on a grid", "far apart", "a far outlier"]


@pytest.mark.parametrize(("case", "k"), [(case, k) for case in CASES for k in (1, 3, 5)] + [("several blocks", 4)])
def test_balls_are_exactly_the_naive_loops(case: str, k: int) -> None:
    reals, fakes = sets(case)
    found, wanted = (
        compute_pairwise_scores(FeatureTable.from_tensor(reals), FeatureTable.from_tensor(fakes), k),
        naive(reals, fakes, k),
    )
    for name, values in wanted.items():
        np.testing.assert_array_equal(getattr(found, name), values, err_msg=name)
    assert found.precision.value == wanted["inside"].mean()
    assert found.recall.value == wanted["reached"].mean()
    assert found.coverage.value == wanted["covered"].mean()
    assert found.density.value == pytest.approx(wanted["crowd"].mean() / k, rel=1e-14)
    assert found.precision.error == pytest.approx(wanted["inside"].std(ddof=1) / math.sqrt(len(fakes)))


class Same(nn.Module):
    num_features = 9

    def forward(self, x):
        return x


@pytest.mark.filterwarnings("ignore:Metric:UserWarning")
@pytest.mark.parametrize("shift", [0.0, 30.0])
def test_the_kernel_distance_is_torchmetrics(shift: float) -> None:
    """Its one subset must be everything, so both sets have 1,300 rows here; other sizes are tested by hand below."""
    reals, fakes = draw(1300, 9, 1, shift=shift), draw(1300, 9, 2, scale=1.1, shift=shift + 0.1)
    theirs = KernelInceptionDistance(feature=Same(), subsets=1, subset_size=1300, normalize=True)
    theirs.update(reals.double(), real=True)
    theirs.update(fakes.double(), real=False)
    wanted = float(theirs.set_dtype(torch.float64).compute()[0])
    assert kernel_distance(FeatureTable.from_tensor(reals), FeatureTable.from_tensor(fakes)).value == pytest.approx(
        wanted, rel=1e-6
    )


def kernel_by_hand(x: np.ndarray, y: np.ndarray) -> float:
    n, m = len(x), len(y)
    xx, yy, xy = ((p @ q.T / x.shape[1] + 1) ** 3 for p, q in [(x, x), (y, y), (x, y)])
    own = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return float(own - 2 * xy.mean())


def test_the_kernel_distance_and_its_error_by_hand() -> None:
    """The jackknife by really leaving out one row after another."""
    x, y = draw(40, 4, 1, shift=2), draw(55, 4, 2, shift=2.3)
    found = compute_pairwise_scores(FeatureTable.from_tensor(x), FeatureTable.from_tensor(y)).kernel_distance
    x, y = x.double().numpy(), y.double().numpy()
    reals = [kernel_by_hand(np.delete(x, i, 0), y) for i in range(40)]
    fakes = [kernel_by_hand(x, np.delete(y, i, 0)) for i in range(55)]
    assert found.value == pytest.approx(kernel_by_hand(x, y), rel=1e-11)
    assert found.error == pytest.approx(math.sqrt(39 * np.var(reals) + 54 * np.var(fakes)), rel=1e-9)


def test_the_kernel_distance_of_answers_and_its_error_by_hand() -> None:
    """A real and its own answer make no pair; the jackknife really leaves out one such pair after another."""

    def by_hand(x: np.ndarray, y: np.ndarray) -> float:
        n = len(x)
        xx, yy, xy = ((p @ q.T / x.shape[1] + 1) ** 3 for p, q in [(x, x), (y, y), (x, y)])
        return float(sum((each.sum() - np.trace(each)) * sign for each, sign in [(xx, 1), (yy, 1), (xy, -2)])) / (
            n * (n - 1)
        )

    x = draw(40, 4, 1, shift=2)
    y = x + draw(40, 4, 2, scale=0.3, shift=0.2)
    found = compute_cross_scores(
        compute_self_distances(FeatureTable.from_tensor(x)),
        compute_self_distances(FeatureTable.from_tensor(y)),
        paired=True,
    ).kernel_distance
    x, y = x.double().numpy(), y.double().numpy()
    without = [by_hand(np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(40)]
    assert found.value == pytest.approx(by_hand(x, y), rel=1e-9)
    assert found.error == pytest.approx(math.sqrt(39 * np.var(without)), rel=1e-9)


def test_answers_are_not_counted_for_their_own_real() -> None:
    """Against loops that leave out the own one: several blocks, whose diagonals are the answers'."""
    x = draw(1100, 4, 3)
    y = x + draw(1100, 4, 4, scale=0.4)
    found = compute_cross_scores(
        compute_self_distances(FeatureTable.from_tensor(x), 3),
        compute_self_distances(FeatureTable.from_tensor(y), 3),
        paired=True,
    )
    reals, fakes = x.double(), y.double()
    balls = [torch.cdist(each, each).fill_diagonal_(torch.inf).sort(1).values[:, 2] for each in (reals, fakes)]
    apart = torch.cdist(reals, fakes).fill_diagonal_(torch.inf)
    assert np.array_equal(found.density_counts, (apart < balls[0][:, None]).sum(0).numpy())
    assert np.array_equal(found.coverage_mask, (apart < balls[0][:, None]).any(1).numpy())
    assert np.array_equal(found.recall_mask, (apart < balls[1]).any(1).numpy())


def test_the_kernel_distance_of_perfect_answers_is_near_zero() -> None:
    """Answers that are all but right are of one distribution with the reals: no bias but where own answers count.

    With them the mean of 60 draws of 150 lies more than 20 of its errors below 0; without, within 4 (one seed in
    5,000 falls out). In several blocks too, whose diagonals are the answers'.
    """
    draws = [draw(150, 6, seed) for seed in range(60)]
    pairs = [
        (
            compute_self_distances(FeatureTable.from_tensor(x)),
            compute_self_distances(FeatureTable.from_tensor(x + draw(150, 6, 999 + s, scale=0.05))),
        )
        for s, x in enumerate(draws)
    ]
    fair, biased = (
        np.array([compute_cross_scores(*p, paired=how).kernel_distance.value for p in pairs]) for how in (True, False)
    )
    assert abs(fair.mean()) < 4 * fair.std(ddof=1) / math.sqrt(60)
    assert biased.mean() < -20 * biased.std(ddof=1) / math.sqrt(60)
    many = draw(1300, 5, 7)
    assert compute_cross_scores(
        compute_self_distances(FeatureTable.from_tensor(many)),
        compute_self_distances(FeatureTable.from_tensor(many)),
        paired=True,
    ).kernel_distance.value == pytest.approx(0, abs=1e-9)


def test_the_kernels_error_is_that_of_redraws() -> None:
    """Different sets: the root mean square error over 300 redraws against the spread of the 300 distances.

    The spread is known to 4%, the jackknife's mean better; outside of 0.85 to 1.2 is four standard deviations away.
    """
    scores = [
        kernel_distance(
            FeatureTable.from_tensor(draw(150, 6, s)), FeatureTable.from_tensor(draw(200, 6, s + 999, 1.3, 0.4))
        )
        for s in range(300)
    ]
    spread = np.std([score.value for score in scores], ddof=1)
    assert 0.85 < math.sqrt(np.mean([score.error**2 for score in scores])) / spread < 1.2


def test_the_kernel_distance_of_one_distribution_is_near_zero() -> None:
    """Without bias, and within three of its errors, which are too large by about 1.4 where the sets are alike.

    In 1,500 draws one lay outside: 20 of 20 lie within but for some 2 seeds in 100. The mean of 60 lies within 4 of
    its errors but for one seed in 5,000.
    """
    scores = [
        kernel_distance(FeatureTable.from_tensor(draw(200, 6, s)), FeatureTable.from_tensor(draw(150, 6, s + 999)))
        for s in range(60)
    ]
    assert all(abs(score.value) < 3 * score.error for score in scores[:20])
    values = np.array([score.value for score in scores])
    assert abs(values.mean()) < 4 * values.std() / math.sqrt(60)
    assert 1.0 < math.sqrt(np.mean([score.error**2 for score in scores])) / values.std() < 1.9


def test_of_one_distribution_coverage_and_density_are_the_papers() -> None:
    """Coverage is 1 - (N - 1)...(N - k) / ((2N - 1)...(2N - k)) and density 1 (Naeem et al. 2020, section 3.3).

    Whatever the distribution. Means over 20 draws lie within 4 of their errors but for one seed in 1,000 (Student's t).
    """
    found = [
        compute_pairwise_scores(
            FeatureTable.from_tensor(draw(300, 12, s)), FeatureTable.from_tensor(draw(300, 12, s + 999)), 3
        )
        for s in range(20)
    ]
    coverage = 1 - math.prod((300 - i) / (600 - i) for i in range(1, 4))
    for values, wanted in [([p.coverage.value for p in found], coverage), ([p.density.value for p in found], 1.0)]:
        error = np.std(values, ddof=1) / math.sqrt(20)
        assert error < 0.03
        assert abs(np.mean(values) - wanted) < 4 * error


def test_collapsed_fakes_give_finite_scores() -> None:
    reals = draw(100, 7, 1)
    found = compute_pairwise_scores(
        FeatureTable.from_tensor(reals), FeatureTable.from_tensor(reals[:1].expand(60, -1).clone())
    )
    assert found.recall.value == 0
    assert found.precision.value == 1
    assert 0 < found.coverage.value < 0.5
    assert all(math.isfinite(number) for score in (found.kernel_distance, found.density) for number in score)


def test_rows_order_does_not_matter() -> None:
    reals, fakes = draw(1200, 7, 1), draw(700, 7, 2, shift=0.1)
    order = torch.randperm(1200, generator=torch.Generator().manual_seed(3))
    one, other = (
        compute_pairwise_scores(FeatureTable.from_tensor(rows), FeatureTable.from_tensor(fakes))
        for rows in (reals, reals[order])
    )
    assert one.kernel_distance == pytest.approx(other.kernel_distance, rel=1e-9)
    assert (one.precision, one.recall, one.coverage) == (other.precision, other.recall, other.coverage)
    np.testing.assert_array_equal(one.coverage_mask[order], other.coverage_mask)
    np.testing.assert_array_equal(one.density_counts, other.density_counts)


def test_a_side_serves_several_comparisons() -> None:
    reals, held, fakes = (FeatureTable.from_tensor(draw(80, 7, seed, shift=seed)) for seed in (1, 2, 3))
    kept = compute_self_distances(reals, 3)
    for other in (held, fakes, reals):
        assert (
            compute_cross_scores(kept, compute_self_distances(other, 3)).kernel_distance
            == compute_pairwise_scores(reals, other, 3).kernel_distance
        )
        assert compute_cross_scores(kept, compute_self_distances(other, 3)).kernel_distance == pytest.approx(
            kernel_distance(reals, other), rel=1e-12
        )


def test_a_set_lies_in_its_own_balls() -> None:
    """Also where one table is both sides."""
    reals = FeatureTable.from_tensor(draw(80, 7, 1))
    found = compute_pairwise_scores(reals, reals)
    assert found.precision.value == found.recall.value == found.coverage.value == 1
    x = draw(80, 7, 1).double().numpy()
    assert found.kernel_distance.value == pytest.approx(kernel_by_hand(x, x), rel=1e-9)


def test_refuses_what_cannot_be_compared() -> None:
    good = FeatureTable.from_tensor(draw(20, 3, 1))
    with pytest.raises(BadInput, match="at least 7"):
        compute_pairwise_scores(good, FeatureTable.from_tensor(draw(6, 3, 2)))
    with pytest.raises(BadInput, match="one feature network"):
        compute_pairwise_scores(good, FeatureTable.from_tensor(draw(20, 4, 2)))
    with pytest.raises(BadInput, match="same features"):
        compute_pairwise_scores(FeatureTable.from_tensor(torch.ones(20, 3)), good)
    with pytest.raises(BadInput, match="not finite"):
        compute_pairwise_scores(good, FeatureTable.from_tensor(torch.full((20, 3), torch.inf)))
    with pytest.raises(BadInput, match="not finite"):
        kernel_distance(good, FeatureTable.from_tensor(torch.full((20, 3), torch.nan)))
    with pytest.raises(BadInput, match="at least 3"):
        kernel_distance(good, FeatureTable.from_tensor(draw(2, 3, 1)))
    with pytest.raises(BadInput, match="one k"):
        compute_cross_scores(compute_self_distances(good, 3), compute_self_distances(good, 5))
