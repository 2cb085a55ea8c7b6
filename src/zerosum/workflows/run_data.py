"""The data of a run, read again: found where they were, checked to be the same, with the same split."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.codec_files import load_codec
from zerosum.data.kind import DATA_KINDS, LoadOptions, load_dataset
from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.inference.hub import is_hub_name
from zerosum.inference.load import located_recipe, read_recipe
from zerosum.inference.model_folder import is_model_folder
from zerosum.reporter import Reporter, TimedProgress
from zerosum.run_folder import RunFolder
from zerosum.workflows.changed_data import read_former_data

if TYPE_CHECKING:
    from zerosum.data.codec import Codec
    from zerosum.data.config import DataConfig
    from zerosum.data.dataset import Dataset
    from zerosum.data.former_data import FormerData
    from zerosum.recipes.recipe import Recipe
    from zerosum.workflows.changed_data import LoadFn


def load_run_data(folder: RunFolder, recipe: Recipe, load: LoadFn) -> Dataset:
    """Load the data that a run was trained on.

    Args:
        folder: the run folder.
        recipe: its recipe.
        load: loads data by their settings, whose sources are those of the run; if the data of the run have changed,
            with what it keeps of those of before.

    Raises:
        BadInput: the data cannot be read, or have changed since the run began.
    """
    data, codec = located_recipe(folder, recipe).data, _find_codec(folder)
    try:
        dataset = load(data, read_former_data(folder), codec)
    except BadInput as error:
        raise BadInput(f"{folder.path} needs the data it was trained on: {error}") from error
    if dataset.fingerprint != folder.read_json("data.json").get("fingerprint"):
        raise BadInput(
            f"{data.source} has changed since {folder.path} was trained on it, so its held-out part is not known; "
            f"restore the data, go on with them as they are now (`zerosum resume {quote_path(folder.path)}` with"
            " `data`), or train a new run on it in another folder"
        )
    if codec is not None:
        # the codec that the run was trained with, since another fit to the same data may differ in the last digits
        return replace(dataset, codec=codec)
    if dataset.codec.tensors():
        load_codec(folder.path)  # says why it cannot be read
    return dataset  # nothing is fitted, so the same data and settings give the same codec


def _find_codec(folder: RunFolder) -> Codec | None:
    """Return the codec of a run; None if it cannot be read."""
    try:
        return load_codec(folder.path).codec
    except BadInput:
        return None


def read_run_data(folder: RunFolder, recipe: Recipe, reporter: Reporter) -> Dataset:
    """Load the data of a run in this process, with progress messages; see `load_run_data`."""

    def load(data: DataConfig, former: FormerData | None, codec: Codec | None) -> Dataset:
        return load_dataset(data, replace(load_options(reporter), former=former, codec=codec))

    return load_run_data(folder, recipe, load)


def read_training_data(run: str | Path, reporter: Reporter) -> Dataset:
    """Load the data that a generator was trained on, with progress messages.

    Args:
        run: the run folder, a model folder or hf:user/name.
        reporter: receives the progress.

    Raises:
        BadInput: it is no run folder, or the data cannot be read, or have changed.
    """
    if is_hub_name(run) or is_model_folder(Path(run)):
        raise BadInput(f"{run} is a model, which comes without its training data")
    folder = RunFolder.open(Path(run))
    return read_run_data(folder, read_recipe(folder), reporter)


def load_other_data(data: DataConfig, dataset: Dataset, reporter: Reporter) -> Dataset:
    """Load other data in the form of a run's dataset, to compare samples with: their test split, or all of them.

    Args:
        data: the settings of the run's data, with other sources.
        dataset: the data of the run.
        reporter: receives the progress.

    Raises:
        BadInput: the data cannot be used, or have another form.
    """
    options = load_options(reporter, f"reading {data.source}", held_out_fraction=0.0, test_split=True)
    other = DATA_KINDS.find(data.kind).load_like(data, dataset, options)
    report_intake(other, reporter)
    return other


def report_intake(dataset: Dataset, reporter: Reporter) -> None:
    """Report how data were read for an evaluation: files ignored, equal or unreadable, values clipped, the split."""
    for line in dataset.summary.intake_lines():
        reporter.message(f"{dataset.summary.source}: {line}" if not line.startswith(" ") else line)


def load_options(
    reporter: Reporter,
    description: str = "reading",
    held_out_fraction: float | None = None,
    *,
    test_split: bool = False,
) -> LoadOptions:
    """Return options of loading that report progress, with the time that is left.

    Args:
        reporter: receives the progress.
        description: what is reported.
        held_out_fraction: the fraction to hold out of data that are only evaluated; None: data of a run.
        test_split: whether to read the test split of data that have one.
    """
    progress = TimedProgress(reporter, description)
    if held_out_fraction is None:
        return LoadOptions(progress)
    return LoadOptions(progress, held_out_fraction, for_evaluation=True, test_split=test_split)
