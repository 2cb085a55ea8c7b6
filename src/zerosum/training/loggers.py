"""Loggers that send the rows of log.jsonl to other programs. They are imported only when asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.run_folder import Row


def tensorboard_logger(folder: Path, examples: int) -> Callable[[Row], None]:
    """Return a callback that writes every number of a log row for TensorBoard, with examples as the global step.

    Args:
        folder: the run folder; events are written to its `tensorboard/`.
        examples: examples trained so far; later events of an interrupted run are discarded.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=examples)

    def log_row(row: Row) -> None:
        for name, value in row.items():
            if name not in {"round", "examples"} and isinstance(value, int | float):
                writer.add_scalar(name, value, row["examples"])
        writer.flush()

    return log_row


LOGGERS: dict[str, Callable[[Path, int], Callable[[Row], None]]] = {"tensorboard": tensorboard_logger}


def check_loggers(names: Sequence[str]) -> None:
    """Check that these loggers exist and are installed.

    Raises:
        BadInput: if one does not exist or is not installed.
    """
    for name in names:
        if name not in LOGGERS:
            matches = difflib.get_close_matches(name, LOGGERS, 1)
            hint = f"did you mean {matches[0]}?" if matches else f"choose one of {', '.join(LOGGERS)}"
            raise BadInput(f"`loggers` {name}: no such logger; {hint}")
        if find_spec(name) is None:
            raise BadInput(f'`loggers` {name} is not installed: pip install "zerosum[{name}]"')
