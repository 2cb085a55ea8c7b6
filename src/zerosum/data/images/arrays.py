"""Images and labels in one .npz archive, or in one .npy file each."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from zerosum.data.images.summary import natural_sort_key
from zerosum.errors import BadInput

IMAGE_ARRAY_NAMES = ("images", "x", "x_train", "arr_0")
"""Names of the array of images, in order of preference."""
LABEL_ARRAY_NAMES = ("labels", "y", "y_train")
"""Names of the array of labels, in order of preference."""


def read_array_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every array in the archive, from its headers alone.

    Raises:
        BadInput: if the file is not an archive of arrays.
    """
    shapes = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    major, _ = npy.read_magic(member)
                    reader = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
                    shapes[name.removesuffix(".npy")] = reader(member)[0]
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, EOFError) as error:
        raise BadInput(f"{path} is not a valid .npz archive ({error}): write it with numpy.savez") from error
    return shapes


def find_image_array(path: Path, shapes: dict[str, tuple[int, ...]]) -> str:
    """Return the name of the array of images.

    Raises:
        BadInput: if there is none, or its shape is not a shape of images.
    """
    name = next((name for name in IMAGE_ARRAY_NAMES if name in shapes), None)
    if name is None:
        names = ", ".join(shapes) or "nothing"
        raise BadInput(
            f"{path} has no array named {_join_with_or(IMAGE_ARRAY_NAMES)} (found: {names}): save the images under the "
            "name images"
        )
    check_image_shape(shapes[name], _describe_array(path, name))
    return name


def check_image_shape(shape: tuple[int, ...], description: str) -> None:
    """Raise if an array cannot hold images.

    Raises:
        BadInput: if its shape is not (N, H, W), (N, H, W, C) or (N, C, H, W) with C from 1 to 4.
    """
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and _find_channel_axis(shape) is None):
        raise BadInput(
            f"{description} has shape {shape}: save images with shape (N, H, W), (N, H, W, C) or (N, C, H, W), with C "
            "from 1 to 4"
        )


def load_image_array(path: Path, array_name: str) -> NDArray[np.uint8]:
    """Load the images (N, H, W, C) of an archive: see `to_uint8_nhwc`."""
    return to_uint8_nhwc(_load_array(path, array_name), _describe_array(path, array_name))


def to_uint8_nhwc(array: NDArray[Any], description: str) -> NDArray[np.uint8]:
    """Convert images (N, H, W), (N, H, W, C) or (N, C, H, W) to uint8 (N, H, W, C): a view of uint8, else a copy.

    Floats in [0, 1] or [-1, 1] are scaled and rounded; other numbers in [0, 255] are rounded.

    Raises:
        BadInput: if the values have another type or range.
    """
    if array.ndim == 3:
        array = array[..., None]
    elif _find_channel_axis(array.shape) == 1:
        array = array.transpose(0, 2, 3, 1)
    return _to_uint8(array, description)


def memmap_npy(path: Path) -> np.memmap[Any, Any]:
    """Memory-map the array of an .npy file without reading it.

    Raises:
        BadInput: if the file is not an .npy file, is truncated, or holds Python objects.
    """
    try:
        array: np.memmap[Any, Any] = npy.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError) as error:
        raise BadInput(
            f"{path} cannot be read as an .npy file ({_error_message(error)}): write it with numpy.save"
        ) from error
    return array


def load_labels(
    path: Path, shapes: dict[str, tuple[int, ...]], count: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels (count,) int64 and class names in natural order; zeros and () if there are fewer than two classes.

    Raises:
        BadInput: if there are labels, but not one integer or string per image.
    """
    name = next((name for name in LABEL_ARRAY_NAMES if name in shapes), None)
    if name is None:
        return np.zeros(count, np.int64), ()
    return _encode_labels(_load_array(path, name), _describe_array(path, name), count)


def label_file_path(path: Path) -> Path:
    """Return the path of the labels of an .npy file of images: images.labels.npy for images.npy."""
    return path.with_suffix(".labels.npy")


def load_label_file(path: Path, count: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Load the label file of an .npy file of images, as `load_labels` does; zeros and () if there is no such file.

    Raises:
        BadInput: if there are labels, but not one integer or string per image.
    """
    label_path = label_file_path(path)
    if not label_path.is_file():
        return np.zeros(count, np.int64), ()
    return _encode_labels(memmap_npy(label_path), f"the array in {label_path}", count)


def _encode_labels(values: NDArray[Any], description: str, count: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    is_discrete = values.dtype.kind in "iubSU" or (values.dtype.kind == "f" and bool((values == np.rint(values)).all()))
    if values.size != count or values.shape[:1] != (count,) or not is_discrete:
        raise BadInput(
            f"{description} has shape {values.shape} and dtype {values.dtype}: save one integer or string for each of "
            f"the {count:,} images"
        )
    distinct, inverse = np.unique(values.reshape(count), return_inverse=True)
    if len(distinct) < 2:
        return np.zeros(count, np.int64), ()
    names = [_class_name(value) for value in distinct]
    order = sorted(range(len(names)), key=lambda index: natural_sort_key(names[index]))
    if values.dtype.kind not in "SU":
        order = list(range(len(names)))  # numbers are sorted already, negative ones too
    rank = np.argsort(np.array(order))
    return rank[inverse.reshape(count)].astype(np.int64), tuple(names[index] for index in order)


def _load_array(path: Path, array_name: str) -> NDArray[Any]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[Any] = archive[array_name]
            return array
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(
            f"{_describe_array(path, array_name)} cannot be read ({error}): save it again as an array of numbers"
        ) from error


def _describe_array(path: Path, array_name: str) -> str:
    return f"the array {array_name} in {path}"


def _error_message(error: Exception) -> str:
    """Return the first line of an error message, as part of a sentence."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _to_uint8(array: NDArray[Any], description: str) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise BadInput(
            f"{description} has dtype {array.dtype}: save images as uint8, or as floats in [0, 1] or [-1, 1]"
        )
    low, high = float(array.min()), float(array.max())
    floating = array.dtype.kind == "f"
    if floating and low >= 0 and high <= 1:
        return _round_to_uint8(array * 255)
    if floating and low >= -1 and high <= 1:
        return _round_to_uint8((array + 1) * 127.5)
    if low >= 0 and high <= 255:
        return _round_to_uint8(array)
    raise BadInput(
        f"{description} has values from {low:g} to {high:g}: scale them to 0..255 as uint8, or to [0, 1] or [-1, 1] as "
        "floats"
    )


def _round_to_uint8(array: NDArray[Any]) -> NDArray[np.uint8]:
    rounded: NDArray[np.uint8] = np.rint(array).astype(np.uint8)
    return rounded


def _find_channel_axis(shape: tuple[int, ...]) -> int | None:
    return next((axis for axis in (3, 1) if 1 <= shape[axis] <= 4), None)


def _class_name(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return f"{value:g}" if isinstance(value, np.floating) else str(value)


def _join_with_or(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
