"""Augmentations against independent implementations of the papers' formulas, and NumPy's padding."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from augment_cases import GROUPS, PIPELINES, SINGLE_TRANSFORMS, draws_of, enable_only, random_images
from pydantic import TypeAdapter, ValidationError
from torch import nn

from zerosum.errors import BadInput
from zerosum.game.augment import transforms, warp
from zerosum.game.augment.config import ADA, AugmentConfig, DiffAugment, NoAugment, ScheduledADA
from zerosum.game.augment.transforms import ColorTransform, UniformDraws
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Cosine, Progress
from zerosum.game.seeded_rng import derive_seeds

ALL_AUGMENTATIONS = SINGLE_TRANSFORMS | PIPELINES


# ---------------------------------------------------------------------- properties of every augmentation


@pytest.mark.parametrize("augment", ALL_AUGMENTATIONS.values(), ids=ALL_AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_probability_zero_changes_nothing(augment, channels: int) -> None:
    for side in (16, 64):
        sample = random_images(4, channels, side)
        for p in (0.0, torch.tensor(0.0)):
            assert torch.equal(augment.apply(sample, derive_seeds(0, 0, 4), p), sample)
    sample = random_images(4, channels, 28)
    assert torch.allclose(augment.apply(sample, derive_seeds(0, 0, 4), 0.0), sample, rtol=0, atol=1e-5)


@pytest.mark.parametrize("augment", ALL_AUGMENTATIONS.values(), ids=ALL_AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_sample_does_not_depend_on_the_rest_of_the_batch(augment, channels: int) -> None:
    sample, seed = random_images(40, channels), derive_seeds(1, 0, 40)
    augmented = augment.apply(sample, seed, 0.7)
    assert augmented.shape == sample.shape
    assert not torch.equal(augmented, sample)
    assert torch.equal(augment.apply(sample[3:4], seed[3:4], 0.7), augmented[3:4])
    for first, last in ((0, 7), (7, 33), (33, 40)):
        part = augment.apply(sample[first:last], seed[first:last], torch.tensor(0.7))
        assert torch.equal(part, augmented[first:last])
    strided = sample.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment.apply(strided, seed, 0.7), augmented)


@pytest.mark.parametrize("augment", SINGLE_TRANSFORMS.values(), ids=SINGLE_TRANSFORMS)
def test_twice_differentiable(augment) -> None:
    seed = derive_seeds(2, 0, 2)
    sample = random_images(2, 4, 4, torch.float64).requires_grad_()
    assert not torch.equal(augment.apply(sample, seed, 1.0), sample)
    assert torch.autograd.gradcheck(lambda x: augment.apply(x, seed, 1.0), sample)
    assert torch.autograd.gradgradcheck(lambda x: augment.apply(x, seed, 1.0), sample)


@pytest.mark.parametrize(
    ("augment", "compiled"), [(DiffAugment(), False), (ADA(transforms=GROUPS), False), (ADA(), True)]
)
def test_gradient_penalties_differentiate_through_augmentation(augment, compiled: bool) -> None:
    """Penalties on the sample gradient have the parameter gradients of autograd, also with torch.func and compiled."""
    torch.manual_seed(0)
    discriminator = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 6 * 6, 1)).double()
    sample, seed = random_images(3, 3, 8, torch.float64), derive_seeds(3, 0, 3)

    def score(x: torch.Tensor) -> torch.Tensor:
        return discriminator(augment.apply(x, seed, 0.9)).sum()

    def penalty(x: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(score)(x).square().sum()

    penalty_fn = torch.compile(penalty, backend="aot_eager", fullgraph=True) if compiled else penalty
    gradients = torch.autograd.grad(penalty_fn(sample), list(discriminator.parameters()), allow_unused=True)
    leaf = sample.clone().requires_grad_()
    (sample_gradient,) = torch.autograd.grad(score(leaf), leaf, create_graph=True)
    expected = torch.autograd.grad(sample_gradient.square().sum(), list(discriminator.parameters()), allow_unused=True)
    for gradient, expected_gradient in zip(gradients[:3], expected[:3], strict=True):
        torch.testing.assert_close(gradient, expected_gradient)


def test_half_precision_is_converted_to_float32() -> None:
    sample, seed = random_images(4).bfloat16(), derive_seeds(0, 0, 4)
    for augment in PIPELINES.values():
        augmented = augment.apply(sample.float(), seed, 0.8)
        assert augmented.dtype == torch.float32
        assert torch.equal(augment.apply(sample, seed, 0.8), augmented)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(augment.apply(sample.float(), seed, 0.8), augmented)


def test_color_fraction_scales_the_probability_of_color_transforms() -> None:
    sample, seed = random_images(8), derive_seeds(0, 0, 8)
    half = ADA(transforms=("color",), color_fraction=0.5)
    assert torch.equal(half.apply(sample, seed, 0.8), ADA(transforms=("color",)).apply(sample, seed, 0.4))
    without_color = ScheduledADA(transforms=("blit",))
    assert torch.equal(ScheduledADA(color_fraction=0.0, transforms=("blit", "color")).apply(sample, seed, 0.8),
                       without_color.apply(sample, seed, 0.8))  # fmt: skip


# ---------------------------------------------------------------------- geometry


def homogeneous(matrix: list[list[float]]) -> np.ndarray:
    homogeneous_matrix = np.eye(3)
    homogeneous_matrix[:2, : len(matrix[0])] = matrix
    return homogeneous_matrix


def rotation(angle: float) -> np.ndarray:
    return homogeneous([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def reference_affine(draws: UniformDraws, k: int, side: int) -> np.ndarray:
    """Multiply the paper's transforms as 3x3 matrices, from input positions to output positions."""
    blit, angles, uniforms = (field[k].double() for field in (draws.blit, draws.angles, draws.scales_and_shifts))
    normal = torch.special.ndtri(uniforms)
    pixel = 2 / side
    scale, stretch = 2 ** (0.2 * normal[0]), 2 ** (0.2 * normal[1])
    return (
        homogeneous([[1, 0, 0.25 * normal[2]], [0, 1, 0.25 * normal[3]]])
        @ rotation((2 * angles[1] - 1) * math.pi)
        @ homogeneous([[stretch, 0], [0, 1 / stretch]])
        @ rotation((2 * angles[0] - 1) * math.pi)
        @ homogeneous([[scale, 0], [0, scale]])
        @ homogeneous([[1, 0, pixel * round(float(2 * blit[2] - 1) * side / 8)],
                       [0, 1, pixel * round(float(2 * blit[3] - 1) * side / 8)]])
        @ rotation(math.pi / 2 * math.floor(4 * blit[1]))
        @ homogeneous([[-1 if blit[0] < 0.5 else 1, 0], [0, 1]])
    )  # fmt: skip


def test_affine_transforms_match_the_paper_in_its_order() -> None:
    draws = draws_of(64)
    affine = transforms.blit_transform(draws, 1.0, 32, 32).compose(transforms.geometry_transform(draws, 1.0, 32, 32))
    for k in range(64):
        inverse = np.linalg.inv(reference_affine(draws, k, 32))
        np.testing.assert_allclose(affine.matrix[k], inverse[:2, :2], atol=3e-6)
        np.testing.assert_allclose(affine.shift[k], inverse[:2, 2], atol=3e-6)


def test_pixel_to_pixel_transforms_are_exact() -> None:
    """Equal to NumPy's flip, rotation, symmetric padding and translation."""
    count, side = 300, 16
    sample, draws = random_images(count, 3, side), draws_of(count)
    affine = transforms.blit_transform(draws, 1.0, side, side)
    warped = warp.warp(sample, warp.affine_grid(*affine, side, side)).numpy()
    for k in range(count):
        flip, quarter_turns, *shift = draws.blit[k].tolist()
        image = sample[k].numpy()
        if flip < 0.5:
            image = image[:, :, ::-1]
        image = np.rot90(image, -math.floor(4 * quarter_turns), (1, 2))
        right, down = (round((2 * u - 1) * side / 8) for u in shift)
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), "symmetric")
        np.testing.assert_array_equal(warped[k], padded[:, 2 - down : 18 - down, 2 - right : 18 - right])


def test_warping_is_exact_for_linear_images() -> None:
    """Bilinear interpolation is exact for brightness that is linear in x and y, away from the padding."""
    side = 64
    line = (2 * torch.arange(side).double() + 1) / side - 1
    sample = (0.3 * line + 0.5 * line[:, None]).expand(40, 1, side, side)
    affine = transforms.geometry_transform(draws_of(40), 1.0, side, side)
    grid = warp.affine_grid(affine.matrix.double(), affine.shift.double(), side, side)
    warped = warp.warp(sample, grid)[:, 0]
    inside = (grid.abs() < 1 - 1 / side).all(3)
    assert inside.double().mean() > 0.4
    assert torch.allclose(warped[inside], (grid @ torch.tensor([0.3, 0.5], dtype=torch.float64))[inside], atol=1e-12)


def test_constant_images_do_not_change() -> None:
    sample = torch.tensor([0.37, -0.8, 1.0])[:, None, None].expand(64, 3, 32, 32)
    augmented = ADA(transforms=("blit", "geometry")).apply(sample, derive_seeds(0, 0, 64), 1.0)
    assert torch.allclose(augmented, sample, atol=1e-6)


def test_adjoint_of_warping() -> None:
    """<W x, y> = <x, W* y>, also far outside the image; all implementations give the same result."""
    affine = transforms.geometry_transform(draws_of(8), 1.0, 12, 12)
    grid = warp.affine_grid(3 * affine.matrix.double(), 5 * affine.shift.double(), 12, 12)
    x, y = random_images(8, 3, 12, torch.float64), random_images(8, 2 + 1, 12, torch.float64).flip(0)
    adjoint = warp._adjoint_native(y, grid)
    assert (warp.warp(x, grid) * y).sum().item() == pytest.approx((x * adjoint).sum().item(), rel=1e-12)
    torch.testing.assert_close(warp._adjoint_deterministic(y, grid), adjoint, rtol=0, atol=1e-12)
    torch.testing.assert_close(warp._warp_compilable(x, grid), warp.warp(x, grid), rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- color


def reference_color_transform(draws: UniformDraws, k: int) -> np.ndarray:
    """Multiply the paper's color transforms as 4x4 matrices."""
    gains, (flip, hue) = torch.special.ndtri(draws.color_gains[k].double()), draws.color[k].double()
    axis = torch.tensor([1.0, 1.0, 1.0]).double() / math.sqrt(3)
    luma_projection = torch.outer(axis, axis)
    cross_product = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]).double() / math.sqrt(3)
    steps = [
        2 ** (0.5 * gains[1]) * torch.eye(3),
        torch.eye(3) - 2 * luma_projection * (flip < 0.5),
        torch.matrix_exp((2 * hue - 1) * math.pi * cross_product),
        luma_projection + 2 ** gains[2] * (torch.eye(3) - luma_projection),
    ]
    product = np.eye(4)
    product[:3, 3] = 0.2 * gains[0]
    for step in steps:
        step_matrix = np.eye(4)
        step_matrix[:3, :3] = step
        product = step_matrix @ product
    return product


def test_color_transforms_match_the_paper_in_its_order() -> None:
    draws = draws_of(64)
    matrix, offset = transforms.color_transform(draws, 1.0, 3)
    gray = transforms.color_transform(draws, 1.0, 1)
    for k in range(64):
        expected = reference_color_transform(draws, k)
        np.testing.assert_allclose(matrix[k], expected[:3, :3], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(offset[k].expand(3, 1)[:, 0], expected[:3, 3], atol=1e-6, rtol=1e-5)
        assert gray.matrix[k].item() == pytest.approx(expected[0, :3].sum(), rel=1e-5)
        assert gray.offset[k].item() == pytest.approx(expected[0, 3], rel=1e-5, abs=1e-7)


def test_hue_rotation_by_120_degrees_maps_red_to_green() -> None:
    draws = enable_only(draws_of(1), "color_gate", 3)._replace(color=torch.tensor([[0.9, 5 / 6]]))
    cyclic = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert torch.allclose(transforms.color_transform(draws, 1.0, 3).matrix[0], cyclic, atol=1e-6)


def test_color_transform_of_known_pixels() -> None:
    matrix = torch.tensor([[[1.0, 2, 0], [0, 1, 0], [3, 0, -1]]])
    transform = ColorTransform(matrix, torch.tensor([[[0.5]]]))
    sample = torch.tensor([0.1, 0.2, 0.3, 0.7]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    expected = torch.tensor([1.0, 0.7, 0.5, 0.7]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    assert torch.allclose(transform(sample), expected)
    pixels = sample[:, :3].flatten(2)
    torch.testing.assert_close(transform._apply_elementwise(pixels), transform._apply_matmul(pixels))


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_moved_but_not_recolored(channels: int) -> None:
    sample, seed = random_images(16, channels), derive_seeds(0, 0, 16)
    for augment in (ADA(transforms=("color",)), DiffAugment(policy=("color",))):
        augmented = augment.apply(sample, seed, 1.0)
        assert torch.equal(augmented[:, -1], sample[:, -1])
        assert (augmented[:, :-1] != sample[:, :-1]).flatten(1).any(1).all()
        assert torch.allclose(augmented[:, :-1], augment.apply(sample[:, :-1], seed, 1.0))
    augmented = ADA(transforms=("geometry",)).apply(sample, seed, 1.0)
    augmented_alpha = ADA(transforms=("geometry",)).apply(sample[:, -1:], seed, 1.0)
    assert torch.equal(augmented[:, -1:], augmented_alpha)


# ---------------------------------------------------------------------- DiffAugment


def test_color_jitter_matches_the_paper_in_its_order() -> None:
    sample, draws = random_images(20, 3, 16, torch.float64), draws_of(20)
    b, s, c = draws.color_gains.double()[:, :, None, None, None].unbind(1)
    expected = sample + (b - 0.5)
    mean = expected.mean(1, keepdim=True)
    expected = (expected - mean) * (2 * s) + mean
    mean = expected.mean((1, 2, 3), keepdim=True)
    expected = (expected - mean) * (c + 0.5) + mean
    assert torch.allclose(transforms.apply_color_jitter(sample, draws, 1.0), expected, atol=1e-6)


def test_translation_fills_with_zeros() -> None:
    sample, draws = random_images(50, 2, 16), draws_of(50)
    translated = transforms.apply_translation(sample, draws, 1.0).numpy()
    for k in range(50):
        right, down = (math.floor(5 * u) - 2 for u in draws.blit[k, 2:].tolist())
        padded = np.pad(sample[k].numpy(), ((0, 0), (2, 2), (2, 2)))
        np.testing.assert_array_equal(translated[k], padded[:, 2 - down : 18 - down, 2 - right : 18 - right])


# ---------------------------------------------------------------------- settings


def test_settings_do_not_import_torch() -> None:
    code = "import sys, zerosum.game.augment.config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kind_selects_the_augmentation() -> None:
    adapter: TypeAdapter[AugmentConfig] = TypeAdapter(AugmentConfig)
    classes = {"none": NoAugment, "diffaugment": DiffAugment, "ada": ADA, "scheduled-ada": ScheduledADA}
    for kind, cls in classes.items():
        assert isinstance(adapter.validate_python({"kind": kind}), cls)
    sample = random_images(2)
    assert NoAugment().apply(sample, derive_seeds(0, 0, 2), 0.5) is sample


def test_invalid_settings_are_refused() -> None:
    with pytest.raises(ValidationError, match="between 0 and 1"):
        ScheduledADA(p=1.5)
    with pytest.raises(ValidationError):
        DiffAugment(p={"kind": "linear", "start": 0, "end": 2, "examples": [0, 10]})
    with pytest.raises(ValidationError, match="`initial_p`"):
        ADA(initial_p=0.9)
    with pytest.raises(ValidationError, match="transforms"):
        ADA(transforms=())


def test_probability_of_each_kind() -> None:
    learned = torch.tensor(0.5)
    scheduled = ScheduledADA(p=Cosine(start=0.0, end=0.3, examples=(0, 100)))
    assert scheduled.probability(Progress(0, 50), learned) == pytest.approx(0.15)
    assert DiffAugment().probability(Progress(), learned) == 1.0
    assert NoAugment().probability(Progress(), learned) == 0.0
    assert torch.equal(ADA().probability(Progress(), learned), learned)
    assert ADA().probability(Progress(), torch.tensor(1.0)).item() == pytest.approx(0.8)
    assert ADA(max_p=1.0).probability(Progress(), torch.tensor(1.0)).item() == 1.0


def test_brightness_and_contrast_of_bands_change_alike() -> None:
    """More than 4 channels have no hue: each image becomes an affine function of itself, the same for all bands."""
    sample, seed = random_images(20, 6, 16), torch.arange(20)
    for changed in (
        transforms.apply_ada(sample, seed, 1.0, ("color",), 1.0),
        transforms.apply_diffaugment(sample, seed, 1.0, ("color",)),
    ):
        for before, after in zip(sample.flatten(1).numpy(), changed.flatten(1).numpy(), strict=True):
            factor, offset = np.polyfit(before, after, 1)
            np.testing.assert_allclose(after, factor * before + offset, atol=1e-5)
    assert torch.equal(transforms.apply_ada(sample, seed, 0.0, ("color",), 1.0), sample)


@pytest.mark.parametrize("augment", PIPELINES.values(), ids=PIPELINES)
def test_unsupported_shapes_are_refused(augment) -> None:
    for channels in (1, 2, 3, 4, 8):
        augment.check(TensorSpec((channels, 32, 32)))
    with pytest.raises(BadInput, match="shape \\(2,\\)"):
        augment.check(TensorSpec((2,)))
    augment.check(TensorSpec((3, 32, 64)))
    with pytest.raises(BadInput, match="atoms and bonds"):
        augment.check({"atoms": TensorSpec((3, 32, 32)), "bonds": TensorSpec((3, 32, 32))})
    NoAugment().check(TensorSpec((2,)))
