"""Games with numeric conditions: networks, gradients, the replay buffer and sampling."""

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, input_gradient_norm_sq
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, Dragan, GradientPenalty
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter


class ConditionalGenerator(nn.Module):
    """Points that follow the condition."""

    condition_inputs = ("condition",)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4 + 2, 2)

    def forward(self, latent: Tensor, condition: Tensor) -> Tensor:
        return self.linear(torch.cat([latent, condition], 1))


class ConditionalDiscriminator(nn.Module):
    condition_inputs: tuple[str, ...] = ("condition",)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2 + 2, 1)

    def forward(self, sample: Tensor, condition: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.linear(torch.cat([sample, condition], 1)).tanh()[:, 0])


class UnconditionalDiscriminator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(self.linear(sample)[:, 0])


def draw_conditions(seed: Tensor, label: Tensor | None = None) -> Tensor:
    return seeded_rng.uniform(seed, 2, seeded_rng.RandomStream.CLASS)


def make_batch(n: int = 6, seed: int = 0) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    real, condition = (torch.randn(n, 2, generator=rng) for _ in range(2))
    return {"real": real, "condition": condition, "seed": seeded_rng.derive_seeds(seed, 0, n)}


def make_game(terms=None, discriminator: nn.Module | None = None, **config) -> AdversarialGame:
    torch.manual_seed(0)
    parts = GameParts(
        ConditionalGenerator(), discriminator or ConditionalDiscriminator(), Normal(size=4), NonSaturating(),
        Adam(lr=1e-2), TensorSpec((2,)), terms or {}, per_sample=True, condition_spec=TensorSpec((2,)),
        draw_conditions=draw_conditions,
    )  # fmt: skip
    return AdversarialGame(parts, AdversarialGameConfig(**config))


@pytest.mark.parametrize("terms", [{}, {"r1": R1()}, {"gp": GradientPenalty()}, {"dragan": Dragan()}])
@pytest.mark.parametrize("config", [{}, {"reuse_fakes": True}, {"replay_buffer": 12}])
def test_both_networks_receive_the_condition(terms: dict, config: dict) -> None:
    game = make_game(terms, **config)
    before = [weight.detach().clone() for weight in (game.generator.linear.weight, game.discriminator.linear.weight)]
    loader = iter([make_batch(seed=n) for n in range(8)])
    for index in range(3):
        play_round(game, loader, Accelerator(), Progress(index, 6 * index), Meter())
    for old, weight in zip(before, (game.generator.linear.weight, game.discriminator.linear.weight), strict=True):
        assert bool((weight != old).all()), "also the columns that belong to the condition"


def test_an_unconditional_discriminator_receives_no_condition() -> None:
    game = make_game(discriminator=UnconditionalDiscriminator())
    assert game.build_play(make_batch(), Progress()).real.condition is None


def test_gradients_are_not_taken_by_the_condition() -> None:
    game, batch = make_game(), make_batch()
    discriminator_input = DiscriminatorInput(batch["real"], condition=batch["condition"])
    output, norm_sq = input_gradient_norm_sq(game.discriminate, discriminator_input)
    weight = game.discriminator.linear.weight
    slope = 1 - output.score.square()
    torch.testing.assert_close(norm_sq, slope.square() * weight[0, :2].square().sum())


def test_replayed_fakes_keep_their_condition() -> None:
    """The fake of a condition is the condition itself."""
    game, num_exchanged = make_game(replay_buffer=12), 0
    for step in range(20):
        batch = make_batch(seed=step)
        fakes = DiscriminatorInput(batch["condition"], condition=batch["condition"])
        replayed = game.replay_buffer.push_and_sample(fakes, batch["seed"])
        assert torch.equal(replayed.sample, replayed.condition)
        num_exchanged += int((replayed.condition != batch["condition"]).any(1).sum())
    assert num_exchanged > 0
    assert "replay_buffer.conditions_0" in game.state_dict()


def test_conditions_of_samples_are_drawn_or_given() -> None:
    game, seed = make_game(), seeded_rng.derive_seeds(3, 0, 5)
    drawn = game.sample(seed)
    assert torch.equal(drawn, game.sample(seed, condition=draw_conditions(seed)))
    assert not torch.equal(drawn, game.sample(seed, condition=torch.zeros(5, 2)))


def test_default_conditions_are_drawn_for_the_class_of_each_sample() -> None:
    received: list[Tensor | None] = []

    def draw_for_class(seed: Tensor, label: Tensor | None) -> Tensor:
        received.append(label)
        assert label is not None
        return label[:, None].float().expand(-1, 2)

    torch.manual_seed(0)
    parts = GameParts(
        ConditionalGenerator(), ConditionalDiscriminator(), Normal(size=4), NonSaturating(), Adam(), TensorSpec((2,)),
        class_priors=(0.5, 0.5), condition_spec=TensorSpec((2,)), draw_conditions=draw_for_class,
    )  # fmt: skip
    game, seed = AdversarialGame(parts, AdversarialGameConfig()), seeded_rng.derive_seeds(0, 0, 40)
    drawn = game.sample(seed)
    (label,) = received
    assert label is not None
    assert set(label.tolist()) == {0, 1}
    assert torch.equal(drawn, game.sample(seed, condition=label[:, None].float().expand(-1, 2)))
