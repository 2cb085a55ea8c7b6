"""Inspect a data source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.recipes import defaults
from zerosum.reporter import Reporter, SilentReporter

if TYPE_CHECKING:
    from zerosum.data.images.summary import DatasetSummary


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
    from zerosum.data.images.inspect import inspect_source
    from zerosum.data.images.load import load_source
    from zerosum.recipes.parsing import SettingsTree

    reporter = reporter or SilentReporter()
    inspection = inspect_source(str(source))
    settings_tree = SettingsTree()
    defaults.choose_data_settings(settings_tree, inspection, on_cpu=True)
    data = settings_tree.tree["data"]

    def progress(done: int, total: int) -> None:
        reporter.progress(done, total, "reading")

    size, channels, fit = data.get("size", 0), data.get("channels", 0), data.get("fit", "")
    return load_source(str(source), size, channels, fit, progress=progress).summary
