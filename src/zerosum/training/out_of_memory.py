"""A clear error when a device runs out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zerosum.errors import BadInput


@contextmanager
def explain_out_of_memory() -> Iterator[None]:
    """Turn out-of-memory errors within this context into `BadInput`.

    Raises:
        BadInput: if the networks and the batch do not fit into memory; the message says which settings to reduce.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise BadInput(_OUT_OF_MEMORY_MESSAGE) from error
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # the CPU's allocator has no error of its own
            raise
        raise BadInput(_OUT_OF_MEMORY_MESSAGE) from error


_OUT_OF_MEMORY_MESSAGE = (
    "out of memory: the device's memory is too small for these networks and this batch; halve `training.batch_size`, "
    "set `training.accumulate` to 2, or choose a smaller `data.size` or `size` nano"
)
