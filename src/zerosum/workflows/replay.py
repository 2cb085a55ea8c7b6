"""A run that lost its numbers, played again to see where."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from zerosum.data.dataset import Examples
from zerosum.game.schedule import Now
from zerosum.run_folder import RunFolder
from zerosum.training import checkpoint
from zerosum.training.meter import Meter
from zerosum.training.nan_tracer import Careful, autopsy
from zerosum.workflows.setup import ROUGH, Stage


def replayed(stage: Stage, examples: Examples, folder: RunFolder) -> str:
    """What first gave a number that is not finite, where the run is played on from its newest checkpoint.

    The run's folder is only read.
    """
    machine, training = Careful.like(stage.machine), stage.recipe.training
    careful = replace(stage, machine=machine)
    game = careful.game(stage.recipe.spread(training.images or ROUGH), examples)
    with closing(careful.stream(examples)) as stream:
        found, now = folder.checkpoints(), Now()
        if found:
            now, _ = checkpoint.load(found[-1], game, stream, Meter(), machine)
        end = max((int(row["images"]) for row in folder.rows()), default=0) + training.batch
        return autopsy(game, stream, machine, now, training.batch, end)
