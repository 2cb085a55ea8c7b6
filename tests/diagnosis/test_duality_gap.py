"""The duality gap against closed forms, at an equilibrium and after mode collapse; it does not change the game."""

import math

import pytest
import torch
from broken_games import ShiftGenerator, is_identical, linear_game, mlp_game, normal_batches, snapshot
from torch import Tensor, nn

from zerosum.diagnosis.duality_gap import (
    WEIGHT_PERTURBATION,
    DualityGap,
    duality_gap,
    objective_value,
    real_data_objective_value,
)
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import Hinge, LeastSquares, NonSaturating, Relativistic, Wasserstein
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round, trial_step
from zerosum.training.meter import Meter

TRIAL_STEP = trial_step(Accelerator())
PROGRESS = Progress(1, 64)
STEPS, LR = 10, 0.01
HELD_OUT = normal_batches(4, batch_size=256, offset=50_000)


def compute_gap(game: AdversarialGame, batches: list[Batch] | None = None) -> DualityGap:
    return duality_gap(game, batches or normal_batches(STEPS), HELD_OUT, PROGRESS, TRIAL_STEP)


def mean_difference(game: AdversarialGame) -> Tensor:
    """The mean of the held-out reals minus the mean of the fakes, (2,)."""
    real = torch.cat([batch["real"] for batch in HELD_OUT]).mean(0)
    with torch.no_grad():
        fake = torch.cat([game.generate(batch, Progress()) for batch in HELD_OUT]).mean(0)
    return real - fake


# ---------------------------------------------------------------------- the bilinear game


def test_objective_of_a_linear_discriminator() -> None:
    """M(G, D) = E D(x) - E D(G(z)) = w . (mean of reals - mean of fakes)."""
    game = linear_game(ShiftGenerator((3.0, 1.0)), (1.0, -2.0))
    expected = float(mean_difference(game) @ torch.tensor([1.0, -2.0]))
    assert objective_value(game, HELD_OUT, Progress()) == pytest.approx(expected, rel=1e-4)


def test_gain_of_a_discriminator_with_zero_weight() -> None:
    """From w = 0, each of ten steps on one batch is (lr, lr) towards the data: the gain is 10 lr |mean difference|_1.

    The generator has no gradient and no gain.
    """
    game = linear_game(ShiftGenerator((3.0, -1.0)), (0.0, 0.0), LR)
    gap = compute_gap(game, normal_batches(1) * STEPS)
    assert gap.discriminator == pytest.approx(STEPS * LR * float(mean_difference(game).abs().sum()), rel=1e-3)
    assert gap.generator == 0
    assert gap.total == gap.discriminator


def test_gain_of_the_generator() -> None:
    """From 0, each of its ten steps is lr along the sign of w = (1, -2): its gain is 10 lr |w|_1 for all latents."""
    gap = compute_gap(linear_game(ShiftGenerator(), (1.0, -2.0), LR))
    assert gap.generator == pytest.approx(STEPS * LR * 3, rel=1e-3)


def test_no_gain_at_the_equilibrium() -> None:
    """w = 0, and samples distributed as the data: only chance is left.

    The discriminator's weights end below 10 lr each, on differences of means with a deviation of sqrt(2 / 1024).
    """
    gap = compute_gap(linear_game(ShiftGenerator(), (0.0, 0.0), LR))
    assert gap.total <= STEPS * LR * 2 * 5 * math.sqrt(2 / 1024)
    assert gap.generator == 0


def test_a_diverging_search_counts_as_no_response() -> None:
    """At a huge learning rate both searches are non-finite; the data distribution still has its gain."""
    game = linear_game(ShiftGenerator((-10.0, 4.0)), (1.0, -2.0), 1e38)
    gap = compute_gap(game)
    assert math.isfinite(gap.total)
    assert gap.generator >= objective_value(game, HELD_OUT, PROGRESS) - 0.5


class QuadraticDiscriminator(nn.Module):
    """Scores a sample by its squared distance from (1, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.weight * (sample - 1).square().sum(1))


def test_a_stationary_point_that_is_no_equilibrium_has_a_gap() -> None:
    """At the minimum the gradient is zero, yet any step away gains: so the search starts from perturbed weights.

    The constant samples are at the minimum; ten steps of lr on either axis gain 2 (10 lr)^2 and the perturbation's
    part, at most four of its deviations.
    """
    optimizer, generator = Adam(lr=LR, beta1=0.0, beta2=0.5), ShiftGenerator((1.0, 1.0), scale=0.0)
    networks = generator, QuadraticDiscriminator()
    game = AdversarialGame(GameParts(*networks, Normal(size=2), Wasserstein(), optimizer, TensorSpec((2,))))
    batches = [batch | {"real": torch.ones_like(batch["real"])} for batch in normal_batches(STEPS)]
    gap = duality_gap(game, batches, batches[:4], PROGRESS, TRIAL_STEP)
    assert 2 * (STEPS * LR) ** 2 * 0.8 < gap.generator < 2 * (STEPS * LR + 4 * WEIGHT_PERTURBATION) ** 2


def test_the_data_distribution_is_a_response_of_the_generator() -> None:
    """Ten small moves gain 10 lr |w|_1 = 0.3; the data distribution gains w . (mean difference), about 18."""
    game = linear_game(ShiftGenerator((-10.0, 4.0)), (1.0, -2.0), LR)
    current, train_batches = objective_value(game, HELD_OUT, PROGRESS), normal_batches(STEPS)
    assert real_data_objective_value(game, HELD_OUT, train_batches, PROGRESS) == pytest.approx(0, abs=0.5)
    assert compute_gap(game, train_batches).generator == pytest.approx(current, abs=0.5)
    assert current > 15


# ---------------------------------------------------------------------- games with networks


def constant_score_game(generator: nn.Module, objective) -> AdversarialGame:
    """A game whose discriminator gives all inputs the score of the equilibrium, and can learn more."""
    game = mlp_game(objective, lr=LR)
    with torch.no_grad():
        game.discriminator.head.score.weight.zero_()
        game.discriminator.head.score.bias.fill_(0.5 if isinstance(objective, LeastSquares) else 0.0)
    optimizer = Adam(lr=LR, beta1=0.0, beta2=0.9)
    return AdversarialGame(
        GameParts(generator, game.discriminator, Normal(size=2), objective, optimizer, TensorSpec((2,)))
    )


@pytest.mark.parametrize("objective", [NonSaturating(), LeastSquares(), Hinge(), Relativistic()])
def test_the_gap_is_small_for_a_perfect_generator_and_large_after_mode_collapse(objective) -> None:
    perfect = constant_score_game(ShiftGenerator(), objective)
    assert objective_value(perfect, HELD_OUT, PROGRESS) == pytest.approx(-objective.equilibrium_losses[0], abs=1e-6)
    collapsed_gap = compute_gap(constant_score_game(ShiftGenerator((0.5, 0.5), scale=0.01), objective))
    perfect_gap = compute_gap(perfect)
    assert perfect_gap.total < 0.06
    assert collapsed_gap.discriminator > max(0.2, 5 * perfect_gap.total)


@pytest.mark.parametrize("seed", range(4))
def test_neither_part_is_negative(seed: int) -> None:
    """Large steps overshoot: then the best response is no change."""
    game = mlp_game(lr=1.0)
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in game.parameters():
            parameter.normal_()
    gap = compute_gap(game)
    assert gap.discriminator >= 0
    assert gap.generator >= 0
    assert gap.total == gap.discriminator + gap.generator


@pytest.mark.parametrize("settings", [{}, {"spectral_norm": True}, {"norm": "batch"}, {"dropout": 0.3}])
def test_the_gap_does_not_change_the_game(settings) -> None:
    game = mlp_game(**settings)
    play_round(game, iter(normal_batches(2)), Accelerator(), Progress(), Meter())
    before = snapshot(game)
    gap = compute_gap(game)
    assert gap.total > 0
    assert is_identical(before, snapshot(game))
    assert compute_gap(game) == gap or settings.get("dropout"), "the same game has the same gap"
