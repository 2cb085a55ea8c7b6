"""Probes of games with known properties; a probe does not change the game."""

import math

import numpy as np
import pytest
import torch
from broken_games import (
    ShiftGenerator,
    is_identical,
    linear_game,
    make_dataset,
    make_reference_set,
    mlp_game,
    normal_batches,
    ring_dataset,
    snapshot,
)
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.diagnosis.measures import NUM_MEAN_DIRECTIONS, NUM_TRACKED_SAMPLES, class_consistency_signals
from zerosum.diagnosis.probe import GameProbe, capture_last_layer_input, flatten_scores
from zerosum.diagnosis.sandbox import sandboxed_copy, trial_round
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.configs import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round, trial_step
from zerosum.training.meter import Meter

TRIAL_STEP = trial_step(Accelerator())
PROGRESS = Progress(3, 192)


def make_probe(dataset: Dataset | None = None, num_samples: int = 64, batch_size: int = 16) -> GameProbe:
    return GameProbe(make_reference_set(dataset, num_samples, batch_size), TRIAL_STEP)


@pytest.fixture(scope="module")
def normal_probe() -> GameProbe:
    """Of standard normal points."""
    points = np.random.default_rng(0).standard_normal((400, 2)).astype(np.float32)
    return make_probe(make_dataset(points[:300], points[300:]))


@pytest.fixture(scope="module")
def ring_probe() -> GameProbe:
    return make_probe()


@pytest.fixture(scope="module")
def class_probe() -> GameProbe:
    return make_probe(ring_dataset(classes=True))


def play_two_rounds(game: AdversarialGame, classes: int = 0) -> AdversarialGame:
    """Train for two rounds, so that optimizers and the EMA have a state."""
    batches = normal_batches(4, batch_size=16)
    labels = {"label": torch.arange(16) % classes} if classes else {}
    loader = iter([batch | labels for batch in batches])
    for index in range(2):
        progress = Progress(index, 16 * index)
        play_round(game, loader, Accelerator(), progress, Meter())
        for player in game.players.values():
            player.update_ema(16, progress)
    return game


# ---------------------------------------------------------------------- any game

GAMES = {
    "plain": {}, "spectral norm": {"spectral_norm": True}, "batch norm": {"norm": "batch"}, "dropout": {"dropout": 0.3},
    "r1": {"terms": {"r1": R1()}}, "classes": {"classes": 8},
}  # fmt: skip
PLAYERS = ("discriminator", "generator")
ALWAYS = {
    "auc_train", "auc_held_out", "auc_train_vs_held_out", "score_separation_train", "score_sign_train",
    "score_sign_held_out", "probability_held_out", "probability_fake", "feature_diversity", "diversity",
    "near_duplicates", "nn_distance_ratio", "train_nn_distance_ratio", "precision", "recall", "coverage",
    "coverage_floor", "recall_floor", "num_modes", "missing_modes", "mode_js_divergence", "sample_min", "sample_max",
    "saturated_fraction", "saturated_fraction_real", "real_mean", "real_variance", "ema_lag", "ema_diversity",
    "ema_coverage", "latent_sensitivity", "loss_input_gradient", "score_input_gradient", "penalty_ratio", "finite",
    *(f"{name}/{player}" for name in ("grad_norm", "min_layer_gradient", "update_ratio") for player in PLAYERS),
    *(f"sample_projection/{number}" for number in range(NUM_TRACKED_SAMPLES)),
    *(f"mean_projection/{number}" for number in range(NUM_MEAN_DIRECTIONS)),
}  # fmt: skip
WITH_CLASSES = {
    "generator_class_sensitivity", "discriminator_class_sensitivity", "class_ranking_accuracy", "class_consistency",
    "class_consistency_real", "median_class_diversity", "min_class_diversity",
}  # fmt: skip
WITH_DUALITY_GAP = {"duality_gap", "duality_gap/discriminator", "duality_gap/generator"}


def keys(names: set[str]) -> set[str]:
    return {f"monitor/{name}" for name in names}


@pytest.mark.parametrize("name", GAMES)
def test_a_probe_returns_all_signals_and_does_not_change_the_game(
    name: str, ring_probe: GameProbe, class_probe: GameProbe
) -> None:
    classes = GAMES[name].get("classes", 0)
    game, probe = play_two_rounds(mlp_game(**GAMES[name]), classes), class_probe if classes else ring_probe
    before = snapshot(game)
    signals = probe(game, PROGRESS, with_duality_gap=True)
    assert is_identical(before, snapshot(game))
    assert keys(ALWAYS | WITH_DUALITY_GAP) <= set(signals)
    assert set(signals) & keys(WITH_CLASSES) == (keys(WITH_CLASSES) if classes else set())
    for signal, value in signals.items():
        assert isinstance(value, float), signal
        assert math.isfinite(value), signal
        assert describe_signal(signal), f"{signal} has no description"
    torch.manual_seed(0)  # another global random state
    before = torch.get_rng_state()
    second = probe(game, PROGRESS, with_duality_gap=True)
    assert torch.equal(before, torch.get_rng_state())
    if name != "dropout":
        assert second == signals


def test_the_duality_gap_is_computed_only_on_request(ring_probe: GameProbe) -> None:
    game = mlp_game()
    with_gap, without_gap = ring_probe(game, PROGRESS, with_duality_gap=True), ring_probe(game, PROGRESS)
    assert {name: with_gap[name] for name in without_gap} == without_gap
    assert set(with_gap) - set(without_gap) == keys(WITH_DUALITY_GAP)


def test_training_with_dropout_is_the_same_after_a_probe(ring_probe: GameProbe) -> None:
    """Dropout draws from the global random state: a probe must not advance it."""
    snapshots = []
    for is_probed in (False, True):
        game = play_two_rounds(mlp_game(dropout=0.3))
        torch.manual_seed(5)
        if is_probed:
            ring_probe(game, PROGRESS, with_duality_gap=True)
        snapshots.append(snapshot(play_two_rounds(game)))
    assert is_identical(*snapshots)


def test_equal_reference_sets_give_equal_signals(ring_probe: GameProbe) -> None:
    game = mlp_game()
    assert make_probe()(game, PROGRESS) == ring_probe(game, PROGRESS)


def test_a_probe_of_images() -> None:
    rng = np.random.default_rng(0)
    train, held_out = (rng.integers(0, 256, (count, 16, 16, 1), np.uint8) for count in (60, 40))
    torch.manual_seed(0)
    generator = DCGANGeneratorConfig(width=4).build(4, TensorSpec((1, 16, 16), bounded=True))
    discriminator = DCGANDiscriminatorConfig(width=4).build(TensorSpec((1, 16, 16)))
    spec = TensorSpec((1, 16, 16), bounded=True)
    game = AdversarialGame(GameParts(generator, discriminator, Normal(size=4), Wasserstein(), Adam(), spec))
    before = snapshot(game)
    signals = make_probe(make_dataset(train, held_out), num_samples=32, batch_size=16)(game, PROGRESS)
    assert is_identical(before, snapshot(game))
    assert keys(ALWAYS) <= set(signals)
    assert -1 <= signals["monitor/sample_min"] < signals["monitor/sample_max"] <= 1


def test_nonfinite_samples_have_no_other_signals(ring_probe: GameProbe) -> None:
    game = linear_game(ShiftGenerator((math.nan, 0.0)), (1.0, 0.0))
    assert ring_probe(game, PROGRESS) == {"monitor/finite": 0.0}


# ---------------------------------------------------------------------- known games


def test_signals_of_a_linear_game(normal_probe: GameProbe) -> None:
    """D(x) = w . x and G(z) = 3 z + b: all gradients are known, and a step of Adam without momentum is lr a weight."""
    signals = normal_probe(linear_game(ShiftGenerator((1.0, 0.0), scale=3.0), (3.0, -4.0), lr=0.01), PROGRESS)
    scale = normal_probe.reference_set.mean_pairwise_distance
    assert signals["monitor/score_input_gradient"] == pytest.approx(5 * scale, rel=1e-5)
    assert signals["monitor/loss_input_gradient"] == pytest.approx(5 * scale, rel=1e-5)
    # 16 lengths of two normal numbers: sqrt(pi / 2) on average, with a deviation of 0.16
    assert signals["monitor/latent_sensitivity"] * scale / 3 == pytest.approx(math.sqrt(math.pi / 2), abs=5 * 0.17)
    assert signals["monitor/update_ratio/discriminator"] == pytest.approx(0.01 * math.sqrt(2) / 5, rel=1e-3)
    assert signals["monitor/update_ratio/generator"] == pytest.approx(0.01 * math.sqrt(2), rel=1e-3)
    gradient = signals["monitor/grad_norm/generator"]
    assert gradient == pytest.approx(5, rel=0.01), "w, but for the discriminator's step before"
    assert signals["monitor/diversity"] == pytest.approx(3, rel=0.35)
    assert signals["monitor/ema_lag"] == 0
    assert signals["monitor/penalty_ratio"] == 0


def test_distances_are_relative_to_the_data(normal_probe: GameProbe) -> None:
    """Data of half the size have half the mean distance."""
    half = normal_probe.reference_set.dataset.values / 2
    half_probe = make_probe(make_dataset(half[:300], half[300:]))
    game = linear_game(ShiftGenerator(), (3.0, -4.0))
    full, halved = normal_probe(game, PROGRESS), half_probe(game, PROGRESS)
    assert halved["monitor/score_input_gradient"] == pytest.approx(full["monitor/score_input_gradient"] / 2, rel=1e-4)
    assert halved["monitor/latent_sensitivity"] == pytest.approx(full["monitor/latent_sensitivity"] * 2, rel=1e-4)
    assert halved["monitor/diversity"] == pytest.approx(full["monitor/diversity"] * 2, rel=1e-4)


def test_a_latent_that_is_multiplied_by_zero(normal_probe: GameProbe) -> None:
    signals = normal_probe(linear_game(ShiftGenerator(scale=0.0), (1.0, 0.0)), PROGRESS)
    assert signals["monitor/latent_sensitivity"] == 0
    assert signals["monitor/diversity"] == 0
    assert signals["monitor/near_duplicates"] == 1
    assert signals["monitor/feature_diversity"] == 0


def test_a_collapsed_generator_has_hardly_any_diversity(ring_probe: GameProbe) -> None:
    normal_game, collapsed_game = mlp_game(), mlp_game()
    with torch.no_grad():
        collapsed_game.generator.output_layer[0].weight.mul_(1e-4)
    normal, collapsed = ring_probe(normal_game, PROGRESS), ring_probe(collapsed_game, PROGRESS)
    assert 0 < collapsed["monitor/diversity"] < 1e-3
    assert 0 < collapsed["monitor/latent_sensitivity"] < 1e-3 * normal["monitor/latent_sensitivity"] * 1.01
    assert collapsed["monitor/near_duplicates"] == 1
    assert normal["monitor/diversity"] > 0.1
    assert collapsed["monitor/missing_modes"] >= 1


@pytest.mark.parametrize("lr", [0.0, 1e-3])
def test_the_update_ratio_is_zero_exactly_for_a_zero_learning_rate(ring_probe: GameProbe, lr: float) -> None:
    signals = ring_probe(mlp_game(lr=lr), PROGRESS)
    for player in PLAYERS:
        assert (signals[f"monitor/update_ratio/{player}"] > 0) == (lr > 0)
        assert signals[f"monitor/grad_norm/{player}"] > 0


def test_a_constant_discriminator_has_no_gradient(ring_probe: GameProbe) -> None:
    signals = ring_probe(linear_game(ShiftGenerator(), (0.0, 0.0)), PROGRESS)
    assert signals["monitor/loss_input_gradient"] == signals["monitor/score_input_gradient"] == 0
    for name in ("auc_train", "auc_held_out", "auc_train_vs_held_out"):
        assert signals[f"monitor/{name}"] == 0.5


def test_a_perfect_discriminator(ring_probe: GameProbe) -> None:
    """Samples at a distance of 50 from a ring of radius 2, and scores that fall towards them."""
    signals = ring_probe(linear_game(ShiftGenerator((50.0, 0.0)), (-1.0, 0.0)), PROGRESS)
    assert signals["monitor/auc_train"] == signals["monitor/auc_held_out"] == 1
    assert signals["monitor/score_sign_train"] == signals["monitor/score_sign_held_out"] == 1
    assert signals["monitor/coverage"] == signals["monitor/precision"] == 0
    assert signals["monitor/probability_fake"] < 1e-6


def test_penalty_ratio(normal_probe: GameProbe) -> None:
    """R1's part of the discriminator's loss over the objective's, both from the step itself."""
    game = mlp_game(terms={"r1": R1(weight=4.0)})
    penalty_ratio = normal_probe(game, PROGRESS)["monitor/penalty_ratio"]
    batch = normal_probe.reference_set.train_batches(16, offset=PROGRESS.examples + 1)[0]
    with sandboxed_copy(game) as copied_game:
        terms = TRIAL_STEP(copied_game, find_move(copied_game, "discriminator"), batch, PROGRESS)
    assert terms["discriminator/r1"] > 0
    assert penalty_ratio == pytest.approx(terms["discriminator/r1"] / terms["discriminator/objective"], rel=1e-6)


def find_move(game: AdversarialGame, player: str):
    (move,) = [move for move in game.moves if move.player == player]
    return move


# ---------------------------------------------------------------------- classes


class ClassGenerator(nn.Module):
    """Shifts its samples along a line by `step` per class; 0 ignores the class."""

    condition_inputs = ("label",)

    def __init__(self, step: float) -> None:
        super().__init__()
        self.shift, self.step = nn.Parameter(torch.zeros(2)), step

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        return latent + self.shift + torch.tensor([self.step, 0.0]) * label[:, None]


class ClassDiscriminator(nn.Module):
    """Scores a sample by how near it is to its class's mode, or without regard to the class."""

    condition_inputs = ("label",)

    def __init__(self, uses_class: bool) -> None:
        super().__init__()
        self.linear, self.uses_class = nn.Linear(2, 1), uses_class

    def forward(self, sample: Tensor, label: Tensor) -> DiscriminatorOutput:
        angle = label * (math.pi / 4)
        class_score = (sample * torch.stack([angle.cos(), angle.sin()], 1)).sum(1)
        return DiscriminatorOutput(self.linear(sample)[:, 0] * (not self.uses_class) + class_score * self.uses_class)


def class_game(step: float, uses_class: bool, classes: int = 8) -> AdversarialGame:
    parts = GameParts(
        ClassGenerator(step), ClassDiscriminator(uses_class), Normal(size=2), Wasserstein(), Adam(), TensorSpec((2,)),
        class_priors=[1 / classes] * classes,
    )  # fmt: skip
    return AdversarialGame(parts)


def test_a_generator_that_ignores_the_class(class_probe: GameProbe) -> None:
    assert class_probe(class_game(0.0, uses_class=True), PROGRESS)["monitor/generator_class_sensitivity"] == 0


def test_a_generator_that_uses_the_class() -> None:
    """With two classes the other class is always one step away."""
    points = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    probe = make_probe(make_dataset(points[:120], points[120:], np.arange(200) % 2))
    signals = probe(class_game(3.0, uses_class=True, classes=2), PROGRESS)
    expected = 3 / probe.reference_set.mean_pairwise_distance
    assert signals["monitor/generator_class_sensitivity"] == pytest.approx(expected, rel=1e-5)


def test_class_sensitivity_of_the_discriminator(class_probe: GameProbe) -> None:
    """A real example scores highest with its own class; where the class is ignored, all classes score the same."""
    conditional = class_probe(class_game(1.0, uses_class=True), PROGRESS)
    assert conditional["monitor/discriminator_class_sensitivity"] > 0.5
    assert conditional["monitor/class_ranking_accuracy"] == 1.0
    unconditional = class_probe(class_game(1.0, uses_class=False), PROGRESS)
    assert unconditional["monitor/discriminator_class_sensitivity"] == 0
    assert unconditional["monitor/class_ranking_accuracy"] == 0.5


def test_class_consistency(class_probe: GameProbe) -> None:
    """Training examples are consistent; reflected at the ring's center they are of the opposite class."""
    reference_set = class_probe.reference_set
    samples = reference_set.train_features[np.arange(reference_set.num_samples) % len(reference_set.train_features)]
    assert class_consistency_signals(samples, reference_set)["monitor/class_consistency"] == 1
    assert class_consistency_signals(-samples, reference_set)["monitor/class_consistency"] == 0
    assert class_consistency_signals(samples, reference_set)["monitor/class_consistency_real"] > 0.95


# ---------------------------------------------------------------------- parts


def test_a_round_on_a_sandboxed_copy() -> None:
    """The gradient of E w . G(z) - E w . x is the difference of the means; the game itself does not change."""
    game, batch = linear_game(ShiftGenerator((2.0, 0.0)), (1.0, 1.0)), normal_batches(1)[0]
    before = snapshot(game)
    with sandboxed_copy(game) as copied_game:
        expected = copied_game.generate(batch, PROGRESS).detach().mean(0) - batch["real"].mean(0)
        effects, terms = trial_round(copied_game, batch, PROGRESS, TRIAL_STEP)
        assert not torch.equal(copied_game.discriminator.score.weight, game.discriminator.score.weight)
    assert effects["discriminator"].grad_norm == pytest.approx(float(expected.norm()), rel=1e-4)
    assert terms["discriminator/objective"] == pytest.approx(float(expected.sum()), rel=1e-3)
    assert effects["discriminator"].min_layer_gradient == 1, "its only layer is its median layer"
    assert is_identical(before, snapshot(game))


def test_a_layer_without_gradient() -> None:
    """The first of three layers gets no gradient where all ReLUs of the second are dead."""
    game = mlp_game(activation="relu")
    with torch.no_grad():
        game.discriminator.hidden_layers[1][0].bias.fill_(-1e3)
    with sandboxed_copy(game) as copied_game:
        effects, _ = trial_round(copied_game, normal_batches(1)[0], PROGRESS, TRIAL_STEP)
    assert effects["discriminator"].min_layer_gradient == 0
    assert effects["generator"].grad_norm == 0
    with sandboxed_copy(mlp_game()) as copied_game:
        effects, _ = trial_round(copied_game, normal_batches(1)[0], PROGRESS, TRIAL_STEP)
    assert all(0 < effect.min_layer_gradient <= 1 for effect in effects.values())


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_the_input_of_the_last_layer_is_captured(spectral_norm: bool) -> None:
    network = mlp_game(spectral_norm=spectral_norm).discriminator.eval()
    sample = normal_batches(1, batch_size=5)[0]["real"]
    with torch.no_grad():
        with capture_last_layer_input(network) as captured:
            for _ in range(2):
                network(sample)
        assert len(captured) == 2
        assert torch.allclose(captured[1], network.hidden_layers(sample))
        network(sample)
    assert len(captured) == 2, "the hooks are removed"


def test_patch_scores_are_averaged() -> None:
    patches = torch.arange(8.0).view(2, 1, 2, 2)
    assert flatten_scores(patches).tolist() == [1.5, 5.5]
    assert flatten_scores(torch.tensor([1, 2])).tolist() == [1.0, 2.0]
    leaf = patches.requires_grad_(True)
    assert flatten_scores(leaf, keep_graph=True).requires_grad
    assert not flatten_scores(leaf).requires_grad


def test_batches_of_a_reference_set_wrap_around_with_new_seeds() -> None:
    """There are 256 held-out examples for 300 samples; other training examples come with other seeds."""
    reference_set = make_reference_set(ring_dataset(), num_samples=300, batch_size=64)
    batches = reference_set.held_out_batches()
    assert [len(batch["real"]) for batch in batches] == [64, 64, 64, 64, 44]
    real = torch.cat([batch["real"] for batch in batches])
    assert torch.equal(real[:44], real[256:])
    first_batches = reference_set.train_batches()
    later_batches = reference_set.train_batches(300, offset=1000)
    seeds = torch.cat([batch["seed"] for batch in first_batches + later_batches])
    assert len(seeds.unique()) == 600
    first = torch.cat([batch["real"] for batch in first_batches])
    later = torch.cat([batch["real"] for batch in reference_set.train_batches(700, offset=1000)])
    assert torch.equal(later[600:], first[:100])
