"""Images cut into unscaled tiles."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images import reader
from zerosum.data.images.decode import MAX_TILES, center_crop, tile
from zerosum.data.images.load import load_source
from zerosum.data.images.size import ImageSize
from zerosum.data.images.summary import ImageSummary
from zerosum.data.split import split_by_content
from zerosum.errors import BadInput

MakeImages = Callable[..., list[Path]]


def coordinate_image(width: int, height: int) -> Image.Image:
    """Return an image whose pixels encode their own coordinates."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x % 256, y % 256, 16 * (x // 256) + y // 256], -1).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "count"), [((16, 16), 1), ((17, 16), 2), ((32, 48), 6), ((33, 48), 9), ((70, 50), 20)]
)
def test_tiles_cover_the_image_and_end_at_its_edge(size: tuple[int, int], count: int) -> None:
    image = coordinate_image(*size)
    tiles = tile(image, ImageSize.square(16))
    assert tiles.shape == (count, 16, 16, 3)
    corners = [tuple(pixels[0, 0, :2]) for pixels in tiles]
    assert corners[0] == (0, 0)
    assert corners[-1] == (size[0] - 16, size[1] - 16)
    assert corners == sorted(corners, key=lambda corner: corner[::-1]), "row by row"
    covered = {tuple(pixel) for pixel in tiles.reshape(-1, 3).tolist()}
    assert covered == {tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()}
    assert all((pixels == np.asarray(image)[y : y + 16, x : x + 16]).all()
               for pixels, (x, y) in zip(tiles, corners, strict=True))  # fmt: skip


def test_of_too_many_tiles_evenly_spaced_ones_are_taken() -> None:
    tiles = tile(coordinate_image(512, 400), ImageSize.square(16))
    assert len(tiles) == MAX_TILES < 32 * 25
    x, y, high = tiles[:, 0, 0].astype(int).T
    numbers = (y + 256 * (high % 16)) // 16 * 32 + (x + 256 * (high // 16)) // 16
    assert (numbers[0], numbers[-1]) == (0, 799)
    assert set(np.diff(numbers).tolist()) == {6, 7}


def test_small_images_are_scaled_up() -> None:
    small = coordinate_image(10, 40)
    assert (tile(small, ImageSize.square(16)) == center_crop(small, ImageSize.square(16))[None]).all()


def test_all_tiles_of_an_image_are_on_one_side_of_the_split(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d", 8, size=(40, 33))
    make_images(tmp_path / "d" / "more", 3, size=(9, 9), seed=1)
    dataset = load_source(tmp_path / "d", 16, 3, "tiles")
    assert len(dataset) == 8 * 9 + 3
    assert len(set(dataset.content_hashes.tolist())) == 11
    sides = [set(dataset.content_hashes[indices].tolist()) for indices in (dataset.train, dataset.held_out)]
    assert not sides[0] & sides[1]
    assert [len(side) for side in sides] == [
        len(side) for side in split_by_content(np.unique(dataset.content_hashes), 0.1)
    ]
    assert sorted([*dataset.train, *dataset.held_out]) == list(range(75))
    summary = dataset.summary
    assert (summary.count, summary.tiles, summary.duplicates, summary.fit) == (11, 75, 0, "tiles")
    assert summary.lines()[0].endswith("11 images from 11 files, cut into 75 tiles")
    assert ImageSummary.from_dict(summary.as_dict()) == summary


def test_a_warm_start_decodes_nothing(tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch) -> None:
    make_images(tmp_path / "d", 6, size=(40, 33))
    first = load_source(tmp_path / "d", 16, 3, "tiles")
    monkeypatch.setattr(reader, "decode_images", lambda *_: pytest.fail("decoded again"))
    again = load_source(tmp_path / "d", 16, 3, "tiles")
    assert (again.values == first.values).all()
    assert again.fingerprint == first.fingerprint
    assert again.summary == first.summary


def test_without_a_cache_tiles_are_cut_in_memory(
    tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path / "d", 6, size=(40, 33))
    first = load_source(tmp_path / "d", 16, 3, "tiles")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    again = load_source(tmp_path / "d", 16, 3, "tiles")
    assert (again.values == first.values).all()
    assert "not cached" in again.summary.notes[-1]


def test_four_images_are_enough_for_tiles(tmp_path: Path, make_images: MakeImages) -> None:
    make_images(tmp_path / "d", 3, size=(40, 33))
    with pytest.raises(BadInput, match="at least 4 are needed"):
        load_source(tmp_path / "d", 16, 3, "tiles")
    make_images(tmp_path / "d" / "e", 1, size=(40, 33), seed=1)
    dataset = load_source(tmp_path / "d", 16, 3, "tiles")
    assert len(dataset.train) + len(dataset.held_out) == 36
    assert len(dataset.train) % 9 == 0 < len(dataset.train) < 36
    with pytest.raises(BadInput, match="at least 16 are needed"):
        load_source(tmp_path / "d", 16, 3, "crop")


def test_images_below_the_size_of_a_tile_are_noted(tmp_path: Path) -> None:
    """A super-resolution recipe would be trained on blur without a word."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, side in enumerate([16, 24, 64, 100, 64, 64]):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{number}.png")
    enlarged = "images below 32 pixels a side are enlarged to a tile of 32x32; the smallest has 16"
    assert enlarged in load_source(photos, 32, 3, "tiles").summary.notes
    assert not load_source(photos, 16, 3, "tiles").summary.notes
    assert enlarged not in load_source(photos, 32, 3, "crop", min_images=4).summary.notes
