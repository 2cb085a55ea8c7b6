"""Objectives and gradient penalties against closed forms, mostly of a linear discriminator D(x) = a.x + b."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.game import seeded_rng
from zerosum.game.objective import (
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    equilibrium_losses,
)
from zerosum.game.play import (
    DiscriminatorInput,
    Play,
    _input_gradients_compiled,
    _input_gradients_eager,
    input_gradient_norm_sq,
)
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, R2, GradientPenalty
from zerosum.game.types import DiscriminatorOutput

OBJECTIVES = [Minimax(), NonSaturating(), LeastSquares(), Wasserstein(), Hinge(), Relativistic()]
A, B = torch.tensor([0.3, -1.2, 0.5], dtype=torch.float64), 0.1
REAL = torch.tensor([[1.0, 0.2, -0.4], [0.0, 1.0, 2.0]], dtype=torch.float64)
FAKE = torch.tensor([[-0.5, 0.7, 0.1], [2.0, -1.0, 0.3]], dtype=torch.float64)
SEED = seeded_rng.derive_seeds(3, 0, 2)


def linear(x: Tensor) -> DiscriminatorOutput:
    return DiscriminatorOutput(x @ A.to(x.dtype) + B)


def make_play(
    input_gradients_at: tuple[str, ...] = (), discriminate=linear, real: Tensor = REAL, fake: Tensor = FAKE
) -> Play:
    batch = {"real": real, "seed": SEED}
    return Play(
        nn.Module(), lambda x: discriminate(x.sample), DiscriminatorInput(real), lambda: DiscriminatorInput(fake),
        batch, Progress(), frozenset(input_gradients_at),
    )  # fmt: skip


def test_logistic_objectives_match_torch_binary_cross_entropy() -> None:
    r, f = linear(REAL).score, linear(FAKE).score
    for smoothing in (0.0, 0.1, 0.3):
        target = torch.full_like(r, 1 - smoothing)
        expected = F.binary_cross_entropy_with_logits(r, target, reduction="none")
        expected = expected + F.binary_cross_entropy_with_logits(f, torch.zeros_like(f), reduction="none")
        for objective in (Minimax(label_smoothing=smoothing), NonSaturating(label_smoothing=smoothing)):
            torch.testing.assert_close(objective.discriminator_loss(make_play()), expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(NonSaturating().generator_loss(make_play()), -torch.log(torch.sigmoid(f)))
    torch.testing.assert_close(Minimax().generator_loss(make_play()), torch.log(1 - torch.sigmoid(f)))


def test_other_objectives_match_their_formulas() -> None:
    r, f = linear(REAL).score, linear(FAKE).score
    close = torch.testing.assert_close
    close(LeastSquares().discriminator_loss(make_play()), (r - 1) ** 2 + f**2)
    close(LeastSquares().generator_loss(make_play()), (f - 1) ** 2)
    close(Wasserstein().discriminator_loss(make_play()), f - r)
    close(Wasserstein().generator_loss(make_play()), -f)
    close(Hinge().discriminator_loss(make_play()), torch.clamp(1 - r, min=0) + torch.clamp(1 + f, min=0))
    close(Hinge().generator_loss(make_play()), -f)
    close(Relativistic().discriminator_loss(make_play()), torch.log(1 + torch.exp(f - r)))
    close(Relativistic().generator_loss(make_play()), torch.log(1 + torch.exp(r - f)))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.kind)
def test_equilibrium_losses(objective) -> None:
    """A discriminator that cannot distinguish gives every sample the midpoint of its targets as score."""
    threshold = 0.5 if objective.kind == "least-squares" else 0.0
    play = make_play(discriminate=lambda x: DiscriminatorOutput(torch.full((len(x),), threshold, dtype=torch.float64)))
    expected_d, expected_g = objective.equilibrium_losses
    assert objective.discriminator_loss(play).mean().item() == pytest.approx(expected_d)
    if not math.isnan(expected_g):
        assert objective.generator_loss(play).mean().item() == pytest.approx(expected_g)


def test_equilibrium_losses_of_settings() -> None:
    assert equilibrium_losses({"kind": "hinge"}) == {"discriminator": 2.0, "generator": 0.0}
    assert equilibrium_losses({"kind": "wasserstein"}) == {"discriminator": 0.0}
    assert equilibrium_losses({"kind": "minimax", "label_smoothing": 0.1}) == {}
    assert equilibrium_losses({"kind": "unknown"}) == {}


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.kind)
def test_objective_gradients_match_finite_differences(objective) -> None:
    def loss(weights: Tensor, fake: Tensor) -> Tensor:
        play = make_play(discriminate=lambda x: DiscriminatorOutput(torch.tanh(x @ weights).sum(1)), fake=fake)
        return objective.discriminator_loss(play).sum() + 0.7 * objective.generator_loss(play).sum()

    torch.manual_seed(0)
    weights = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (weights, FAKE.clone().requires_grad_(True)))


def test_only_the_minimax_generator_loss_saturates() -> None:
    """The minimax gradient vanishes where the discriminator confidently rejects fakes; the non-saturating does not."""
    gradient_sizes = {}
    for objective in (Minimax(), NonSaturating()):
        fake = torch.tensor([[-20.0]], requires_grad=True)
        play = make_play(discriminate=lambda x: DiscriminatorOutput(x[:, 0]), real=fake.detach(), fake=fake)
        objective.generator_loss(play).sum().backward()
        gradient_sizes[objective.kind] = fake.grad.abs().item()
    assert gradient_sizes["minimax"] < 1e-8
    assert gradient_sizes["non-saturating"] == pytest.approx(1.0)


# ---------------------------------------------------------------------- input gradients and penalties


def test_penalties_of_a_linear_discriminator() -> None:
    norm_sq = (A @ A).item()
    assert R1()(make_play(("real",))).tolist() == pytest.approx([norm_sq / 2] * 2)
    assert R2()(make_play(("fake",))).tolist() == pytest.approx([norm_sq / 2] * 2)
    for target in (0.0, 1.0):
        expected = (math.sqrt(norm_sq) - target) ** 2
        assert GradientPenalty(target=target)(make_play()).tolist() == pytest.approx([expected] * 2)


def test_penalties_of_a_quadratic_discriminator() -> None:
    """D(x) = |x|^2 has the gradient 2x, so each penalty shows where it was evaluated."""
    quadratic = lambda x: DiscriminatorOutput(x.square().sum(1))  # noqa: E731
    torch.testing.assert_close(R1()(make_play(("real",), quadratic)), 2 * REAL.square().sum(1))
    torch.testing.assert_close(R2()(make_play(("fake",), quadratic)), 2 * FAKE.square().sum(1))
    interpolation_weight = seeded_rng.uniform(SEED, 1, seeded_rng.RandomStream.INTERPOLATION).double()
    interpolated = FAKE + interpolation_weight * (REAL - FAKE)
    expected = (2 * interpolated.norm(dim=1) - 1) ** 2
    torch.testing.assert_close(GradientPenalty()(make_play((), quadratic)), expected)


@pytest.mark.parametrize(
    ("term", "input_gradients_at"),
    [(R1(), ("real",)), (R2(), ("fake",)), (GradientPenalty(), ()), (GradientPenalty(target=0), ())],
)
def test_penalty_gradients_match_finite_differences(term, input_gradients_at) -> None:
    def loss(weights: Tensor) -> Tensor:
        play = make_play(input_gradients_at, lambda x: DiscriminatorOutput(torch.tanh(x @ weights).sum(1)))
        return term(play).sum()

    torch.manual_seed(1)
    assert torch.autograd.gradcheck(loss, torch.randn(3, 4, dtype=torch.float64, requires_grad=True))


def test_input_gradients_of_patch_scores_and_of_sample_trees() -> None:
    image = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    patches = lambda x: DiscriminatorOutput(2 * x[:, :1, ::2, ::2])  # noqa: E731
    output, norm_sq = input_gradient_norm_sq(patches, image)
    assert output.score.shape == (2, 1, 2, 2)
    torch.testing.assert_close(norm_sq, torch.full((2,), 4 * 4.0, dtype=torch.float64))
    tree = {"atoms": REAL, "bonds": FAKE}
    _, norm_sq = input_gradient_norm_sq(lambda s: DiscriminatorOutput((s["atoms"] @ A) + 2 * (s["bonds"] @ A)), tree)
    assert norm_sq.tolist() == pytest.approx([5 * (A @ A).item()] * 2)


def test_eager_and_compiled_input_gradients_agree() -> None:
    torch.manual_seed(2)
    network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1)).double()
    discriminate = lambda x: DiscriminatorOutput(network(x)[:, 0])  # noqa: E731
    gradients = []
    for function in (_input_gradients_eager, _input_gradients_compiled):
        network.zero_grad()
        output, [input_gradient] = function(discriminate, REAL)
        (input_gradient.square().sum() + output.score.sum()).backward()
        gradients.append(
            [input_gradient.detach(), output.score.detach(), *[p.grad.clone() for p in network.parameters()]]
        )
    for eager, compiled in zip(*gradients, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-12, atol=1e-12)


def test_input_gradient_norm_compiles_in_one_graph() -> None:
    """The public function is traced without graph breaks, with gradients of the penalty (needs no C++ compiler)."""
    torch.manual_seed(3)
    network = nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 1))
    discriminate = lambda x: DiscriminatorOutput(network(x)[:, 0])  # noqa: E731
    penalty = lambda x: input_gradient_norm_sq(discriminate, x)[1].sum()  # noqa: E731
    compiled_penalty = torch.compile(penalty, backend="aot_eager", fullgraph=True, dynamic=False)
    gradients = []
    for function in (penalty, compiled_penalty):
        network.zero_grad()
        function(REAL.float()).backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    for eager, compiled in zip(*gradients, strict=True):
        torch.testing.assert_close(eager, compiled, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_input_gradients_of_a_discriminator_input_leave_out_the_condition(compiled: bool) -> None:
    def discriminate(x: DiscriminatorInput) -> DiscriminatorOutput:
        scores = [leaf @ A.float() for leaf in (*x.sample.values(), 3 * x.condition["wanted"], 2 * x.inputs)]
        return DiscriminatorOutput(sum(scores))

    real = REAL.float()
    tree = DiscriminatorInput(
        {"a": real, "b": FAKE.float()}, torch.arange(2), condition={"wanted": real}, inputs=FAKE.float()
    )
    norm_sq = lambda x: input_gradient_norm_sq(discriminate, x)[1]  # noqa: E731
    function = torch.compile(norm_sq, backend="aot_eager", fullgraph=True, dynamic=False) if compiled else norm_sq
    torch.testing.assert_close(function(tree), torch.full((2,), 6 * (A @ A).item()))


def test_a_play_computes_only_what_is_needed_and_only_once() -> None:
    calls: list[str] = []

    def discriminate(x: Tensor) -> DiscriminatorOutput:
        calls.append("real" if x is REAL else "fake")
        return linear(x)

    NonSaturating().generator_loss(make_play(discriminate=discriminate))
    assert calls == ["fake"]
    calls.clear()
    play = make_play(discriminate=discriminate)
    Relativistic().generator_loss(play)
    Relativistic().discriminator_loss(play)
    assert sorted(calls) == ["fake", "real"]
    play_without_fakes = Play(
        nn.Module(), lambda x: linear(x.sample), DiscriminatorInput(REAL), pytest.fail, {"seed": SEED}, Progress(),
        frozenset({"real"}),
    )  # fmt: skip
    R1()(play_without_fakes)
