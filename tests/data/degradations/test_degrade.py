"""Degradations: a sample's is its own, files can hold them, and each does what its name says."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from zerosum.data.degradations.catalog import DEGRADATIONS, DOWNSAMPLING_FACTORS, check_degradations
from zerosum.data.degradations.degrade import DegradationPipeline, hole_mask
from zerosum.errors import BadInput
from zerosum.game.seeded_rng import derive_seeds

EACH = pytest.mark.parametrize("name", DEGRADATIONS)
TOGETHER = [("scratches", "noise", "jpeg"), ("noise", "grey"), ("edges", "blur"), ("blur", "down4"), ("jpeg", "masks")]


def photographs(count: int, side: int = 32, channels: int = 3) -> Tensor:
    """Smooth colours with a sharp disc on them, in bytes: (count, channels, side, side)."""
    dice = np.random.default_rng(0)
    small = Tensor(dice.uniform(30, 225, (count, channels, 4, 4)))
    made = torch.nn.functional.interpolate(small, size=(side, side), mode="bicubic")
    down, across = np.mgrid[:side, :side] / side
    for image, (y, x, r) in zip(made, dice.uniform(0.2, 0.6, (count, 3)), strict=True):
        image[:, torch.from_numpy((down - y) ** 2 + (across - x) ** 2 < r**2 / 4)] = dice.uniform(0, 255)
    return made.round().clamp(0, 255) / 127.5 - 1


def as_bytes(picture: Tensor) -> np.ndarray:
    """(C, H, W) in [-1, 1] as bytes (H, W, C)."""
    return ((picture + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("names", [(name,) for name in DEGRADATIONS] + TOGETHER, ids="+".join)
def test_a_sample_is_degraded_alike_whatever_stands_beside_it(names: tuple[str, ...]) -> None:
    images, seed, degrade = photographs(8), derive_seeds(1, 0, 8), DegradationPipeline(names)
    before, given = images.clone(), degrade(images, seed)
    assert torch.equal(images, before)
    assert torch.equal(given, degrade(images, seed))
    assert torch.equal(given.flip(0), degrade(images.flip(0), seed.flip(0)))
    for i in (0, 3, 7):
        assert torch.equal(given[i : i + 1], degrade(images[i : i + 1], seed[i : i + 1]))


@EACH
def test_how_pictures_lie_in_memory_does_not_matter(name: str) -> None:
    images, seed = photographs(3), derive_seeds(2, 0, 3)
    last = images.to(memory_format=torch.channels_last)
    assert torch.equal(DegradationPipeline((name,))(images, seed), DegradationPipeline((name,))(last, seed))


@pytest.mark.parametrize("names", [(name,) for name in DEGRADATIONS] + TOGETHER, ids="+".join)
@pytest.mark.parametrize("size", [(32, 32), (16, 24), (8, 8)], ids=str)
def test_a_file_of_bytes_holds_it(names: tuple[str, ...], size: tuple[int, int]) -> None:
    degrade = DegradationPipeline(names)
    images = photographs(4)[:, :, : size[0], : size[1]]
    given = degrade(images, derive_seeds(3, 0, 4))
    assert given.dtype == torch.float32
    assert given.shape[1:] == degrade.input_shape((3, *size))
    assert given.shape[1] == degrade.input_channels(3)
    assert given.shape[2] * degrade.downsampling_factor == size[0]
    if "masks" in names:  # the hole's 0 is no byte, and comes from none
        mask = given[:, -1:]
        assert set(mask.unique().tolist()) == {-1.0, 1.0}
        assert not given[:, :-1][(mask > 0).expand_as(given[:, :-1])].any()
        given = given[:, :-1].where(mask < 0, -1)
    levels = ((given + 1) * 127.5).round()
    assert 0 <= levels.min() <= levels.max() <= 255
    assert torch.equal(given, levels / 127.5 - 1)


@pytest.mark.parametrize("name", ["masks", "blur", "jpeg", "noise", "scratches"])
def test_seeds_differ(name: str) -> None:
    given = DegradationPipeline((name,))(photographs(1).expand(20, -1, -1, -1), derive_seeds(4, 0, 20))
    assert len({one.numpy().tobytes() for one in given}) >= (
        6 if name == "jpeg" else 20
    )  # 20 of jpeg's 31 are 15 in the mean


@pytest.mark.parametrize("name", ["blur", "jpeg", "noise", "scratches", "edges", "down2", "masks"])
def test_one_channel_will_do(name: str) -> None:
    images = photographs(2, channels=1)
    assert DegradationPipeline((name,))(images, derive_seeds(5, 0, 2)).shape[1] == 1 + (name == "masks")


def test_grey_is_luma_and_the_file_pillow_would_write() -> None:
    images = photographs(4)
    given = DegradationPipeline(("grey",))(images, derive_seeds(6, 0, 4))
    luma = (images * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    assert (given - luma).abs().max() <= 0.51 / 127.5
    for image, gray in zip(images, given, strict=True):
        assert np.array_equal(as_bytes(gray)[..., 0], np.asarray(Image.fromarray(as_bytes(image)).convert("L")))


@pytest.mark.parametrize("name", DOWNSAMPLING_FACTORS)
def test_down_is_pillows_bicubic(name: str) -> None:
    images, side = photographs(4, 64), 64 // DOWNSAMPLING_FACTORS[name]
    for image, small in zip(images, DegradationPipeline((name,))(images, derive_seeds(7, 0, 4)), strict=True):
        theirs = Image.fromarray(as_bytes(image)).resize((side, side), Image.Resampling.BICUBIC)
        assert np.abs(as_bytes(small).astype(int) - np.asarray(theirs).astype(int)).max() <= 1


@pytest.mark.parametrize("size", [(64, 64), (48, 96)], ids=str)
def test_a_hole_is_neither_small_nor_large(size: tuple[int, int]) -> None:
    shares = hole_mask(derive_seeds(8, 0, 500), *size).mean((1, 2, 3))
    assert 0.08 < shares.min() < 0.14  # drawn evenly from 0.10 .. 0.45, kept to 0.03
    assert 0.41 < shares.max() < 0.48
    assert shares.mean() == pytest.approx(0.275, abs=0.03)  # 6 sd of the mean of 500


def test_a_tiny_picture_keeps_something_and_misses_something() -> None:
    shares = hole_mask(derive_seeds(9, 0, 500), 8, 8).mean((1, 2, 3))
    assert 0 < shares.min() < shares.max() < 0.6


def test_a_seed_has_the_same_hole_at_any_size() -> None:
    small, large = (hole_mask(derive_seeds(10, 0, 50), side, side) for side in (64, 192))
    pooled = torch.nn.functional.avg_pool2d(large, 3).round()
    assert (pooled != small).float().mean() < 0.01


def test_holes_are_boxes_strokes_and_both() -> None:
    """Boxes alone fill few rows differently; a brush's edge makes nearly every row its own."""
    holes = hole_mask(derive_seeds(11, 0, 60), 64, 64)[:, 0]
    kinds = torch.tensor([len(torch.unique(one, dim=0)) for one in holes])
    assert (kinds <= 8).sum() >= 8  # a third of 60 are boxes: fewer than 8 by chance once in 9,000
    assert (kinds > 16).sum() >= 24  # two thirds have strokes: once in 150,000


def test_blur_takes_fine_detail_and_keeps_the_light() -> None:
    images = photographs(8)
    given = DegradationPipeline(("blur",))(images, derive_seeds(12, 0, 8))
    assert (given.mean((2, 3)) - images.mean((2, 3))).abs().max() < 0.05

    def fine(x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x).abs().square()[:, :, 8:25, 8:]
        return spectrum.sum((1, 2, 3))

    assert (fine(given) < 0.5 * fine(images)).all()


def test_blur_is_a_gaussian() -> None:
    """A point of light spreads to a bell whose variance, seen along one axis, is between those of the widths drawn."""
    point = -torch.ones(20, 1, 33, 33)
    point[:, :, 10:23, 16] = 1
    row = DegradationPipeline(("blur",))(point, derive_seeds(13, 0, 20))[:, 0, 16] + 1
    away = (torch.arange(33) - 16.0).square()
    sd = ((row * away).sum(1) / row.sum(1)).sqrt()
    assert 0.5 < sd.min() < 1.2
    assert 2.0 < sd.max() < 3.1


def test_jpeg_is_the_file_of_one_of_its_qualities() -> None:
    picture = photographs(1)
    image, files = Image.fromarray(as_bytes(picture[0])), set()
    for quality in range(10, 41):
        image.save(file := io.BytesIO(), "JPEG", quality=quality)
        files.add(np.asarray(Image.open(file)).tobytes())
    given = DegradationPipeline(("jpeg",))(picture.expand(30, -1, -1, -1), derive_seeds(14, 0, 30))
    seen = {np.ascontiguousarray(as_bytes(one)).tobytes() for one in given}
    assert seen <= files
    assert len(seen) > 10


def test_noise_is_centred_and_grows_with_the_light() -> None:
    levels = torch.tensor([80.0, 180.0])[:, None, None, None].expand(2, 40, 64, 64) / 127.5 - 1
    seed = derive_seeds(15, 0, 40)
    dark, light = (DegradationPipeline(("noise",))(one[:, None], seed) - one[:, None] for one in levels)
    assert dark.mean().abs() < 0.002  # the mean of 160,000 draws of sd 0.21 at most: 4 sd
    spread = [one.std((1, 2, 3)) * 127.5 for one in (dark, light)]
    assert (spread[0] > 3).all()
    assert (spread[1] < 28).all()
    assert (spread[1] > 0.99 * spread[0]).all()
    assert (spread[1] > 1.02 * spread[0]).any()


def test_scratches_are_upright_and_few() -> None:
    """On an even grey: what is not the frame's own light is little, and lies in columns more than in rows."""
    given = DegradationPipeline(("scratches",))(torch.zeros(40, 1, 96, 96), derive_seeds(16, 0, 40))[:, 0]
    light = given.flatten(1).mode(1).values
    assert light.std() > 0.05
    damage = ((given - light[:, None, None]).abs() > 0.1).float()
    assert (damage.mean((1, 2)) < 0.15).all()
    assert (damage.mean((1, 2)) > 0).all()
    assert damage.mean(1).amax(1).mean() > 2 * damage.mean(2).amax(1).mean()


def test_edges_of_nothing_are_blank_paper() -> None:
    even = torch.full((2, 3, 24, 24), 37 / 127.5 - 1)
    assert (DegradationPipeline(("edges",))(even, derive_seeds(17, 0, 2)) == 1).all()


@pytest.mark.parametrize("upright", [True, False])
def test_a_step_gives_a_line_at_the_step(upright: bool) -> None:
    step = torch.full((1, 3, 32, 32), -0.5)
    step[..., 12:] = 0.5
    given = DegradationPipeline(("edges",))(step if upright else step.mT, derive_seeds(18, 0, 1))[0, 0]
    row = (given if upright else given.T)[16]
    assert (row[11:13] < -0.5).all()
    assert (row[:9] == 1).all()
    assert (row[15:] == 1).all()


def test_lines_are_drawn_alike_in_bright_and_dull_pictures() -> None:
    down, across = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    disc = ((down - 30) ** 2 + (across - 34) ** 2 < 15**2).float().expand(1, 3, -1, -1)
    bright, dull = (
        DegradationPipeline(("edges",))(disc * light - 0.5, derive_seeds(19, 0, 1))[0, 0] for light in (1.4, 0.4)
    )
    assert (bright - dull).abs().max() < 0.06
    ring = ((down - 30) ** 2 + (across - 34) ** 2).sqrt() - 15
    assert (bright[ring.abs() < 0.5] < 0).all()
    assert (bright[ring.abs() > 4] == 1).all()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "No degradation is named"),
        (("gray",), "did you mean grey?"),
        (("xyz",), "there are grey, edges"),
        (("blur", "blur"), '"blur" is named twice'),
        (("down2", "down4"), "down2 and down4 both make the picture smaller"),
        (("grey", "edges"), "both take the colour away"),
        (("masks", "noise"), "name masks last"),
    ],
)
def test_names_that_make_no_sense_are_refused(names: tuple[str, ...], message: str) -> None:
    for refuse in (check_degradations, DegradationPipeline):
        with pytest.raises(BadInput, match=message.replace("?", r"\?")):
            refuse(names)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("down4", (3, 30, 32), "30 x 32 cannot be made 4 times smaller: set a size that 4 divides"),
        ("grey", (1, 32, 32), "grey takes colour away, but pictures have 1 channel"),
        ("edges", (4, 32, 32), "edges needs 1 or 3 channels, but pictures have 4"),
        ("jpeg", (2, 32, 32), "jpeg needs 1 or 3 channels, but pictures have 2"),
    ],
)
def test_pictures_that_cannot_be_degraded_are_refused(name: str, shape: tuple[int, int, int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        DegradationPipeline((name,)).input_shape(shape)
    with pytest.raises(BadInput, match=message):
        DegradationPipeline((name,))(torch.zeros(1, *shape), derive_seeds(20, 0, 1))


def test_facts_are_known_without_torch() -> None:
    code = (
        "import sys; from zerosum.data.degrading import Degrade; d = Degrade(('noise', 'grey', 'down4', 'masks'));"
        "print(d.factor, d.channels(3), d.shape((3, 64, 32)), 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "4 2 (2, 16, 8) False\n"
