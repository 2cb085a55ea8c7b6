"""The NaN tracer names the layer, gradient or optimizer step of the first non-finite number."""

import torch
from tiny_games import Points, TinyDiscriminator, points_game
from torch import Tensor, nn

from zerosum.data.loader import BatchLoader
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.training.nan_tracer import FiniteCheckingAccelerator, replay_until_nonfinite


class InfiniteAfter(nn.Module):
    """The identity for a number of calls; then the output is infinite."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self.calls = calls
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * torch.inf if self.count > self.calls else x


class NanGradient(torch.autograd.Function):
    """The identity, with NaN as the gradient."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient * torch.nan


class NanGradientLayer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return NanGradient.apply(x)


def game_with(layer: nn.Module) -> AdversarialGame:
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 2))
    parts = GameParts(generator, TinyDiscriminator(), Normal(size=4), NonSaturating(), Adam(lr=1e-3), TensorSpec((2,)))
    return AdversarialGame(parts)


def trace(game: AdversarialGame) -> str:
    return replay_until_nonfinite(game, BatchLoader(Points(), 16, 0), FiniteCheckingAccelerator(), Progress(), 16, 320)


def test_a_layer_with_a_non_finite_output_is_named() -> None:
    """The generator runs in the moves of both players, so its seventh call is in round 3."""
    assert trace(game_with(InfiniteAfter(6))) == "the output of generator.1 (InfiniteAfter), in round 3"


class InfiniteBranch(nn.Module):
    """Returns a tree of tensors, of which one is infinite."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"finite": x, "infinite": x / 0}


class FiniteBranch(nn.Module):
    """Returns the finite tensor of the tree."""

    def forward(self, tree: dict[str, Tensor]) -> Tensor:
        return tree["finite"]


def test_a_layer_is_named_whose_output_is_a_tree() -> None:
    layer = nn.Sequential(InfiniteBranch(), FiniteBranch())
    assert trace(game_with(layer)) == "the output of generator.1.0 (InfiniteBranch), in round 0"


def test_a_non_finite_gradient_is_named() -> None:
    message = trace(game_with(NanGradientLayer()))
    assert message == "the gradient of generator.0.weight in the move of the generator, in round 0"


def test_a_non_finite_optimizer_step_is_named() -> None:
    message = trace(points_game(optimizer=Adam(lr=1e39)))
    assert message.startswith("the optimizer step of discriminator.body.0.weight")
    assert message.endswith("in round 0")


def test_a_finite_game() -> None:
    assert trace(points_game()) == ""
