"""Everything that a run is trained with: the recipe, the accelerator, the dataset, the loader and the game."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

import zerosum
from zerosum.data.codec import Codec
from zerosum.data.config import DataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.device_cache import cache_on_device
from zerosum.data.former_data import FormerData
from zerosum.data.kind import DATA_KINDS, Inspection, load_dataset
from zerosum.data.loader import BatchLoader
from zerosum.errors import BadInput
from zerosum.game.adversarial import AdversarialGame
from zerosum.inference.load import read_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.validation import require_distributable
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import FORMAT_VERSION, Json, Row, RunFolder
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.compile import CompileFn, Compiler, eager
from zerosum.workflows.build_game import DataInfo, build_game
from zerosum.workflows.changed_data import DataChange, load_changed_data
from zerosum.workflows.run_data import load_options, load_run_data

MAX_EPOCHS_PER_BATCH = 16
"""Maximum batch size as a multiple of the training set; a larger one is taken for a mistake."""


@dataclass(frozen=True)
class TrainingSetup:
    """The recipe of a run and what this process trains it with. Only rank 0 reports and writes files."""

    recipe: Recipe
    accelerator: Accelerator
    loggers: Sequence[str]
    reporter: Reporter

    def with_precision(self, precision: str, compile_networks: CompileFn = eager) -> TrainingSetup:
        """Return the same setup with networks of this precision, compiled by `compile_networks`."""
        update = {"precision": precision, "compile": "never" if compile_networks is eager else "always"}
        training = self.recipe.training.model_copy(update=update)
        recipe = self.recipe.model_copy(update={"training": training})
        accelerator = Accelerator(
            self.accelerator.device, training.accumulate, *PRECISIONS[precision], compile_networks
        )
        return replace(self, recipe=recipe, accelerator=accelerator)

    @classmethod
    def create(cls, recipe: Recipe, device: torch.device, loggers: Sequence[str], reporter: Reporter) -> TrainingSetup:
        """Return the setup of this process.

        Raises:
            BadInput: the batch cannot be divided among processes and micro-batches.
        """
        training = recipe.training
        rank_reporter = reporter if Accelerator(device).rank == 0 else SilentReporter()
        # "fastest" is resolved once the data are loaded
        precision = PRECISIONS.get(training.precision, PRECISIONS["float32"])
        compile_fn = Compiler(report=rank_reporter.message) if training.compile == "always" else eager
        accelerator = Accelerator(device, training.accumulate, *precision, compile_fn)
        require_distributable(recipe, accelerator.world_size)
        parts = accelerator.world_size * training.accumulate
        if training.batch_size % parts or training.batch_size < 2 * parts:
            raise BadInput(
                f"`training.batch_size` {training.batch_size}: {accelerator.world_size} processes with "
                f"`training.accumulate` {training.accumulate} need a multiple of {parts}, at least {2 * parts}"
            )
        return cls(recipe, accelerator, loggers, rank_reporter)

    def load_dataset_on_ranks(
        self,
        data: DataConfig,
        former: FormerData | None = None,
        codec: Codec | None = None,
        inspection: Inspection | None = None,
    ) -> Dataset:
        """Load the dataset on every rank: first on rank 0, so that the other ranks find it in the cache.

        Args:
            data: the settings of the data.
            former: what a run keeps of its data, if these are its data after a change.
            codec: that of the run whose data these are.
            inspection: the inspection of the data, if they were inspected already.

        Raises:
            BadInput: the data cannot be used, lack classes that the recipe needs, or are too few for the batch size.
        """
        for other_ranks in (False, True):
            if (self.accelerator.rank > 0) == other_ranks:
                options = replace(load_options(self.reporter), former=former, codec=codec)
                dataset = load_dataset(data, options, inspection)
            self.accelerator.barrier()
        dataset = self._share_codec(dataset)
        has_conditions = bool(dataset.classes) or dataset.codec.condition_spec is not None
        if self.recipe.is_conditional and not has_conditions:
            reason = DATA_KINDS.find(data.kind).explain_missing_conditions(self.recipe.name)
            raise BadInput(f"{data.source} {reason}")
        if self.recipe.training.batch_size > MAX_EPOCHS_PER_BATCH * len(dataset.train):
            raise BadInput(
                f"`training.batch_size` {self.recipe.training.batch_size}: more than {MAX_EPOCHS_PER_BATCH} times the "
                f"{len(dataset.train)} training examples; give a smaller one"
            )
        return dataset

    def _share_codec(self, dataset: Dataset) -> Dataset:
        """Return the dataset with the codec of the first rank: another fit may differ in the last digits."""
        codec = dataset.codec
        settings, tensors = self.accelerator.broadcast((dict(codec.settings()), dict(codec.tensors())))
        if self.accelerator.rank == 0:
            return dataset
        return replace(dataset, codec=DATA_KINDS.find(dataset.summary.kind).restore_codec(settings, tensors))

    def new_game(self, recipe: Recipe, dataset: Dataset) -> AdversarialGame:
        """Build the game of this recipe for this dataset, with newly initialized networks."""
        codec = dataset.codec
        data = DataInfo(
            dataset.spec, dataset.class_priors, dataset.input_spec, codec.condition_spec, codec.draw_conditions
        )
        game = build_game(recipe, data, self.accelerator)
        if self.accelerator.rank > 0:  # equal weights, but dropout masks of its own
            torch.manual_seed(recipe.training.seed + 2**32 * self.accelerator.rank)
        return game

    def build_loader(self, dataset: Dataset) -> BatchLoader:
        """Return the loader of this rank's micro-batches."""
        training = self.recipe.training
        return BatchLoader(
            cache_on_device(dataset, self.accelerator.device),
            training.batch_size // training.accumulate,
            training.seed,
            self.accelerator.device,
            workers=self.recipe.data.workers,
            rank=self.accelerator.rank,
            world_size=self.accelerator.world_size,
        )


def reload_dataset(setup: TrainingSetup, folder: RunFolder, recipe: Recipe) -> Dataset:
    """Load the dataset of an existing run on every rank.

    Raises:
        BadInput: the data cannot be read, or have changed since the run began.
    """
    return load_run_data(folder, recipe, setup.load_dataset_on_ranks)


def change_dataset(setup: TrainingSetup, folder: RunFolder) -> DataChange:
    """Load, on every rank, the data of the setup's recipe, with which an existing run goes on.

    Raises:
        BadInput: the data cannot be read, or the run cannot go on with them.
    """

    def reload() -> Dataset:
        return load_run_data(folder, read_recipe(folder), setup.load_dataset_on_ranks)

    return load_changed_data(folder, setup.recipe, setup.load_dataset_on_ranks, reload)


def build_recipe_record(recipe: Recipe, device: torch.device, dataset: Dataset) -> Row:
    """Return the content of recipe.toml: all settings, and [metadata] about the versions, the device and the data."""
    metadata: dict[str, Json] = {
        "format": FORMAT_VERSION,
        "zerosum": zerosum.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
    }
    if recipe.is_conditional:
        metadata |= {"classes": list(dataset.classes), "class_priors": list(dataset.class_priors)}
    return recipe.model_dump(mode="json", exclude_none=True) | {"metadata": metadata}
