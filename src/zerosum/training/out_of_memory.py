"""What to do where memory is too small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zerosum.errors import BadInput


@contextmanager
def explain_out_of_memory() -> Iterator[None]:
    """Say what to do where the networks and the batch do not fit.

    Raises:
        BadInput: they do not.
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
    "the device's memory is too small for these networks and this batch; give half of --training.batch_size, "
    "--training.accumulate 2, a smaller --data.size or --size nano"
)
