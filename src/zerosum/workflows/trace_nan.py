"""Replay a diverged run to find the layer that produced the first non-finite number."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.inference.load import located_recipe, read_recipe
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset
    from zerosum.workflows.setup import TrainingSetup


def trace_nan(run: str | Path, *, reporter: Reporter | None = None) -> str:
    """Train a diverged run again from its last checkpoint, and find where the first NaN or infinity comes from.

    The run folder is only read.

    Args:
        run: the run folder.
        reporter: receives the progress messages; by default nothing is reported.

    Returns:
        The layer, gradient or step that produced the first non-finite number, and the round; "" if there was none.

    Raises:
        BadInput: the folder is not a run, or its data have changed.

    Example:
        >>> zerosum.trace_nan("runs/ring")  # this run did not diverge
        ''
    """
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    located = located_recipe(folder, recipe)
    from zerosum.training.accelerator import choose_device
    from zerosum.workflows.setup import TrainingSetup, reload_dataset

    setup = TrainingSetup.create(located, choose_device(recipe.training.device), (), reporter or SilentReporter())
    return _replay_from_checkpoint(setup, reload_dataset(setup, folder, located), folder)


def _replay_from_checkpoint(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> str:
    """Train from the newest checkpoint to one round beyond the log, and return the first non-finite number's origin."""
    from contextlib import closing
    from dataclasses import replace

    from zerosum.game.schedule import Progress
    from zerosum.training import checkpoint
    from zerosum.training.meter import Meter
    from zerosum.training.nan_tracer import FiniteCheckingAccelerator, replay_until_nonfinite
    from zerosum.workflows.start_weights import load_start_weights
    from zerosum.workflows.tuning import PROVISIONAL_EXAMPLES

    accelerator, training = FiniteCheckingAccelerator.from_accelerator(setup.accelerator), setup.recipe.training
    checking_setup = replace(setup, accelerator=accelerator)
    game = checking_setup.new_game(setup.recipe.resolve_schedules(training.examples or PROVISIONAL_EXAMPLES), dataset)
    load_start_weights(game, folder)
    with closing(checking_setup.build_loader(dataset)) as loader:
        checkpoints, progress = folder.checkpoints(), Progress()
        if checkpoints:
            progress, _ = checkpoint.load(checkpoints[-1], game, loader, Meter(), accelerator)
        end = max((int(row["examples"]) for row in folder.rows()), default=0) + training.batch_size
        return replay_until_nonfinite(game, loader, accelerator, progress, training.batch_size, end)
