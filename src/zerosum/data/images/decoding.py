"""Decode every image of a source in several threads, in the order of the source."""

from __future__ import annotations

import math
import os
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from zerosum.data.images.decode import MAX_EXAMPLES_PER_IMAGE, DecodedImage, decode_image, error_reason
from zerosum.data.images.memory import DecodingBudget
from zerosum.data.images.size import ImageSize
from zerosum.data.images.sources import Source
from zerosum.data.images.value_range import Range
from zerosum.data.kind import ProgressFn
from zerosum.errors import BadInput

Shape = tuple[int, int, int]
"""(H, W, C)"""

_CHUNK_IMAGES, _CHUNK_BYTES = 32, 2**21  # of a task: small enough to bound memory, large enough to make it cheap
_PREFETCH_BYTES = 2**28  # of tasks that are done and not yet taken


def decode_images(
    source: Source, shape: Shape, fit: str, value_range: Range | None, progress: ProgressFn
) -> Generator[tuple[int, DecodedImage | str], None, None]:
    """Yield each image of a source with its index, or the index and the reason why the image is unreadable.

    Args:
        source: the source.
        shape: (H, W, C) of the examples.
        fit: a name in `FITS`.
        value_range: the range of values of more than 8 bits, or None for that of their type.
        progress: called after each chunk of images has been taken, from this thread.
    """
    total = len(source.names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns about odd files, which are read or reported as unreadable anyway
        for chunk, results in _decode_in_order(source, shape, fit, value_range):
            yield from zip(chunk, results, strict=True)
            progress(chunk.stop, total)


def _decode_in_order(
    source: Source, shape: Shape, fit: str, value_range: Range | None
) -> Iterator[tuple[range, list[DecodedImage | str]]]:
    """Yield chunks of indices, each with its decoded images, or the reason why an image is unreadable."""
    # Many threads may wait for a slow disk at once, but only a few may hold a full-size photograph in memory.
    threads, budget = 32, DecodingBudget((os.cpu_count() or 1) + 2)
    total, image_bytes = len(source.names), math.prod(shape) * MAX_EXAMPLES_PER_IMAGE[fit]
    chunk_size = max(1, min(_CHUNK_IMAGES, _CHUNK_BYTES // image_bytes, total // (2 * threads)))
    max_pending = max(4, min(2 * threads, _PREFETCH_BYTES // (chunk_size * image_bytes)))
    pending: deque[tuple[range, Future[list[DecodedImage | str]]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="decode") as executor:
        try:
            for first in range(0, total, chunk_size):
                chunk = range(first, min(first + chunk_size, total))
                task = executor.submit(_decode_chunk, source, chunk, shape, fit, value_range, budget)
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
    source: Source, chunk: range, shape: Shape, fit: str, value_range: Range | None, budget: DecodingBudget
) -> list[DecodedImage | str]:
    return [_decode_one(source, index, shape, fit, value_range, budget) for index in chunk]


def _decode_one(
    source: Source, index: int, shape: Shape, fit: str, value_range: Range | None, budget: DecodingBudget
) -> DecodedImage | str:
    try:
        with source.open(index) as image, budget.reserve(image):
            return decode_image(image, ImageSize(*shape[:2]), shape[2], fit, value_range)
    except BadInput:
        raise
    except Exception as error:  # decoders raise any exception at damaged bytes; the other images are still usable
        return error_reason(error)
