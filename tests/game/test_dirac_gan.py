"""The Dirac-GAN (Mescheder et al. 2018, arXiv:1801.04406, section 2): data at 0, G's one point theta, D(x) = psi x.

At the equilibrium (0, 0) the vector field of the two players has a Jacobian known in closed form: eigenvalues +-i f'(0)
without a penalty (the players circle for ever), and -gamma/2 +- sqrt(gamma^2/4 - f'(0)^2) with R1, R2 or the
zero-centred penalty (they converge), where f is the objective as a function of a score.
"""

import cmath

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.objective import Hinge, LeastSquares, Minimax, NonSaturating, Relativistic, Wasserstein
from zerosum.game.play import Play
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1, R2, GradientPenalty
from zerosum.game.types import DiscriminatorOutput

STEEPNESS = [  # f'(0)
    (Minimax(), 0.5), (NonSaturating(), 0.5), (Relativistic(), 0.5),
    (LeastSquares(), 1.0), (Wasserstein(), 1.0), (Hinge(), 1.0),
]  # fmt: skip
GAMMA = 0.7


def field(objective, terms, theta: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
    """Minus each player's gradient of its own loss: (of theta, of psi)."""
    level = 0.5 if objective.kind == "least-squares" else 0.0  # its undecided score

    def laid(*slopes: str) -> Play:
        real = torch.zeros(1, 1, dtype=torch.float64)
        batch = {"real": real, "seed": seeded_rng.derive_seeds(0, 0, 1)}
        judge = lambda x: DiscriminatorOutput(level + (x * psi)[:, 0])  # noqa: E731
        return Play(nn.Module(), judge, real, lambda: theta.view(1, 1), batch, Progress(), frozenset(slopes))

    lost_by_g = objective.generator(laid()).sum()
    penalised = laid("real", "fake")  # a slope takes its sample as a constant, which the objective here may not
    lost_by_d = objective.discriminator(laid()).sum()
    lost_by_d = lost_by_d + sum(term.weight * term(penalised).sum() for term in terms)
    [for_theta] = torch.autograd.grad(lost_by_g, theta, create_graph=True)
    [for_psi] = torch.autograd.grad(lost_by_d, psi, create_graph=True)
    return -for_theta, -for_psi


def eigenvalues(objective, terms) -> list[complex]:
    theta = torch.zeros((), dtype=torch.float64, requires_grad=True)
    # a hair off 0: |psi| has no slope at 0 itself
    psi = torch.full((), 1e-9, dtype=torch.float64, requires_grad=True)
    forces = field(objective, terms, theta, psi)
    rows = [
        torch.autograd.grad(f, (theta, psi), retain_graph=True, allow_unused=True, materialize_grads=True)
        if f.requires_grad
        else (torch.zeros(()), torch.zeros(()))  # Wasserstein's slopes are constants in a player's own parameter
        for f in forces
    ]
    jacobian = torch.tensor([[g.item() for g in row] for row in rows], dtype=torch.float64)
    return sorted((complex(v) for v in torch.linalg.eigvals(jacobian)), key=lambda v: (v.real, v.imag))


@pytest.mark.parametrize(("objective", "steep"), STEEPNESS, ids=lambda v: getattr(v, "kind", v))
@pytest.mark.parametrize("terms", [[], [R1(weight=GAMMA)], [R2(weight=GAMMA)], [R1(weight=GAMMA), R2(weight=GAMMA)]])
def test_eigenvalues_at_the_equilibrium(objective, steep: float, terms) -> None:
    gamma = GAMMA * len(terms)
    root = cmath.sqrt(gamma**2 / 4 - steep**2)
    expected = sorted([-gamma / 2 + root, -gamma / 2 - root], key=lambda v: (v.real, v.imag))
    for found, true in zip(eigenvalues(objective, terms), expected, strict=True):
        assert abs(found - true) < 1e-6


def distance_after(objective, terms, steps: int = 400, rate: float = 0.1) -> float:
    """How far from the equilibrium alternating gradient descent ends, having begun at distance 0.3."""
    theta = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    psi = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        psi = (psi + rate * field(objective, terms, theta, psi)[1]).detach().requires_grad_(True)
        theta = (theta + rate * field(objective, terms, theta, psi)[0]).detach().requires_grad_(True)
    return (theta**2 + psi**2).sqrt().item()


@pytest.mark.parametrize("objective", [NonSaturating(), Wasserstein(), Relativistic()], ids=lambda o: o.kind)
def test_played_out(objective) -> None:
    """Plain games circle; the gradient penalty with target 1 does not converge either; zero-centred ones do."""
    assert distance_after(objective, []) > 0.2
    assert distance_after(objective, [GradientPenalty(weight=1.0, target=1.0)]) > 0.1
    assert distance_after(objective, [R1(weight=0.5)]) < 1e-3
    assert distance_after(objective, [R2(weight=0.5)]) < 1e-3
    assert distance_after(objective, [GradientPenalty(weight=0.25, target=0.0)]) < 1e-3
