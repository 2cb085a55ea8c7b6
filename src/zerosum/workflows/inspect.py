"""Inspect a data source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.kind import DATA_KINDS, load_dataset
from zerosum.recipes.recipe import validate_data
from zerosum.reporter import Reporter, SilentReporter

if TYPE_CHECKING:
    from zerosum.data.summary import DatasetSummary


def inspect_dataset(source: str | Path, *, reporter: Reporter | None = None) -> DatasetSummary:
    """Read a data source and summarize it: sizes, modes, classes, duplicates, unreadable files, and the split.

    Args:
        source: a folder, .zip, .npz or .npy file of images, or a built-in dataset.
        reporter: receives the progress messages; by default nothing is reported.

    Raises:
        BadInput: the source does not exist, or holds nothing to train on.

    Example:
        >>> summary = zerosum.inspect_dataset("ring")
        >>> summary.kind
        'points'
    """
    from zerosum.workflows.run_data import load_options

    data = validate_data({"source": str(source)})
    kind = DATA_KINDS.find(data.kind)
    inspection = kind.inspect(data)
    table: dict[str, object] = {"source": str(source), "kind": data.kind}
    kind.choose_settings(table, inspection, on_cpu=True)
    return load_dataset(validate_data(table), load_options(reporter or SilentReporter()), inspection).summary
