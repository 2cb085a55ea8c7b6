"""Masks of 0 and 1, label maps and constant images are noted, in files and arrays and on both sides of pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.image_pairs.load import load_pairs
from zerosum.data.images.levels import Levels, measure_levels
from zerosum.data.images.load import load_source
from zerosum.data.images.size import ImageSize
from zerosum.data.kind import LoadOptions

MakeImages = Callable[..., list[Path]]


def label_maps(high: int, count: int = 20) -> np.ndarray:
    """(count, 8, 8) distinct maps of 0 to `high`."""
    return np.random.default_rng(0).integers(0, high + 1, (count, 8, 8), dtype=np.uint8)


def save_folder(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(("high", "shown"), [(1, "only 0 to 1"), (3, "only 0 to 3"), (20, "only 0 to 20")])
def test_label_maps_are_noted_in_folders_and_arrays(tmp_path: Path, high: int, shown: str) -> None:
    maps = label_maps(high)
    np.save(tmp_path / "maps.npy", maps)
    np.savez(tmp_path / "maps.npz", images=maps)
    for source in (save_folder(tmp_path / "maps", maps), tmp_path / "maps.npy", tmp_path / "maps.npz"):
        for _ in range(2):  # decoded, then from the cache
            summary = load_source(source, 8, 1, "crop").summary
            assert [note for note in summary.notes if f"the values in {source} are {shown} of 0 to 255" in note]
            assert summary.as_dict()["levels"] == [0, high]


def test_images_that_use_their_range_and_arrays_of_booleans_are_not_noted(
    tmp_path: Path, make_images: MakeImages
) -> None:
    make_images(tmp_path / "photos", 20)
    np.save(tmp_path / "masks.npy", label_maps(1).astype(bool))
    for source in ("photos", "masks.npy"):
        summary = load_source(tmp_path / source, 8, 1, "crop").summary
        assert not [note for note in summary.notes if "hardly differ" in note]


def test_both_sides_of_pairs_are_noted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    save_folder(tmp_path / "A", label_maps(3))
    save_folder(tmp_path / "B", rng.integers(0, 256, (20, 8, 8), dtype=np.uint8))
    data = ImagePairDataConfig(
        source=str(tmp_path / "A"), target_source=str(tmp_path / "B"), pairs="paired", size=ImageSize.square(8),
        channels=1, fit="crop", hflip=False,
    )  # fmt: skip
    for settings, side in ((data, "A"), (data.reversed(), "A")):
        notes = load_pairs(settings, LoadOptions()).summary.notes
        assert [note for note in notes if f"/{side} are only 0 to 3" in note], notes
    assert not [note for note in notes if "/B are" in note]


def test_the_factor_that_fills_the_range_is_named_where_there_is_one() -> None:
    for low, high, factor in ((0, 1, 255), (0, 3, 85), (0, 20, 12)):
        assert f"multiply them by {factor} " in Levels(low, high).notes("masks")[0]
    for low, high in ((0, 0), (240, 255)):
        assert "multiply" not in Levels(low, high).notes("masks")[0]


def test_alpha_is_no_level_and_a_constant_is_named() -> None:
    images = np.zeros((3, 4, 4, 2), np.uint8)
    images[..., 1] = 255
    assert measure_levels(images) == Levels(0, 0)
    assert "are all 0 of 0 to 255" in Levels(0, 0).notes("masks")[0]
    assert measure_levels(images.astype(np.uint16)) is None
