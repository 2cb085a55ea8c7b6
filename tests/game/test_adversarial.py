"""What keeps the players in balance: augmentation that follows overfitting, noise, memory, bounded weights."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.augment.config import ADA, ScheduledADA
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.discriminator_input import DiscriminatorInputTransform
from zerosum.game.latent import Normal
from zerosum.game.objective import NonSaturating
from zerosum.game.optimizer import Adam, RMSprop, SignSGD
from zerosum.game.play import Play
from zerosum.game.player import EMA
from zerosum.game.schedule import Progress
from zerosum.game.terms import Dragan, HistoricalAveraging
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import optimizer_step, play_round
from zerosum.training.meter import Meter

SIDE = 4


class Brightness(nn.Module):
    """Scores a picture by its mean, from a level on."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def forward(self, sample: Tensor) -> DiscriminatorOutput:
        return DiscriminatorOutput(sample.flatten(1).mean(1) - self.level)


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, latent: Tensor) -> Tensor:
        return (latent[:, :1, None, None] * 0.1 + self.level).expand(-1, 1, SIDE, SIDE)


def batch(n: int = 8, seed: int = 0) -> Batch:
    real = torch.rand(n, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    return {"real": real, "seed": seeded_rng.derive_seeds(seed, 0, n)}


def game(level: float = 0.0, augment=None, terms=None, rule=None, **rules) -> AdversarialGame:
    return AdversarialGame(
        Flat(), Brightness(level), Normal(size=2), NonSaturating(), terms or {}, rule or Adam(lr=1e-3),
        config=AdversarialGameConfig(**rules), augment=augment, batch_size=8, sample_shape=(1, SIDE, SIDE),
    )  # fmt: skip


def adapted(level: float, start: float, parts: int = 1) -> AdversarialGame:
    """A game after one move of its augmentation, on 8 samples cut in `parts`."""
    play = game(level, ADA(initial_p=start, ramp_examples=3200, every_rounds=4))
    move = play.moves[-1]
    assert move.player == "augmentation"
    whole = batch()
    cut = [{key: value[n::parts] for key, value in whole.items()} for n in range(parts)]
    optimizer_step(play, move, cut, Accelerator(accumulate=parts), Progress(), Meter())
    return play


@pytest.mark.parametrize(("level", "way"), [(-9.0, 1), (9.0, -1)])
def test_p_follows_the_judges_sureness(level: float, way: int) -> None:
    """8 x 4 / 3200 = 0.01 a move: up where all reals are called real, down where none is."""
    assert adapted(level, 0.5).discriminator_input_transform.augment_probability.item() == pytest.approx(
        0.5 + way * 0.01
    )


def test_p_stays_a_probability() -> None:
    assert adapted(9.0, 0.0).discriminator_input_transform.augment_probability.item() == 0.0
    assert adapted(-9.0, 0.8).discriminator_input_transform.augment_probability.item() == pytest.approx(0.8)


def test_p_in_parts_is_p_of_the_whole() -> None:
    """Mean r of the whole batch decides: two parts of which one says up and one down do not make two steps."""
    assert (
        adapted(0.5, 0.5, parts=2).discriminator_input_transform.augment_probability.item()
        == adapted(0.5, 0.5).discriminator_input_transform.augment_probability.item()
    )


def test_only_its_own_move_changes_p() -> None:
    play = game(-9.0, ADA(initial_p=0.3, every_rounds=4))
    loader = iter([batch(seed=n) for n in range(9)])
    play_round(play, loader, Accelerator(), Progress(1, 8), Meter())
    assert play.discriminator_input_transform.augment_probability.item() == pytest.approx(0.3)
    play_round(play, loader, Accelerator(), Progress(4, 32), Meter())
    assert play.discriminator_input_transform.augment_probability.item() > 0.3


def test_p_is_saved_with_the_game() -> None:
    play = adapted(-9.0, 0.5)
    fresh = game(-9.0, ADA(initial_p=0.0))
    fresh.load_state_dict(play.state_dict())
    assert (
        fresh.discriminator_input_transform.augment_probability.item()
        == play.discriminator_input_transform.augment_probability.item()
    )


def test_real_and_fake_of_a_seed_are_varied_independently() -> None:
    play = game(augment=ScheduledADA(p=1.0, transforms=("colour",)))
    given = batch()
    same = torch.full_like(given["real"], 0.3)
    real, fake = (play.prepare_discriminator_input(same, which, given, Progress()).sample for which in (0, 1))
    assert not torch.allclose(real, fake)


def test_a_clear_lens_changes_nothing() -> None:
    given = batch()
    assert DiscriminatorInputTransform()(given["real"], given["seed"], Progress()) is given["real"]


def test_instance_noise_has_its_size_and_is_each_samples_own() -> None:
    """32,768 numbers; their variance within 4.5 standard deviations of sigma^2, that is 3.5%."""
    lens, seed = DiscriminatorInputTransform(instance_noise=0.2), seeded_rng.derive_seeds(3, 0, 8)
    gray = torch.zeros(8, 1, 64, 64)
    seen = lens(gray, seed, Progress())
    assert seen.var().item() == pytest.approx(0.04, rel=4.5 * math.sqrt(2 / seen.numel()))
    assert torch.equal(lens(gray[3:4], seed[3:4], Progress()), seen[3:4])


def test_dragan_of_a_linear_judge() -> None:
    """The slope of w x is w everywhere: (|w| - 1)^2."""
    weight = torch.tensor([3.0, 4.0])
    real = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    given = {"real": real, "seed": seeded_rng.derive_seeds(0, 0, 5)}
    play = Play(nn.Module(), lambda x: DiscriminatorOutput(x @ weight), real, pytest.fail, given, Progress())
    torch.testing.assert_close(Dragan()(play), torch.full((5,), 16.0))


def test_dragan_looks_around_the_data() -> None:
    """Of |x|^2 / 2 the slope is x itself, so the term tells where it looked: within [0, reach sd) of the data."""
    real = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)).double()
    given = {"real": real, "seed": seeded_rng.derive_seeds(0, 0, 400)}
    looked: list[Tensor] = []

    def judge(x: Tensor) -> DiscriminatorOutput:
        looked.append(x.detach())
        return DiscriminatorOutput(x.square().sum(1) / 2)

    term = Dragan(target=0.0, noise_scale=0.5)(Play(nn.Module(), judge, real, pytest.fail, given, Progress()))
    away = looked[0] - real
    reach = 0.5 * real.std(unbiased=False)
    torch.testing.assert_close(term, looked[0].square().sum(1))
    assert away.min() >= 0
    assert away.max() < reach
    assert away.mean().item() == pytest.approx(reach.item() / 2, rel=4.5 / math.sqrt(12 * 800) * 2)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_historical_averaging_draws_back(player: str) -> None:
    play = game(terms={"past": HistoricalAveraging(player=player, weight=1.0)})
    side = play.players[player]
    with torch.no_grad():
        side.parameters[0].add_(2.0)
    laid = play.build_play(batch(), Progress())
    side.parameters[0].requires_grad_(True)
    term = HistoricalAveraging(player=player)(laid)
    assert term.item() == pytest.approx(4.0)
    (gradient,) = torch.autograd.grad(term, side.parameters[0])
    assert gradient.item() == pytest.approx(4.0)
    assert play.ema_generator is play.players["generator"].emas[0].network


def test_weights_are_cut_off() -> None:
    play = game(0.0, rule=RMSprop(lr=1.0, weight_clip={"discriminator": 0.01}))
    play_round(play, iter([batch(seed=n) for n in range(4)]), Accelerator(), Progress(), Meter())
    assert abs(play.discriminator.level.item()) == pytest.approx(0.01)
    assert abs(play.generator.level.item()) > 0.01


def test_rmsprop_is_pytorchs() -> None:
    ours, theirs = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    rule = RMSprop(lr=0.1, alpha=0.9)
    one, two = rule.build([ours]), torch.optim.RMSprop([theirs], lr=0.1, alpha=0.9, eps=1e-8)
    for _ in range(5):
        for parameter, optimizer in ((ours, one), (theirs, two)):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            if optimizer is one:
                rule.prepare_step(one, "generator", Progress())
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


def test_sign_steps_are_all_of_one_size() -> None:
    parameter = nn.Parameter(torch.tensor([0.5, 0.995]))
    rule = SignSGD(lr=0.01)
    optimizer = rule.build([parameter])
    parameter.grad = torch.tensor([123.0, -0.001])
    assert rule.prepare_step(optimizer, "augmentation", Progress()) == 0.01
    optimizer.step()
    rule.clip_weights("augmentation", [parameter])
    torch.testing.assert_close(parameter.detach(), torch.tensor([0.49, 1.0]))


def test_the_average_of_a_spectral_network_keeps_its_directions() -> None:
    """Power iteration's vectors have length 1; a mean of two of them has not, and would scale every weight."""
    torch.manual_seed(0)
    network = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 8))
    average = EMA(network, 100.0)
    with torch.no_grad():
        network.parametrizations.weight.original.copy_(torch.randn(8, 8))
    network.train()
    network(torch.zeros(1, 8))
    average.update(network, 100, Progress())
    inside = average.network.parametrizations.weight[0]
    assert inside._u.norm().item() == pytest.approx(1.0, abs=1e-5)
    mean = average.network.parametrizations.weight.original
    weight = average.network.weight
    assert torch.allclose(weight * (inside._u @ mean @ inside._v), mean, atol=1e-5)
