"""The Dirac-GAN (Mescheder et al. 2018, arXiv:1801.04406, section 2): data at 0, one generated point, D(x) = psi x.

The generated point is theta. At the equilibrium (0, 0) the gradient vector field of the two players has a Jacobian
known in closed form: eigenvalues +-i f'(0) without a penalty (training oscillates), and
-gamma/2 +- sqrt(gamma^2/4 - f'(0)^2) with R1, R2 or the zero-centered penalty (it converges), where f is the objective
as a function of a score.
"""

import cmath

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.objective import Hinge, LeastSquares, Minimax, NonSaturating, Relativistic, Wasserstein
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, R2, GradientPenalty, R1Approximate, R2Approximate
from zerosum.game.types import DiscriminatorOutput

OBJECTIVES = [  # with f'(0)
    (Minimax(), 0.5), (NonSaturating(), 0.5), (Relativistic(), 0.5),
    (LeastSquares(), 1.0), (Wasserstein(), 1.0), (Hinge(), 1.0),
]  # fmt: skip
GAMMA = 0.7


def make_play(objective, theta: Tensor, psi: Tensor, step: int, *input_gradients_at: str) -> Play:
    """Return a play on a batch of one example; `step` gives the random numbers."""
    threshold = 0.5 if objective.kind == "least-squares" else 0.0  # the score at equilibrium
    real = torch.zeros(1, 1, dtype=torch.float64)
    batch = {"real": real, "seed": seeded_rng.derive_seeds(0, step, 1)}
    discriminate = lambda x: DiscriminatorOutput(threshold + (x.sample * psi)[:, 0])  # noqa: E731
    fake = DiscriminatorInput(theta.view(1, 1))
    return Play(
        nn.Module(), discriminate, DiscriminatorInput(real), lambda: fake, batch, Progress(),
        frozenset(input_gradients_at),
    )  # fmt: skip


def theta_update(objective, theta: Tensor, psi: Tensor, step: int = 0) -> Tensor:
    """Return minus the gradient of the generator's loss by theta."""
    loss = objective.generator_loss(make_play(objective, theta, psi, step)).sum()
    return -torch.autograd.grad(loss, theta, create_graph=True)[0]


def psi_update(objective, terms, theta: Tensor, psi: Tensor, step: int = 0) -> Tensor:
    """Return minus the gradient of the discriminator's loss and penalties by psi."""
    loss = objective.discriminator_loss(make_play(objective, theta, psi, step)).sum()
    # input gradients detach the sample, which the objective must not do here
    penalty_play = make_play(objective, theta, psi, step, "real", "fake")
    loss = loss + sum(term.weight * term(penalty_play).sum() for term in terms)
    return -torch.autograd.grad(loss, psi, create_graph=True)[0]


def eigenvalues(objective, terms) -> list[complex]:
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    # slightly off 0, where |psi| is not differentiable
    psi = torch.full((), 1e-9, dtype=torch.float64, requires_grad=True)
    components = theta_update(objective, theta, psi), psi_update(objective, terms, theta, psi)
    rows = [
        torch.autograd.grad(component, (theta, psi), retain_graph=True, allow_unused=True, materialize_grads=True)
        if component.requires_grad
        else (torch.zeros(()), torch.zeros(()))  # Wasserstein gradients are constant in a player's own parameter
        for component in components
    ]
    jacobian = torch.tensor([[g.item() for g in row] for row in rows], dtype=torch.float64)
    return sorted((complex(v) for v in torch.linalg.eigvals(jacobian)), key=lambda v: (v.real, v.imag))


@pytest.mark.parametrize(("objective", "score_derivative"), OBJECTIVES, ids=lambda v: getattr(v, "kind", v))
@pytest.mark.parametrize("terms", [[], [R1(weight=GAMMA)], [R2(weight=GAMMA)], [R1(weight=GAMMA), R2(weight=GAMMA)]])
def test_eigenvalues_at_the_equilibrium(objective, score_derivative: float, terms) -> None:
    gamma = GAMMA * len(terms)
    root = cmath.sqrt(gamma**2 / 4 - score_derivative**2)
    expected = sorted([-gamma / 2 + root, -gamma / 2 - root], key=lambda v: (v.real, v.imag))
    for actual, exact in zip(eigenvalues(objective, terms), expected, strict=True):
        assert abs(actual - exact) < 1e-6


def distance_after_training(objective, terms, steps: int = 300, lr: float = 0.1) -> float:
    """Return the distance from the equilibrium after alternating gradient descent from distance 0.3."""
    theta = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    psi = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    for step in range(steps):
        psi = (psi + lr * psi_update(objective, terms, theta, psi, step)).detach().requires_grad_(True)
        theta = (theta + lr * theta_update(objective, theta, psi, step)).detach().requires_grad_(True)
    return (theta**2 + psi**2).sqrt().item()


@pytest.mark.parametrize("objective", [NonSaturating(), Wasserstein(), Relativistic()], ids=lambda o: o.kind)
def test_only_zero_centered_penalties_converge(objective) -> None:
    """Games without a penalty or with the target-1 penalty oscillate; with a zero-centered penalty they converge."""
    assert distance_after_training(objective, []) > 0.2
    assert distance_after_training(objective, [GradientPenalty(weight=1.0, target=1.0)]) > 0.1
    assert distance_after_training(objective, [R1(weight=0.5)]) < 1e-3
    assert distance_after_training(objective, [R2(weight=0.5)]) < 1e-3
    assert distance_after_training(objective, [GradientPenalty(weight=0.25, target=0.0)]) < 1e-3
    assert distance_after_training(objective, [R1Approximate(weight=0.25)]) < 1e-3
    assert distance_after_training(objective, [R2Approximate(weight=0.25)]) < 1e-3
