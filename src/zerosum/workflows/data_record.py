"""What a run folder says of its data: data.json."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.kind import DATA_KINDS
from zerosum.game.sample_spec import is_bounded
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset
    from zerosum.recipes.recipe import Recipe


def build_data_record(recipe: Recipe, dataset: Dataset) -> dict[str, Json]:
    """Return the content of data.json: the summary of the dataset, its sources, its fingerprint, and its properties."""
    return dict(dataset.summary.as_dict()) | {
        "fingerprint": dataset.fingerprint,
        "sources": {name: _absolute_source(source) for name, source in recipe.data.sources.items()},
        "has_inputs": dataset.input_spec is not None,
        "bounded": is_bounded(dataset.spec),
        "augmentation": DATA_KINDS.find(dataset.summary.kind).augmentation,
    }


def _absolute_source(source: str) -> str:
    """Return the absolute path of a file or folder; the name of a built-in dataset is returned unchanged."""
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
