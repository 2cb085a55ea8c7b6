"""Degradations depend on one image and its seed alone, give 8-bit values, and do what their names say."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from zerosum.data.degradations.catalog import DEGRADATIONS, DOWNSAMPLING_FACTORS, check_degradations
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.degradations.masks import hole_mask
from zerosum.errors import BadInput
from zerosum.game.seeded_rng import derive_seeds

EACH_DEGRADATION = pytest.mark.parametrize("name", DEGRADATIONS)
COMBINATIONS = [
    ("scratches", "noise", "jpeg"),
    ("noise", "gray"),
    ("edges", "blur"),
    ("blur", "down4"),
    ("jpeg", "masks"),
]


def photographs(count: int, side: int = 32, channels: int = 3) -> Tensor:
    """Return smooth colors with a sharp disc, with 8-bit values: (count, channels, side, side)."""
    rng = np.random.default_rng(0)
    coarse = Tensor(rng.uniform(30, 225, (count, channels, 4, 4)))
    images = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic")
    grid_y, grid_x = np.mgrid[:side, :side] / side
    for image, (y, x, r) in zip(images, rng.uniform(0.2, 0.6, (count, 3)), strict=True):
        image[:, torch.from_numpy((grid_y - y) ** 2 + (grid_x - x) ** 2 < r**2 / 4)] = rng.uniform(0, 255)
    return images.round().clamp(0, 255) / 127.5 - 1


def to_uint8(image: Tensor) -> np.ndarray:
    """Convert (C, H, W) in [-1, 1] to uint8 (H, W, C)."""
    return ((image + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("names", [(name,) for name in DEGRADATIONS] + COMBINATIONS, ids="+".join)
def test_a_degraded_image_does_not_depend_on_its_batch(names: tuple[str, ...]) -> None:
    images, seed, degrade = photographs(8), derive_seeds(1, 0, 8), DegradationPipeline(names)
    before, inputs = images.clone(), degrade(images, seed)
    assert torch.equal(images, before)
    assert torch.equal(inputs, degrade(images, seed))
    assert torch.equal(inputs.flip(0), degrade(images.flip(0), seed.flip(0)))
    for i in (0, 3, 7):
        assert torch.equal(inputs[i : i + 1], degrade(images[i : i + 1], seed[i : i + 1]))


@EACH_DEGRADATION
def test_the_memory_format_does_not_matter(name: str) -> None:
    images, seed = photographs(3), derive_seeds(2, 0, 3)
    channels_last = images.to(memory_format=torch.channels_last)
    degrade = DegradationPipeline((name,))
    assert torch.equal(degrade(images, seed), degrade(channels_last, seed))


@pytest.mark.parametrize("names", [(name,) for name in DEGRADATIONS] + COMBINATIONS, ids="+".join)
@pytest.mark.parametrize("size", [(32, 32), (16, 24), (8, 8)], ids=str)
def test_degraded_images_have_8_bit_values(names: tuple[str, ...], size: tuple[int, int]) -> None:
    degrade = DegradationPipeline(names)
    images = photographs(4)[:, :, : size[0], : size[1]]
    inputs = degrade(images, derive_seeds(3, 0, 4))
    assert inputs.dtype == torch.float32
    assert inputs.shape[1:] == degrade.input_shape((3, *size))
    assert inputs.shape[1] == degrade.input_channels(3)
    assert inputs.shape[2] * degrade.downsampling_factor == size[0]
    if "masks" in names:  # the 0 of the hole is not an 8-bit value
        mask = inputs[:, -1:]
        assert set(mask.unique().tolist()) == {-1.0, 1.0}
        assert not inputs[:, :-1][(mask > 0).expand_as(inputs[:, :-1])].any()
        inputs = inputs[:, :-1].where(mask < 0, -1)
    levels = ((inputs + 1) * 127.5).round()
    assert 0 <= levels.min() <= levels.max() <= 255
    assert torch.equal(inputs, levels / 127.5 - 1)


@pytest.mark.parametrize("name", ["masks", "blur", "jpeg", "noise", "scratches"])
def test_different_seeds_give_different_images(name: str) -> None:
    inputs = DegradationPipeline((name,))(photographs(1).expand(20, -1, -1, -1), derive_seeds(4, 0, 20))
    minimum = 6 if name == "jpeg" else 20  # 20 draws of JPEG's 31 qualities have 15 distinct ones on average
    assert len({image.numpy().tobytes() for image in inputs}) >= minimum


@pytest.mark.parametrize("name", ["blur", "jpeg", "noise", "scratches", "edges", "down2", "masks"])
def test_one_channel_is_supported(name: str) -> None:
    images = photographs(2, channels=1)
    assert DegradationPipeline((name,))(images, derive_seeds(5, 0, 2)).shape[1] == 1 + (name == "masks")


def test_gray_is_luma_and_equals_pillow() -> None:
    images = photographs(4)
    inputs = DegradationPipeline(("gray",))(images, derive_seeds(6, 0, 4))
    luma = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    assert (inputs - luma).abs().max() <= 0.51 / 127.5
    for image, gray in zip(images, inputs, strict=True):
        assert np.array_equal(to_uint8(gray)[..., 0], np.asarray(Image.fromarray(to_uint8(image)).convert("L")))


@pytest.mark.parametrize("name", DOWNSAMPLING_FACTORS)
def test_downsampling_equals_bicubic_resampling_by_pillow(name: str) -> None:
    images, side = photographs(4, 64), 64 // DOWNSAMPLING_FACTORS[name]
    for image, small in zip(images, DegradationPipeline((name,))(images, derive_seeds(7, 0, 4)), strict=True):
        expected = Image.fromarray(to_uint8(image)).resize((side, side), Image.Resampling.BICUBIC)
        assert np.abs(to_uint8(small).astype(int) - np.asarray(expected).astype(int)).max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (48, 96)], ids=str)
def test_hole_fractions_are_in_the_range(size: tuple[int, int]) -> None:
    fractions = hole_mask(derive_seeds(8, 0, 500), *size).mean((1, 2, 3))
    assert 0.08 < fractions.min() < 0.14  # drawn uniformly from 0.10 .. 0.45, met to 0.03
    assert 0.41 < fractions.max() < 0.48
    assert fractions.mean() == pytest.approx(0.275, abs=0.03)  # 6 std of the mean of 500


def test_a_tiny_image_has_known_and_missing_pixels() -> None:
    fractions = hole_mask(derive_seeds(9, 0, 500), 8, 8).mean((1, 2, 3))
    assert 0 < fractions.min() < fractions.max() < 0.6


def test_a_seed_gives_the_same_hole_at_every_size() -> None:
    small, large = (hole_mask(derive_seeds(10, 0, 50), side, side) for side in (64, 192))
    pooled = torch.nn.functional.avg_pool2d(large, 3).round()
    assert (pooled != small).float().mean() < 0.01


def test_holes_are_boxes_strokes_and_both() -> None:
    """Boxes alone have few distinct rows; with the edge of a brush nearly every row is distinct."""
    holes = hole_mask(derive_seeds(11, 0, 60), 64, 64)[:, 0]
    distinct_rows = torch.tensor([len(torch.unique(hole, dim=0)) for hole in holes])
    assert (distinct_rows <= 8).sum() >= 8  # a third of 60 are boxes: fewer than 8 by chance once in 9,000
    assert (distinct_rows > 16).sum() >= 24  # two thirds have strokes: once in 150,000


def test_blur_removes_fine_detail_and_keeps_the_mean() -> None:
    images = photographs(8)
    inputs = DegradationPipeline(("blur",))(images, derive_seeds(12, 0, 8))
    assert (inputs.mean((2, 3)) - images.mean((2, 3))).abs().max() < 0.05

    def high_frequency_energy(x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x).abs().square()[:, :, 8:25, 8:]
        return spectrum.sum((1, 2, 3))

    assert (high_frequency_energy(inputs) < 0.5 * high_frequency_energy(images)).all()


def test_blur_is_a_gaussian() -> None:
    """A bright line spreads to a Gaussian whose standard deviation is in the range of the blur."""
    line = -torch.ones(20, 1, 33, 33)
    line[:, :, 10:23, 16] = 1
    row = DegradationPipeline(("blur",))(line, derive_seeds(13, 0, 20))[:, 0, 16] + 1
    squared_distance = (torch.arange(33) - 16.0).square()
    std = ((row * squared_distance).sum(1) / row.sum(1)).sqrt()
    assert 0.5 < std.min() < 1.2
    assert 2.0 < std.max() < 3.1


def test_jpeg_equals_pillow_at_a_quality_in_the_range() -> None:
    images = photographs(1)
    image, expected = Image.fromarray(to_uint8(images[0])), set()
    for quality in range(10, 41):
        image.save(file := io.BytesIO(), "JPEG", quality=quality)
        expected.add(np.asarray(Image.open(file)).tobytes())
    inputs = DegradationPipeline(("jpeg",))(images.expand(30, -1, -1, -1), derive_seeds(14, 0, 30))
    compressed = {np.ascontiguousarray(to_uint8(image)).tobytes() for image in inputs}
    assert compressed <= expected
    assert len(compressed) > 10


def test_noise_has_zero_mean_and_grows_with_the_level() -> None:
    levels = torch.tensor([80.0, 180.0])[:, None, None, None].expand(2, 40, 64, 64) / 127.5 - 1
    seed = derive_seeds(15, 0, 40)
    dark_noise, bright_noise = (
        DegradationPipeline(("noise",))(images[:, None], seed) - images[:, None] for images in levels
    )
    assert dark_noise.mean().abs() < 0.002  # the mean of 160,000 draws of std 0.21 at most: 4 std
    dark_std, bright_std = (residual.std((1, 2, 3)) * 127.5 for residual in (dark_noise, bright_noise))
    assert (dark_std > 3).all()
    assert (bright_std < 28).all()
    assert (bright_std > 0.99 * dark_std).all()
    assert (bright_std > 1.02 * dark_std).any()


def test_scratches_are_vertical_and_sparse() -> None:
    """On uniform gray, few pixels differ from the most frequent level, and more along columns than along rows."""
    inputs = DegradationPipeline(("scratches",))(torch.zeros(40, 1, 96, 96), derive_seeds(16, 0, 40))[:, 0]
    level = inputs.flatten(1).mode(1).values
    assert level.std() > 0.05
    damage = ((inputs - level[:, None, None]).abs() > 0.1).float()
    assert (damage.mean((1, 2)) < 0.15).all()
    assert (damage.mean((1, 2)) > 0).all()
    assert damage.mean(1).amax(1).mean() > 2 * damage.mean(2).amax(1).mean()


def test_a_uniform_image_has_no_edges() -> None:
    uniform = torch.full((2, 3, 24, 24), 37 / 127.5 - 1)
    assert (DegradationPipeline(("edges",))(uniform, derive_seeds(17, 0, 2)) == 1).all()


@pytest.mark.parametrize("vertical", [True, False])
def test_a_step_gives_a_line_at_the_step(vertical: bool) -> None:
    step = torch.full((1, 3, 32, 32), -0.5)
    step[..., 12:] = 0.5
    inputs = DegradationPipeline(("edges",))(step if vertical else step.mT, derive_seeds(18, 0, 1))[0, 0]
    row = (inputs if vertical else inputs.T)[16]
    assert (row[11:13] < -0.5).all()
    assert (row[:9] == 1).all()
    assert (row[15:] == 1).all()


def test_lines_do_not_depend_on_the_contrast() -> None:
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    disc = ((y - 30) ** 2 + (x - 34) ** 2 < 15**2).float().expand(1, 3, -1, -1)
    high_contrast, low_contrast = (
        DegradationPipeline(("edges",))(disc * contrast - 0.5, derive_seeds(19, 0, 1))[0, 0] for contrast in (1.4, 0.4)
    )
    assert (high_contrast - low_contrast).abs().max() < 0.06
    distance = ((y - 30) ** 2 + (x - 34) ** 2).sqrt() - 15
    assert (high_contrast[distance.abs() < 0.5] < 0).all()
    assert (high_contrast[distance.abs() > 4] == 1).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "no degradation is named"),
        (("grays",), "there is no degradation 'grays': did you mean gray?"),
        (("xyz",), "give one of gray, edges"),
        (("blur", "blur"), "'blur' is named twice"),
        (("down2", "down4"), "'down2' and 'down4' both make the image smaller"),
        (("gray", "edges"), "both remove the color"),
        (("masks", "noise"), "name 'masks' last"),
    ],
)
def test_invalid_names_are_refused(names: tuple[str, ...], message: str) -> None:
    for check in (check_degradations, DegradationPipeline):
        with pytest.raises(BadInput, match=message.replace("?", r"\?")):
            check(names)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("down4", (3, 30, 32), "32x30 cannot be made 4 times smaller: set `data.size` to multiples of 4"),
        ("gray", (1, 32, 32), "'gray' needs color images, but `data.channels` is 1"),
        ("edges", (4, 32, 32), "'edges' needs 1 or 3 channels, but `data.channels` is 4"),
        ("jpeg", (2, 32, 32), "'jpeg' needs 1 or 3 channels, but `data.channels` is 2"),
    ],
)
def test_unsupported_shapes_are_refused(name: str, shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        DegradationPipeline((name,)).input_shape(shape)
    with pytest.raises(BadInput, match=message):
        DegradationPipeline((name,))(torch.zeros(1, *shape), derive_seeds(20, 0, 1))


def test_shapes_are_computed_without_importing_torch() -> None:
    code = (
        "import sys; from zerosum.data.degradations.degrade import DegradationPipeline;"
        "d = DegradationPipeline(('noise', 'gray', 'down4', 'masks'));"
        "print(d.downsampling_factor, d.input_channels(3), d.input_shape((3, 64, 32)), 'torch' in sys.modules)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output == "4 2 (2, 16, 8) False\n"
