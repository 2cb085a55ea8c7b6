"""The game in both directions: its terms by hand, what is trained, and domains with different channels."""

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.config import CycleGameConfig
from zerosum.game.cycle import CycleGame, swap_directions
from zerosum.game.latent import Normal
from zerosum.game.objective import LeastSquares, NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, CycleConsistency, IdentityLoss
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter

IMAGE = TensorSpec((3, 8, 8), bounded=True)


class ScaleTranslator(nn.Module):
    """y = a x in the first channel of x, or in all: a translator whose losses are known in closed form."""

    condition_inputs = ()
    receptive_field_radius, size_multiple = 0, 1

    def __init__(self, factor: float, output_channels: int = 3) -> None:
        super().__init__()
        self.factor, self.output_channels = nn.Parameter(torch.tensor(factor)), output_channels

    def forward(self, inputs: Tensor) -> Tensor:
        resized = (
            inputs
            if inputs.shape[1] == self.output_channels
            else inputs[:, :1].expand(-1, self.output_channels, -1, -1)
        )
        return self.factor * resized


class MeanDiscriminator(nn.Module):
    """Scores an image by its weighted mean."""

    condition_inputs: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput((self.weight * sample).mean((1, 2, 3)))


def random_images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_batch(n: int = 4, input_channels: int = 3) -> Batch:
    inputs, real = random_images(0, n, input_channels, 8, 8), random_images(1, n, 3, 8, 8)
    return {"inputs": inputs, "real": real, "seed": seeded_rng.derive_seeds(5, 0, n)}


def make_game(terms=None, objective=None, input_channels: int = 3, **config) -> CycleGame:
    spec: SampleSpec = {"a_to_b": IMAGE, "b_to_a": TensorSpec((input_channels, 8, 8), bounded=True)}
    parts = GameParts(
        GeneratorPair(ScaleTranslator(0.5), ScaleTranslator(3.0, input_channels)),
        DiscriminatorPair(MeanDiscriminator(), MeanDiscriminator()),
        Normal(size=2), objective or NonSaturating(), Adam(lr=1e-2, beta1=0.0, beta2=0.9), spec, terms or {}, 100.0,
        per_sample=True,
    )  # fmt: skip
    return CycleGame(parts, CycleGameConfig(**config))


def test_terms_match_their_formulas() -> None:
    """A to B halves and B to A triples: the cycle returns 1.5 a and 1.5 b."""
    game, batch = make_game(), make_batch()
    play = game.build_play(batch, Progress())
    a, b = batch["inputs"], batch["real"]
    close = torch.testing.assert_close
    close(play.fake_samples, {"a_to_b": 0.5 * a, "b_to_a": 3 * b})
    close(play.real_samples, {"a_to_b": b, "b_to_a": a})
    cycle_losses = (0.5 * a).abs().mean((1, 2, 3)), (0.5 * b).abs().mean((1, 2, 3))
    close(CycleConsistency()(play), (cycle_losses[0] + cycle_losses[1]) / 2)
    identity_losses = (0.5 * b).abs().mean((1, 2, 3)), (2 * a).abs().mean((1, 2, 3))
    close(IdentityLoss()(play), (identity_losses[0] + identity_losses[1]) / 2)


def test_directions_with_different_channels_weigh_the_same() -> None:
    game, batch = make_game(input_channels=1), make_batch(input_channels=1)
    a, b = batch["inputs"], batch["real"]
    gray = b[:, :1].expand(-1, 3, -1, -1)
    expected = ((0.5 * a).abs().mean((1, 2, 3)) + (1.5 * gray - b).abs().mean((1, 2, 3))) / 2
    torch.testing.assert_close(CycleConsistency()(game.build_play(batch, Progress())), expected)


class GradientRecorder(Accelerator):
    """Records which parameters have gradients at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, list[bool]]] = []

    def step(self, player, progress) -> float:
        has_gradient = [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in player.parameters]
        self.steps.append((player.name, has_gradient))
        return super().step(player, progress)


@pytest.mark.parametrize("input_channels", [1, 3])
@pytest.mark.parametrize("config", [{}, {"reuse_fakes": True}, {"replay_buffer": 8}])
def test_every_network_is_trained(input_channels: int, config: dict) -> None:
    terms = {"cycle": CycleConsistency(), "r1": R1(every_rounds=2)}
    game = make_game(terms | ({"identity": IdentityLoss()} if input_channels == 3 else {}), LeastSquares(),
                     input_channels, **config)  # fmt: skip
    accelerator = GradientRecorder()
    before = [p.detach().clone() for player in game.players.values() for p in player.parameters]
    play_round(game, iter([make_batch(input_channels=input_channels)] * 3), accelerator, Progress(), Meter())
    assert accelerator.steps == [("discriminator", [True, True])] * 2 + [("generator", [True, True])]
    after = [p for player in game.players.values() for p in player.parameters]
    assert all(bool((x != y).any()) for x, y in zip(before, after, strict=True))


def test_translate_uses_the_ema_of_one_direction() -> None:
    game = make_game()
    inputs = random_images(3, 2, 3, 5, 7)
    torch.testing.assert_close(game.translate(inputs), 0.5 * inputs)
    torch.testing.assert_close(game.translate(inputs, reverse=True), 3 * inputs)
    with torch.no_grad():
        game.generator.a_to_b.factor.fill_(9.0)
    torch.testing.assert_close(game.translate(inputs), 0.5 * inputs)


def test_replay_buffer_of_both_directions_is_part_of_the_state_dict() -> None:
    assert not any("replay_buffer" in name for name in make_game().state_dict())
    game = make_game(replay_buffer=8)
    play_round(game, iter([make_batch()] * 2), Accelerator(), Progress(), Meter())
    fakes = game.generate(make_batch(), Progress())
    for name, direction in (("samples_0", "a_to_b"), ("samples_1", "b_to_a")):
        stored = game.state_dict()[f"replay_buffer.{name}"]
        assert stored.shape == (8, 3, 8, 8)
        torch.testing.assert_close(stored[:4], fakes[direction].detach(), rtol=0.2, atol=0.2)


def test_swapped_twice_is_the_same() -> None:
    batch = make_batch()
    samples = {"a_to_b": batch["inputs"], "b_to_a": batch["real"]}
    assert swap_directions(samples)["a_to_b"] is batch["real"]
    assert swap_directions(swap_directions(samples)) == samples
