"""Pictures cut into squares at their own resolution."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images import load
from zerosum.data.images.decode import MAX_TILES, center_crop, tile
from zerosum.data.images.load import load_source
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.split import split_by_content
from zerosum.errors import BadInput

Make = Callable[..., list[Path]]


def coordinates(width: int, height: int) -> Image.Image:
    """A picture whose pixels say where they are."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x % 256, y % 256, 16 * (x // 256) + y // 256], -1).astype(np.uint8))


@pytest.mark.parametrize(
    ("size", "count"), [((16, 16), 1), ((17, 16), 2), ((32, 48), 6), ((33, 48), 9), ((70, 50), 20)]
)
def test_they_cover_the_picture_and_end_with_it(size: tuple[int, int], count: int) -> None:
    image = coordinates(*size)
    squares = tile(image, 16)
    assert squares.shape == (count, 16, 16, 3)
    corners = [tuple(square[0, 0, :2]) for square in squares]
    assert corners[0] == (0, 0)
    assert corners[-1] == (size[0] - 16, size[1] - 16)
    assert corners == sorted(corners, key=lambda corner: corner[::-1]), "row by row"
    seen = {tuple(pixel) for pixel in squares.reshape(-1, 3).tolist()}
    assert seen == {tuple(pixel) for pixel in np.asarray(image).reshape(-1, 3).tolist()}
    assert all((square == np.asarray(image)[y : y + 16, x : x + 16]).all()
               for square, (x, y) in zip(squares, corners, strict=True))  # fmt: skip


def test_of_very_many_some_are_taken_evenly() -> None:
    squares = tile(coordinates(512, 400), 16)
    assert len(squares) == MAX_TILES < 32 * 25
    x, y, high = squares[:, 0, 0].astype(int).T
    numbers = (y + 256 * (high % 16)) // 16 * 32 + (x + 256 * (high // 16)) // 16
    assert (numbers[0], numbers[-1]) == (0, 799)
    assert set(np.diff(numbers).tolist()) == {6, 7}


def test_what_is_too_small_is_scaled_up() -> None:
    small = coordinates(10, 40)
    assert (tile(small, 16) == center_crop(small, 16)[None]).all()


def test_all_tiles_of_a_picture_are_on_one_side(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d", 8, size=(40, 33))
    make(tmp_path / "d" / "more", 3, size=(9, 9), seed=1)
    dataset = load_source(tmp_path / "d", 16, 3, "tiles")
    assert len(dataset) == 8 * 9 + 3
    assert len(set(dataset.keys.tolist())) == 11
    sides = [set(dataset.keys[side].tolist()) for side in (dataset.train, dataset.held_out)]
    assert not sides[0] & sides[1]
    assert [len(side) for side in sides] == [len(side) for side in split_by_content(np.unique(dataset.keys), 0.1)]
    assert sorted([*dataset.train, *dataset.held_out]) == list(range(75))
    summary = dataset.summary
    assert (summary.images, summary.tiles, summary.duplicates, summary.fit) == (11, 75, 0, "tiles")
    assert summary.lines()[0].endswith("11 images from 11 files, cut into 75 tiles")
    assert DatasetSummary.from_dict(summary.as_dict()) == summary


def test_the_second_start_cuts_nothing(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "d", 6, size=(40, 33))
    first = load_source(tmp_path / "d", 16, 3, "tiles")
    monkeypatch.setattr(load, "decode", lambda *given: pytest.fail("decoded again"))
    again = load_source(tmp_path / "d", 16, 3, "tiles")
    assert (again.values == first.values).all()
    assert again.fingerprint == first.fingerprint
    assert again.summary == first.summary


def test_without_a_cache_tiles_are_cut_in_memory(tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "d", 6, size=(40, 33))
    first = load_source(tmp_path / "d", 16, 3, "tiles")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    again = load_source(tmp_path / "d", 16, 3, "tiles")
    assert (again.values == first.values).all()
    assert "nothing was cached" in again.summary.notes[-1]


def test_four_pictures_are_enough_to_be_cut(tmp_path: Path, make: Make) -> None:
    make(tmp_path / "d", 3, size=(40, 33))
    with pytest.raises(BadInput, match="holds only 3 different images that can be read; a GAN needs at least 4,"):
        load_source(tmp_path / "d", 16, 3, "tiles")
    make(tmp_path / "d" / "e", 1, size=(40, 33), seed=1)
    dataset = load_source(tmp_path / "d", 16, 3, "tiles")
    assert len(dataset.train) + len(dataset.held_out) == 36
    assert len(dataset.train) % 9 == 0 < len(dataset.train) < 36
    with pytest.raises(BadInput, match="at least 16"):
        load_source(tmp_path / "d", 16, 3, "crop")
