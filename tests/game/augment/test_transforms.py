"""Augmentation against the papers' formulas written out in another way, and NumPy's padding."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from zerosum.errors import BadInput
from zerosum.game.augment import transforms, warp
from zerosum.game.augment.config import ADA, AugmentConfig, DiffAugment, NoAugment, ScheduledADA
from zerosum.game.augment.transforms import ColorTransform, UniformDraws, draw_uniforms
from zerosum.game.schedule import Cosine, Progress
from zerosum.game.seeded_rng import derive_seeds

GROUPS = ("blit", "geometry", "colour", "cutout")
POLICY = ("colour", "translation", "cutout")
EVERY = [ADA(transforms=(group,)) for group in GROUPS] + [DiffAugment(policy=(part,)) for part in POLICY]
WHOLE = [ADA(transforms=GROUPS), ScheduledADA(), DiffAugment()]
NAMES = ["blit", "geometry", "colour", "cutout", "jitter", "translation", "diff-cutout"]


def pictures(count: int, channels: int = 3, side: int = 32, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count + channels + side)
    return torch.rand(count, channels, side, side, generator=generator, dtype=dtype) * 2 - 1


def drawn(count: int) -> UniformDraws:
    return draw_uniforms(derive_seeds(0, 0, count))


def only(numbers: UniformDraws, group: str, column: int) -> UniformDraws:
    """One transform of a group may act; 1 is below no probability."""
    acts = torch.ones_like(getattr(numbers, group))
    acts[:, column] = getattr(numbers, group)[:, column]
    return numbers._replace(**{group: acts})


# ---------------------------------------------------------------------- what every augmentation promises


@pytest.mark.parametrize("augment", [*EVERY, *WHOLE])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_nothing_happens_at_zero(augment, channels: int) -> None:
    for side in (16, 64):
        sample = pictures(4, channels, side)
        for p in (0.0, torch.tensor(0.0)):
            assert torch.equal(augment.apply(sample, derive_seeds(0, 0, 4), p), sample)
    odd = pictures(4, channels, 28)
    assert torch.allclose(augment.apply(odd, derive_seeds(0, 0, 4), 0.0), odd, rtol=0, atol=1e-5)


@pytest.mark.parametrize("augment", [*EVERY, *WHOLE])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_sample_does_not_depend_on_its_company(augment, channels: int) -> None:
    sample, seed = pictures(40, channels), derive_seeds(1, 0, 40)
    whole = augment.apply(sample, seed, 0.7)
    assert whole.shape == sample.shape
    assert not torch.equal(whole, sample)
    assert torch.equal(augment.apply(sample[3:4], seed[3:4], 0.7), whole[3:4])
    for first, last in ((0, 7), (7, 33), (33, 40)):
        assert torch.equal(augment.apply(sample[first:last], seed[first:last], torch.tensor(0.7)), whole[first:last])
    strided = sample.contiguous(memory_format=torch.channels_last)
    assert torch.equal(augment.apply(strided, seed, 0.7), whole)


@pytest.mark.parametrize("augment", EVERY, ids=NAMES)
def test_twice_differentiable(augment) -> None:
    seed = derive_seeds(2, 0, 2)
    sample = pictures(2, 4, 4, torch.float64).requires_grad_()
    assert not torch.equal(augment.apply(sample, seed, 1.0), sample)
    assert torch.autograd.gradcheck(lambda x: augment.apply(x, seed, 1.0), sample)
    assert torch.autograd.gradgradcheck(lambda x: augment.apply(x, seed, 1.0), sample)


@pytest.mark.parametrize(
    ("augment", "compiled"), [(DiffAugment(), False), (ADA(transforms=GROUPS), False), (ADA(), True)]
)
def test_penalties_differentiate_through_it(augment, compiled: bool) -> None:
    """The slope at the untransformed sample, by torch.func and compiled, trains the judge as autograd's does."""
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Flatten(), nn.Linear(4 * 6 * 6, 1)).double()
    sample, seed = pictures(3, 3, 8, torch.float64), derive_seeds(3, 0, 3)

    def score(x: torch.Tensor) -> torch.Tensor:
        return judge(augment.apply(x, seed, 0.9)).sum()

    def penalty(x: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(score)(x).square().sum()

    fast = torch.compile(penalty, backend="aot_eager", fullgraph=True) if compiled else penalty
    ours = torch.autograd.grad(fast(sample), list(judge.parameters()), allow_unused=True)
    place = sample.clone().requires_grad_()
    (slope,) = torch.autograd.grad(score(place), place, create_graph=True)
    theirs = torch.autograd.grad(slope.square().sum(), list(judge.parameters()), allow_unused=True)
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        torch.testing.assert_close(a, b)


def test_half_precision_is_widened() -> None:
    sample, seed = pictures(4).bfloat16(), derive_seeds(0, 0, 4)
    for augment in WHOLE:
        wide = augment.apply(sample.float(), seed, 0.8)
        assert wide.dtype == torch.float32
        assert torch.equal(augment.apply(sample, seed, 0.8), wide)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(augment.apply(sample.float(), seed, 0.8), wide)


def test_colour_share() -> None:
    sample, seed = pictures(8), derive_seeds(0, 0, 8)
    half = ADA(transforms=("colour",), color_fraction=0.5)
    assert torch.equal(half.apply(sample, seed, 0.8), ADA(transforms=("colour",)).apply(sample, seed, 0.4))
    plain = ScheduledADA(transforms=("blit",))
    assert torch.equal(ScheduledADA(color_fraction=0.0, transforms=("blit", "colour")).apply(sample, seed, 0.8),
                       plain.apply(sample, seed, 0.8))  # fmt: skip


# ---------------------------------------------------------------------- geometry


def homogeneous(matrix: list[list[float]]) -> np.ndarray:
    whole = np.eye(3)
    whole[:2, : len(matrix[0])] = matrix
    return whole


def turning(angle: float) -> np.ndarray:
    return homogeneous([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def papers_move(numbers: UniformDraws, k: int, side: int) -> np.ndarray:
    """The paper's transforms one after the other as 3x3 matrices, from places in the picture to the result's."""
    blit, angles, lengths = (part[k].double() for part in (numbers.blit, numbers.angles, numbers.scales_and_shifts))
    lengths = torch.special.ndtri(lengths)
    fraction = 2 / side
    scale, stretch = 2 ** (0.2 * lengths[0]), 2 ** (0.2 * lengths[1])
    return (
        homogeneous([[1, 0, 0.25 * lengths[2]], [0, 1, 0.25 * lengths[3]]])
        @ turning((2 * angles[1] - 1) * math.pi)
        @ homogeneous([[stretch, 0], [0, 1 / stretch]])
        @ turning((2 * angles[0] - 1) * math.pi)
        @ homogeneous([[scale, 0], [0, scale]])
        @ homogeneous([[1, 0, fraction * round(float(2 * blit[2] - 1) * side / 8)],
                       [0, 1, fraction * round(float(2 * blit[3] - 1) * side / 8)]])
        @ turning(math.pi / 2 * math.floor(4 * blit[1]))
        @ homogeneous([[-1 if blit[0] < 0.5 else 1, 0], [0, 1]])
    )  # fmt: skip


def test_moves_are_the_papers_in_its_order() -> None:
    numbers = drawn(64)
    move = transforms.blit_transform(numbers, 1.0, 32).compose(transforms.geometry_transform(numbers, 1.0, 32))
    for k in range(64):
        inverse = np.linalg.inv(papers_move(numbers, k, 32))
        np.testing.assert_allclose(move.matrix[k], inverse[:2, :2], atol=3e-6)
        np.testing.assert_allclose(move.shift[k], inverse[:2, 2], atol=3e-6)


def test_whole_moves_are_exact() -> None:
    """Against NumPy: mirrored, turned, padded in the mirror of its edge, shifted."""
    count, side = 300, 16
    sample, numbers = pictures(count, 3, side), drawn(count)
    move = transforms.blit_transform(numbers, 1.0, side)
    moved = warp.warp(sample, warp.affine_grid(*move, side)).numpy()
    for k in range(count):
        mirror, turns, *shift = numbers.blit[k].tolist()
        image = sample[k].numpy()
        if mirror < 0.5:
            image = image[:, :, ::-1]
        image = np.rot90(image, -math.floor(4 * turns), (1, 2))
        right, down = (round((2 * u - 1) * side / 8) for u in shift)
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)), "symmetric")
        np.testing.assert_array_equal(moved[k], padded[:, 2 - down : 18 - down, 2 - right : 18 - right])


def test_a_plane_stays_a_plane() -> None:
    """Bilinear interpolation is exact for brightness that is linear in x and y, away from the mirror."""
    side = 64
    line = (2 * torch.arange(side).double() + 1) / side - 1
    sample = (0.3 * line + 0.5 * line[:, None]).expand(40, 1, side, side)
    move = transforms.geometry_transform(drawn(40), 1.0, side)
    where = warp.affine_grid(move.matrix.double(), move.shift.double(), side)
    moved = warp.warp(sample, where)[:, 0]
    inside = (where.abs() < 1 - 1 / side).all(3)
    assert inside.double().mean() > 0.4
    assert torch.allclose(moved[inside], (where @ torch.tensor([0.3, 0.5], dtype=torch.float64))[inside], atol=1e-12)


def test_constants_stay() -> None:
    sample = torch.tensor([0.37, -0.8, 1.0])[:, None, None].expand(64, 3, 32, 32)
    moved = ADA(transforms=("blit", "geometry")).apply(sample, derive_seeds(0, 0, 64), 1.0)
    assert torch.allclose(moved, sample, atol=1e-6)


def test_adjoint() -> None:
    """<W x, y> = <x, W* y>, also far beyond the edges; the ways of GPU and compiler give the same."""
    move = transforms.geometry_transform(drawn(8), 1.0, 12)
    where = warp.affine_grid(3 * move.matrix.double(), 5 * move.shift.double(), 12)
    x, y = pictures(8, 3, 12, torch.float64), pictures(8, 2 + 1, 12, torch.float64).flip(0)
    back = warp._adjoint_native(y, where)
    assert (warp.warp(x, where) * y).sum().item() == pytest.approx((x * back).sum().item(), rel=1e-12)
    torch.testing.assert_close(warp._adjoint_deterministic(y, where), back, rtol=0, atol=1e-12)
    torch.testing.assert_close(warp._warp_compilable(x, where), warp.warp(x, where), rtol=0, atol=1e-12)


# ---------------------------------------------------------------------- colour


def papers_colours(numbers: UniformDraws, k: int) -> np.ndarray:
    """The paper's transforms of colour one after the other as 4x4 matrices."""
    gains, (flip, hue) = torch.special.ndtri(numbers.color_gains[k].double()), numbers.color[k].double()
    axis = torch.tensor([1.0, 1.0, 1.0]).double() / math.sqrt(3)
    along = torch.outer(axis, axis)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]).double() / math.sqrt(3)
    steps = [
        2 ** (0.5 * gains[1]) * torch.eye(3),
        torch.eye(3) - 2 * along * (flip < 0.5),
        torch.matrix_exp((2 * hue - 1) * math.pi * cross),
        along + 2 ** gains[2] * (torch.eye(3) - along),
    ]
    whole = np.eye(4)
    whole[:3, 3] = 0.2 * gains[0]
    for step in steps:
        following = np.eye(4)
        following[:3, :3] = step
        whole = following @ whole
    return whole


def test_colours_are_the_papers_in_its_order() -> None:
    numbers = drawn(64)
    matrix, offset = transforms.color_transform(numbers, 1.0, 3)
    gray = transforms.color_transform(numbers, 1.0, 1)
    for k in range(64):
        whole = papers_colours(numbers, k)
        np.testing.assert_allclose(matrix[k], whole[:3, :3], atol=1e-5, rtol=1e-5)
        np.testing.assert_allclose(offset[k].expand(3, 1)[:, 0], whole[:3, 3], atol=1e-6, rtol=1e-5)
        assert gray.matrix[k].item() == pytest.approx(whole[0, :3].sum(), rel=1e-5)
        assert gray.offset[k].item() == pytest.approx(whole[0, 3], rel=1e-5, abs=1e-7)


def test_a_third_of_a_turn_of_hue_makes_red_green() -> None:
    numbers = only(drawn(1), "colour_acts", 3)._replace(colour=torch.tensor([[0.9, 5 / 6]]))
    cyclic = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    assert torch.allclose(transforms.color_transform(numbers, 1.0, 3).matrix[0], cyclic, atol=1e-6)


def test_recolouring_by_hand() -> None:
    matrix = torch.tensor([[[1.0, 2, 0], [0, 1, 0], [3, 0, -1]]])
    recolouring = ColorTransform(matrix, torch.tensor([[[0.5]]]))
    sample = torch.tensor([0.1, 0.2, 0.3, 0.7]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    expected = torch.tensor([1.0, 0.7, 0.5, 0.7]).view(1, 4, 1, 1).expand(1, 4, 2, 2)
    assert torch.allclose(recolouring(sample), expected)
    flat = sample[:, :3].flatten(2)
    torch.testing.assert_close(recolouring._apply_elementwise(flat), recolouring._apply_matmul(flat))


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_moves_and_keeps_its_values(channels: int) -> None:
    sample, seed = pictures(16, channels), derive_seeds(0, 0, 16)
    for augment in (ADA(transforms=("colour",)), DiffAugment(policy=("colour",))):
        changed = augment.apply(sample, seed, 1.0)
        assert torch.equal(changed[:, -1], sample[:, -1])
        assert (changed[:, :-1] != sample[:, :-1]).flatten(1).any(1).all()
        assert torch.allclose(changed[:, :-1], augment.apply(sample[:, :-1], seed, 1.0))
    moved = ADA(transforms=("geometry",)).apply(sample, seed, 1.0)
    alone = ADA(transforms=("geometry",)).apply(sample[:, -1:], seed, 1.0)
    assert torch.equal(moved[:, -1:], alone)


# ---------------------------------------------------------------------- DiffAugment


def test_jitter_is_the_papers_in_its_order() -> None:
    sample, numbers = pictures(20, 3, 16, torch.float64), drawn(20)
    b, s, c = numbers.color_gains.double()[:, :, None, None, None].unbind(1)
    expected = sample + (b - 0.5)
    mean = expected.mean(1, keepdim=True)
    expected = (expected - mean) * (2 * s) + mean
    mean = expected.mean((1, 2, 3), keepdim=True)
    expected = (expected - mean) * (c + 0.5) + mean
    assert torch.allclose(transforms.apply_color_jitter(sample, numbers, 1.0), expected, atol=1e-6)


def test_translation_fills_with_zeros() -> None:
    sample, numbers = pictures(50, 2, 16), drawn(50)
    moved = transforms.apply_translation(sample, numbers, 1.0).numpy()
    for k in range(50):
        right, down = (math.floor(5 * u) - 2 for u in numbers.blit[k, 2:].tolist())
        padded = np.pad(sample[k].numpy(), ((0, 0), (2, 2), (2, 2)))
        np.testing.assert_array_equal(moved[k], padded[:, 2 - down : 18 - down, 2 - right : 18 - right])


# ---------------------------------------------------------------------- settings


def test_settings_do_without_torch() -> None:
    code = "import sys, zerosum.game.augment; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kinds() -> None:
    adapter: TypeAdapter[AugmentConfig] = TypeAdapter(AugmentConfig)
    for kind, made in (("none", NoAugment), ("diffaugment", DiffAugment), ("ada", ADA), ("scheduled", ScheduledADA)):
        assert isinstance(adapter.validate_python({"kind": kind}), made)
    sample = pictures(2)
    assert NoAugment().apply(sample, derive_seeds(0, 0, 2), 0.5) is sample
    with pytest.raises(ValidationError, match="between 0 and 1"):
        ScheduledADA(p=1.5)
    with pytest.raises(ValidationError, match="between 0 and 1"):
        DiffAugment(p={"kind": "linear", "start": 0, "end": 2, "images": [0, 10]})
    with pytest.raises(ValidationError, match="start is above most"):
        ADA(initial_p=0.9)
    with pytest.raises(ValidationError):
        ADA(transforms=())


def test_chance() -> None:
    held = torch.tensor(0.5)
    ramp = ScheduledADA(p=Cosine(start=0.0, end=0.3, examples=(0, 100)))
    assert ramp.probability(Progress(0, 50), held) == pytest.approx(0.15)
    assert DiffAugment().probability(Progress(), held) == 1.0
    assert NoAugment().probability(Progress(), held) == 0.0
    assert torch.equal(ADA().probability(Progress(), held), held)
    assert ADA().probability(Progress(), torch.tensor(1.0)).item() == pytest.approx(0.8)
    assert ADA(max_p=1.0).probability(Progress(), torch.tensor(1.0)).item() == 1.0


@pytest.mark.parametrize("augment", WHOLE)
def test_shapes_that_cannot_be_transformed(augment) -> None:
    for channels in (1, 2, 3, 4):
        augment.check((channels, 32, 32))
    with pytest.raises(BadInput, match="points"):
        augment.check((2,))
    with pytest.raises(BadInput, match="with 5"):
        augment.check((5, 32, 32))
    with pytest.raises(BadInput, match="32 x 64"):
        augment.check((3, 32, 64))
    NoAugment().check((2,))
