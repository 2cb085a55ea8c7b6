"""What a number means is decided once for a source, and is the same wherever its images are read."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.images.decode import to_8bit
from zerosum.data.images.kind import IMAGES
from zerosum.data.images.load import load_source
from zerosum.data.images.value_range import (
    INTEGER_RANGES,
    Extremes,
    choose_range,
    format_range,
    measure_extremes,
    merge_extremes,
    scale_to_8bit,
)
from zerosum.data.kind import DATA_KINDS, LoadOptions
from zerosum.errors import BadInput

SIDE = 8


def save_images(folder: Path, arrays: list[NDArray[np.generic]]) -> Path:
    folder.mkdir(parents=True)
    for index, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{index:03d}.tif")
    return folder


def float_images(low: float, high: float, count: int = 20) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [rng.uniform(low, high, (SIDE, SIDE)).astype(np.float32) for _ in range(count)]


def choose_settings(source: Path, **given: object) -> ImageDataConfig:
    table: dict[str, object] = {"source": str(source), "size": SIDE, **given}
    data = ImageDataConfig.model_validate(table)
    IMAGES.choose_settings(table, IMAGES.inspect(data), on_cpu=True)
    return ImageDataConfig.model_validate(table | {"fit": "crop"})


def gray_levels(pixels: NDArray[np.uint8]) -> list[int]:
    return sorted(set(pixels.ravel().tolist()))


@pytest.mark.parametrize(
    ("floating", "low", "high", "expected"),
    [
        (False, 0, 1, (0, 255)),
        (False, 0, 255, (0, 255)),
        (False, 0, 256, (0, 1023)),
        (False, 3, 4095, (0, 4095)),
        (False, 3, 4096, (0, 16383)),
        (False, 0, 65535, (0, 65535)),
        (False, 0, 70000, (0, 70000)),
        (False, -1024, 3071, (-1100, 3100)),
        (False, -1, 1, (-1, 1)),
        (True, 0, 1, (0, 1)),
        (True, -0.01, 1.004, (0, 1)),
        (True, -0.04, 0.04, (-1, 1)),
        (True, -1, 1, (-1, 1)),
        (True, 0, 255, (0, 255)),
        (True, 0, 3000, (0, 3000)),
        (True, -1024, 3071.5, (-1100, 3100)),
        (True, 7e4, 7e4, (70000, 71000)),
    ],
)
def test_the_range_is_a_usual_one_or_the_values_rounded_outwards(
    floating: bool, low: float, high: float, expected: tuple[float, float]
) -> None:
    value_range = choose_range(Extremes(floating, (low,), (high,)))
    assert value_range == (pytest.approx(expected[0]), pytest.approx(expected[1]))
    assert value_range[0] < value_range[1]


def test_an_outlier_of_many_images_does_not_decide() -> None:
    lows = (0.0,) * 20
    assert choose_range(Extremes(True, lows, (1.0,) * 19 + (250.0,))) == (0, 1)
    assert choose_range(Extremes(True, lows, (1.0,) * 18 + (250.0,) * 2)) == (0, 255)
    assert choose_range(Extremes(True, lows[:4], (1.0,) * 3 + (250.0,))) == (0, 255)  # too few images to tell


def test_extremes_pass_over_values_that_are_not_finite_and_merge_by_type() -> None:
    floats = measure_extremes([np.array([np.nan, 2.0, np.inf]), np.array([np.nan])])
    assert floats == (True, (2,), (2,))
    integers = measure_extremes([np.array([-3, 5], np.int16)])
    assert measure_extremes([]) is None
    assert merge_extremes([floats, None, floats]) == (True, (2, 2), (2, 2))
    assert merge_extremes([floats, integers]) is None
    assert merge_extremes([None]) is None


SCALED = [
    (value_range, dtype)
    for value_range in (*INTEGER_RANGES, (-1024.0, 3071.0), (0.0, 1.0), (-1.0, 1.0))
    for dtype in (np.uint16, np.int32, np.float16, np.float32, np.float64)
    if not (np.dtype(dtype).kind == "u" and value_range[0] < 0) and not (dtype == np.float16 and value_range[1] > 1023)
]
"""Ranges with each type that holds their values."""


@pytest.mark.parametrize(("value_range", "dtype"), SCALED)
def test_a_range_is_scaled_to_bytes_and_values_outside_are_clipped(
    value_range: tuple[float, float], dtype: type[np.number]
) -> None:
    low, high = value_range
    values = np.array([low, high], dtype)
    pixels, clipped = scale_to_8bit(values, value_range)
    assert (pixels.tolist(), clipped) == ([0, 255], 0)
    inner = (low + 1, high - 1) if high - low > 3 else (low + 0.25, high - 0.25)
    pixels, clipped = scale_to_8bit(np.array([low, high], np.float64), inner)
    assert (pixels.tolist(), clipped) == ([0, 255], 2)


def test_one_float_pixel_above_the_range_does_not_change_its_image(tmp_path: Path) -> None:
    images = float_images(0, 1)
    plain = save_images(tmp_path / "plain", images)
    images[3] = images[3].copy()
    images[3][0, 0] = 1.004
    images[5] = images[5].copy()
    images[5][0, 0] = 60_000  # a hot pixel
    hot = save_images(tmp_path / "hot", images)
    assert choose_settings(hot).range == choose_settings(plain).range == (0, 1)
    expected = IMAGES.load(choose_settings(plain), LoadOptions())
    dataset = IMAGES.load(choose_settings(hot), LoadOptions())
    assert int((dataset.values != expected.values).sum()) == 2
    summary = dataset.summary.as_dict()
    assert (summary["range"], summary["clipped"]) == ([0, 1], 2)
    note = "2 values of 2 images outside the range 0..1 were clipped; `data.range` sets it"
    assert note in dataset.summary.notes
    assert "values: 0 to 1, 2 outside clipped" in dataset.summary.lines()


def test_values_of_a_scanner_mean_the_same_in_every_image(tmp_path: Path) -> None:
    arrays: list[NDArray[np.generic]] = [
        np.linspace(-1024 + 10 * i, 1000 + 100 * i, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.int32) for i in range(20)
    ]
    for array in arrays:
        array[4, 4] = 40
    folder = save_images(tmp_path / "ct", arrays)
    data = choose_settings(folder, range="-1024,3071", dtype="uint8")
    assert data.range == (-1024, 3071)
    values = IMAGES.load(data, LoadOptions()).values
    assert gray_levels(values[:, 4, 4]) == [round((40 + 1024) / 4095 * 255)]
    chosen = choose_settings(folder).range
    assert chosen is not None
    assert chosen[0] <= -1024 + 20
    assert gray_levels(IMAGES.load(choose_settings(folder, dtype="uint8"), LoadOptions()).values[:, 4, 4])[1:] == []


def test_12_of_16_bits_are_read_over_their_own_range(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: list[NDArray[np.generic]] = [rng.integers(0, 4096, (SIDE, SIDE), dtype=np.uint16) for _ in range(20)]
    folder = save_images(tmp_path / "d", arrays)
    data = choose_settings(folder, dtype="uint8")
    assert data.range == (0, 4095)
    dataset = IMAGES.load(data, LoadOptions())
    assert np.array_equal(dataset.values[0, :, :, 0], np.rint(arrays[0] / 4095 * 255))
    assert dataset.summary.notes == []


def test_bytes_are_the_same_with_and_without_a_range(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays: list[NDArray[np.generic]] = [rng.integers(0, 200, (SIDE, SIDE), dtype=np.uint8) for _ in range(20)]
    folder = save_images(tmp_path / "d", arrays)
    assert choose_settings(folder).range is None
    assert np.array_equal(load_source(folder, SIDE, 1, "crop").values[..., 0], np.stack(arrays))
    with_range = load_source(folder, SIDE, 1, "crop", value_range=(0, 4095))
    assert np.array_equal(with_range.values[..., 0], np.stack(arrays))  # an 8-bit copy beside 12-bit images
    with pytest.raises(BadInput, match=r"`data.range`: the images in .* have 8 bits per value"):
        choose_settings(folder, range=[0, 3])


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    ("low", "high", "dtype", "chosen"),
    [(0, 1, np.float32, (0, 1)), (-1, 1, np.float32, (-1, 1)), (0, 255, np.int64, (0, 255)),
     (0, 4095, np.uint16, (0, 4095)), (-1000, 3000, np.int16, (-1000, 3000))],
)  # fmt: skip
def test_arrays_have_one_range(
    tmp_path: Path, suffix: str, low: float, high: float, dtype: type[np.number], chosen: tuple[float, float]
) -> None:
    values = np.random.default_rng(0).uniform(low, high, (20, SIDE, SIDE, 3))
    values[:, 0, 0], values[:, 0, 1] = low, high
    array = values.astype(dtype)
    path = tmp_path / f"x{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, images=array)
    data = choose_settings(path, dtype="uint8")
    assert data.range == chosen
    loaded = IMAGES.load(data, LoadOptions()).values
    assert np.array_equal(loaded, np.rint((array - float(low)) * (255 / (high - low))))
    narrower = choose_settings(path, range=[low, (low + high) / 2], dtype="uint8")
    dataset = IMAGES.load(narrower, LoadOptions())
    outside = int((array > (low + high) / 2).sum())
    assert dataset.summary.as_dict()["clipped"] == outside
    assert int((dataset.values == 255).sum()) >= outside


def test_the_same_file_is_read_alike_for_training_evaluation_and_encoding(tmp_path: Path) -> None:
    folder = save_images(tmp_path / "d", list(float_images(0, 3000)))
    data = choose_settings(folder, dtype="uint8")
    assert data.range == (0, 3000)
    dataset = IMAGES.load(data, LoadOptions())
    other = save_images(tmp_path / "other", [float_images(0, 3000)[7] / 3])  # its own extremes would be 0..1000
    evaluated = IMAGES.load_like(data.with_source(str(other)), dataset, LoadOptions(for_evaluation=True))
    encoded = IMAGES.load_file(data, other / "000.tif", dataset.codec)
    expected = np.rint(float_images(0, 3000)[7] / 3 * (255 / 3000))
    assert np.array_equal(evaluated.values[0, :, :, 0], expected)
    assert np.array_equal(dataset.codec.decode(encoded, encoded)[0, :, :, 0], expected)


def test_folders_that_are_compared_have_one_range(tmp_path: Path) -> None:
    sources = {
        "fake": str(save_images(tmp_path / "fake", list(float_images(0, 900)))),
        "real": str(save_images(tmp_path / "real", list(float_images(0, 3000)))),
    }
    data = IMAGES.choose_common_settings(sources, {})
    assert data.range_of_inputs == (0, 3000)


def test_inputs_and_targets_of_pairs_have_their_own_ranges(tmp_path: Path) -> None:
    save_images(tmp_path / "A", list(float_images(-1000, 3000)))
    save_images(tmp_path / "B", list(float_images(0, 1)))
    kind = DATA_KINDS.find("image-pairs")
    table: dict[str, object] = {"source": str(tmp_path), "size": SIDE, "pairs": "paired"}
    kind.choose_settings(table, kind.inspect(ImagePairDataConfig.model_validate(table)), on_cpu=True)
    data = ImagePairDataConfig.model_validate(table)
    assert (data.range, data.input_range, data.range_of_inputs) == ((0, 1), (-1000, 3000), (-1000, 3000))
    backward = data.reversed()
    assert (backward.range, backward.range_of_inputs) == ((-1000, 3000), (0, 1))
    summary = kind.load(data, LoadOptions()).summary.as_dict()
    assert summary["range"] == [0, 1]
    both = ImagePairDataConfig.model_validate({"range": (0, 5)})
    assert (both.range_of_inputs, both.reversed().range) == ((0, 5), (0, 5))


@pytest.mark.parametrize("value", ["3071", "1,2,3", "a,b", [5, 5], [7, 2], [0, float("nan")]])
def test_a_range_is_two_rising_numbers(value: object) -> None:
    with pytest.raises(ValueError, match="range"):
        ImageDataConfig.model_validate({"range": value})
    assert ImageDataConfig.model_validate({"range": "[-1024, 3071]"}).range == (-1024, 3071)
    assert format_range((-1024.0, 3071.0)) == "-1024..3071"


def test_damaged_values_are_reported() -> None:
    with pytest.raises(ValueError, match="not finite"):
        to_8bit(Image.fromarray(np.array([[0.0, np.nan]], np.float32)), (0, 1))
