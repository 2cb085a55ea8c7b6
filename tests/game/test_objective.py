"""Objectives and terms against closed forms: a linear discriminator D(x) = a.x + b has score and slope by hand."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.game import seeded_rng
from zerosum.game.objective import Hinge, LeastSquares, Minimax, NonSaturating, Relativistic, Wasserstein
from zerosum.game.play import Play, _input_gradients_compiled, _input_gradients_eager, input_gradient_norm_sq
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, R2, GradientPenalty
from zerosum.game.types import DiscriminatorOutput

EVERY = [Minimax(), NonSaturating(), LeastSquares(), Wasserstein(), Hinge(), Relativistic()]
A, B = torch.tensor([0.3, -1.2, 0.5], dtype=torch.float64), 0.1
REAL = torch.tensor([[1.0, 0.2, -0.4], [0.0, 1.0, 2.0]], dtype=torch.float64)
FAKE = torch.tensor([[-0.5, 0.7, 0.1], [2.0, -1.0, 0.3]], dtype=torch.float64)
SEED = seeded_rng.derive_seeds(3, 0, 2)


def linear(x: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(x @ A.to(x.dtype) + B)


def play(slopes: tuple[str, ...] = (), judge=linear, real: Tensor = REAL, fake: Tensor = FAKE) -> Play:
    batch = {"real": real, "seed": SEED}
    return Play(nn.Module(), judge, real, lambda: fake, batch, Progress(), frozenset(slopes))


def test_binary_cross_entropy_is_torchs() -> None:
    r, f = linear(REAL).score, linear(FAKE).score
    for smoothing in (0.0, 0.1, 0.3):
        target = torch.full_like(r, 1 - smoothing)
        expected = F.binary_cross_entropy_with_logits(r, target, reduction="none")
        expected = expected + F.binary_cross_entropy_with_logits(f, torch.zeros_like(f), reduction="none")
        for objective in (Minimax(label_smoothing=smoothing), NonSaturating(label_smoothing=smoothing)):
            torch.testing.assert_close(objective.discriminator_loss(play()), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(NonSaturating().generator_loss(play()), -torch.log(torch.sigmoid(f)))
    torch.testing.assert_close(Minimax().generator_loss(play()), torch.log(1 - torch.sigmoid(f)))


def test_other_objectives_by_hand() -> None:
    r, f = linear(REAL).score, linear(FAKE).score
    close = torch.testing.assert_close
    close(LeastSquares().discriminator_loss(play()), (r - 1) ** 2 + f**2)
    close(LeastSquares().generator_loss(play()), (f - 1) ** 2)
    close(Wasserstein().discriminator_loss(play()), f - r)
    close(Wasserstein().generator_loss(play()), -f)
    close(Hinge().discriminator_loss(play()), torch.clamp(1 - r, min=0) + torch.clamp(1 + f, min=0))
    close(Hinge().generator_loss(play()), -f)
    close(Relativistic().discriminator_loss(play()), torch.log(1 + torch.exp(f - r)))
    close(Relativistic().generator_loss(play()), torch.log(1 + torch.exp(r - f)))


@pytest.mark.parametrize("objective", EVERY, ids=lambda o: o.kind)
def test_losses_at_equilibrium(objective) -> None:
    """A discriminator that cannot tell gives every sample the score half way between its targets."""
    level = 0.5 if objective.kind == "least-squares" else 0.0
    undecided = play(judge=lambda x: DiscriminatorOutput(torch.full((len(x),), level, dtype=torch.float64)))
    expected_d, expected_g = objective.equilibrium
    assert objective.discriminator(undecided).mean().item() == pytest.approx(expected_d)
    if not math.isnan(expected_g):
        assert objective.generator(undecided).mean().item() == pytest.approx(expected_g)


@pytest.mark.parametrize("objective", EVERY, ids=lambda o: o.kind)
def test_gradients_by_finite_differences(objective) -> None:
    def loss(weights: Tensor, fake: Tensor) -> Tensor:
        laid = play(judge=lambda x: DiscriminatorOutput(torch.tanh(x @ weights).sum(1)), fake=fake)
        return objective.discriminator(laid).sum() + 0.7 * objective.generator(laid).sum()

    torch.manual_seed(0)
    weights = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (weights, FAKE.clone().requires_grad_(True)))


def test_saturation() -> None:
    """Where the discriminator is sure, the saturating generator's gradient vanishes and the other's does not."""
    sizes = {}
    for objective in (Minimax(), NonSaturating()):
        fake = torch.tensor([[-20.0]], requires_grad=True)
        laid = play(judge=lambda x: DiscriminatorOutput(x[:, 0]), real=fake.detach(), fake=fake)
        objective.generator_loss(laid).sum().backward()
        sizes[objective.kind] = fake.grad.abs().item()
    assert sizes["minimax"] < 1e-8
    assert sizes["non-saturating"] == pytest.approx(1.0)


# ---------------------------------------------------------------------- slopes and terms


def test_penalties_of_a_linear_discriminator() -> None:
    squared = (A @ A).item()
    assert R1()(play(("real",))).tolist() == pytest.approx([squared / 2] * 2)
    assert R2()(play(("fake",))).tolist() == pytest.approx([squared / 2] * 2)
    for target in (0.0, 1.0):
        expected = (math.sqrt(squared) - target) ** 2
        assert GradientPenalty(target=target)(play()).tolist() == pytest.approx([expected] * 2)


def test_penalties_of_a_quadratic_discriminator() -> None:
    """D(x) = |x|^2 has the slope 2x, so each penalty says where it looked."""
    quadratic = lambda x: DiscriminatorOutput(x.square().sum(1))  # noqa: E731
    torch.testing.assert_close(R1()(play(("real",), quadratic)), 2 * REAL.square().sum(1))
    torch.testing.assert_close(R2()(play(("fake",), quadratic)), 2 * FAKE.square().sum(1))
    place = seeded_rng.uniform(SEED, 1, seeded_rng.RandomStream.INTERPOLATION).double()
    between = FAKE + place * (REAL - FAKE)
    expected = (2 * between.norm(dim=1) - 1) ** 2
    torch.testing.assert_close(GradientPenalty()(play((), quadratic)), expected)


@pytest.mark.parametrize(
    ("term", "slopes"), [(R1(), ("real",)), (R2(), ("fake",)), (GradientPenalty(), ()), (GradientPenalty(target=0), ())]
)
def test_penalties_train_by_finite_differences(term, slopes) -> None:
    def loss(weights: Tensor) -> Tensor:
        return term(play(slopes, lambda x: DiscriminatorOutput(torch.tanh(x @ weights).sum(1)))).sum()

    torch.manual_seed(1)
    assert torch.autograd.gradcheck(loss, torch.randn(3, 4, dtype=torch.float64, requires_grad=True))


def test_patch_scores_and_trees() -> None:
    image = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    patches = lambda x: DiscriminatorOutput(2 * x[:, :1, ::2, ::2])  # noqa: E731
    output, steep = input_gradient_norm_sq(patches, image)
    assert output.score.shape == (2, 1, 2, 2)
    torch.testing.assert_close(steep, torch.full((2,), 4 * 4.0, dtype=torch.float64))
    tree = {"atoms": REAL, "bonds": FAKE}
    _, steep = input_gradient_norm_sq(lambda s: DiscriminatorOutput((s["atoms"] @ A) + 2 * (s["bonds"] @ A)), tree)
    assert steep.tolist() == pytest.approx([5 * (A @ A).item()] * 2)


def test_both_bodies_of_slope_agree() -> None:
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)).double()
    judge = lambda x: DiscriminatorOutput(network(x)[:, 0])  # noqa: E731
    gradients = []
    for body in (_input_gradients_eager, _input_gradients_compiled):
        network.zero_grad()
        output, [slopes] = body(judge, REAL)
        (slopes.square().sum() + output.score.sum()).backward()
        gradients.append([slopes.detach(), output.score.detach(), *[p.grad.clone() for p in network.parameters()]])
    for eager, compiled in zip(*gradients, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-12, atol=1e-12)


def test_slope_goes_through_the_compiler() -> None:
    """Traced whole, with gradients of the penalty, by the same entry point (no C++ compiler is needed)."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1))
    judge = lambda x: DiscriminatorOutput(network(x)[:, 0])  # noqa: E731
    steep = lambda x: input_gradient_norm_sq(judge, x)[1].sum()  # noqa: E731
    compiled = torch.compile(steep, backend="aot_eager", fullgraph=True, dynamic=False)
    gradients = []
    for function in (steep, compiled):
        network.zero_grad()
        function(REAL.float()).backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    for eager, other in zip(*gradients, strict=True):
        torch.testing.assert_close(eager, other, rtol=1e-5, atol=1e-6)


def test_a_play_works_out_only_what_is_asked_for() -> None:
    seen: list[str] = []

    def judge(x: Tensor) -> DiscriminatorOutput:
        seen.append("real" if x is REAL else "fake")
        return linear(x)

    NonSaturating().generator_loss(play(judge=judge))
    assert seen == ["fake"]
    seen.clear()
    laid = play(judge=judge)
    Relativistic().generator_loss(laid)
    Relativistic().discriminator_loss(laid)
    assert sorted(seen) == ["fake", "real"]
    never = Play(nn.Module(), linear, REAL, pytest.fail, {"seed": SEED}, Progress(), frozenset({"real"}))
    R1()(never)
