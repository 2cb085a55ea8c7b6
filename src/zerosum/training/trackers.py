"""Adapters to other people's dashboards; never imported unless asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.run import Row


def tensorboard(folder: Path) -> Callable[[Row], None]:
    """A listener that writes every number of a tick for TensorBoard, counted in images.

    Raises:
        BadInput: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise BadInput('--tracker tensorboard needs an extra: pip install "zerosum[tensorboard]"') from error
    writer = SummaryWriter(str(folder / "tensorboard"))

    def listen(row: Row) -> None:
        for name, value in row.items():
            if name not in {"round", "images"}:
                writer.add_scalar(name, value, row["images"])
        writer.flush()

    return listen


TRACKERS: dict[str, Callable[[Path], Callable[[Row], None]]] = {"tensorboard": tensorboard}
