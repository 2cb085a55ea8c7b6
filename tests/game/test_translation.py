"""Games that turn pictures into others: who sees what, whose gradients, and every term by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.config import TranslationGameConfig
from zerosum.game.latent import Normal
from zerosum.game.objective import LeastSquares, NonSaturating, RelativisticAverage
from zerosum.game.optimizer import Adam
from zerosum.game.play import Play
from zerosum.game.schedule import Linear, Progress
from zerosum.game.terms import (
    CycleConsistency,
    FeatureMatching,
    IdentityLoss,
    L1Reconstruction,
    PatchNCE,
    PerceptualLoss,
)
from zerosum.game.translation import TranslationGame
from zerosum.game.types import DiscriminatorOutput
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round, train
from zerosum.training.meter import Meter


class Scale(nn.Module):
    """y = a x: a translator one can work out by hand."""

    takes = ()
    reach, multiple = 0, 1

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, given: Tensor) -> Tensor:
        return self.factor * given


class Mean(nn.Module):
    """Scores a picture by its mean; shows the picture itself as its inner map."""

    takes: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, sample: Tensor, given: Tensor | None = None) -> DiscriminatorOutput:
        seen = self.weight * sample
        return DiscriminatorOutput(seen.mean((2, 3)).mean(1), feature_maps=(seen, 2 * seen))


class Beside(Mean):
    """Scores how far a picture is from what it is made from."""

    takes = ("given",)

    def forward(self, sample: Tensor, given: Tensor | None = None) -> DiscriminatorOutput:
        assert given is not None
        self.last = given
        return DiscriminatorOutput(self.weight * (sample - given).mean((1, 2, 3)))


def pictures(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def game(generator=None, discriminator=None, terms=None, objective=None, rules=None, **more) -> TranslationGame:
    return TranslationGame(
        generator or Scale(0.5), discriminator or Mean(), Normal(size=2), objective or NonSaturating(), terms or {},
        Adam(lr=1e-2, beta1=0.0, beta2=0.9), 100.0, config=rules or TranslationGameConfig(), alone=True, **more,
    )  # fmt: skip


def batch(n: int = 4, *, couples: bool = False) -> dict[str, Tensor]:
    given = pictures(0, n, *((2,) if couples else ()), 3, 8, 8)
    real = given.flip(1) if couples else pictures(1, n, 3, 8, 8)
    return {"given": given, "real": real, "seed": seeded_rng.derive_seeds(5, 0, n)}


def couples(**more) -> TranslationGame:
    both = GeneratorPair(Scale(0.5), Scale(3.0)), DiscriminatorPair(Mean(), Mean())
    return game(*both, rules=TranslationGameConfig(bidirectional=True), **more)


def test_terms_of_pairs_by_hand() -> None:
    its, seen = game(), batch()
    play = its.build_play(seen, Progress())
    close = torch.testing.assert_close
    fake, real = 0.5 * seen["given"], seen["real"]
    apart = (fake - real).abs().mean((1, 2, 3))
    close(L1Reconstruction()(play), apart)
    close(FeatureMatching()(play), (apart + 2 * apart) / 2)
    its.perceptual_distance = lambda made, wanted: (made - wanted).square().mean((1, 2, 3))
    close(PerceptualLoss()(play), (fake - real).square().mean((1, 2, 3)))


def test_terms_of_couples_by_hand() -> None:
    """There is a halving and back a tripling: a comes back as 1.5 a, b as 1.5 b."""
    its, seen = couples(), batch(couples=True)
    play = its.build_play(seen, Progress())
    a, b = seen["given"].unbind(1)
    close = torch.testing.assert_close
    close(play.fake.sample, torch.stack([0.5 * a, 3 * b], 1))
    close(play.real.sample, torch.stack([b, a], 1))
    far = (0.5 * a).abs().mean((1, 2, 3)), (0.5 * b).abs().mean((1, 2, 3))
    close(CycleConsistency()(play), (far[0] + far[1]) / 2)
    same = (0.5 * b).abs().mean((1, 2, 3)), (2 * a).abs().mean((1, 2, 3))
    close(IdentityLoss()(play), (same[0] + same[1]) / 2)


def test_judge_sees_what_a_picture_is_made_from() -> None:
    judge = Beside()
    its, seen = game(discriminator=judge), batch()
    play = its.build_play(seen, Progress())
    torch.testing.assert_close(play.fake_score, (-0.5 * seen["given"]).mean((1, 2, 3)))
    torch.testing.assert_close(play.real_score, (seen["real"] - seen["given"]).mean((1, 2, 3)))


class Recorder(Accelerator):
    """Remembers whose parameters had gradients at each step."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, list[bool]]] = []

    def step(self, player, now) -> float:
        self.steps.append(
            (player.name, [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in player.parameters])
        )
        return super().step(player, now)


@pytest.mark.parametrize("share", [False, True])
def test_both_ways_every_network_moves(share: bool) -> None:
    its = couples(terms={"cycle": CycleConsistency(), "identity": IdentityLoss()}, objective=LeastSquares())
    its.reuse_fakes = share
    accelerator = Recorder()
    before = [p.detach().clone() for player in its.players.values() for p in player.parameters]
    play_round(its, iter([batch(couples=True)] * 2), accelerator, Progress(), Meter())
    assert accelerator.steps == [("discriminator", [True, True]), ("generator", [True, True])]
    after = [p for player in its.players.values() for p in player.parameters]
    assert all(bool((x != y).any()) for x, y in zip(before, after, strict=True))


def test_silent_objective_is_not_judged() -> None:
    """While it weighs 0 the generator's move has no score, and the discriminator is not run for it."""
    weight = Linear(start=0, end=2, examples=(100, 200))
    its = game(
        terms={"reconstruct": L1Reconstruction(weight=1)}, rules=TranslationGameConfig(adversarial_weight=weight)
    )
    move = next(move for move in its.moves if move.player == "generator")
    seen = batch()
    judged: list[int] = []
    hook = its.discriminator.register_forward_hook(lambda *given: judged.append(1))
    assert set(move.loss_fn(seen, Progress(0, 50)).losses) == {"reconstruct"}
    assert not judged
    half = move.loss_fn(seen, Progress(0, 150)).losses
    full = move.loss_fn(seen, Progress(0, 300)).losses
    hook.remove()
    assert len(judged) == 2
    torch.testing.assert_close(2 * half["score"], full["score"])


def test_nobody_judges_where_nobody_listens() -> None:
    its = game(terms={"reconstruct": L1Reconstruction(weight=1)}, rules=TranslationGameConfig(adversarial_weight=0))
    assert [move.player for move in its.moves] == ["generator"]
    before = its.discriminator.weight.detach().clone()

    def stream():
        while True:
            yield batch()

    train(its, stream(), Accelerator(), Progress(), 4, Meter(), [], lambda now: now.round == 3)
    assert torch.equal(before, its.discriminator.weight)
    assert float(its.generator.factor) != 0.5


def test_what_people_see_is_the_average_of_one_way() -> None:
    its = couples()
    given = pictures(3, 2, 3, 5, 7)
    torch.testing.assert_close(its.translate(given), 0.5 * given)
    torch.testing.assert_close(its.translate(given, reverse=True), 3 * given)
    with torch.no_grad():
        its.generator.there.factor.fill_(9.0)
    torch.testing.assert_close(its.translate(given), 0.5 * given)
    with pytest.raises(ValueError, match="translate"):
        its.sample(seeded_rng.derive_seeds(0, 0, 2))


def test_old_couples_are_shown_again_and_kept_with_the_game() -> None:
    its = couples(terms={"cycle": CycleConsistency()}, shape=(2, 3, 8, 8))
    plain = its.state_dict()
    assert not any("pool" in name for name in plain)
    both = GeneratorPair(Scale(0.5), Scale(3.0)), DiscriminatorPair(Mean(), Mean())
    kept = game(*both, rules=TranslationGameConfig(bidirectional=True, replay_buffer=8), shape=(2, 3, 8, 8))
    play_round(kept, iter([batch(couples=True)] * 2), Accelerator(), Progress(), Meter())
    assert kept.state_dict()["pool.samples"].shape == (8, 2, 3, 8, 8)
    torch.testing.assert_close(
        kept.replay_buffer.samples[:4], kept.generate(batch(couples=True), Progress()).detach(), rtol=0.2, atol=0.2
    )


class Levels(nn.Module):
    """A translator whose inner map is the picture itself, projected to unit length."""

    takes: tuple[str, ...] = ()

    def __init__(self, shift: int) -> None:
        super().__init__()
        self.shift, self.gain = shift, nn.Parameter(torch.tensor(1.0))

    def forward(self, given: Tensor) -> Tensor:
        return self.gain * given.roll(self.shift, -1)

    def encode(self, given: Tensor) -> list[Tensor]:
        return [given]

    def project(self, level: int, rows: Tensor) -> Tensor:
        return nn.functional.normalize(rows, dim=1)


def test_contrast_finds_the_same_place() -> None:
    """One-hot colours: where places stay, the cross-entropy has a closed form; where all move, it is far larger."""
    colors = torch.eye(4)[torch.arange(4)].T.reshape(1, 4, 2, 2)
    seen = {"given": colors, "real": colors, "seed": seeded_rng.derive_seeds(0, 0, 1)}
    term = PatchNCE(num_patches=4, temperature=0.5)
    expected = -math.log(math.exp(2) / (math.exp(2) + 3))
    stays = term(game(generator=Levels(0)).build_play(seen, Progress()))
    torch.testing.assert_close(stays, torch.tensor([expected]))
    moved = term(game(generator=Levels(1)).build_play(seen, Progress()))
    assert float(moved.detach()) == pytest.approx(-math.log(1 / (math.exp(2) + 3)), rel=1e-5)


def test_contrast_measures_by_what_stands_still() -> None:
    """The keys get no gradient: with the sample held fixed, nothing of what was given pulls."""
    its, seen = game(generator=Levels(0)), batch(2)
    loss = PatchNCE(identity=False)(its.build_play(seen, Progress()))
    (slope,) = torch.autograd.grad(loss.sum(), its.generator.gain)
    assert slope.isfinite()
    given = seen["given"].requires_grad_(True)
    made = torch.zeros_like(given)
    play = Play(
        its,
        its.discriminate,
        its.prepare_discriminator_input(seen["real"], 0, seen, Progress()),
        lambda: its.prepare_discriminator_input(made, 1, seen, Progress()),
        seen,
        Progress(),
    )
    assert not PatchNCE(identity=False)(play).requires_grad


def test_relativistic_average_by_hand() -> None:
    its, seen = game(objective=RelativisticAverage()), batch()
    play = its.build_play(seen, Progress())
    r, f = play.real_score, play.fake_score
    log1p = lambda x: torch.log(1 + torch.exp(x))  # noqa: E731
    torch.testing.assert_close(its.objective.discriminator_loss(play), log1p(f.mean() - r) + log1p(f - r.mean()))
    torch.testing.assert_close(its.objective.generator_loss(play), log1p(r - f.mean()) + log1p(r.mean() - f))
