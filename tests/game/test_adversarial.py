"""Adaptive augmentation, instance noise, DRAGAN, historical averaging, weight clipping, optimizers and EMA."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.adversarial import FAKE, REAL, AdversarialGame
from zerosum.game.augment.config import ADA, NoAugment, ScheduledADA
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.discriminator_input import DiscriminatorInputTransform
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam, RMSprop, SignSGD
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.player import EMA
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import Dragan, HistoricalAveraging
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import optimizer_step, play_round
from zerosum.training.meter import Meter

SIDE = 4


class MeanDiscriminator(nn.Module):
    """Scores an image by its mean minus a threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__()
        self.threshold = nn.Parameter(torch.tensor(threshold))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(sample.flatten(1).mean(1) - self.threshold)


class ConstantImageGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, latent: Tensor) -> Tensor:
        return (latent[:, :1, None, None] * 0.1 + self.level).expand(-1, 1, SIDE, SIDE)


def make_batch(n: int = 8, seed: int = 0) -> Batch:
    real = torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return {"real": real, "seed": seeded_rng.derive_seeds(seed, 0, n)}


def make_game(threshold: float = 0.0, augment=None, terms=None, optimizer_config=None, **config) -> AdversarialGame:
    parts = GameParts(
        ConstantImageGenerator(), MeanDiscriminator(threshold), Normal(size=2), NonSaturating(),
        optimizer_config or Adam(lr=1e-3), TensorSpec((1, SIDE, SIDE)), terms or {}, augment=augment or NoAugment(),
        batch_size=8,
    )  # fmt: skip
    return AdversarialGame(parts, AdversarialGameConfig(**config))


def game_after_augmentation_step(threshold: float, initial_p: float, accumulate: int = 1) -> AdversarialGame:
    """A game after one move of its augmentation, on 8 samples in `accumulate` micro-batches."""
    game = make_game(threshold, ADA(initial_p=initial_p, ramp_examples=3200, every_rounds=4))
    move = game.moves[-1]
    assert move.player == "augmentation"
    batch = make_batch()
    micro_batches = [{key: value[n::accumulate] for key, value in batch.items()} for n in range(accumulate)]
    optimizer_step(game, move, micro_batches, Accelerator(accumulate=accumulate), Progress(), Meter())
    return game


def augmentation_p(game: AdversarialGame) -> float:
    p = game.discriminator_input_transform.augment_probability
    assert p is not None
    return p.item()


@pytest.mark.parametrize(("threshold", "sign"), [(-9.0, 1), (9.0, -1)])
def test_augmentation_p_follows_overfitting(threshold: float, sign: int) -> None:
    """8 x 4 / 3200 = 0.01 per move: up if all real samples are classified as real, down if none is."""
    assert augmentation_p(game_after_augmentation_step(threshold, 0.5)) == pytest.approx(0.5 + sign * 0.01)


def test_augmentation_p_stays_within_its_bounds() -> None:
    assert augmentation_p(game_after_augmentation_step(9.0, 0.0)) == 0.0
    assert augmentation_p(game_after_augmentation_step(-9.0, 0.8)) == pytest.approx(0.8)


def test_augmentation_p_does_not_depend_on_gradient_accumulation() -> None:
    """The mean r of the full batch decides: two micro-batches with opposite signs do not make two steps."""
    accumulated = game_after_augmentation_step(0.5, 0.5, accumulate=2)
    assert augmentation_p(accumulated) == augmentation_p(game_after_augmentation_step(0.5, 0.5))


def test_only_the_augmentation_move_changes_p() -> None:
    game = make_game(-9.0, ADA(initial_p=0.3, every_rounds=4))
    loader = iter([make_batch(seed=n) for n in range(9)])
    play_round(game, loader, Accelerator(), Progress(1, 8), Meter())
    assert augmentation_p(game) == pytest.approx(0.3)
    play_round(game, loader, Accelerator(), Progress(4, 32), Meter())
    assert augmentation_p(game) > 0.3


def test_augmentation_p_is_part_of_the_state_dict() -> None:
    game = game_after_augmentation_step(-9.0, 0.5)
    restored = make_game(-9.0, ADA(initial_p=0.0))
    restored.load_state_dict(game.state_dict())
    assert augmentation_p(restored) == augmentation_p(game)


def test_real_and_fake_of_a_seed_are_augmented_independently() -> None:
    game = make_game(augment=ScheduledADA(p=1.0, transforms=("color",)))
    batch = make_batch()
    sample = torch.full_like(batch["real"], 0.3)
    real, fake = (
        game.prepare_discriminator_input(sample, real_or_fake, batch, Progress()).sample
        for real_or_fake in (REAL, FAKE)
    )
    assert not torch.allclose(real, fake)


def test_transform_without_augmentation_and_noise_returns_its_input() -> None:
    batch = make_batch()
    assert DiscriminatorInputTransform(NoAugment())(batch["real"], batch["seed"], Progress()) is batch["real"]


def test_instance_noise_has_its_variance_and_depends_on_the_sample_only() -> None:
    """32,768 numbers; their variance within 4.5 standard deviations of sigma^2, that is 3.5%."""
    transform, seed = DiscriminatorInputTransform(NoAugment(), instance_noise=0.2), seeded_rng.derive_seeds(3, 0, 8)
    gray = torch.zeros(8, 1, 64, 64)
    noisy = transform(gray, seed, Progress())
    assert noisy.var().item() == pytest.approx(0.04, rel=4.5 * math.sqrt(2 / noisy.numel()))
    assert torch.equal(transform(gray[3:4], seed[3:4], Progress()), noisy[3:4])


def make_real_play(discriminate, batch: Batch) -> Play:
    """A play without fakes."""
    return Play(nn.Module(), discriminate, DiscriminatorInput(batch["real"]), pytest.fail, batch, Progress())


def test_dragan_of_a_linear_discriminator() -> None:
    """The gradient of w x is w everywhere: (|w| - 1)^2."""
    weight = torch.tensor([3.0, 4.0])
    real = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    batch = {"real": real, "seed": seeded_rng.derive_seeds(0, 0, 5)}
    play = make_real_play(lambda x: DiscriminatorOutput(x.sample @ weight), batch)
    torch.testing.assert_close(Dragan()(play), torch.full((5,), 16.0))


def test_dragan_perturbs_real_samples_within_the_noise_scale() -> None:
    """The gradient of |x|^2 / 2 is x, so the term shows where it was evaluated: at x + [0, noise_scale sd)."""
    real = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)).double()
    batch = {"real": real, "seed": seeded_rng.derive_seeds(0, 0, 400)}
    points: list[Tensor] = []

    def discriminate(x: DiscriminatorInput) -> DiscriminatorOutput:
        points.append(x.sample.detach())
        return DiscriminatorOutput(x.sample.square().sum(1) / 2)

    play = make_real_play(discriminate, batch)
    term = Dragan(target=0.0, noise_scale=0.5)(play)
    noise = points[0] - real
    max_noise = 0.5 * real.std(unbiased=False)
    torch.testing.assert_close(term, points[0].square().sum(1))
    assert noise.min() >= 0
    assert noise.max() < max_noise
    assert noise.mean().item() == pytest.approx(max_noise.item() / 2, rel=4.5 / math.sqrt(12 * 800) * 2)


@pytest.mark.parametrize("player_name", ["discriminator", "generator"])
def test_historical_averaging_penalizes_the_distance_from_the_ema(player_name: str) -> None:
    game = make_game(terms={"past": HistoricalAveraging(player=player_name, weight=1.0)})
    player = game.players[player_name]
    with torch.no_grad():
        player.parameters[0].add_(2.0)
    play = game.build_play(make_batch(), Progress())
    player.parameters[0].requires_grad_(True)
    term = HistoricalAveraging(player=player_name)(play)
    assert term.item() == pytest.approx(4.0)
    (gradient,) = torch.autograd.grad(term, player.parameters[0])
    assert gradient.item() == pytest.approx(4.0)
    assert game.ema_generator is game.players["generator"].emas[0].network


def test_weights_of_one_player_are_clipped() -> None:
    game = make_game(0.0, optimizer_config=RMSprop(lr=1.0, weight_clip={"discriminator": 0.01}))
    play_round(game, iter([make_batch(seed=n) for n in range(4)]), Accelerator(), Progress(), Meter())
    assert abs(game.discriminator.threshold.item()) == pytest.approx(0.01)
    assert abs(game.generator.level.item()) > 0.01


@pytest.mark.parametrize(("length", "expected"), [(2.0, 0.5), (0.1, 0.1)])
def test_long_gradients_of_one_player_are_scaled_down(length: float, expected: float) -> None:
    config = Adam(lr=0.1, max_grad_norm={"discriminator": 0.5})
    parameters = [nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(2))]
    optimizer = config.build(parameters)
    for player, norm in (("generator", length), ("discriminator", expected)):
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, length / 5**0.5)
        config.prepare_step(optimizer, player, Progress())
        gradient = torch.cat([parameter.grad for parameter in parameters if parameter.grad is not None])
        assert float(gradient.norm()) == pytest.approx(norm)


def test_rmsprop_matches_pytorch() -> None:
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    config = RMSprop(lr=0.1, alpha=0.9)
    our_optimizer, torch_optimizer = config.build([ours]), torch.optim.RMSprop([theirs], lr=0.1, alpha=0.9, eps=1e-8)
    for _ in range(5):
        for parameter, optimizer in ((ours, our_optimizer), (theirs, torch_optimizer)):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            if optimizer is our_optimizer:
                config.prepare_step(our_optimizer, "generator", Progress())
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_sign_sgd_makes_steps_of_constant_size() -> None:
    parameter = nn.Parameter(torch.tensor([0.5, 0.995]))
    config = SignSGD(lr=0.01)
    optimizer = config.build([parameter])
    parameter.grad = torch.tensor([123.0, -0.001])
    assert config.prepare_step(optimizer, "augmentation", Progress()) == 0.01
    optimizer.step()
    config.clip_weights("augmentation", [parameter])
    torch.testing.assert_close(parameter.detach(), torch.tensor([0.49, 1.0]))


def test_ema_of_a_spectral_norm_network_keeps_unit_vectors() -> None:
    """The vectors of the power iteration have length 1; a mean of two such vectors has not, and would scale weights."""
    torch.manual_seed(0)
    network = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))
    ema = EMA(network, 100.0)
    with torch.no_grad():
        network.parametrizations.weight.original.copy_(torch.randn(8, 8))
    network.train()
    network(torch.zeros(1, 8))
    ema.update(network, 100, Progress())
    spectral_norm = ema.network.parametrizations.weight[0]
    assert spectral_norm._u.norm().item() == pytest.approx(1.0, abs=1e-5)
    mean = ema.network.parametrizations.weight.original
    weight = ema.network.weight
    assert torch.allclose(weight * (spectral_norm._u @ mean @ spectral_norm._v), mean, atol=1e-5)
