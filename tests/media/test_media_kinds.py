"""How the items of each kind of data are drawn, written and described."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.images.codec import ImageCodec
from zerosum.data.points.kind import PointCodec
from zerosum.errors import BadInput
from zerosum.media.kind import MEDIA_KINDS

IMAGE_KINDS = ["images", "image-pairs"]


def random_images(count: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_images_are_drawn_as_a_grid_without_the_real_ones(kind: str) -> None:
    media, images = MEDIA_KINDS.find(kind), random_images(6, side=64)
    drawn = media.draw(images, real=images[:2], columns=3)
    assert drawn.size == (3 * 64 + 2 * 2, 2 * 64 + 2)
    assert (np.asarray(drawn)[:64, :64] == images[0]).all()
    assert (np.asarray(drawn)[66:, 66:130] == images[4]).all()


@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_images_are_written_one_by_one_and_are_their_own_frames(kind: str, tmp_path: Path) -> None:
    media, images = MEDIA_KINDS.find(kind), random_images(3)
    media.write(images[:2], ImageCodec.of_images(images), tmp_path, first=98)
    media.write(images[2:], ImageCodec.of_images(images), tmp_path, first=100_000)
    names = ["00098.png", "00099.png", "100000.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert [media.file_name(ImageCodec.of_images(images), number) for number in (98, 99, 100_000)] == names
    for name, image in zip(names, images, strict=True):
        assert (np.asarray(Image.open(tmp_path / name)) == image).all()
    assert media.has_frames
    assert (media.frames(images) == images).all()


def test_images_are_described_by_what_is_known_of_them() -> None:
    media = MEDIA_KINDS.find("images")
    record = {"size": 32, "channels": 3, "sizes": {"9x7": 4}, "duplicates": 2}
    assert media.describe(record) == "They are 32 × 32 pixels, RGB."
    assert media.describe({"size": 32, "channels": 7}) == "They are 32 × 32 pixels, 7 bands."
    assert media.describe({}) == ""
    facts = dict(media.facts(record))
    assert facts["sizes"] == {"9x7": 4}
    assert facts["duplicates"] == 2
    assert facts["formats"] == "", "unknown"


def test_points_are_drawn_over_the_real_ones() -> None:
    media = MEDIA_KINDS.find("points")
    points, real = np.zeros((5, 2), np.float32), np.array([[-1, -1], [1, 1]], np.float32)
    alone, over_real = media.draw(points), media.draw(points, real)
    assert alone.size == over_real.size
    assert not (np.asarray(alone) == np.asarray(over_real)).all()


def test_points_are_written_as_a_table_and_have_no_frames(tmp_path: Path) -> None:
    media = MEDIA_KINDS.find("points")
    points = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    media.write(points[:3], PointCodec(2), tmp_path)
    media.write(points[3:], PointCodec(2), tmp_path, first=3)
    (file,) = tmp_path.iterdir()
    assert file.name == "points.csv"
    assert np.allclose(np.loadtxt(file, delimiter=","), points, atol=1e-5)
    assert not media.has_frames
    assert media.file_name(PointCodec(2), 0) == "", "all points share a file"
    with pytest.raises(BadInput, match="not drawn one by one"):
        media.frames(points)
    assert (media.describe({"count": 4}), media.facts({"count": 4})) == ("", [])


def test_a_preview_has_as_many_items_as_can_be_seen() -> None:
    counts = {name: MEDIA_KINDS.find(name).preview_count for name in MEDIA_KINDS}
    assert counts == {"images": 64, "image-pairs": 64, "points": 2_000, "tables": 2_000, "molecules": 64, "audio": 64}
