"""Measure how long a round takes on this machine, from a few timed moves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_moves
from zerosum.training.meter import Meter

TIMING_BUDGET_SECONDS = 0.15
"""Seconds spent on timing the moves of every round, beyond the two steps that each estimate needs. Moves of every
n-th round get 1 / n of it."""


def measure_seconds_per_round(
    game: Game, loader: Iterator[Batch], accelerator: Accelerator, total_examples: int
) -> float:
    """Return the mean seconds of a round over a run of `total_examples`, rare moves weighted by their frequency.

    This trains the game: pass one that is not needed afterwards.
    """
    game.train()
    return sum(
        fraction * _time_round(game, loader, accelerator, progress)
        for progress, fraction in game.timing_points(total_examples)
    )


def _time_round(game: Game, loader: Iterator[Batch], accelerator: Accelerator, progress: Progress) -> float:
    """Return the seconds of a round at this progress."""
    meter, total = Meter(), 0.0
    for moves in _group_by_interval([move for move in game.moves if move.has_weight(progress)]):
        # not timed: the first call is slow, since it chooses kernels and allocates memory
        play_moves(moves, game, loader, accelerator, progress, meter)
        accelerator.synchronize()
        times: list[float] = []
        # ranks average gradients in every step, so they must agree on the number of steps
        while accelerator.all_reduce_any(
            len(times) < 2 or (sum(times) < TIMING_BUDGET_SECONDS / moves[0].every_rounds and len(times) < 50)
        )[0]:
            start = time.perf_counter()
            play_moves(moves, game, loader, accelerator, progress, meter)
            accelerator.synchronize()
            times.append(time.perf_counter() - start)
        total += statistics.median(times) / moves[0].every_rounds
    start = time.perf_counter()
    for player in game.players.values():
        player.update_ema(1, progress)
    accelerator.synchronize()
    return total + time.perf_counter() - start


def _group_by_interval(moves: list[Move]) -> list[list[Move]]:
    """Group moves by interval. They are timed together, since a move may reuse the batch of the one before it."""
    return [
        [move for move in moves if move.every_rounds == every] for every in {move.every_rounds: None for move in moves}
    ]
