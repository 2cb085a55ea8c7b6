"""Examinations of games whose state is known; being examined changes nothing."""

import math

import numpy as np
import pytest
import torch
from broken_games import Shift, bench, everything, examples, flat_game, mlp_game, normal_batches, ring_examples, same
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.diagnosis.measures import NUM_MEAN_DIRECTIONS, NUM_TRACKED_SAMPLES, class_consistency_signals
from zerosum.diagnosis.probe import GameProbe, capture_last_layer_input, flatten_scores
from zerosum.diagnosis.sandbox import dry_run_round, sandboxed_copy
from zerosum.diagnosis.signal_catalog import describe_signal
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.configs import DCGANDiscriminatorConfig, DCGANGeneratorConfig
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import dry_step, play_round
from zerosum.training.meter import Meter

TRY = dry_step(Accelerator())
NOW = Progress(3, 192)


def examination(data: Dataset | None = None, samples: int = 64, part: int = 16) -> GameProbe:
    return GameProbe(bench(data, samples, part), TRY)


@pytest.fixture(scope="module")
def normal() -> GameProbe:
    """Of standard normal points."""
    draw = np.random.default_rng(0).standard_normal((400, 2)).astype(np.float32)
    return examination(examples(draw[:300], draw[300:]))


@pytest.fixture(scope="module")
def rings() -> GameProbe:
    return examination()


@pytest.fixture(scope="module")
def classed() -> GameProbe:
    return examination(ring_examples(classes=True))


def played(game: AdversarialGame, classes: int = 0) -> AdversarialGame:
    """After two rounds, so that optimizers and averages remember something."""
    batches = normal_batches(4, n=16)
    labels = {"label": torch.arange(16) % classes} if classes else {}
    loader = iter([batch | labels for batch in batches])
    for turn in range(2):
        play_round(game, loader, Accelerator(), Progress(turn, 16 * turn), Meter())
        for player in game.players.values():
            player.update_ema(16, Progress(turn, 16 * turn))
    return game


# ---------------------------------------------------------------------- any game

GAMES = {
    "plain": {}, "spectral": {"spectral": True}, "batch norm": {"norm": "batch"}, "dropout": {"dropout": 0.3},
    "r1": {"terms": {"r1": R1()}}, "classes": {"classes": 8},
}  # fmt: skip
ALWAYS = {
    "auc", "auc_unseen", "known", "separation", "rt", "rv", "dx", "dgz", "inner_spread", "spread", "echo", "nearest",
    "copies", "precision", "recall", "coverage", "coverage_floor", "recall_floor", "kinds", "kinds_missing", "kinds_js",
    "low", "high", "saturated", "saturated_real", "real_mean", "real_variance", "lag", "spread_average",
    "coverage_average", "latent", "push", "steep", "penalty", "finite",
    *(f"{what}/{player}" for what in ("gradient", "stillest", "stride") for player in ("discriminator", "generator")),
    *(f"trace/{number}" for number in range(NUM_TRACKED_SAMPLES)), *(f"middle/{number}" for number in range(NUM_MEAN_DIRECTIONS)),
}  # fmt: skip
WITH_CLASSES = {"class_effect", "heard", "fits", "obeyed", "obeyed_real", "spread_class", "spread_least_class"}
DEEP = {"gap", "gap/discriminator", "gap/generator"}


def names(signals: set[str]) -> set[str]:
    return {f"monitor/{signal}" for signal in signals}


@pytest.mark.parametrize("name", GAMES)
def test_an_examination_sees_much_and_changes_nothing(name: str, rings: GameProbe, classed: GameProbe) -> None:
    classes = GAMES[name].get("classes", 0)
    game, examine = played(mlp_game(**GAMES[name]), classes), classed if classes else rings
    before = everything(game)
    found = examine(game, NOW, deep=True)
    assert same(before, everything(game))
    assert names(ALWAYS | DEEP) <= set(found)
    assert set(found) & names(WITH_CLASSES) == (names(WITH_CLASSES) if classes else set())
    for signal, number in found.items():
        assert isinstance(number, float), signal
        assert math.isfinite(number), signal
        assert describe_signal(signal), f"there are words for {signal}"
    torch.manual_seed(0)  # whatever the dice have shown before
    before = torch.get_rng_state()
    again = examine(game, NOW, deep=True)
    assert torch.equal(before, torch.get_rng_state())
    if name != "dropout":
        assert again == found


def test_a_shallow_examination_has_no_gap(rings: GameProbe) -> None:
    game = mlp_game()
    deep, shallow = rings(game, NOW, deep=True), rings(game, NOW)
    assert {name: deep[name] for name in shallow} == shallow
    assert set(deep) - set(shallow) == names(DEEP)


def test_training_goes_on_as_if_it_had_not_been_examined(rings: GameProbe) -> None:
    """Dropout throws dice: after an examination they show what they would have shown without it."""
    ends = []
    for examined in (False, True):
        game = played(mlp_game(dropout=0.3))
        torch.manual_seed(5)
        if examined:
            rings(game, NOW, deep=True)
        ends.append(everything(played(game)))
    assert same(*ends)


def test_another_bench_of_the_same_data_gives_the_same_numbers(rings: GameProbe) -> None:
    game = mlp_game()
    assert examination()(game, NOW) == rings(game, NOW)


def test_pictures_are_examined_too() -> None:
    dice = np.random.default_rng(0)
    data = examples(dice.integers(0, 256, (60, 16, 16, 1), np.uint8), dice.integers(0, 256, (40, 16, 16, 1), np.uint8))
    torch.manual_seed(0)
    generator = DCGANGeneratorConfig(width=4).build(4, (1, 16, 16), True)
    game = AdversarialGame(
        generator, DCGANDiscriminatorConfig(width=4).build((1, 16, 16)), Normal(size=4), Wasserstein(), {}, Adam(), 50.0
    )
    before = everything(game)
    found = examination(data, samples=32, part=16)(game, NOW)
    assert same(before, everything(game))
    assert names(ALWAYS) <= set(found)
    assert -1 <= found["monitor/sample_min"] < found["monitor/sample_max"] <= 1


def test_what_is_not_finite_is_said_and_nothing_else(rings: GameProbe) -> None:
    game = flat_game(Shift((math.nan, 0.0)), (1.0, 0.0))
    assert rings(game, NOW) == {"monitor/finite": 0.0}


# ---------------------------------------------------------------------- known games


def test_a_linear_game_is_seen_as_it_is(normal: GameProbe) -> None:
    """D(x) = w . x and G(z) = 3 z + b: all slopes are known, and a step of Adam without memory is lr a weight."""
    found = normal(flat_game(Shift((1.0, 0.0), scale=3.0), (3.0, -4.0), lr=0.01), NOW)
    size = normal.reference_set.mean_pairwise_distance
    assert found["monitor/score_input_gradient"] == pytest.approx(5 * size, rel=1e-5)
    assert found["monitor/loss_input_gradient"] == pytest.approx(5 * size, rel=1e-5)
    # 16 lengths of two normal numbers: sqrt(pi / 2) on average, with a deviation of 0.16
    assert found["monitor/latent_sensitivity"] * size / 3 == pytest.approx(math.sqrt(math.pi / 2), abs=5 * 0.17)
    assert found["monitor/update_ratio/discriminator"] == pytest.approx(0.01 * math.sqrt(2) / 5, rel=1e-3)
    assert found["monitor/update_ratio/generator"] == pytest.approx(0.01 * math.sqrt(2), rel=1e-3)
    assert found["monitor/grad_norm/generator"] == pytest.approx(5, rel=0.01), (
        "w but for the discriminator's step before"
    )
    assert found["monitor/diversity"] == pytest.approx(3, rel=0.35)
    assert found["monitor/ema_lag"] == 0
    assert found["monitor/penalty_ratio"] == 0


def test_only_the_slope_of_what_varies_counts(normal: GameProbe) -> None:
    """Half as large data are as much nearer to each other: what is told in terms of their spread halves."""
    half = normal.reference_set.dataset.values / 2
    small = examination(examples(half[:300], half[300:]))
    game = flat_game(Shift(), (3.0, -4.0))
    one, other = normal(game, NOW), small(game, NOW)
    assert other["monitor/score_input_gradient"] == pytest.approx(one["monitor/score_input_gradient"] / 2, rel=1e-4)
    assert other["monitor/latent_sensitivity"] == pytest.approx(one["monitor/latent_sensitivity"] * 2, rel=1e-4)
    assert other["monitor/diversity"] == pytest.approx(one["monitor/diversity"] * 2, rel=1e-4)


def test_a_latent_that_is_multiplied_by_nothing(normal: GameProbe) -> None:
    found = normal(flat_game(Shift(scale=0.0), (1.0, 0.0)), NOW)
    assert found["monitor/latent_sensitivity"] == 0
    assert found["monitor/diversity"] == 0
    assert found["monitor/near_duplicates"] == 1
    assert found["monitor/feature_diversity"] == 0


def test_a_collapsed_generator_has_hardly_any_spread(rings: GameProbe) -> None:
    healthy, ill = mlp_game(), mlp_game()
    with torch.no_grad():
        ill.generator.sample[0].weight.mul_(1e-4)
    well, found = rings(healthy, NOW), rings(ill, NOW)
    assert 0 < found["monitor/diversity"] < 1e-3
    assert 0 < found["monitor/latent_sensitivity"] < 1e-3 * well["monitor/latent_sensitivity"] * 1.01
    assert found["monitor/near_duplicates"] == 1
    assert well["monitor/diversity"] > 0.1
    assert found["monitor/missing_modes"] >= 1


@pytest.mark.parametrize("lr", [0.0, 1e-3])
def test_a_player_that_may_not_learn_takes_no_stride(rings: GameProbe, lr: float) -> None:
    found = rings(mlp_game(lr=lr), NOW)
    for player in ("discriminator", "generator"):
        assert (found[f"monitor/update_ratio/{player}"] > 0) == (lr > 0)
        assert found[f"monitor/grad_norm/{player}"] > 0


def test_a_generator_that_is_not_pushed(rings: GameProbe) -> None:
    """Where the discriminator says the same of everything, no loss has a slope."""
    found = rings(flat_game(Shift(), (0.0, 0.0)), NOW)
    assert found["monitor/loss_input_gradient"] == found["monitor/score_input_gradient"] == 0
    assert found["monitor/auc_train"] == found["monitor/auc_held_out"] == found["monitor/auc_train_vs_held_out"] == 0.5


def test_a_perfect_discriminator(rings: GameProbe) -> None:
    """Samples at 50 beside a ring of radius 2, and scores that fall on the way there."""
    found = rings(flat_game(Shift((50.0, 0.0)), (-1.0, 0.0)), NOW)
    assert found["monitor/auc_train"] == found["monitor/auc_held_out"] == 1
    assert found["monitor/score_sign_train"] == found["monitor/score_sign_held_out"] == 1
    assert found["monitor/coverage"] == found["monitor/precision"] == 0
    assert found["monitor/probability_fake"] < 1e-6


def test_a_penalty_beside_the_score(normal: GameProbe) -> None:
    """R1's part of the discriminator's loss over the score's, both by themselves."""
    game = mlp_game(terms={"r1": R1(weight=4.0)})
    found = normal(game, NOW)["monitor/penalty_ratio"]
    batch = normal.reference_set.train_batches(16, offset=NOW.examples + 1)[0]
    with sandboxed_copy(game) as same_game:
        terms = TRY(same_game, game_move(same_game, "discriminator"), batch, NOW)
    assert terms["discriminator/r1"] > 0
    assert found == pytest.approx(terms["discriminator/r1"] / terms["discriminator/score"], rel=1e-6)


def game_move(game: AdversarialGame, player: str):
    (move,) = [move for move in game.moves if move.player == player]
    return move


# ---------------------------------------------------------------------- classes


class Deaf(nn.Module):
    """Takes a class, and ignores it or moves its samples along a line by it."""

    takes = ("label",)

    def __init__(self, step: float) -> None:
        super().__init__()
        self.where, self.step = nn.Parameter(torch.zeros(2)), step

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        return latent + self.where + torch.tensor([self.step, 0.0]) * label[:, None]


class Ear(nn.Module):
    """Scores a sample by how near it is to its class's mode, or by its place alone."""

    takes = ("label",)

    def __init__(self, hears: bool) -> None:
        super().__init__()
        self.line, self.hears = nn.Linear(2, 1), hears

    def forward(self, sample: Tensor, label: Tensor) -> DiscriminatorOutput:
        angle = label * (math.pi / 4)
        near = (sample * torch.stack([angle.cos(), angle.sin()], 1)).sum(1)
        return DiscriminatorOutput(self.line(sample)[:, 0] * (not self.hears) + near * self.hears)


def told_game(step: float, hears: bool, classes: int = 8) -> AdversarialGame:
    return AdversarialGame(
        Deaf(step), Ear(hears), Normal(size=2), Wasserstein(), {}, Adam(), 50.0, class_priors=[1 / classes] * classes
    )


def test_a_generator_that_ignores_the_class(classed: GameProbe) -> None:
    assert classed(told_game(0.0, hears=True), NOW)["monitor/generator_class_sensitivity"] == 0


def test_a_generator_that_hears_the_class() -> None:
    """With two classes another class is always the other one."""
    points = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    two = examination(examples(points[:120], points[120:], np.arange(200) % 2))
    found = two(told_game(3.0, hears=True, classes=2), NOW)
    assert found["monitor/generator_class_sensitivity"] == pytest.approx(
        3 / two.reference_set.mean_pairwise_distance, rel=1e-5
    )


def test_whether_the_discriminator_hears_the_class(classed: GameProbe) -> None:
    """At its own mode a real fits best; where classes are not heard, right and wrong are equal."""
    assert classed(told_game(1.0, hears=True), NOW)["monitor/discriminator_class_sensitivity"] > 0.5
    assert classed(told_game(1.0, hears=True), NOW)["monitor/class_ranking_accuracy"] == 1.0
    deaf = classed(told_game(1.0, hears=False), NOW)
    assert deaf["monitor/discriminator_class_sensitivity"] == 0
    assert deaf["monitor/class_ranking_accuracy"] == 0.5


def test_whether_samples_are_of_the_class_asked_for(classed: GameProbe) -> None:
    """Training examples are of their own class, and their reflections in the middle of the ring are of the opposite."""
    reference_set = classed.reference_set
    rows = reference_set.train_features[np.arange(reference_set.num_samples) % len(reference_set.train_features)]
    assert class_consistency_signals(rows, reference_set)["monitor/class_consistency"] == 1
    assert class_consistency_signals(-rows, reference_set)["monitor/class_consistency"] == 0
    assert class_consistency_signals(rows, reference_set)["monitor/class_consistency_real"] > 0.95


# ---------------------------------------------------------------------- parts


def test_a_round_on_a_double() -> None:
    """The gradient of E w . G(z) - E w . x is the difference of the means; the game itself stays."""
    game, batch = flat_game(Shift((2.0, 0.0)), (1.0, 1.0)), normal_batches(1)[0]
    before = everything(game)
    with sandboxed_copy(game) as copied_game:
        expected = copied_game.imagine(batch, NOW).detach().mean(0) - batch["real"].mean(0)
        trials, terms = dry_run_round(copied_game, batch, NOW, TRY)
        assert not torch.equal(copied_game.discriminator.score.weight, game.discriminator.score.weight)
    assert trials["discriminator"].grad_norm == pytest.approx(float(expected.norm()), rel=1e-4)
    assert terms["discriminator/score"] == pytest.approx(float(expected.sum()), rel=1e-3)
    assert trials["discriminator"].min_layer_gradient == 1, "its only layer is its median layer"
    assert same(before, everything(game))


def test_a_layer_that_no_gradient_reaches() -> None:
    """The first of three layers is cut off where all units of the second are dead."""
    game = mlp_game(activation="relu")
    with torch.no_grad():
        game.discriminator.hidden[1][0].bias.fill_(-1e3)
    with sandboxed_copy(game) as copied_game:
        trials, _ = dry_run_round(copied_game, normal_batches(1)[0], NOW, TRY)
    assert trials["discriminator"].min_layer_gradient == 0
    assert trials["generator"].grad_norm == 0
    with sandboxed_copy(mlp_game()) as copied_game:
        trials, _ = dry_run_round(copied_game, normal_batches(1)[0], NOW, TRY)
    assert all(0 < trial.min_layer_gradient <= 1 for trial in trials.values())


@pytest.mark.parametrize("spectral", [False, True])
def test_what_the_last_layer_is_given(spectral: bool) -> None:
    network = mlp_game(spectral=spectral).discriminator.eval()
    sample = normal_batches(1, n=5)[0]["real"]
    with torch.no_grad():
        with capture_last_layer_input(network) as inner:
            for _ in range(2):
                network(sample)
        assert len(inner) == 2
        assert torch.allclose(inner[1], network.hidden(sample))
        network(sample)
    assert len(inner) == 2, "afterwards nobody listens"


def test_flat_scores() -> None:
    patches = torch.arange(8.0).view(2, 1, 2, 2)
    assert flatten_scores(patches).tolist() == [1.5, 5.5]
    assert flatten_scores(torch.tensor([1, 2])).tolist() == [1.0, 2.0]
    leaf = patches.requires_grad_(True)
    assert flatten_scores(leaf, keep_graph=True).requires_grad
    assert not flatten_scores(leaf).requires_grad


def test_batches_of_a_bench_begin_again_at_the_end() -> None:
    """Held-out examples are fewer than asked for, and seeds are none twice; other examples come with other seeds."""
    held = bench(ring_examples(), samples=300, part=64)
    parts = held.held_out()
    assert [len(part["real"]) for part in parts] == [64, 64, 64, 64, 44]
    real = torch.cat([part["real"] for part in parts])
    assert torch.equal(real[:44], real[256:])
    seeds = [torch.cat([part["seed"] for part in each]) for each in (held.train(), held.train(300, first=1000))]
    assert len(torch.cat(seeds).unique()) == 600
    later = torch.cat([part["real"] for part in held.train(700, first=1000)])
    assert torch.equal(later[600:], torch.cat([part["real"] for part in held.train()])[:100])
