"""An autopsy names the layer, the gradient or the step that lost the first number."""

import torch
from tiny_games import Points, Score, points_game
from torch import Tensor, nn

from zerosum.data.loader import BatchLoader
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.schedule import Progress
from zerosum.training.nan_tracer import FiniteCheckingAccelerator, replay_until_nonfinite


class Bomb(nn.Module):
    """Passes everything on, until it has been called so often: then what it gives is infinite."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * torch.inf if self.count > self.calls else x


class Spike(torch.autograd.Function):
    """Passes everything on, but no gradient back that is finite."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * torch.nan


class Spiked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Spike.apply(x)


def game_with(layer: nn.Module) -> AdversarialGame:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 2))
    return AdversarialGame(generator, Score(), Normal(size=4), NonSaturating(), {}, Adam(lr=1e-3), 50.0)


def examine(game: AdversarialGame) -> str:
    return replay_until_nonfinite(game, BatchLoader(Points(), 16, 0), FiniteCheckingAccelerator(), Progress(), 16, 320)


def test_the_layer_that_gave_it() -> None:
    """The generator runs in both players' moves, twice a round: the seventh call falls into round 3."""
    assert examine(game_with(Bomb(6))) == "the output of generator.1 (Bomb), in round 3"


def test_the_gradient_that_gave_it() -> None:
    found = examine(game_with(Spiked()))
    assert found == "the gradient of generator.0.weight, at the move of the generator, in round 0"


def test_the_step_that_gave_it() -> None:
    found = examine(points_game(rule=Adam(lr=1e39)))
    assert found.startswith("the step of discriminator.body.0.weight: its gradient was finite")
    assert found.endswith("in round 0")


def test_a_healthy_game() -> None:
    assert examine(points_game()) == ""
