"""The verb `data`: what a data source holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.recipes import defaults
from zerosum.reporter import Reporter, SilentReporter

if TYPE_CHECKING:
    from zerosum.data.images.summary import DatasetSummary


def inspect_dataset(source: str | Path, *, reporter: Reporter | None = None) -> DatasetSummary:
    """What the intake sees: sizes, modes, classes, duplicates, unreadable files, and the split.

    Raises:
        BadInput: it is not there, or holds nothing to train on.
    """
    from zerosum.data.images.inspect import inspect_source
    from zerosum.data.images.load import load_source
    from zerosum.recipes.parsing import SettingsTree

    reporter = reporter or SilentReporter()
    seen = inspect_source(str(source))
    draft = SettingsTree()
    defaults.choose_data_settings(draft, seen, on_cpu=True)
    chosen = draft.tree["data"]

    def progress(done: int, total: int) -> None:
        reporter.progress(done, total, "reading")

    size, channels, fit = chosen.get("size", 0), chosen.get("channels", 0), chosen.get("fit", "")
    return load_source(str(source), size, channels, fit, progress=progress).summary
