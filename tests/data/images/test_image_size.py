"""Sizes of images that are not square: the setting, the four fits, and the size that is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from zerosum.data.image_pairs.load import PairInspection
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.decode import FITS
from zerosum.data.images.defaults import choose_image_settings
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.ingest import ImageIngest
from zerosum.data.images.inspect import ImageInspection
from zerosum.data.images.load import load_source
from zerosum.data.images.size import ImageSize, parse_size, suggest_rectangle
from zerosum.data.images.sources import resolve_source
from zerosum.data.kind import DATA_KINDS
from zerosum.errors import BadInput


def gradient(width: int, height: int) -> Image.Image:
    """Return an image whose red rises to the right and whose green rises downwards."""
    y, x = np.mgrid[0:height, 0:width]
    red, green = 255 * x // max(1, width - 1), 255 * y // max(1, height - 1)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 77)], 2).astype(np.uint8))


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (64, ImageSize(64, 64)),
        (64.0, ImageSize(64, 64)),
        ("64", ImageSize(64, 64)),
        ("96x64", ImageSize(height=64, width=96)),
        (" 96 X 64 ", ImageSize(64, 96)),
        ("96×64", ImageSize(64, 96)),
        (ImageSize(3, 4), ImageSize(3, 4)),
    ],
)
def test_a_size_is_one_number_or_width_x_height(value: object, size: ImageSize) -> None:
    assert parse_size(value) == size
    assert parse_size(size.setting) == size


@pytest.mark.parametrize(
    "value", [0, -7, 1025, "96x0", "64x2000", "96x", "x64", "96x64x3", 64.5, True, [96, 64], "big"]
)
def test_other_values_are_no_sizes(value: object) -> None:
    with pytest.raises(ValidationError, match=r"WIDTHxHEIGHT|each side must be from 1 to 1024"):
        ImageDataConfig.model_validate({"source": "photos", "size": value})


def test_settings_write_squares_as_one_number() -> None:
    assert ImageDataConfig.model_validate({"size": "64x64"}).model_dump()["size"] == 64
    assert ImageDataConfig.model_validate({"size": "96x64"}).model_dump(mode="json")["size"] == "96x64"
    assert ImageDataConfig().model_dump(mode="json")["size"] is None


def test_images_that_are_not_square_are_not_turned_by_90_degrees() -> None:
    ImageDataConfig.model_validate({"size": 64, "rotate90": True})
    with pytest.raises(ValidationError, match=r"`data.rotate90`: an image of 96x64 pixels .* set `data.size` to 64"):
        ImageDataConfig.model_validate({"size": "96x64", "rotate90": True})


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [ImageSize(24, 40), ImageSize(40, 24), ImageSize(7, 31), ImageSize.square(16)])
@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (120, 72), (500, 20), (9, 300), (8, 8), (1, 1)])
def test_every_fit_returns_images_of_the_size(fit: str, size: ImageSize, shape: tuple[int, int]) -> None:
    examples = FITS[fit](gradient(*shape), size)
    assert examples.shape[1:] == (size.height, size.width, 3)
    assert fit == "tiles" or len(examples) == 1
    assert (examples[..., 2] == 77).all()


def test_an_image_of_the_size_is_unchanged_by_every_fit() -> None:
    image = gradient(40, 24)
    for fit in FITS:
        assert (FITS[fit](image, ImageSize(24, 40)) == np.asarray(image)[None]).all()


def test_a_crop_keeps_the_whole_side_that_is_too_short_and_the_middle_of_the_other() -> None:
    wide = FITS["crop"](gradient(200, 60), ImageSize(30, 50))[0].astype(int)  # of 200x60 the middle 100x60
    assert abs(wide[0, :, 0] - np.linspace(65, 190, 50)).max() <= 4
    assert abs(wide[:, 0, 1] - np.linspace(2, 253, 30)).max() <= 4
    high = FITS["crop"](gradient(60, 200), ImageSize(50, 30))[0].astype(int)
    assert abs(high[:, 0, 1] - np.linspace(65, 190, 50)).max() <= 4


def test_padding_scales_down_until_both_sides_fit() -> None:
    padded = FITS["pad"](gradient(100, 20), ImageSize(40, 50))[0]
    assert (padded[:15] == padded[15]).all()
    assert (padded[25:] == padded[24]).all()
    assert (padded[16] != padded[23]).any()
    assert int(padded[20, 0, 0]) < 5
    assert int(padded[20, -1, 0]) > 250


def test_tiles_of_any_size_cover_the_image() -> None:
    image = gradient(100, 50)
    tiles = FITS["tiles"](image, ImageSize(20, 30))
    pixels = np.asarray(image)
    corners = [(top, left) for top in (0, 20, 30) for left in (0, 30, 60, 70)]
    assert (tiles == np.stack([pixels[top : top + 20, left : left + 30] for top, left in corners])).all()


def test_the_cache_keys_of_squares_hold_one_number(tmp_path: Path) -> None:
    for index in range(2):
        gradient(30, 20 + index).save(tmp_path / f"{index}.png")
    source = resolve_source(tmp_path)
    sizes = (ImageSize.square(16), ImageSize(16, 24), ImageSize(24, 16))
    assert len({ImageIngest(source, ExampleFormat(size, 3, "crop")).key for size in sizes}) == 3
    # the key of version 6 and earlier, with the side as a number
    import hashlib

    from zerosum.data import cache

    identity = f"{cache.VERSION} {source.state_hash} 16 3 crop None"
    key = ImageIngest(source, ExampleFormat(sizes[0], 3, "crop")).key
    assert key == hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()


def test_a_folder_is_loaded_at_the_size(tmp_path: Path) -> None:
    for index in range(20):
        gradient(48 + index, 30).save(tmp_path / f"{index}.png")
    dataset = load_source(tmp_path, ImageSize(16, 24), 3, "crop")
    assert dataset.values.shape == (20, 16, 24, 3)
    assert dataset.summary.as_dict()["size"] == "24x16"
    assert any("read as: 24x16" in line for line in dataset.summary.item_lines())
    again = load_source(tmp_path, ImageSize(16, 24), 3, "crop")  # from the cache
    assert (again.values == dataset.values).all()
    assert again.fingerprint == dataset.fingerprint


def test_folders_are_compared_at_any_size(tmp_path: Path) -> None:
    for index in range(3):
        gradient(48, 30).save(tmp_path / f"{index}.png")
    images, sources = DATA_KINDS.find("images"), {"fake": str(tmp_path)}
    assert images.choose_common_settings(sources, {}).model_dump()["size"] == "48x30"
    assert images.choose_common_settings(sources, {"size": "24x16"}).model_dump()["size"] == "24x16"
    with pytest.raises(BadInput, match=r"^`size` 24y16: give a whole number of pixels"):
        images.choose_common_settings(sources, {"size": "24y16"})


# ---------------------------------------------------------------------- the size that is chosen


def choose(sizes: list[tuple[int, int]], on_cpu: bool = True, **table: object) -> tuple[dict[str, object], str]:
    """Return the chosen settings of images of these sizes, and the decision about the size in one line."""
    settings: dict[str, object] = dict(table)
    inspection = ImageInspection(source="photos", count=len(sizes), classes=(), sizes=tuple(sizes))
    decisions = choose_image_settings(settings, inspection, on_cpu)
    return settings, "".join(f"{d.value}: {d.reason}" for d in decisions if d.name == "size")


@pytest.mark.parametrize(
    ("sizes", "on_cpu", "chosen"),
    [
        ([(640, 480)] * 40, True, "64x48"),
        ([(480, 640)] * 40, True, "48x64"),
        ([(1920, 1080)] * 40, True, "80x48"),
        ([(640, 480)] * 40, False, "288x224"),
        ([(3000, 2000), (1500, 1000)] * 20, False, "288x192"),
        ([(80, 60)] * 40, False, "80x64"),
        ([(640, 480)] * 39 + [(480, 640)], True, "64x48"),
        ([(640, 480)] * 30 + [(480, 640)] * 10, True, 64),  # of both directions
        ([(640, 560)] * 40, True, 64),  # nearly square
        ([(640, 64)] * 40, True, 64),  # panoramas
        ([(40, 30)] * 40, True, "48x32"),
        ([(28, 20)] * 40, True, 16),  # too small
        ([(96, 64)] * 40, True, "96x64"),  # as they are, with half as many pixels again as a square
        ([(64, 112)] * 40, True, "48x80"),  # too many pixels for that
        ([(96, 64)] * 39 + [(960, 640)], True, "80x48"),  # not all of one size
    ],
)
def test_a_shape_that_nearly_all_images_share_is_chosen(
    sizes: list[tuple[int, int]], on_cpu: bool, chosen: int | str
) -> None:
    settings, decision = choose(sizes, on_cpu)
    assert settings["size"] == chosen
    assert decision.startswith(f"{chosen} px: ")
    if isinstance(chosen, str):
        assert "not square" in decision or "times as wide as high" in decision
        assert "(squares: `data.size` " in decision
        size = parse_size(chosen)
        limit = (64 if on_cpu else 256) ** 2
        assert size.width * size.height <= (1.5 * limit if set(sizes) == {(size.width, size.height)} else limit)


def test_settings_of_the_user_decide_before_the_shape() -> None:
    photos = [(640, 480)] * 40
    assert choose(photos, size=64) == ({"size": 64, "channels": 1, "fit": "crop", "hflip": False}, "")
    assert choose(photos, rotate90=True)[0]["size"] == 64
    assert choose(photos, fit="tiles")[0]["size"] == 64


def test_the_reason_for_a_size_that_is_not_square_names_a_larger_one_if_the_images_reach_it() -> None:
    for size, larger in (((96, 64), ""), ((320, 240), "144x112"), ((64, 48), "")):
        decision = choose([size] * 40)[1]
        assert (
            f"more pixels need a GPU or hours (`data.size` {larger})" in decision if larger else "more" not in decision
        )


@pytest.mark.parametrize(
    ("size", "kept"),
    [((64, 64), True), ((96, 64), True), ((64, 48), True), ((100, 64), False), ((80, 80), False)],
)
def test_the_reason_for_the_fit_says_that_images_of_the_size_are_kept(size: tuple[int, int], kept: bool) -> None:
    inspection = ImageInspection(source="photos", count=40, classes=(), sizes=(size,) * 40)
    fits = [d for d in choose_image_settings({}, inspection, on_cpu=True) if d.name == "fit"]
    assert ["nothing is cut or resampled" in fit.reason for fit in fits] == [kept]


def test_inputs_that_are_made_smaller_keep_8_pixels() -> None:
    for degrade, size in ((["down2"], "64x48"), (["down8"], 64)):
        table: dict[str, object] = {"kind": "image-pairs", "source": "photos", "degrade": degrade}
        inspection = PairInspection(source="photos", count=40, classes=(), sizes=((640, 480),) * 40)
        DATA_KINDS.find("image-pairs").choose_settings(table, inspection, on_cpu=True)
        assert table["size"] == size


def test_suggested_sizes_are_few_times_a_power_of_two() -> None:
    for ratio in np.geomspace(0.25, 4, 41):
        for max_size in (64, 128, 256, 512):
            size = suggest_rectangle(float(ratio), 32, max_size, max_size**2)
            assert size is not None
            short, long = sorted((size.height, size.width))
            units = [
                unit
                for unit in (8, 16, 32, 64, 128)
                if short // unit in range(4, 8) and not (short % unit or long % unit)
            ]
            assert units
            assert long // units[-1] <= 16
            assert short % 16 == long % 16 == 0
            assert short * long <= max_size**2
