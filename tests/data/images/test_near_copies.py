"""Near-copies across the split are found, and different images are not taken for them."""

import io
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.load import load_source
from zerosum.data.images.near_copies import find_near_copies
from zerosum.data.kind import LoadOptions, load_dataset

Pixels = NDArray[np.uint8]


def draw_shapes(rng: np.random.Generator, side: int = 32) -> Pixels:
    """Three shapes of random place, size and color on a random color."""
    image = Image.new("RGB", (side, side), tuple(rng.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        x, y = rng.integers(0, side * 3 // 4, 2).tolist()
        box = (x, y, *(np.array([x, y]) + rng.integers(side // 5, side // 2)).tolist())
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return np.asarray(image)


def rows(first: int, last: int) -> NDArray[np.int64]:
    return np.arange(first, last)


def save_as_jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=75)
    return Image.open(file)


def add_noise(image: Image.Image) -> Image.Image:
    pixels = np.asarray(image)
    noise = np.random.default_rng(pixels.sum()).normal(0, 3, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "jpeg": save_as_jpeg,
    "noise": add_noise,
    "brighter": lambda image: image.point([min(255, value + 8) for value in range(256)] * len(image.getbands())),
    "contrast": lambda image: image.point([value * 20 // 21 for value in range(256)] * len(image.getbands())),
}


def test_different_digits_and_shapes_are_no_near_copies() -> None:
    """Of 512 digits, none is a near-copy of one of 9,000 others, and of 512 images of shapes, none of 4,000."""
    digits = load_source("digits", 28, 1, "resize").values
    rng = np.random.default_rng(0)
    shapes = np.stack([draw_shapes(rng) for _ in range(4512)])
    for values in (digits, shapes):
        found = find_near_copies(np.asarray(values), rows(512, min(9512, len(values))), rows(0, 512))
        assert (found.searched, len(found.pairs)) == (512, 0)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found(change: str) -> None:
    rng = np.random.default_rng(1)
    shapes = np.stack([draw_shapes(rng) for _ in range(200)])
    changed = np.stack([np.asarray(CHANGES[change](Image.fromarray(image))) for image in shapes])
    found = find_near_copies(np.concatenate([shapes, changed]), rows(0, 200), rows(200, 400))
    assert len(found.pairs) >= 185
    assert sum(held_out == train + 200 for held_out, train in found.pairs) >= 185


def test_plain_images_of_one_color_are_no_near_copies() -> None:
    values = np.repeat(np.arange(200, dtype=np.uint8), 64).reshape(200, 8, 8, 1)
    assert not find_near_copies(values, rows(0, 150), rows(150, 200)).pairs


def test_frames_of_a_video_are_reported_with_a_hint(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    (tmp_path / "videos").mkdir()
    for video in range(8):
        scene = draw_shapes(rng)
        for number in range(8):
            frame = add_noise(Image.fromarray(np.clip(scene.astype(int) + number, 0, 255).astype(np.uint8)))
            frame.save(tmp_path / "videos" / f"video{video}_{number}.png")
    table = {"source": str(tmp_path / "videos"), "size": 32, "channels": 3, "fit": "crop"}
    notes = load_dataset(ImageDataConfig.model_validate(table), LoadOptions()).summary.notes
    (note,) = (note for note in notes if "nearly equal" in note)
    assert note.startswith("16 of 16 held-out examples are nearly equal to a training example, such as video")
    assert "`data.groups`" in note
    grouped = load_dataset(ImageDataConfig.model_validate(table | {"groups": "(video[0-9])"}), LoadOptions())
    assert not any("nearly equal" in note for note in grouped.summary.notes)
    evaluated = load_dataset(ImageDataConfig.model_validate(table), LoadOptions(for_evaluation=True))
    assert not any("nearly equal" in note for note in evaluated.summary.notes)


@pytest.mark.parametrize("shape", [(512, 512, 3), (128, 128, 48)])
def test_large_images_take_little_memory(shape: tuple[int, int, int]) -> None:
    values = np.zeros((200, *shape), np.uint8)
    tracemalloc.start()
    try:
        find_near_copies(values, rows(0, 150), rows(150, 200))
        assert tracemalloc.get_traced_memory()[1] < 2**28  # all at once would be 600 MB
    finally:
        tracemalloc.stop()


def test_fifty_thousand_images_take_seconds() -> None:
    values = np.random.default_rng(0).integers(0, 256, (50_000, 32, 32, 3), dtype=np.uint8)
    start = time.process_time()
    found = find_near_copies(values, rows(5_000, 50_000), rows(0, 5_000))
    assert (found.searched, found.compared, found.pairs) == (512, 45_000, [])
    assert time.process_time() - start < 60  # measured: 2 s
