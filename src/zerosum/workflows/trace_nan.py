"""The verb `diagnose --trace-nan`: replay a run to find the layer that produced the first non-finite number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.inference.load import data_paths, read_recipe, with_data_paths
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset
    from zerosum.workflows.setup import TrainingSetup


def trace_nan(run: str | Path, *, reporter: Reporter | None = None) -> str:
    """Play a run that lost its numbers again from its last checkpoint, to see which layer gave the first bad one.

    Nothing of the run is changed.

    Returns:
        What gave the first number that is not finite, and in which round; empty where nothing did.

    Raises:
        BadInput: it is no run, or its data has changed.
    """
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    placed = with_data_paths(recipe, *data_paths(folder))
    from zerosum.training.accelerator import choose_device
    from zerosum.workflows.setup import TrainingSetup, reload_dataset

    setup = TrainingSetup.create(placed, choose_device(recipe.training.device), (), reporter or SilentReporter())
    return _replay_from_checkpoint(setup, reload_dataset(setup, folder, placed), folder)


def _replay_from_checkpoint(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> str:
    """What first gave a number that is not finite, where the run is played on from its newest checkpoint.

    The run's folder is only read.
    """
    from contextlib import closing
    from dataclasses import replace

    from zerosum.game.schedule import Progress
    from zerosum.training import checkpoint
    from zerosum.training.meter import Meter
    from zerosum.training.nan_tracer import FiniteCheckingAccelerator, replay_until_nonfinite
    from zerosum.workflows.tuning import PROVISIONAL_EXAMPLES

    accelerator, training = FiniteCheckingAccelerator.from_accelerator(setup.accelerator), setup.recipe.training
    careful = replace(setup, accelerator=accelerator)
    game = careful.new_game(setup.recipe.resolve_schedules(training.examples or PROVISIONAL_EXAMPLES), dataset)
    with closing(careful.build_loader(dataset)) as loader:
        found, progress = folder.checkpoints(), Progress()
        if found:
            progress, _ = checkpoint.load(found[-1], game, loader, Meter(), accelerator)
        end = max((int(row["examples"]) for row in folder.rows()), default=0) + training.batch_size
        return replay_until_nonfinite(game, loader, accelerator, progress, training.batch_size, end)
