"""What an examination makes of samples whose faults are known."""

import math

import numpy as np
import pytest
import torch
from broken_games import SAMPLES, bench, examples, ring_examples, shown
from scipy.stats import chi2

from zerosum.data.points.mixtures import make_grid_mixture, make_ring_mixture
from zerosum.diagnosis import measures
from zerosum.diagnosis.measures import ProbeOutputs
from zerosum.diagnosis.reference_set import EXAMPLES_PER_MODE, ReferenceSet

HALVES = {"every other": [0, 2, 4, 6], "side by side": [0, 1, 2, 3]}


@pytest.fixture(scope="module")
def plain() -> ReferenceSet:
    return bench()


@pytest.fixture(scope="module")
def classed() -> ReferenceSet:
    return bench(ring_examples(classes=True))


def fakes(modes: list[int], seed: int = 3) -> torch.Tensor:
    """As many samples as are examined, evenly from these modes of the ring."""
    return torch.from_numpy(shown(make_ring_mixture(), modes, SAMPLES // len(modes), seed))


def chord(steps: int) -> float:
    """How far two modes of the ring are apart."""
    return 4 * math.sin(steps * math.pi / 8)


def mean_chord(modes: list[int]) -> float:
    return float(np.mean([chord(abs(one - other)) for one in modes for other in modes]))


# ---------------------------------------------------------------------- variety


@pytest.mark.parametrize("half", HALVES)
def test_half_of_the_kinds_are_missing(classed: ReferenceSet, half: str) -> None:
    """Kinds are classes here. The divergence of halves: log 2 / 4 + log (2/3) / 4 + log (4/3) / 2 = 0.216 nats."""
    found = measures.mode_signals(fakes(HALVES[half]), classed)
    assert (found["monitor/num_modes"], found["monitor/missing_modes"]) == (8, 4)
    expected = (0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)) / 2
    assert found["monitor/mode_js_divergence"] == pytest.approx(expected, abs=1e-9)


def test_no_kind_is_missing_where_all_are_made(classed: ReferenceSet) -> None:
    found = measures.mode_signals(fakes(list(range(8))), classed)
    assert found["monitor/missing_modes"] == 0
    assert found["monitor/mode_js_divergence"] == pytest.approx(0, abs=1e-12)


def test_without_classes_kinds_are_clusters() -> None:
    """The grid's 25 modes, 32 kinds; a third is made, and the clusters of all other modes are missed but for tiny ones.

    At 512 samples a cluster is told as missing from a share of about 1.5% on: an even one has 3%.
    """
    toy, made = make_grid_mixture(), list(range(0, 25, 3))
    data = examples(shown(toy, list(range(25)), 64, 1), shown(toy, list(range(25)), 22, 2))
    held = bench(data, samples=512)
    rows = torch.from_numpy(shown(toy, made, 60, 3))[:512]
    assert int(held.kinds.max()) + 1 == 512 // EXAMPLES_PER_MODE
    modes = held.examples.values[held._train][: len(held.memory)]
    which = np.array([np.linalg.norm(toy.modes - point, axis=1).argmin() for point in modes])
    clusters = {kind: which[held.kinds == kind] for kind in np.unique(held.kinds)}
    unmade = [kind for kind, inside in clusters.items() if not np.isin(inside, made).any()]
    large = [kind for kind in unmade if len(clusters[kind]) >= 0.015 * len(modes)]
    assert len(large) >= 12, "there is something to miss"
    assert len(large) <= measures.mode_signals(rows, held)["monitor/missing_modes"] <= len(unmade)


@pytest.mark.parametrize("half", HALVES)
def test_half_of_the_modes_are_half_of_the_coverage(plain: ReferenceSet, half: str) -> None:
    """Every held-out point of the modes shown but a few: each misses once in 3^5, so six of 128 once in 10^5."""
    found = measures.diversity_signals(fakes(HALVES[half]), plain)
    assert 0.5 - 6 / SAMPLES <= found["monitor/coverage"] <= 0.5
    assert found["monitor/recall"] <= 0.5
    assert found["monitor/precision"] > 0.9
    floors = measures.floor_signals(plain)
    assert 0.45 < found["monitor/coverage"] / floors["monitor/coverage_floor"] < 0.55


def test_floors_are_what_reals_reach(plain: ReferenceSet) -> None:
    """Coverage is about 1 - 2^-5 = 0.969 (Naeem et al. 2020, lemma 2); its deviation at 256 rows is about 0.011."""
    floors = measures.floor_signals(plain)
    assert floors["monitor/coverage_floor"] == pytest.approx(1 - 2**-5, abs=0.055)
    assert floors["monitor/recall_floor"] > 0.9


@pytest.mark.parametrize("half", HALVES)
def test_the_spread_is_that_of_the_modes_shown(plain: ReferenceSet, half: str) -> None:
    found = measures.diversity_signals(fakes(HALVES[half]), plain)
    expected = mean_chord(HALVES[half]) / mean_chord(list(range(8)))
    assert found["monitor/diversity"] == pytest.approx(expected, rel=0.02)


def test_one_picture_has_no_spread(plain: ReferenceSet) -> None:
    rows = fakes(list(range(8)))[:1].repeat(SAMPLES, 1)
    found = measures.diversity_signals(rows, plain)
    assert found["monitor/diversity"] == 0
    assert found["monitor/nn_distance_ratio"] == 0
    assert found["monitor/near_duplicates"] == 1
    assert found["monitor/coverage"] < 0.05


def test_copies_of_training_examples_are_no_distance_from_them(plain: ReferenceSet) -> None:
    found = measures.diversity_signals(plain.train_features[:SAMPLES].clone(), plain)
    assert found["monitor/train_nn_distance_ratio"] == pytest.approx(0, abs=1e-6)
    assert found["monitor/diversity"] == 1


def test_fresh_samples_are_as_far_from_the_training_examples_as_held_out_ones(plain: ReferenceSet) -> None:
    """Distances to a nearest point have a spread of about half their median: the ratio's deviation is 0.06."""
    found = measures.diversity_signals(fakes(list(range(8))), plain)
    assert found["monitor/train_nn_distance_ratio"] == pytest.approx(1, abs=0.3)
    assert found["monitor/nn_distance_ratio"] == pytest.approx(1, abs=0.3)
    assert found["monitor/near_duplicates"] < 0.15


def test_a_class_that_is_one_picture(classed: ReferenceSet) -> None:
    values, labels = classed.dataset.values, classed.dataset.labels
    # real examples stand for good samples of the classes asked for
    dice = np.random.default_rng(4)
    places = np.array([dice.choice(np.flatnonzero(labels == label)) for label in classed.sample_labels])
    rows = torch.from_numpy(values[places])
    well = measures.intra_class_signals(rows, classed)
    assert well["monitor/min_class_diversity"] > 0.7
    assert well["monitor/median_class_diversity"] == pytest.approx(1, abs=0.2)
    own = classed.sample_labels == 5
    rows[own] = rows[own][:1]
    ill = measures.intra_class_signals(rows, classed)
    assert ill["monitor/min_class_diversity"] == 0
    assert ill["monitor/median_class_diversity"] > 0.7
    rows = torch.from_numpy(make_ring_mixture().modes[classed.sample_labels].astype(np.float32))
    assert measures.intra_class_signals(rows, classed)["monitor/median_class_diversity"] == 0


def test_the_averages_samples_are_as_far_as_they_are_moved(plain: ReferenceSet) -> None:
    rows = fakes(list(range(8)))
    found = measures.ema_signals(rows, rows + torch.tensor([0.3, 0.4]), plain)
    assert found["monitor/ema_lag"] == pytest.approx(0.5 / plain.mean_pairwise_distance, rel=1e-4)
    assert found["monitor/ema_coverage"] == 0, "half a unit beside the modes is 25 deviations"
    still = measures.ema_signals(rows, rows, plain)
    assert still["monitor/ema_lag"] == 0
    assert still["monitor/ema_diversity"] == measures.diversity_signals(rows, plain)["monitor/diversity"]
    assert still["monitor/ema_coverage"] == measures.diversity_signals(rows, plain)["monitor/coverage"]


# ---------------------------------------------------------------------- pictures


def test_saturated_pictures() -> None:
    fakes, real = torch.zeros(8, 1, 4, 4), torch.full((8, 1, 4, 4), -1.0)
    fakes[:, :, :, 0], fakes[:2, :, :, 1] = 1.0, -0.995
    real[4:] = 0.5
    found = measures.value_range_signals(fakes, real)
    assert found["monitor/saturated_fraction"] == (1 + 1 / 4) / 4
    assert found["monitor/saturated_fraction_real"] == 0.5
    assert (found["monitor/sample_min"], found["monitor/sample_max"]) == (pytest.approx(-0.995), 1)
    assert found["monitor/real_mean"] == -0.25
    assert found["monitor/real_variance"] == pytest.approx(0.75**2 * 8 / 7)


# ---------------------------------------------------------------------- motion


def rotated(rows: torch.Tensor, angle: float) -> torch.Tensor:
    turn = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    return rows @ torch.tensor(turn, dtype=rows.dtype)


def moved(one: measures.Signals, other: measures.Signals, start: str) -> float:
    """Root mean square change of the numbers whose names begin so."""
    changes = [other[name] - one[name] for name in one if name.startswith(start)]
    assert (
        len(changes)
        == {
            "monitor/sample_projection/": measures.NUM_TRACKED_SAMPLES,
            "monitor/mean_projection/": measures.NUM_MEAN_DIRECTIONS,
        }[start]
    )
    return math.sqrt(np.square(changes).mean())


@pytest.mark.parametrize("angle", [0.1, 1.0, math.pi])
def test_a_turn_moves_the_trace_by_its_chord(plain: ReferenceSet, angle: float) -> None:
    """Along 16 directions the square of the length is found up to a chi-square: outside these bounds 1 in 10^4."""
    rows = fakes(list(range(8)))[torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(0))]
    before, after = measures.trajectory_signals(rows, plain), measures.trajectory_signals(rotated(rows, angle), plain)
    way = 4 * math.sin(angle / 2) / plain.mean_pairwise_distance  # the ring's radius is 2
    low, high = chi2.ppf([5e-5, 1 - 5e-5], measures.NUM_TRACKED_SAMPLES) / measures.NUM_TRACKED_SAMPLES
    assert low < (moved(before, after, "monitor/sample_projection/") / way) ** 2 < high
    assert moved(before, after, "monitor/mean_projection/") < 0.05 * way, "turned about their middle, they keep it"


@pytest.mark.parametrize(("start", "directions"), [("monitor/sample_projection/", 16), ("monitor/mean_projection/", 8)])
def test_over_all_steps_of_a_length_the_trace_changes_by_it(plain: ReferenceSet, start: str, directions: int) -> None:
    """A unit along each of 100 axes: the mean square of so many normal numbers is 1, within five deviations."""
    rows = torch.zeros(20, 100)
    here = measures.trajectory_signals(rows, plain)
    squares = [moved(here, measures.trajectory_signals(rows + axis, plain), start) ** 2 for axis in torch.eye(100)]
    mean = np.mean(squares) * plain.mean_pairwise_distance**2
    assert mean == pytest.approx(1, abs=5 * math.sqrt(2 / (100 * directions)))
    twice = moved(here, measures.trajectory_signals(rows + 2 * torch.eye(100)[0], plain), start)
    assert twice == pytest.approx(2 * math.sqrt(squares[0]), rel=1e-4)


# ---------------------------------------------------------------------- judgement


def seen(known: list[float], unseen: list[float], fake: list[float], middle: float = 0.0) -> ProbeOutputs:
    """Two parts of scores; inner values of fakes lie half as far apart as the reals'."""
    inner = torch.arange(4.0)[:, None]
    return ProbeOutputs(
        *([torch.tensor(scores[:2]), torch.tensor(scores[2:])] for scores in (known, unseen, fake)),
        decision_boundaries=[torch.tensor(middle), torch.tensor(middle)], train_features=[inner[:2], inner[2:]],
        fake_features=[inner[:2] / 2, inner[2:] / 2],
    )  # fmt: skip


def test_a_discriminator_that_knows_the_training_examples_by_heart() -> None:
    found = measures.discriminator_signals(seen([3, 4, 5, 6], [-1, -1, 1, -2], [-1, 1, -1, -2]))
    assert found["monitor/auc_train"] == 1
    assert found["monitor/auc_train_vs_held_out"] == 1
    assert found["monitor/auc_held_out"] == 0.5
    assert (found["monitor/score_sign_train"], found["monitor/score_sign_held_out"]) == (1, -0.5)
    assert found["monitor/feature_diversity"] == pytest.approx(0.5)


def test_the_chances_are_taken_from_the_boundary() -> None:
    found = measures.discriminator_signals(seen([2, 2, 3, 3], [1, 1, 1, 1], [0, 0, 0, 0], middle=1.0))
    assert found["monitor/probability_held_out"] == 0.5
    assert found["monitor/probability_fake"] == pytest.approx(1 / (1 + math.e))
    assert found["monitor/score_sign_held_out"] == 0
    assert found["monitor/score_separation_train"] == pytest.approx(2.5 / math.sqrt((1 / 3 + 0) / 2))
