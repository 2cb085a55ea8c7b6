import math

import numpy as np
import pytest
import torch
from tiny_generators import mlp, normal, style_rows
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


def angle_degrees(vector: Tensor, expected: Tensor) -> float:
    """Return the angle between the lines of two vectors."""
    first, second = vector.double() / vector.double().norm(), expected.double() / expected.double().norm()
    chord = min(float((first - second).norm()), float((first + second).norm()))  # precise for small angles, unlike acos
    return math.degrees(2 * math.asin(chord / 2))


def assert_valid(directions: Directions) -> None:
    """Unit vectors whose largest component is positive, with descending strengths of sum at most 1."""
    vectors = directions.vectors
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    assert (vectors.gather(1, vectors.abs().argmax(1, keepdim=True)) > 0).all()
    assert (directions.strengths.diff() <= 0).all()
    assert 0 <= directions.strengths.min() <= directions.strengths.sum() <= 1 + 1e-6


# ---------------------------------------------------------------------- SeFa


@pytest.mark.parametrize("has_styles", [True, False])
def test_sefa_equals_singular_vectors_of_numpy(has_styles: bool) -> None:
    network = style_rows() if has_styles else mlp()
    found = sefa(make_edit_space(network, 6), count=4)
    weights = torch.cat(network.affine_weights()) if has_styles else network.hidden_layers[0][0].weight
    _, sizes, right = np.linalg.svd(weights.double().numpy())
    assert_valid(found)
    assert all(angle_degrees(*pair) < 1e-3 for pair in zip(found.vectors, torch.from_numpy(right), strict=False))
    np.testing.assert_allclose(found.strengths, (sizes**2 / (sizes**2).sum())[:4], rtol=1e-5)


class SplitLatent(nn.Module):
    """Concatenates the latent with a class vector, normalizes both, and splits them among two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.class_vectors = nn.Linear(3, 2, bias=False)  # used first, without the latent
        self.start, self.late = (
            equalized_lr.EqualizedLinear(5, 7),
            nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4)),
        )
        self.hidden, self.last = nn.Linear(7, 4), nn.Linear(4, 64)

    def forward(self, latent: Tensor) -> Tensor:
        vectors = self.class_vectors(torch.eye(3)[:1].expand(len(latent), -1))
        normalized = equalized_lr.pixel_norm(torch.cat([latent, vectors], 1))  # (N, 8)
        hidden = self.hidden(self.start(normalized[:, :5]).relu())
        return self.last(hidden * self.late(normalized[:, 5:])).view(-1, 1, 8, 8)


def test_effective_weights_are_found_in_all_layers_that_take_the_latent() -> None:
    torch.manual_seed(0)
    network = SplitLatent().eval()
    space = make_edit_space(network, 6)
    expected = torch.zeros(11, 6)
    expected[:7, :5] = network.start.weight * network.start.scale
    expected[7:, 5] = network.late.weight[:, 0]
    torch.testing.assert_close(space.first_layer_weights(), expected.detach())
    latents = normal(3, 6)
    hidden_inputs: list[Tensor] = []
    network.hidden.register_forward_pre_hook(lambda _, inputs: hidden_inputs.append(inputs[0]))
    network(latents)
    assert torch.equal(space.activations(latents), hidden_inputs[0])


def test_weights_of_the_class_vector_are_left_out() -> None:
    network = mlp(condition="concat")
    weight = network.network.hidden_layers[0][0].weight
    assert weight.shape[1] > 6
    torch.testing.assert_close(make_edit_space(network, 6).first_layer_weights(), weight[:, :6])


def test_a_network_without_a_layer_that_takes_the_latent_is_refused() -> None:
    network = nn.Sequential(nn.Tanh(), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))
    with pytest.raises(BadInput, match="no layer"):
        sefa(make_edit_space(network, 6))


@pytest.mark.parametrize("count", [0, 7])
def test_the_number_of_directions_is_checked(count: int) -> None:
    space = make_edit_space(mlp(), 6)
    with pytest.raises(BadInput, match=f"`count` {count}: this generator's space has 6 directions; give 1 to 6"):
        sefa(space, count)
    with pytest.raises(BadInput):
        ganspace(space, normal(50, 6), count=count)


# ---------------------------------------------------------------------- GANSpace


def test_ganspace_finds_the_principal_axes_of_a_known_style_covariance() -> None:
    network = style_rows()
    axes = torch.linalg.qr(normal(5, 5, seed=3)).Q
    sizes = torch.tensor([4.0, 3.0, 2.0, 1.0, 0.5])
    network.mapping.weight[:, :5], network.mapping.weight[:, 5] = axes * sizes, 0  # covariance axes diag(sizes^2) axes'
    space, latents = make_edit_space(network, 6), normal(10_000, 6)
    found = ganspace(space, latents, count=3)
    assert_valid(found)
    assert all(angle_degrees(found.vectors[i], axes[:, i]) < 3 for i in range(3))
    np.testing.assert_allclose(found.strengths, (sizes**2 / (sizes**2).sum())[:3], atol=0.02)
    vectors = space.to_vectors(latents).double().numpy()
    _, widths, right = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    assert all(angle_degrees(found.vectors[i], torch.from_numpy(right[i])) < 1e-3 for i in range(3))
    np.testing.assert_allclose(found.strengths, (widths**2 / (widths**2).sum())[:3], rtol=1e-5)


def test_ganspace_in_z_equals_a_least_squares_fit_by_numpy() -> None:
    network, latents = mlp(), normal(500, 6)
    found = ganspace(make_edit_space(network, 6), latents, count=4)
    assert_valid(found)
    hidden = network.hidden_layers[0](latents).double().numpy()  # after the activation
    left, sizes, _ = np.linalg.svd(hidden - hidden.mean(0), full_matrices=False)
    fit = np.linalg.lstsq(left[:, :4] * sizes[:4], (latents - latents.mean(0)).double().numpy(), rcond=None)[0]
    assert all(angle_degrees(*pair) < 0.01 for pair in zip(found.vectors, torch.from_numpy(fit), strict=True))
    np.testing.assert_allclose(found.strengths, (sizes**2 / (sizes**2).sum())[:4], rtol=1e-5)


def test_ganspace_equals_sefa_if_the_first_layer_is_linear() -> None:
    torch.manual_seed(0)
    first = nn.Linear(6, 9)
    network = nn.Sequential(first, nn.Linear(9, 64), nn.Unflatten(1, (1, 8, 8))).requires_grad_(False)
    first.weight.copy_(torch.linalg.qr(normal(9, 6)).Q * torch.tensor([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]))
    space = make_edit_space(network, 6)
    from_weights, from_samples = sefa(space, 3), ganspace(space, normal(10_000, 6), count=3)
    assert all(angle_degrees(*pair) < 4 for pair in zip(from_weights.vectors, from_samples.vectors, strict=True))


def test_principal_components_of_many_features_equal_those_of_numpy() -> None:
    rows = normal(120, 40, seed=1) * 0.8 ** torch.arange(40) @ normal(40, directions.MAX_EXACT_FEATURES + 300, seed=2)
    rows = rows - rows.mean(0)
    components, fractions = principal_components(rows, 5)
    _, sizes, right = np.linalg.svd(rows.double().numpy(), full_matrices=False)
    assert all(angle_degrees(*pair) < 0.1 for pair in zip(components, torch.from_numpy(right[:5]), strict=True))
    np.testing.assert_allclose(fractions, (sizes**2 / (sizes**2).sum())[:5], rtol=1e-4)
    rng_state = torch.random.get_rng_state()
    assert torch.equal(principal_components(rows, 5)[0], components)
    assert torch.equal(torch.random.get_rng_state(), rng_state)


def test_ganspace_refuses_too_few_samples() -> None:
    with pytest.raises(BadInput, match="at least 8 samples"):
        ganspace(make_edit_space(mlp(), 6), normal(7, 6), count=4)


# ---------------------------------------------------------------------- InterFaceGAN


def two_class_probabilities(is_class: Tensor) -> Tensor:
    """Return probabilities (N, 2), class 1 being the likelier one where `is_class` (N,)."""
    return torch.stack([0.6 - 0.2 * is_class, 0.4 + 0.2 * is_class], 1)


@pytest.mark.parametrize("offset", [0.0, 1.0])  # half of the samples are of class 1, or a sixth
@pytest.mark.parametrize("stretch", [1.0, 5.0])
def test_interfacegan_recovers_a_known_normal(offset: float, stretch: float) -> None:
    scale = torch.ones(16)
    scale[:4] = stretch
    vectors, expected = normal(4000, 16) * scale + 3, normal(16, seed=1)
    projection = (vectors - 3) @ expected / (expected * scale).norm()
    found = interfacegan(vectors, two_class_probabilities(projection > offset), 1)
    assert found.vectors.shape == (1, 16)
    assert angle_degrees(found.vectors[0], expected) < 4
    assert found.vectors[0] @ expected > 0
    assert found.strengths[0] > 0.97
    opposite = interfacegan(vectors, two_class_probabilities(projection > offset), 0)
    torch.testing.assert_close(opposite.vectors, -found.vectors, atol=1e-4, rtol=0)


def test_the_accuracy_of_a_random_class_is_that_of_guessing() -> None:
    is_class = normal(4000, seed=1) > 0.5
    accuracy = interfacegan(normal(4000, 16), two_class_probabilities(is_class), 1).strengths[0]
    # 1,200 test samples, of which 31% are of the class: 4 standard errors of 0.016
    assert abs(accuracy - 0.5) < 0.064


def test_logistic_regression_has_zero_gradient_at_its_solution() -> None:
    vectors, is_class = normal(300, 4), normal(300, seed=1) + normal(300, 4)[:, 0] > 0
    rows = vectors.double() - vectors.double().mean(0)
    rows = rows / rows.square().mean().sqrt()
    slope, offset = directions._fit_logistic_regression(rows, is_class, 0.01)
    weight = torch.where(is_class, 0.5 / is_class.sum(), 0.5 / (~is_class).sum()).double()
    residual = weight * (torch.sigmoid(rows @ slope + offset) - is_class.double())
    torch.testing.assert_close(rows.T @ residual + 0.01 * slope, torch.zeros(4, dtype=torch.float64), atol=1e-7, rtol=0)
    assert abs(float(residual.sum())) < 1e-7


def test_interfacegan_learns_from_features_of_generated_images() -> None:
    network = style_rows()
    space = make_edit_space(network, 6)
    batch_sizes = []

    def corner_is_bright(images: Tensor) -> Tensor:
        batch_sizes.append(len(images))
        return two_class_probabilities(images[:, 0, 0, 0] > 0)

    vectors, probabilities = score_samples(space, normal(2000, 6), corner_is_bright)
    assert sum(batch_sizes) == 2000
    assert max(batch_sizes) == 64
    found = interfacegan(vectors, probabilities, 1)
    assert angle_degrees(found.vectors[0], network.affines[0].weight[0]) < 5
    torch.testing.assert_close(vectors, space.to_vectors(normal(2000, 6)))


def test_a_class_with_too_few_samples_is_refused() -> None:
    is_class = torch.arange(200) < 20
    with pytest.raises(BadInput, match="class boots: 20 of 200"):
        interfacegan(normal(200, 4), two_class_probabilities(is_class), 1, "boots")


# ---------------------------------------------------------------------- traversal


def test_traverse_moves_by_multiples_of_sigma() -> None:
    codes, vector = normal(2, 4, 5), torch.tensor([0.0, 0.6, 0.0, 0.8, 0.0])
    moved = traverse(codes, vector, sigma=2.0, max_sigma=3.0, steps=5)
    assert moved.shape == (2, 5, 4, 5)
    torch.testing.assert_close(moved[:, 0], codes - 6 * vector)
    torch.testing.assert_close(moved[:, 1], codes - 3 * vector)
    assert torch.equal(moved[:, 2], codes)
    torch.testing.assert_close(moved[:, 4], codes + 6 * vector)
    partial = traverse(codes, vector, sigma=2.0, max_sigma=3.0, steps=5, layers=parse_layers("1:3", 4))
    assert torch.equal(partial[:, :, 1:3], moved[:, :, 1:3])
    assert torch.equal(partial[:, :, [0, 3]], codes[:, None, [0, 3]].expand(-1, 5, -1, -1))


def test_std_along_a_direction() -> None:
    vectors = torch.tensor([[3.0, 4.0], [-3.0, -4.0], [3.0, 4.0], [-3.0, -4.0]]) + 7
    assert std_along(vectors, torch.tensor([0.6, 0.8])) == pytest.approx(5)
    assert std_along(vectors, torch.tensor([0.8, -0.6])) == pytest.approx(0, abs=1e-6)


def test_traverse_refuses_a_single_step() -> None:
    with pytest.raises(BadInput, match="two ends"):
        traverse(normal(1, 1, 4), torch.eye(4)[0], 1.0, steps=1)
