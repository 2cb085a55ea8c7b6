"""The data of a run after they have changed: which side of the split each content is on, and the record of changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zerosum.data.codec_files import load_codec
from zerosum.data.former_data import FormerData, FormerSplit
from zerosum.data.tensor_files import save_tensors
from zerosum.errors import BadInput
from zerosum.files import quote_path, write_atomically
from zerosum.inference.load import rewrite_recipe
from zerosum.run_folder import SPLIT_FILE, Row, RunFolder
from zerosum.units import format_count
from zerosum.workflows.data_record import build_data_record

if TYPE_CHECKING:
    from zerosum.data.codec import Codec
    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.recipes.recipe import Recipe

    LoadFn = Callable[[DataConfig, FormerData | None, Codec | None], Dataset]
    """Loads data by their settings; if a run keeps something of its former data, or has a codec, with that."""

MAX_NAMED_CLASSES = 6
"""Maximum number of classes that a message names."""


@dataclass(frozen=True)
class DataChange:
    """The data that a run is continued with, and how they differ from those of before."""

    dataset: Dataset
    split: FormerSplit
    """The sides of all contents, with those that are no longer there."""
    is_same: bool
    """Whether they are the same data, at another place perhaps."""
    added: int = 0
    """Number of distinct contents that were not there before."""
    removed: int = 0
    """Number of distinct contents that are no longer there."""

    def describe(self, source: str) -> str:
        """Return a sentence for the user."""
        if self.is_same:
            return f"the data of {source} are the same as before"
        noun, summary = self.dataset.summary.noun, self.dataset.summary
        return (
            f"the data are now those of {source}: {format_count(self.added)} {noun}s were added and"
            f" {format_count(self.removed)} removed; {format_count(summary.train)} to train on and"
            f" {format_count(summary.held_out)} held out, and each {noun} of before is still on its side"
        )


def save_split(dataset: Dataset, folder: Path) -> None:
    """Write the sides of the contents of a run's data into its folder.

    Raises:
        OSError: the file cannot be written.
    """
    _write_split(FormerSplit.of(dataset), folder / SPLIT_FILE)


def _write_split(split: FormerSplit, path: Path) -> None:
    import torch

    sides = {"train": split.train, "held_out": split.held_out, "gone": split.gone}
    save_tensors({name: torch.from_numpy(hashes.view(np.int64).copy()) for name, hashes in sides.items()}, path)


def _split_file(folder: RunFolder) -> Path:
    """Return the file with the sides of the contents of a run's data: data.json names it once they have changed."""
    return folder.path / str(folder.read_json("data.json").get("split", SPLIT_FILE))


def read_split(folder: RunFolder) -> FormerSplit | None:
    """Return the sides of the contents of a run's data; None if the run does not say.

    Raises:
        BadInput: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = _split_file(folder)
    if not file.exists():
        return None
    try:
        sides = {name: tensor.numpy().view(np.uint64) for name, tensor in load_file(file).items()}
        return FormerSplit(sides["train"], sides["held_out"], sides["gone"])
    except (OSError, KeyError, TypeError, ValueError, SafetensorError) as error:
        raise BadInput(
            f"{file} cannot be read ({error}); it says which examples are held out, so restore it"
        ) from error


def read_former_data(folder: RunFolder) -> FormerData | None:
    """Return what a run keeps of its former data; None if its data have never changed."""
    if not folder.read_json("data.json").get("changes"):
        return None
    split = read_split(folder)
    if split is None:
        raise BadInput(f"{_split_file(folder)} is missing: it says which examples are held out; restore it")
    return FormerData(split, load_codec(folder.path).codec)


def load_changed_data(folder: RunFolder, recipe: Recipe, load: LoadFn, reload: Callable[[], Dataset]) -> DataChange:
    """Load the data that a run is to be continued with.

    Args:
        folder: the run folder.
        recipe: its recipe, with the new sources.
        load: loads data by their settings.
        reload: loads the former data of a run that does not say on which sides its contents are.

    Raises:
        BadInput: the data cannot be read, or the run cannot be continued with them.
    """
    split, saved = read_split(folder) or FormerSplit.of(reload()), load_codec(folder.path)
    dataset = load(recipe.data, FormerData(split, saved.codec), saved.codec)
    has_same_form = (saved.codec.spec, saved.input_spec) == (dataset.spec, dataset.input_spec)
    _require_same_form(folder, recipe, dataset, has_same_form)
    now = FormerSplit.of(dataset)
    _require_same_sides(recipe, dataset, split, now)
    added, removed = np.setdiff1d(now.present, split.present), np.setdiff1d(split.present, now.present)
    is_same = folder.read_json("data.json").get("fingerprint") == dataset.fingerprint
    return DataChange(replace(dataset, codec=saved.codec), split.merge(now), is_same, len(added), len(removed))


def record_data_change(folder: RunFolder, recipe: Recipe, change: DataChange, examples: int) -> None:
    """Write into the run folder that the run goes on with other data, or with the same at another place.

    Args:
        folder: the run folder.
        recipe: its recipe, with the new sources.
        change: the data.
        examples: training examples so far.
    """
    dataset, former = change.dataset, folder.read_json("data.json")
    changes, split_file = former.get("changes", []), former.get("split", SPLIT_FILE)
    if not change.is_same:
        row: Row = {
            "examples": examples,
            "source": recipe.data.source,
            "added": change.added,
            "removed": change.removed,
        }
        # data.json comes last and names a new file: if killed in between, the run has its former data and sides
        changes = [*changes, row]
        split_file = Path(SPLIT_FILE).with_stem(f"{Path(SPLIT_FILE).stem}-{len(changes) + 1}").name
        write_atomically(folder.path / split_file, lambda path: _write_split(change.split, path))
    record = build_data_record(recipe, dataset) | {"changes": changes, "split": split_file}
    rewrite_recipe(folder, recipe, {"class_priors": list(dataset.class_priors)} if recipe.is_conditional else {})
    folder.write_json("data.json", record)


def _require_same_sides(recipe: Recipe, dataset: Dataset, former: FormerSplit, now: FormerSplit) -> None:
    """Raise BadInput if a kind of data has moved contents to the other side of the split."""
    moved = len(np.intersect1d(now.train, former.held_out)), len(np.intersect1d(now.held_out, former.train))
    if any(moved):
        noun = dataset.summary.noun
        raise BadInput(
            f"`data` {recipe.data.source}: {moved[0]:,} {noun}s that were held out would be trained on, and"
            f" {moved[1]:,} that were trained on would be held out; the kind of data {recipe.data.kind} does not keep"
            " them on their side (`LoadOptions.keep_sides`), so start a new run with `start_from`"
        )


def _require_same_form(folder: RunFolder, recipe: Recipe, dataset: Dataset, has_same_form: bool) -> None:
    """Raise BadInput if samples have another form, or the run is conditioned on classes and these are others."""
    path, noun = quote_path(folder.path), dataset.summary.noun
    if not has_same_form:
        raise BadInput(
            f"`data` {recipe.data.source}: these {noun}s do not have the form of those that {path} was trained on, so"
            " it cannot go on with them; start a new run from it with `start_from`"
        )
    if not recipe.is_conditional:
        return
    classes = tuple(folder.read_toml("recipe.toml").get("metadata", {}).get("classes", ()))
    if classes != dataset.classes:
        there, here = (_enumerate(names) for names in (classes, dataset.classes))
        raise BadInput(
            f"`data` {recipe.data.source}: has the classes {here}, and {path} was trained on {there}; to go on with"
            " other classes, start a new run from it with `start_from`"
        )


def _enumerate(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_NAMED_CLASSES} more" if len(names) > MAX_NAMED_CLASSES else ""
    return ", ".join(names[:MAX_NAMED_CLASSES]) + more
