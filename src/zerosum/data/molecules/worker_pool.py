"""Compute chunks in several processes, in order; few chunks are computed in this one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, islice
from queue import SimpleQueue
from typing import IO, Generic, TypeVar, cast

from zerosum.errors import BadInput

Chunk = TypeVar("Chunk")
Result = TypeVar("Result")

MAX_PROCESSES = 16
FEW_CHUNKS = 3
"""So many chunks are computed in this process: starting others takes longer."""
_PENDING_PER_PROCESS = 3  # chunks that are read ahead, which bounds the memory
_PROGRAM = "from zerosum.data.molecules.worker import main; main()"


def count_processes() -> int:
    """Return how many processes compute: one for each processor that this one may use, up to `MAX_PROCESSES`."""
    try:
        available = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS and Windows
        available = os.cpu_count() or 1
    return min(available, MAX_PROCESSES)


def map_chunks(
    function: Callable[[Chunk], Result], chunks: Iterable[Chunk], processes: int | None = None
) -> Generator[Result, None, None]:
    """Yield the results of a function for each chunk, in order.

    Closing the generator, as Ctrl-C does, ends the processes.

    Args:
        function: can be pickled, and so can chunks and results.
        chunks: are read as they are needed.
        processes: how many compute; None: `count_processes`.

    Raises:
        BadInput: a process was ended by the operating system.
    """
    iterator = iter(chunks)
    first = list(islice(iterator, FEW_CHUNKS + 1))
    number = count_processes() if processes is None else processes
    if len(first) <= FEW_CHUNKS or number < 2:
        yield from map(function, chain(first, iterator))
        return
    yield from _map_in_processes(function, chain(first, iterator), number)


def _map_in_processes(
    function: Callable[[Chunk], Result], chunks: Iterator[Chunk], number: int
) -> Generator[Result, None, None]:
    workers = [_Worker[Chunk, Result]() for _ in range(number)]
    free: SimpleQueue[_Worker[Chunk, Result]] = SimpleQueue()
    for worker in workers:
        free.put(worker)

    def compute(chunk: Chunk) -> Result:
        worker = free.get()
        try:
            return worker.call(function, chunk)
        finally:
            free.put(worker)

    pending: deque[Future[Result]] = deque()
    executor = ThreadPoolExecutor(number, thread_name_prefix="molecules")
    try:
        for chunk in chunks:
            pending.append(executor.submit(compute, chunk))
            if len(pending) > _PENDING_PER_PROCESS * number:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        for worker in workers:
            worker.kill()
        executor.shutdown()  # the calls that are not finished end, since their processes have
        for worker in workers:
            worker.close()


class _Worker(Generic[Chunk, Result]):
    """A process that computes chunks."""

    def __init__(self) -> None:
        paths = [os.path.abspath(path) for path in sys.path]  # noqa: PTH100  # "" is the working folder
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the others
        )

    def call(self, function: Callable[[Chunk], Result], chunk: Chunk) -> Result:
        """Return the result of a chunk, or raise what the function raised.

        Raises:
            BadInput: the process was ended.
        """
        stdin, stdout = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        try:
            pickle.dump((function, chunk), stdin, pickle.HIGHEST_PROTOCOL)
            stdin.flush()
            is_done, result = pickle.load(stdout)  # from our own process
        except (OSError, EOFError, ValueError) as error:
            raise BadInput(
                "`data.source`: a process that reads molecules ended unexpectedly, perhaps for lack of memory; free"
                " some and start again"
            ) from error
        if not is_done:
            raise result
        return cast("Result", result)

    def kill(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()

    def close(self) -> None:
        """Release what belongs to the ended process."""
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # of a call that was not finished
                    pipe.close()
