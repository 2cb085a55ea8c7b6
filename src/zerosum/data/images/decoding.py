"""Decode every image of a source in several threads, in the order of the source."""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from zerosum.data.images.decode import MAX_EXAMPLES_PER_IMAGE, PIL_MODES, DecodedImage, decode_image, error_reason
from zerosum.data.images.decode_values import decode_values
from zerosum.data.images.example_format import ExampleFormat
from zerosum.data.images.files import open_file
from zerosum.data.images.memory import DecodingBudget
from zerosum.data.images.raster_image import OpenedImage
from zerosum.data.images.sources import Source
from zerosum.data.kind import ProgressFn
from zerosum.errors import BadInput

_CHUNK_IMAGES, _CHUNK_BYTES = 32, 2**21  # of a task: small enough to bound memory, large enough to make it cheap
_PREFETCH_BYTES = 2**28  # of tasks that are done and not yet taken


def decode_images(
    source: Source, form: ExampleFormat, progress: ProgressFn
) -> Generator[tuple[int, DecodedImage | str], None, None]:
    """Yield each image of a source with its index, or the index and the reason why the image is unreadable.

    Args:
        source: the source.
        form: the format of the examples.
        progress: called after each chunk of images has been taken, from this thread.
    """
    total = len(source.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd files, which are read or reported as unreadable anyway
        for chunk, results in _decode_in_order(source, form):
            yield from zip(chunk, results, strict=True)
            progress(chunk.stop, total)


def decode_opened(image: OpenedImage, form: ExampleFormat) -> DecodedImage:
    """Decode an opened image: as one of Pillow if bytes in gray or RGB are wanted, else as an array of its own type."""
    if isinstance(image, Image.Image) and form.dtype == "uint8" and form.channels in PIL_MODES and not form.pages:
        return decode_image(image, form.size, form.channels, form.fit, form.value_range)
    return decode_values(image, form)


def decode_file(path: Path, form: ExampleFormat) -> DecodedImage:
    """Decode one file.

    Raises:
        BadInput: it cannot be read, or is no regular file: a FIFO or a device may give bytes for ever, or none.
    """
    if path.exists() and not path.is_file():
        raise BadInput(f"{path}: cannot be read as an image (not a regular file); name an image file")
    try:
        with open_file(path, path.name) as image:
            return decode_opened(image, form)
    except Exception as error:  # decoders raise any exception at damaged bytes
        raise BadInput(f"{path}: cannot be read as an image ({error_reason(error)}); replace the file") from error


def _decode_in_order(source: Source, form: ExampleFormat) -> Iterator[tuple[range, list[DecodedImage | str]]]:
    """Yield chunks of indices, each with its decoded images, or the reason why an image is unreadable."""
    # Many threads may wait for a slow disk at once, but only a few may hold a full-size photograph in memory.
    threads, budget = 32, DecodingBudget((os.cpu_count() or 1) + 2)
    total, image_bytes = len(source.names), form.nbytes * MAX_EXAMPLES_PER_IMAGE[form.fit]
    chunk_size = max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // image_bytes, total // (2 * threads)))
    max_pending = max(4, min(2 * threads, _PREFETCH_BYTES // (chunk_size * image_bytes)))
    pending: deque[tuple[range, Future[list[DecodedImage | str]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as executor:
        try:
            for first in range(0, total, chunk_size):
                chunk = range(first, min(first + chunk_size, total))
                task = executor.submit(_decode_chunk, source, chunk, form, budget)
                pending.append((chunk, task))
                if len(pending) > max_pending:  # bounds the memory, however slow the writer is
                    done_chunk, future = pending.popleft()
                    yield done_chunk, future.result()
            while pending:
                done_chunk, future = pending.popleft()
                yield done_chunk, future.result()
        finally:
            for _, future in pending:
                future.cancel()


def _decode_chunk(
    source: Source, chunk: range, form: ExampleFormat, budget: DecodingBudget
) -> list[DecodedImage | str]:
    return [_decode_one(source, index, form, budget) for index in chunk]


def _decode_one(source: Source, index: int, form: ExampleFormat, budget: DecodingBudget) -> DecodedImage | str:
    try:
        with source.open(index) as image, budget.reserve(image):
            return decode_opened(image, form)
    except BadInput:
        raise
    except Exception as error:  # decoders raise any exception at damaged bytes; the other images are still usable
        return error_reason(error)
