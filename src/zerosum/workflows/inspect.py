"""Inspect a data source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.kind import DATA_KINDS, load_dataset
from zerosum.errors import BadInput
from zerosum.recipes.recipe import validate_data
from zerosum.reporter import Reporter, SilentReporter

if TYPE_CHECKING:
    from zerosum.data.summary import DatasetSummary


PAIRINGS = ("paired", "unpaired")


def inspect_dataset(
    source: str | Path, target_source: str | Path = "", *, pairs: str = "", reporter: Reporter | None = None
) -> DatasetSummary:
    """Read a data source and summarize it: sizes, modes, classes, duplicates, unreadable files, and the split.

    Args:
        source: a folder, .zip, .npz or .npy file of images, or a built-in dataset.
        target_source: for image-to-image translation, a second folder that holds the target images.
        pairs: "paired" or "unpaired": the source holds inputs and targets, as in `data.pairs`; by default what the
            source looks like by itself.
        reporter: receives the progress messages; by default nothing is reported.

    Raises:
        BadInput: the source does not exist, or holds nothing to train on, or `pairs` is no pairing.

    Example:
        >>> summary = zerosum.inspect_dataset("ring")
        >>> summary.kind
        'points'
    """
    from zerosum.workflows.run_data import load_options

    if pairs and pairs not in PAIRINGS:
        raise BadInput(f"`pairs` {pairs}: choose {' or '.join(PAIRINGS)}")
    given = {"source": str(source), "target_source": str(target_source), "pairs": pairs}
    table: dict[str, object] = {name: value for name, value in given.items() if value}
    data = validate_data(table)
    kind = DATA_KINDS.find(data.kind)
    inspection = kind.inspect(data)
    table["kind"] = data.kind
    kind.choose_settings(table, inspection, on_cpu=True)
    return load_dataset(validate_data(table), load_options(reporter or SilentReporter()), inspection).summary
