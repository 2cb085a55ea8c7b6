"""Run the command line with `zerosum`, `python -m zerosum` or `torchrun -m zerosum`."""

from __future__ import annotations

import os
import signal
from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""


def main() -> None:
    """Run the command line and exit with its exit code; Ctrl-C while modules are imported ends it quietly."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    from zerosum.cli import main as run_command_line

    run_command_line()


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the process at once while a module is imported, otherwise raise KeyboardInterrupt.

    An import takes seconds and writes nothing. An exception in it could be swallowed by the module, printed with a
    traceback, or abort the process inside compiled code.
    """
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
