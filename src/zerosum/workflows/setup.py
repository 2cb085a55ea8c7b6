"""From a checked recipe to a run being played: data, measured pace, folder, session."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.device_cache import cache_on_device
from zerosum.data.images.sources import Source
from zerosum.data.load import load_dataset
from zerosum.data.loader import BatchLoader
from zerosum.data.points.mixtures import GaussianMixture
from zerosum.errors import BadInput
from zerosum.game.adversarial import AdversarialGame
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.validation import require_distributable
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.compile import CompileFn, Compiler, eager
from zerosum.workflows.build_game import build_game

MAX_EPOCHS_PER_BATCH = 16
"""How often a batch may hold every example; more is a mistake."""


@dataclass(frozen=True)
class TrainingSetup:
    """What a run is played on; of several ranks only the first speaks and writes."""

    recipe: Recipe
    accelerator: Accelerator
    loggers: Sequence[str]
    reporter: Reporter

    def with_precision(self, precision: str, compile_networks: CompileFn = eager) -> TrainingSetup:
        """The same stage, its networks computed in this precision, and compiled where `compile_networks` does that."""
        settled = {"precision": precision, "compile": "never" if compile_networks is eager else "always"}
        training = self.recipe.training.model_copy(update=settled)
        recipe = self.recipe.model_copy(update={"training": training})
        accelerator = Accelerator(
            self.accelerator.device, training.accumulate, *PRECISIONS[precision], compile_networks
        )
        return replace(self, recipe=recipe, accelerator=accelerator)

    @classmethod
    def create(cls, recipe: Recipe, device: torch.device, loggers: Sequence[str], reporter: Reporter) -> TrainingSetup:
        """A stage for this process.

        Raises:
            BadInput: the batch cannot be shared out over ranks and micro-batches.
        """
        training = recipe.training
        speaks = reporter if Accelerator(device).rank == 0 else SilentReporter()
        # "fastest" is settled when the data are there
        precision = PRECISIONS.get(training.precision, PRECISIONS["float32"])
        hasten = Compiler(report=speaks.message) if training.compile == "always" else eager
        accelerator = Accelerator(device, training.accumulate, *precision, hasten)
        require_distributable(recipe, accelerator.world_size)
        share = accelerator.world_size * training.accumulate
        if training.batch_size % share or training.batch_size < 2 * share:
            raise BadInput(
                f"--training.batch_size {training.batch_size}: {accelerator.world_size} ranks with accumulate {training.accumulate} "
                f"need a multiple of {share}, at least {2 * share}"
            )
        return cls(recipe, accelerator, loggers, speaks)

    def load_dataset_on_ranks(self, source: Source | GaussianMixture | None = None) -> Dataset:
        """The data, `source` already or not; the first rank reads, so that the others find it in the cache."""

        def progress(done: int, total: int) -> None:
            self.reporter.progress(done, total, "reading")

        data = self.recipe.data
        for turn in range(2):
            if (self.accelerator.rank > 0) == bool(turn):
                dataset = load_dataset(data, progress, source, self.recipe.game.bidirectional)
            self.accelerator.barrier()
        if self.recipe.is_conditional and not dataset.classes:
            raise BadInput(
                f"recipe {self.recipe.name} makes samples of a class, and {data.source} has no classes: put each class "
                f"into a folder of its own, add a labels.csv, or choose a recipe without (--recipe auto)"
            )
        if self.recipe.training.batch_size > MAX_EPOCHS_PER_BATCH * len(dataset.train):
            raise BadInput(
                f"--training.batch_size {self.recipe.training.batch_size}: more than {MAX_EPOCHS_PER_BATCH} times the "
                f"{len(dataset.train)} examples to train on; give a smaller one"
            )
        return dataset

    def new_game(self, recipe: Recipe, dataset: Dataset) -> AdversarialGame:
        """The game of this recipe on these examples, at its beginning."""
        return build_game(
            recipe, dataset.shape, dataset.bounded, self.accelerator, dataset.class_priors, dataset.input_shape
        )

    def build_loader(self, dataset: Dataset) -> BatchLoader:
        """Batches of the data for this rank."""
        training = self.recipe.training
        return BatchLoader(
            cache_on_device(dataset, self.accelerator.device),
            training.batch_size // training.accumulate,
            training.seed,
            self.accelerator.device,
            hflip=bool(self.recipe.data.hflip),
            rotate90=self.recipe.data.rotate90,
            workers=self.recipe.data.workers,
            rank=self.accelerator.rank,
            world_size=self.accelerator.world_size,
        )


def reload_dataset(setup: TrainingSetup, folder: RunFolder, recipe: Recipe) -> Dataset:
    """The data of a run, read again and found as they were."""
    try:
        dataset = setup.load_dataset_on_ranks()
    except BadInput as error:
        raise BadInput(f"{folder.path} needs the data it was trained on: {error}") from error
    if dataset.fingerprint != folder.read_json("data.json").get("fingerprint"):
        raise BadInput(
            f"{recipe.data.source} has changed since {folder.path} was trained on it; put the data back as it "
            f"was, or start a new run with another --run"
        )
    return dataset


def build_recipe_record(recipe: Recipe, device: torch.device, dataset: Dataset) -> dict[str, Any]:
    """The resolved recipe, and what it was made with: recipe.toml."""
    made = {
        "zerosum": zerosum.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "sample_shape": list(dataset.shape),
        "bounded": dataset.bounded,
    }
    if recipe.is_translation:
        made |= {"input_shape": list(dataset.input_shape)}
    if recipe.is_conditional:
        made |= {"classes": list(dataset.classes), "class_priors": list(dataset.class_priors)}
    return recipe.model_dump(mode="json", exclude_none=True) | {"metadata": made}


def build_data_record(recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    """What the intake saw, where it was, and a hash of it: data.json."""
    data, source = recipe.data, Path(recipe.data.source)
    seen = dataset.summary.as_dict() | {"fingerprint": dataset.fingerprint}
    seen["path"] = str(source.resolve()) if source.exists() else data.source
    return seen | ({"target_source": str(Path(data.target_source).resolve())} if data.target_source else {})
