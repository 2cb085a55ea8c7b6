"""Sources of images and labels in one .npz archive, or in one .npy file each."""

from __future__ import annotations

import threading
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from typing import Self, TypeVar, overload

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from zerosum.data.images.array_values import ArrayValues
from zerosum.data.images.files import hash_state
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.raster_image import MAX_CHANNELS, OpenedImage, find_channel_axis, to_opened_image
from zerosum.data.images.size import ImageSize
from zerosum.data.images.splits import Split
from zerosum.data.images.value_range import Extremes, Range
from zerosum.data.mapped_files import require_unchanged, watch_file
from zerosum.data.text import natural_sort_key, printable
from zerosum.errors import BadInput

Value = TypeVar("Value", bound=np.generic)

IMAGE_ARRAY_NAMES = ("images", "x", "x_train", "train_images", "arr_0")
"""Names of the array of images, in order of preference."""
LABEL_ARRAY_NAMES = ("labels", "y", "y_train", "train_labels")
"""Names of the array of labels, in order of preference."""
_VALIDATION_NAMES, _TEST_NAMES = ("x_val", "x_valid", "val_images"), ("x_test", "test_images")
_OTHER_SPLIT_NAMES = {
    Split.TRAINING: (),
    Split.VALIDATION: (*_VALIDATION_NAMES, *_TEST_NAMES),
    Split.TEST: (*_TEST_NAMES, *_VALIDATION_NAMES),
}


class IndexedNames(Sequence[str]):
    """The names `stem[0]`, `stem[1]` and so on, made on access: ten million strings would fill the memory."""

    def __init__(self, stem: str, count: int) -> None:
        """Create a sequence of `count` names."""
        self._stem, self._range = stem, range(count)

    def __len__(self) -> int:
        return len(self._range)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        numbers = self._range[index]
        return f"{self._stem}[{numbers}]" if isinstance(numbers, int) else [f"{self._stem}[{n}]" for n in numbers]


class _ArraySource:
    """The values of a source that is one array."""

    display_name: str
    _values: ArrayValues
    _lock: threading.Lock
    _keeps_type: bool = False

    @property
    def clipped(self) -> int:
        """The number of values outside the range, which are clipped; 0 if they are clipped later."""
        with self._lock:
            return 0 if self._keeps_type else self._values.clipped

    @property
    def extremes(self) -> Extremes | None:
        """The extremes of each image; None for bytes."""
        with self._lock:
            return self._values.extremes

    def with_range(self, value_range: Range | None, dtype: PixelType = "uint8") -> Self:
        """Return the source with the values scaled to bytes by another range (see `ArrayValues`), or unchanged."""
        source = copy(self)
        source._keeps_type = dtype != "uint8"
        if not source._keeps_type:
            with self._lock:
                source._values = self._values.with_range(value_range)
        return source

    def column(self, name: str) -> list[str]:
        """Refuse: an array has no table.

        Raises:
            BadInput: always.
        """
        raise BadInput(f"{self.display_name} has no table of labels with a column {name!r}: it is an array")

    def open(self, index: int) -> OpenedImage:
        """Return an image: bytes, or values of the type of the array if it was asked for.

        Raises:
            BadInput: at the first call, if the array does not hold finite numbers.
        """
        with self._lock:
            require_unchanged(self._values.array)
            values = self._values.array[index] if self._keeps_type else self._values.pixels[index]
        return to_opened_image(values)


class NpzSource(_ArraySource):
    """The images in an .npz, which are loaded when the first one is opened."""

    def __init__(self, display_name: str, path: Path, split: Split = Split.TRAINING) -> None:
        """Read the headers and the labels.

        Of an archive with x_train and x_test, the arrays of the wanted split are used, with a note.

        Raises:
            BadInput: if the file is not an .npz archive, or has no array of images, or its labels do not match.
        """
        shapes = read_array_shapes(path)
        array_name, notes = find_image_array(path, shapes, split)
        count = shapes[array_name][0]
        self.display_name = display_name
        self.names: Sequence[str] = IndexedNames(array_name, count)
        self.labels, self.classes = load_labels(path, shapes, count, array_name)
        self.other_files = 0
        self.notes: tuple[str, ...] = notes
        state = path.stat()
        self.state_hash = hash_state("npz", path, [(array_name, state.st_size, state.st_mtime_ns)])
        self._lock = threading.Lock()
        self._values = ArrayValues(partial(load_image_array, path, array_name), _describe_array(path, array_name))


class NpySource(_ArraySource):
    """The images in an .npy, memory-mapped; to be converted to bytes, others are loaded when the first one is opened.

    A memory-mapped file must not change while it is used: see `zerosum.data.mapped_files`.
    """

    def __init__(self, display_name: str, path: Path) -> None:
        """Memory-map the file, and read its label file if there is one.

        Raises:
            BadInput: if the file is not an .npy file, or holds no images, or its labels do not match.
        """
        self._memmap = memmap_npy(path)
        self._description = f"the array in {path}"
        check_image_shape(self._memmap.shape, self._description)
        count = len(self._memmap)
        self.display_name, self._path = display_name, path
        self.names: Sequence[str] = IndexedNames(path.stem, count)
        self.labels, self.classes = load_label_file(path, count)
        self.other_files = 0
        self.notes: tuple[str, ...] = ()
        files = [file for file in (path, label_file_path(path)) if file.is_file()]
        states = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        self.state_hash = hash_state("npy", path, states)
        self._lock = threading.Lock()
        self._values = ArrayValues(self._load, self._description)

    def holds_examples(self, size: ImageSize, channels: int) -> bool:
        """Return True if decoding would change no pixel: uint8 images of this size, gray or RGB.

        Decoding images with alpha changes the colors of transparent pixels: see `convert_channels`.
        """
        shape = (size.height, size.width, channels)
        return self._is_memmappable and channels in (1, 3) and self.images.shape[1:] == shape

    def read_blocks(self, block_bytes: int) -> Iterator[NDArray[np.uint8]]:
        """Yield all images in blocks (n, H, W, C) of about this many bytes, if they can be memory-mapped.

        They are read, not memory-mapped: touched pages of a map count as memory in use until the system reclaims them.
        """
        stored, image_bytes = self._memmap, self.images[0].nbytes
        block_images = max(1, block_bytes // image_bytes)
        with self._path.open("rb") as file:
            file.seek(stored.offset)
            for first in range(0, len(stored), block_images):
                count = min(block_images, len(stored) - first)
                block = np.fromfile(file, np.uint8, count * image_bytes)
                require_unchanged(stored)
                yield to_nhwc(block.reshape(count, *stored.shape[1:]))

    @property
    def _is_memmappable(self) -> bool:
        """Whether the images are uint8, each in one block of memory."""
        return self._memmap.dtype == np.uint8 and bool(self._memmap.flags.c_contiguous)

    @property
    def images(self) -> NDArray[np.uint8]:
        """(N, H, W, C) uint8: a view of the file if it can be memory-mapped."""
        return self._values.pixels

    def _load(self) -> NDArray[np.generic]:
        # one that is stored column by column would be read from the whole file for each image
        return to_nhwc(self._memmap if self._memmap.flags.c_contiguous else np.array(self._memmap))


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


def find_image_array(
    path: Path, shapes: dict[str, tuple[int, ...]], split: Split = Split.TRAINING
) -> tuple[str, tuple[str, ...]]:
    """Return the name of the array of images of a split, and a note if there are those of other splits.

    Raises:
        BadInput: if there is none, or its shape is not a shape of images.
    """
    name = next((name for name in (*_OTHER_SPLIT_NAMES[split], *IMAGE_ARRAY_NAMES) if name in shapes), None)
    if name is None:
        names = ", ".join(shapes) or "nothing"
        raise BadInput(
            f"{path} has no array named {_join_with_or(IMAGE_ARRAY_NAMES)} (found: {names}): save the images under the "
            "name images"
        )
    check_image_shape(shapes[name], _describe_array(path, name))
    parts = ("x_train", "train_images", *_VALIDATION_NAMES, *_TEST_NAMES)
    ignored = [other for other in parts if other in shapes and other != name]
    return name, (f"used {name} and ignored {' and '.join(ignored)}",) if ignored else ()


def check_image_shape(shape: tuple[int, ...], description: str) -> None:
    """Raise if an array cannot hold images.

    Raises:
        BadInput: if its shape is not (N, H, W), (N, H, W, C) or (N, C, H, W) with C from 1 to 64; or if it is that of
            one image (H, W, C).
    """
    if len(shape) == 3 and (1 <= shape[2] <= 4 < shape[1] or _is_one_image(shape)):
        raise BadInput(
            f"{description} has shape {shape}, which is that of one image (H, W, C): save several images with shape "
            "(N, H, W, C)"
        )
    if len(shape) not in (3, 4) or 0 in shape or (len(shape) == 4 and _count_channels(shape) > MAX_CHANNELS):
        raise BadInput(
            f"{description} has shape {shape}: save images with shape (N, H, W), (N, H, W, C) or (N, C, H, W), with C "
            f"from 1 to {MAX_CHANNELS}"
        )


def load_image_array(path: Path, array_name: str) -> NDArray[np.generic]:
    """Load the images (N, H, W, C) of an archive: see `to_nhwc`."""
    return to_nhwc(_load_array(path, array_name))


def to_nhwc(array: NDArray[Value]) -> NDArray[Value]:
    """Return a view (N, H, W, C) of images (N, H, W), (N, H, W, C) or (N, C, H, W) of any type."""
    if array.ndim == 3:
        return array[..., None]
    return array.transpose(0, 2, 3, 1) if find_channel_axis(array.shape[1:]) == 0 else array


def memmap_npy(path: Path) -> np.memmap[tuple[int, ...], np.dtype[np.generic]]:
    """Memory-map the array of an .npy file without reading it.

    Raises:
        BadInput: if the file is not an .npy file, is truncated, or holds Python objects.
    """
    try:
        array: np.memmap[tuple[int, ...], np.dtype[np.generic]] = npy.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError, OverflowError) as error:
        raise BadInput(
            f"{path} cannot be read as an .npy file ({_error_message(error)}): write it with numpy.save"
        ) from error
    watch_file(array, path)
    return array


def load_labels(
    path: Path, shapes: dict[str, tuple[int, ...]], count: int, image_array: str = "images"
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels (count,) int64 and class names in natural order; zeros and () if there are fewer than two classes.

    Raises:
        BadInput: if there are labels, but not one integer or string per image.
    """
    of_images = (
        image_array.replace("x", "y", 1) if image_array.startswith("x") else image_array.replace("images", "labels")
    )
    candidates = (of_images, *(LABEL_ARRAY_NAMES if image_array in IMAGE_ARRAY_NAMES else ()))
    name = next((name for name in candidates if name in shapes and name != image_array), None)
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


def _encode_labels(
    values: NDArray[np.generic], description: str, count: int
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
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


def _load_array(path: Path, array_name: str) -> NDArray[np.generic]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            array: NDArray[np.generic] = archive[array_name]
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


def _count_channels(shape: tuple[int, ...]) -> int:
    """Return the number of channels of images (N, H, W, C) or (N, C, H, W)."""
    return shape[1 + find_channel_axis(shape[1:])]


def _is_one_image(shape: tuple[int, ...]) -> bool:
    """Return True if (H, W, C) is that of one image of many bands, not of H images: two long sides and a short one."""
    height, width, channels = shape
    short, long = sorted((height, width))
    return channels <= MAX_CHANNELS and 4 * channels <= short and long <= 4 * short


def _class_name(value: np.generic) -> str:
    if isinstance(value, bytes):
        return printable(value.decode(errors="surrogateescape"))
    return f"{value:g}" if isinstance(value, np.floating) else printable(str(value))


def _join_with_or(names: tuple[str, ...]) -> str:
    return ", ".join(names[:-1]) + " or " + names[-1]
