import math

import numpy as np
import pytest
import torch
from test_styles import Patches, mlp, patches
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.inference import directions
from zerosum.inference.directions import (
    Directions,
    ganspace,
    interfacegan,
    principal_components,
    score_samples,
    sefa,
    std_along,
    traverse,
)
from zerosum.inference.latent_space import make_edit_space, parse_layers
from zerosum.networks import equalized_lr


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def degrees(found: Tensor, wanted: Tensor) -> float:
    """Between the lines of two unit vectors."""
    first, second = found.double() / found.double().norm(), wanted.double() / wanted.double().norm()
    chord = min(float((first - second).norm()), float((first + second).norm()))  # exact where a cosine is all but 1
    return math.degrees(2 * math.asin(chord / 2))


def sound(found: Directions) -> None:
    """Unit vectors, their farthest number positive, shares falling and no more than all."""
    vectors = found.vectors
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    assert (vectors.gather(1, vectors.abs().argmax(1, keepdim=True)) > 0).all()
    assert (found.strengths.diff() <= 0).all()
    assert 0 <= found.strengths.min() <= found.strengths.sum() <= 1 + 1e-6


# ---------------------------------------------------------------------- weights


@pytest.mark.parametrize("styled", [True, False])
def test_sefa_is_numpys_singular_vectors(styled: bool) -> None:
    network = patches() if styled else mlp()
    found = sefa(make_edit_space(network, 6), count=4)
    weights = torch.cat(network.affine_weights()) if styled else network.hidden[0][0].weight
    _, sizes, right = np.linalg.svd(weights.double().numpy())
    sound(found)
    assert all(degrees(*pair) < 1e-3 for pair in zip(found.vectors, torch.from_numpy(right), strict=False))
    np.testing.assert_allclose(found.strengths, (sizes**2 / (sizes**2).sum())[:4], rtol=1e-5)


class Pieces(nn.Module):
    """A latent beside another vector, brought to even length, and handed out to two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.class_vectors = nn.Linear(3, 2, bias=False)  # is used first, and takes no latent
        self.start, self.late = (
            equalized_lr.EqualizedLinear(5, 7),
            nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
        )
        self.hidden, self.last = nn.Linear(7, 4), nn.Linear(4, 64)

    def forward(self, latent: Tensor) -> Tensor:
        vectors = self.class_vectors(torch.eye(3)[:1].expand(len(latent), -1))
        joined = equalized_lr.pixel_norm(torch.cat([latent, vectors], 1))  # (N, 8)
        hidden = self.hidden(self.start(joined[:, :5]).relu())
        return self.last(hidden * self.late(joined[:, 5:])).view(-1, 1, 8, 8)


def test_the_layers_that_take_the_latent_are_found_whatever_they_store() -> None:
    torch.manual_seed(0)
    network = Pieces().eval()
    space = make_edit_space(network, 6)
    expected = torch.zeros(11, 6)
    expected[:7, :5] = network.start.weight * network.start.scale
    expected[7:, 5] = network.late.weight[:, 0]
    torch.testing.assert_close(space.first_layer_weights(), expected.detach())
    latents = normal(3, 6)
    entering: list[Tensor] = []
    network.hidden.register_forward_pre_hook(lambda _, entered: entering.append(entered[0]))
    network(latents)
    assert torch.equal(space.activations(latents), entering[0])


def test_beside_a_vector_of_the_class_only_the_latents_weights_count() -> None:
    network = mlp(condition="concat")
    weight = network.network.hidden[0][0].weight
    assert weight.shape[1] > 6
    torch.testing.assert_close(make_edit_space(network, 6).first_layer_weights(), weight[:, :6])


def test_a_network_that_hides_its_latent_is_refused() -> None:
    network = nn.Sequential(nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))
    with pytest.raises(BadInput, match="no layer"):
        sefa(make_edit_space(network, 6))


@pytest.mark.parametrize("count", [0, 7])
def test_a_space_has_only_so_many_directions(count: int) -> None:
    space = make_edit_space(mlp(), 6)
    with pytest.raises(BadInput, match="ask for 1 to 6"):
        sefa(space, count)
    with pytest.raises(BadInput, match="ask for 1 to 6"):
        ganspace(space, normal(50, 6), count=count)


# ---------------------------------------------------------------------- many places


def test_principal_styles_are_those_of_a_known_covariance() -> None:
    network = patches()
    axes = torch.linalg.qr(normal(5, 5, seed=3)).Q
    sizes = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.5])
    network.mapping.weight[:, :5], network.mapping.weight[:, 5] = axes * sizes, 0  # covariance axes diag(sizes^2) axes'
    space, latents = make_edit_space(network, 6), normal(10_000, 6)
    found = ganspace(space, latents, count=3)
    sound(found)
    assert all(degrees(found.vectors[at], axes[:, at]) < 3 for at in range(3))
    np.testing.assert_allclose(found.strengths, (sizes**2 / (sizes**2).sum())[:3], atol=0.02)
    points = space.to_vectors(latents).double().numpy()
    _, widths, right = np.linalg.svd(points - points.mean(0), full_matrices=False)
    assert all(degrees(found.vectors[at], torch.from_numpy(right[at])) < 1e-3 for at in range(3))
    np.testing.assert_allclose(found.strengths, (widths**2 / (widths**2).sum())[:3], rtol=1e-5)


def test_principal_latents_are_numpys_fit_to_the_first_layers_components() -> None:
    network, latents = mlp(), normal(500, 6)
    found = ganspace(make_edit_space(network, 6), latents, count=4)
    sound(found)
    hidden = network.hidden[0](latents).double().numpy()  # after the activation
    left, sizes, _ = np.linalg.svd(hidden - hidden.mean(0), full_matrices=False)
    fit = np.linalg.lstsq(left[:, :4] * sizes[:4], (latents - latents.mean(0)).double().numpy(), rcond=None)[0]
    assert all(degrees(*pair) < 0.01 for pair in zip(found.vectors, torch.from_numpy(fit), strict=True))
    np.testing.assert_allclose(found.strengths, (sizes**2 / (sizes**2).sum())[:4], rtol=1e-5)


def test_where_the_first_layer_is_linear_they_are_sefas() -> None:
    torch.manual_seed(0)
    first = nn.Linear(6, 9)
    network = nn.Sequential(first, nn.Linear(9, 64), nn.Unflatten(1, (1, 8, 8))).requires_grad_(False)
    first.weight.copy_(torch.linalg.qr(normal(9, 6)).Q * torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]))
    space = make_edit_space(network, 6)
    weights, many = sefa(space, 3), ganspace(space, normal(10_000, 6), count=3)
    assert all(degrees(*pair) < 4 for pair in zip(weights.vectors, many.vectors, strict=True))


def test_leading_components_of_wide_rows_are_numpys() -> None:
    rows = normal(120, 40, seed=1) * 0.8 ** torch.arange(40) @ normal(40, directions.MAX_EXACT_FEATURES + 300, seed=2)
    rows = rows - rows.mean(0)
    found, shares = principal_components(rows, 5)
    _, sizes, right = np.linalg.svd(rows.double().numpy(), full_matrices=False)
    assert all(degrees(*pair) < 0.1 for pair in zip(found, torch.from_numpy(right[:5]), strict=True))
    np.testing.assert_allclose(shares, (sizes**2 / (sizes**2).sum())[:5], rtol=1e-4)
    before = torch.random.get_rng_state()
    assert torch.equal(principal_components(rows, 5)[0], found)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BadInput, match="at least 8 samples"):
        ganspace(make_edit_space(mlp(), 6), normal(7, 6), count=4)


# ---------------------------------------------------------------------- learned


def sides(inside: Tensor) -> Tensor:
    """Probabilities (N, 2) of class 0 and class 1, which is `inside`."""
    return torch.stack([0.6 - 0.2 * inside, 0.4 + 0.2 * inside], 1)


@pytest.mark.parametrize("offset", [0.0, 1.0])  # half of the samples are inside, or a sixth
@pytest.mark.parametrize("stretch", [1.0, 5.0])
def test_a_boundary_recovers_a_known_normal(offset: float, stretch: float) -> None:
    scale = torch.ones(16)
    scale[:4] = stretch
    points, wanted = normal(4000, 16) * scale + 3, normal(16, seed=1)
    along = (points - 3) @ wanted / (wanted * scale).norm()
    found = interfacegan(points, sides(along > offset), 1)
    assert found.vectors.shape == (1, 16)
    assert degrees(found.vectors[0], wanted) < 4
    assert found.vectors[0] @ wanted > 0
    assert found.strengths[0] > 0.97
    other = interfacegan(points, sides(along > offset), 0)
    torch.testing.assert_close(other.vectors, -found.vectors, atol=1e-4, rtol=0)


def test_a_class_that_is_not_in_the_points_is_guessed() -> None:
    inside = normal(4000, seed=1) > 0.5
    share = interfacegan(normal(4000, 16), sides(inside), 1).strengths[0]
    # 1,200 held out, of which 31% are inside: a standard error of 0.016, and 4 of them
    assert abs(share - 0.5) < 0.064


def test_a_boundary_is_the_ridges_minimum() -> None:
    points, inside = normal(300, 4), normal(300, seed=1) + normal(300, 4)[:, 0] > 0
    rows = points.double() - points.double().mean(0)
    rows = rows / rows.square().mean().sqrt()
    slope, offset = directions._fit_logistic_regression(rows, inside, 0.01)
    weight = torch.where(inside, 0.5 / inside.sum(), 0.5 / (~inside).sum()).double()
    wrong = weight * (torch.sigmoid(rows @ slope + offset) - inside.double())
    torch.testing.assert_close(rows.T @ wrong + 0.01 * slope, torch.zeros(4, dtype=torch.float64), atol=1e-7, rtol=0)
    assert abs(float(wrong.sum())) < 1e-7


def test_a_boundary_is_learned_from_what_is_seen_in_pictures() -> None:
    network: Patches = patches()
    space = make_edit_space(network, 6)
    calls = []

    def see(pictures: Tensor) -> Tensor:
        calls.append(len(pictures))
        return sides(pictures[:, 0, 0, 0] > 0)  # the corner's pixel is light

    points, probabilities = score_samples(space, normal(2000, 6), see)
    assert sum(calls) == 2000
    assert max(calls) == 64
    found = interfacegan(points, probabilities, 1)
    assert degrees(found.vectors[0], network.affines[0].weight[0]) < 5
    torch.testing.assert_close(points, space.to_vectors(normal(2000, 6)))


def test_a_class_of_few_samples_is_refused_by_name() -> None:
    inside = torch.arange(200) < 20
    with pytest.raises(BadInput, match="class boots: 20 of 200"):
        interfacegan(normal(200, 4), sides(inside), 1, "boots")


# ---------------------------------------------------------------------- moving


def test_a_strip_ends_where_it_should() -> None:
    places, vector = normal(2, 4, 5), torch.tensor([0.0, 0.6, 0.0, 0.8, 0.0])
    moved = traverse(places, vector, sigma=2.0, max_sigma=3.0, steps=5)
    assert moved.shape == (2, 5, 4, 5)
    torch.testing.assert_close(moved[:, 0], places - 6 * vector)
    torch.testing.assert_close(moved[:, 1], places - 3 * vector)
    assert torch.equal(moved[:, 2], places)
    torch.testing.assert_close(moved[:, 4], places + 6 * vector)
    some = traverse(places, vector, sigma=2.0, max_sigma=3.0, steps=5, layers=parse_layers("1:3", 4))
    assert torch.equal(some[:, :, 1:3], moved[:, :, 1:3])
    assert torch.equal(some[:, :, [0, 3]], places[:, None, [0, 3]].expand(-1, 5, -1, -1))


def test_the_unit_is_the_standard_deviation() -> None:
    points = torch.tensor([[3.0, 4.0], [-3.0, -4.0], [3.0, 4.0], [-3.0, -4.0]]) + 7
    assert std_along(points, torch.tensor([0.6, 0.8])) == pytest.approx(5)
    assert std_along(points, torch.tensor([0.8, -0.6])) == pytest.approx(0, abs=1e-6)


def test_a_strip_of_one_is_refused() -> None:
    with pytest.raises(BadInput, match="two ends"):
        traverse(normal(1, 1, 4), torch.eye(4)[0], 1.0, steps=1)
