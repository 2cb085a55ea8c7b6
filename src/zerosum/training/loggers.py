"""Adapters to other people's dashboards; never imported unless asked for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.run_folder import Row


def tensorboard_logger(folder: Path, examples: int) -> Callable[[Row], None]:
    """A listener that writes every number of a tick for TensorBoard, counted in images.

    Args:
        folder: the run's; events go into its `tensorboard/`.
        examples: where the run stands; what an interrupted one wrote beyond it is dropped.
    """
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=examples)

    def listen(row: Row) -> None:
        for name, value in row.items():
            if name not in {"round", "examples"} and isinstance(value, int | float):
                writer.add_scalar(name, value, row["examples"])
        writer.flush()

    return listen


LOGGERS: dict[str, Callable[[Path, int], Callable[[Row], None]]] = {"tensorboard": tensorboard_logger}


def check_loggers(names: Sequence[str]) -> None:
    """See that these trackers exist and are installed, before anything else is done.

    Raises:
        BadInput: one does not, or is not.
    """
    for name in names:
        if name not in LOGGERS:
            near = difflib.get_close_matches(name, LOGGERS, 1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(LOGGERS)}"
            raise BadInput(f"--logger {name}: no such tracker; {hint}")
        if find_spec(name) is None:
            raise BadInput(f'--logger {name} needs an extra: pip install "zerosum[{name}]"')
