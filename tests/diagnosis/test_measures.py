"""Signals of samples with known faults."""

import math

import numpy as np
import pytest
import torch
from broken_games import NUM_SAMPLES, make_dataset, make_reference_set, ring_dataset, sample_modes
from scipy.stats import chi2

from zerosum.data.points.mixtures import make_grid_mixture, make_ring_mixture
from zerosum.diagnosis import measures
from zerosum.diagnosis.measures import ProbeOutputs
from zerosum.diagnosis.reference_set import EXAMPLES_PER_MODE, ReferenceSet

HALVES = {"every other": [0, 2, 4, 6], "adjacent": [0, 1, 2, 3]}
ALL_MODES = list(range(8))


@pytest.fixture(scope="module")
def ring() -> ReferenceSet:
    return make_reference_set()


@pytest.fixture(scope="module")
def labeled_ring() -> ReferenceSet:
    return make_reference_set(ring_dataset(classes=True))


def sample_ring(modes: list[int], seed: int = 3) -> torch.Tensor:
    """As many samples as a probe has, evenly from these modes of the ring."""
    return torch.from_numpy(sample_modes(make_ring_mixture(), modes, NUM_SAMPLES // len(modes), seed))


def chord(steps: int) -> float:
    """The distance of two modes of the ring."""
    return 4 * math.sin(steps * math.pi / 8)


def mean_chord(modes: list[int]) -> float:
    return float(np.mean([chord(abs(first - second)) for first in modes for second in modes]))


# ---------------------------------------------------------------------- diversity


@pytest.mark.parametrize("half", HALVES)
def test_half_of_the_modes_are_missing(labeled_ring: ReferenceSet, half: str) -> None:
    """Modes are classes. The divergence of halves: log 2 / 4 + log (2/3) / 4 + log (4/3) / 2 = 0.216 nats."""
    signals = measures.mode_signals(sample_ring(HALVES[half]), labeled_ring)
    assert (signals["monitor/num_modes"], signals["monitor/missing_modes"]) == (8, 4)
    expected = (0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)) / 2
    assert signals["monitor/mode_js_divergence"] == pytest.approx(expected, abs=1e-9)


def test_no_mode_is_missing_where_all_are_generated(labeled_ring: ReferenceSet) -> None:
    signals = measures.mode_signals(sample_ring(ALL_MODES), labeled_ring)
    assert signals["monitor/missing_modes"] == 0
    assert signals["monitor/mode_js_divergence"] == pytest.approx(0, abs=1e-12)


def test_without_classes_modes_are_clusters() -> None:
    """32 clusters of the grid's 25 modes; with a third of the modes generated, the other clusters are missing.

    At 512 samples a cluster counts as missing from a fraction of about 1.5% on: an even one has 3%.
    """
    grid, generated = make_grid_mixture(), list(range(0, 25, 3))
    modes = list(range(25))
    dataset = make_dataset(sample_modes(grid, modes, 64, 1), sample_modes(grid, modes, 22, 2))
    reference_set = make_reference_set(dataset, num_samples=512)
    samples = torch.from_numpy(sample_modes(grid, generated, 60, 3))[:512]
    labels = reference_set.mode_labels
    assert int(labels.max()) + 1 == 512 // EXAMPLES_PER_MODE
    points = dataset.values[reference_set._train_indices][: len(reference_set.train_features)]
    nearest = np.array([np.linalg.norm(grid.modes - point, axis=1).argmin() for point in points])
    clusters = {label: nearest[labels == label] for label in np.unique(labels)}
    missing = [label for label, members in clusters.items() if not np.isin(members, generated).any()]
    large = [label for label in missing if len(clusters[label]) >= 0.015 * len(points)]
    assert len(large) >= 12, "the test needs clusters that are missing"
    assert len(large) <= measures.mode_signals(samples, reference_set)["monitor/missing_modes"] <= len(missing)


@pytest.mark.parametrize("half", HALVES)
def test_half_of_the_modes_have_half_of_the_coverage(ring: ReferenceSet, half: str) -> None:
    """All held-out points of these modes but a few: each is missed once in 3^5, so six of 128 once in 10^5."""
    signals = measures.diversity_signals(sample_ring(HALVES[half]), ring)
    assert 0.5 - 6 / NUM_SAMPLES <= signals["monitor/coverage"] <= 0.5
    assert signals["monitor/recall"] <= 0.5
    assert signals["monitor/precision"] > 0.9
    floors = measures.floor_signals(ring)
    assert 0.45 < signals["monitor/coverage"] / floors["monitor/coverage_floor"] < 0.55


def test_floors_are_the_coverage_and_recall_of_real_examples(ring: ReferenceSet) -> None:
    """Coverage is about 1 - 2^-5 = 0.969 (Naeem et al. 2020, lemma 2); its deviation at 256 rows is about 0.011."""
    floors = measures.floor_signals(ring)
    assert floors["monitor/coverage_floor"] == pytest.approx(1 - 2**-5, abs=0.055)
    assert floors["monitor/recall_floor"] > 0.9


@pytest.mark.parametrize("half", HALVES)
def test_diversity_is_that_of_the_generated_modes(ring: ReferenceSet, half: str) -> None:
    signals = measures.diversity_signals(sample_ring(HALVES[half]), ring)
    expected = mean_chord(HALVES[half]) / mean_chord(ALL_MODES)
    assert signals["monitor/diversity"] == pytest.approx(expected, rel=0.02)


def test_identical_samples_have_no_diversity(ring: ReferenceSet) -> None:
    samples = sample_ring(ALL_MODES)[:1].repeat(NUM_SAMPLES, 1)
    signals = measures.diversity_signals(samples, ring)
    assert signals["monitor/diversity"] == 0
    assert signals["monitor/nn_distance_ratio"] == 0
    assert signals["monitor/near_duplicates"] == 1
    assert signals["monitor/coverage"] < 0.05


def test_copies_have_no_distance_from_training_examples(ring: ReferenceSet) -> None:
    signals = measures.diversity_signals(ring.train_features[:NUM_SAMPLES].clone(), ring)
    assert signals["monitor/train_nn_distance_ratio"] == pytest.approx(0, abs=1e-6)
    assert signals["monitor/diversity"] == 1


def test_new_samples_are_as_far_from_training_examples_as_held_out_examples(ring: ReferenceSet) -> None:
    """Distances to a nearest point have a spread of about half their median: the ratio's deviation is 0.06."""
    signals = measures.diversity_signals(sample_ring(ALL_MODES), ring)
    assert signals["monitor/train_nn_distance_ratio"] == pytest.approx(1, abs=0.3)
    assert signals["monitor/nn_distance_ratio"] == pytest.approx(1, abs=0.3)
    assert signals["monitor/near_duplicates"] < 0.15


def test_mode_collapse_within_a_class(labeled_ring: ReferenceSet) -> None:
    values, labels = labeled_ring.dataset.values, labeled_ring.dataset.labels
    # real examples as good samples of the requested classes
    rng = np.random.default_rng(4)
    indices = np.array([rng.choice(np.flatnonzero(labels == label)) for label in labeled_ring.sample_labels])
    samples = torch.from_numpy(values[indices])
    good = measures.intra_class_signals(samples, labeled_ring)
    assert good["monitor/min_class_diversity"] > 0.7
    assert good["monitor/median_class_diversity"] == pytest.approx(1, abs=0.2)
    is_class_5 = labeled_ring.sample_labels == 5
    samples[is_class_5] = samples[is_class_5][:1]
    collapsed = measures.intra_class_signals(samples, labeled_ring)
    assert collapsed["monitor/min_class_diversity"] == 0
    assert collapsed["monitor/median_class_diversity"] > 0.7
    samples = torch.from_numpy(make_ring_mixture().modes[labeled_ring.sample_labels].astype(np.float32))
    assert measures.intra_class_signals(samples, labeled_ring)["monitor/median_class_diversity"] == 0


def test_ema_lag_is_the_distance_between_samples(ring: ReferenceSet) -> None:
    samples = sample_ring(ALL_MODES)
    signals = measures.ema_signals(samples, samples + torch.tensor([0.3, 0.4]), ring)
    assert signals["monitor/ema_lag"] == pytest.approx(0.5 / ring.mean_pairwise_distance, rel=1e-4)
    assert signals["monitor/ema_coverage"] == 0, "half a unit from the modes is 25 deviations"
    equal = measures.ema_signals(samples, samples, ring)
    assert equal["monitor/ema_lag"] == 0
    assert equal["monitor/ema_diversity"] == measures.diversity_signals(samples, ring)["monitor/diversity"]
    assert equal["monitor/ema_coverage"] == measures.diversity_signals(samples, ring)["monitor/coverage"]


# ---------------------------------------------------------------------- value range


def test_saturated_images() -> None:
    fakes, real = torch.zeros(8, 1, 4, 4), torch.full((8, 1, 4, 4), -1.0)
    fakes[:, :, :, 0], fakes[:2, :, :, 1] = 1.0, -0.995
    real[4:] = 0.5
    signals = measures.value_range_signals(fakes, real)
    assert signals["monitor/saturated_fraction"] == (1 + 1 / 4) / 4
    assert signals["monitor/saturated_fraction_real"] == 0.5
    assert (signals["monitor/sample_min"], signals["monitor/sample_max"]) == (pytest.approx(-0.995), 1)
    assert signals["monitor/real_mean"] == -0.25
    assert signals["monitor/real_variance"] == pytest.approx(0.75**2 * 8 / 7)


# ---------------------------------------------------------------------- movement


def rotate(points: torch.Tensor, angle: float) -> torch.Tensor:
    matrix = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    return points @ torch.tensor(matrix, dtype=points.dtype)


def rms_change(before: measures.Signals, after: measures.Signals, prefix: str) -> float:
    """Root mean square change of the signals with this prefix."""
    changes = [after[name] - before[name] for name in before if name.startswith(prefix)]
    counts = {
        "monitor/sample_projection/": measures.NUM_TRACKED_SAMPLES,
        "monitor/mean_projection/": measures.NUM_MEAN_DIRECTIONS,
    }
    assert len(changes) == counts[prefix]
    return math.sqrt(np.square(changes).mean())


@pytest.mark.parametrize("angle", [0.1, 1.0, math.pi])
def test_a_rotation_moves_samples_by_its_chord(ring: ReferenceSet, angle: float) -> None:
    """Along 16 directions the squared length is chi-square distributed: outside these bounds 1 in 10^4."""
    samples = sample_ring(ALL_MODES)[torch.randperm(NUM_SAMPLES, generator=torch.Generator().manual_seed(0))]
    before = measures.trajectory_signals(samples, ring)
    after = measures.trajectory_signals(rotate(samples, angle), ring)
    length = 4 * math.sin(angle / 2) / ring.mean_pairwise_distance  # the ring's radius is 2
    low, high = chi2.ppf([5e-5, 1 - 5e-5], measures.NUM_TRACKED_SAMPLES) / measures.NUM_TRACKED_SAMPLES
    assert low < (rms_change(before, after, "monitor/sample_projection/") / length) ** 2 < high
    assert rms_change(before, after, "monitor/mean_projection/") < 0.05 * length, "the mean is the rotation's center"


@pytest.mark.parametrize(("prefix", "count"), [("monitor/sample_projection/", 16), ("monitor/mean_projection/", 8)])
def test_projections_estimate_the_distance_moved(ring: ReferenceSet, prefix: str, count: int) -> None:
    """A unit along each of 100 axes: the mean square of so many normal numbers is 1, within five deviations."""
    samples = torch.zeros(20, 100)
    start = measures.trajectory_signals(samples, ring)
    squares = [
        rms_change(start, measures.trajectory_signals(samples + axis, ring), prefix) ** 2 for axis in torch.eye(100)
    ]
    mean = np.mean(squares) * ring.mean_pairwise_distance**2
    assert mean == pytest.approx(1, abs=5 * math.sqrt(2 / (100 * count)))
    twice = rms_change(start, measures.trajectory_signals(samples + 2 * torch.eye(100)[0], ring), prefix)
    assert twice == pytest.approx(2 * math.sqrt(squares[0]), rel=1e-4)


# ---------------------------------------------------------------------- scores


def make_outputs(train: list[float], held_out: list[float], fake: list[float], threshold: float = 0.0) -> ProbeOutputs:
    """Two batches of scores; the features of fakes are half as far apart as those of training examples."""
    features = torch.arange(4.0)[:, None]
    return ProbeOutputs(
        *([torch.tensor(scores[:2]), torch.tensor(scores[2:])] for scores in (train, held_out, fake)),
        decision_thresholds=[torch.tensor(threshold), torch.tensor(threshold)],
        train_features=[features[:2], features[2:]],
        fake_features=[features[:2] / 2, features[2:] / 2],
    )


def test_a_discriminator_that_has_memorized_the_training_examples() -> None:
    signals = measures.discriminator_signals(make_outputs([3, 4, 5, 6], [-1, -1, 1, -2], [-1, 1, -1, -2]))
    assert signals["monitor/auc_train"] == 1
    assert signals["monitor/auc_train_vs_held_out"] == 1
    assert signals["monitor/auc_held_out"] == 0.5
    assert (signals["monitor/score_sign_train"], signals["monitor/score_sign_held_out"]) == (1, -0.5)
    assert signals["monitor/feature_diversity"] == pytest.approx(0.5)


def test_probabilities_and_signs_are_relative_to_the_decision_threshold() -> None:
    signals = measures.discriminator_signals(make_outputs([2, 2, 3, 3], [1, 1, 1, 1], [0, 0, 0, 0], threshold=1.0))
    assert signals["monitor/probability_held_out"] == 0.5
    assert signals["monitor/probability_fake"] == pytest.approx(1 / (1 + math.e))
    assert signals["monitor/score_sign_held_out"] == 0
    assert signals["monitor/score_separation_train"] == pytest.approx(2.5 / math.sqrt((1 / 3 + 0) / 2))
