"""The duality gap against closed forms, at an equilibrium and after a collapse; looking changes nothing."""

import math

import pytest
import torch
from broken_games import Shift, everything, flat_game, mlp_game, normal_batches, same
from torch import Tensor, nn

from zerosum.diagnosis.duality_gap import WEIGHT_PERTURBATION, duality_gap, objective_value, real_data_objective_value
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import Hinge, LeastSquares, NonSaturating, Relativistic, Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.schedule import Progress
from zerosum.game.types import DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import dry_step, play_round
from zerosum.training.meter import Meter

TRY = dry_step(Accelerator())
NOW = Progress(1, 64)
STEPS, LR = 10, 0.01
UNSEEN = normal_batches(4, n=256, first=50_000)


def gap(game: AdversarialGame, batches=None):
    return duality_gap(game, batches or normal_batches(STEPS), UNSEEN, NOW, TRY)


# ---------------------------------------------------------------------- the bilinear game


def test_the_value_of_a_linear_discriminator() -> None:
    """M(G, D) = E D(x) - E D(G(z)) = w . (mean of reals - mean of fakes)."""
    game = flat_game(Shift((3.0, 1.0)), (1.0, -2.0))
    real = torch.cat([batch["real"] for batch in UNSEEN]).mean(0)
    with torch.no_grad():
        fake = torch.cat([game.imagine(batch, Progress()) for batch in UNSEEN]).mean(0)
    assert objective_value(game, UNSEEN, Progress()) == pytest.approx(
        float((real - fake) @ torch.tensor([1.0, -2.0])), rel=1e-4
    )


def test_what_the_discriminator_could_win_from_nothing() -> None:
    """From w = 0, each of ten steps on one batch is (lr, lr) towards the data: it wins 10 lr |difference of means|_1.

    The generator moves against a discriminator that says nothing, and wins nothing.
    """
    game = flat_game(Shift((3.0, -1.0)), (0.0, 0.0), LR)
    real = torch.cat([batch["real"] for batch in UNSEEN]).mean(0)
    with torch.no_grad():
        fake = torch.cat([game.imagine(batch, Progress()) for batch in UNSEEN]).mean(0)
    found = gap(game, normal_batches(1) * STEPS)
    assert found.discriminator == pytest.approx(STEPS * LR * float((real - fake).abs().sum()), rel=1e-3)
    assert found.generator == 0
    assert found.total == found.discriminator


def test_what_the_generator_could_win() -> None:
    """From 0, each of its ten steps is lr along the sign of w = (1, -2): it wins 10 lr |w|_1, whatever the latents."""
    found = gap(flat_game(Shift(), (1.0, -2.0), LR))
    assert found.generator == pytest.approx(STEPS * LR * 3, rel=1e-3)


def test_nobody_could_win_at_the_equilibrium() -> None:
    """w = 0, and samples distributed as the data: what is left is chance.

    The discriminator's weights end below 10 lr each, on differences of means with a deviation of sqrt(2 / 1024).
    """
    found = gap(flat_game(Shift(), (0.0, 0.0), LR))
    assert found.total <= STEPS * LR * 2 * 5 * math.sqrt(2 / 1024)
    assert found.generator == 0


def test_a_search_that_runs_away_has_found_nothing() -> None:
    """At a rate beyond any number both searches end in what is none; making the data is still worth the same."""
    game = flat_game(Shift((-10.0, 4.0)), (1.0, -2.0), 1e38)
    found = gap(game)
    assert math.isfinite(found.total)
    assert found.generator >= objective_value(game, UNSEEN, NOW) - 0.5


class Pit(nn.Module):
    """Scores a sample by its squared distance from (1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = nn.Parameter(torch.tensor(1.0))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.depth * (sample - 1).square().sum(1))


def test_a_stationary_point_that_is_no_equilibrium_shows() -> None:
    """At the bottom of a pit no slope leads out, yet any way out of it wins: so players begin a little beside.

    The constant samples stand at the bottom; ten steps of lr on either axis win 2 (10 lr)^2 and what lies beside, at
    most four deviations of the nudge.
    """
    rule = Adam(lr=LR, beta1=0.0, beta2=0.5)
    game = AdversarialGame(Shift((1.0, 1.0), scale=0.0), Pit(), Normal(size=2), Wasserstein(), {}, rule, 50.0)
    there = [batch | {"real": torch.ones_like(batch["real"])} for batch in normal_batches(STEPS)]
    found = duality_gap(game, there, there[:4], NOW, TRY)
    assert 2 * (STEPS * LR) ** 2 * 0.8 < found.generator < 2 * (STEPS * LR + 4 * WEIGHT_PERTURBATION) ** 2


def test_a_generator_far_from_the_data_could_make_them() -> None:
    """Ten small moves win 10 lr |w|_1 = 0.3; to make the data wins w . (mean of reals - mean of fakes), some 18."""
    game = flat_game(Shift((-10.0, 4.0)), (1.0, -2.0), LR)
    stands, known = objective_value(game, UNSEEN, NOW), normal_batches(STEPS)
    assert real_data_objective_value(game, UNSEEN, known, NOW) == pytest.approx(0, abs=0.5)
    assert gap(game, known).generator == pytest.approx(stands, abs=0.5)
    assert stands > 15


# ---------------------------------------------------------------------- games with networks


def against_nothing(generator: nn.Module, objective) -> AdversarialGame:
    """A game whose discriminator says the same of everything, as it does at the equilibrium, and may learn more."""
    game = mlp_game(objective, lr=LR)
    with torch.no_grad():
        game.discriminator.head.score.weight.zero_()
        game.discriminator.head.score.bias.fill_(0.5 if isinstance(objective, LeastSquares) else 0.0)
    return AdversarialGame(
        generator, game.discriminator, Normal(size=2), objective, {}, Adam(lr=LR, beta1=0.0, beta2=0.9), 50.0
    )


@pytest.mark.parametrize("objective", [NonSaturating(), LeastSquares(), Hinge(), Relativistic()])
def test_a_perfect_generator_leaves_nothing_to_win_and_a_collapsed_one_much(objective) -> None:
    perfect = against_nothing(Shift(), objective)
    assert objective_value(perfect, UNSEEN, NOW) == pytest.approx(-objective.equilibrium[0], abs=1e-6)
    ill = gap(against_nothing(Shift((0.5, 0.5), scale=0.01), objective))
    well = gap(perfect)
    assert well.total < 0.06
    assert ill.discriminator > max(0.2, 5 * well.total)


@pytest.mark.parametrize("seed", range(4))
def test_neither_part_is_negative(seed: int) -> None:
    """Large steps overshoot: then the best response found is to stand still."""
    game = mlp_game(lr=1.0)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in game.parameters():
            parameter.normal_()
    found = gap(game)
    assert found.discriminator >= 0
    assert found.generator >= 0
    assert found.total == found.discriminator + found.generator


@pytest.mark.parametrize("more", [{}, {"spectral": True}, {"norm": "batch"}, {"dropout": 0.3}])
def test_looking_changes_nothing(more) -> None:
    game = mlp_game(**more)
    play_round(game, iter(normal_batches(2)), Accelerator(), Progress(), Meter())
    before = everything(game)
    found = gap(game)
    assert found.total > 0
    assert same(before, everything(game))
    assert gap(game) == found or more.get("dropout"), "the same game has the same gap"
