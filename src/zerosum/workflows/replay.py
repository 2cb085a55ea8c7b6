"""A run that lost its numbers, played again to see where."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from zerosum.data.dataset import Dataset
from zerosum.game.schedule import Progress
from zerosum.run_folder import RunFolder
from zerosum.training import checkpoint
from zerosum.training.meter import Meter
from zerosum.training.nan_tracer import FiniteCheckingAccelerator, replay_until_nonfinite
from zerosum.workflows.setup import PROVISIONAL_EXAMPLES, TrainingSetup


def replay_from_checkpoint(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> str:
    """What first gave a number that is not finite, where the run is played on from its newest checkpoint.

    The run's folder is only read.
    """
    accelerator, training = FiniteCheckingAccelerator.from_accelerator(setup.accelerator), setup.recipe.training
    careful = replace(setup, accelerator=accelerator)
    game = careful.new_game(setup.recipe.resolve_schedules(training.examples or PROVISIONAL_EXAMPLES), dataset)
    with closing(careful.build_loader(dataset)) as loader:
        found, progress = folder.checkpoints(), Progress()
        if found:
            progress, _ = checkpoint.load(found[-1], game, loader, Meter(), accelerator)
        end = max((int(row["examples"]) for row in folder.rows()), default=0) + training.batch_size
        return replay_until_nonfinite(game, loader, accelerator, progress, training.batch_size, end)
