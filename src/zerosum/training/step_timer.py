"""How long a round takes here, from a few timed moves."""

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
"""Seconds spent on moves of every round, beyond the two steps that every estimate needs; rarer ones get their share."""


def measure_seconds_per_round(
    game: Game, loader: Iterator[Batch], accelerator: Accelerator, total_examples: int
) -> float:
    """The mean time of a round over a run of so many images, rare moves counted by their share.

    Trains the game: hand it one to throw away.
    """
    game.train()
    return sum(
        share * _time_round(game, loader, accelerator, progress)
        for progress, share in game.timing_points(total_examples)
    )


def _time_round(game: Game, loader: Iterator[Batch], accelerator: Accelerator, progress: Progress) -> float:
    """The time of a round now."""
    meter, total = Meter(), 0.0
    for moves in _group_by_interval(game.moves):
        play_moves(
            moves, game, loader, accelerator, progress, meter
        )  # the first is slow: kernels are chosen, memory is found
        accelerator.synchronize()
        times: list[float] = []
        # ranks average gradients in every step, so they must agree on how many to make
        while accelerator.all_reduce_any(
            len(times) < 2 or (sum(times) < TIMING_BUDGET_SECONDS / moves[0].every_rounds and len(times) < 50)
        )[0]:
            began = time.perf_counter()
            play_moves(moves, game, loader, accelerator, progress, meter)
            accelerator.synchronize()
            times.append(time.perf_counter() - began)
        total += statistics.median(times) / moves[0].every_rounds
    began = time.perf_counter()
    for player in game.players.values():
        player.update_ema(1, progress)
    accelerator.synchronize()
    return total + time.perf_counter() - began


def _group_by_interval(moves: list[Move]) -> list[list[Move]]:
    """Moves of one interval are timed in one go: what one makes the next may take up."""
    return [
        [move for move in moves if move.every_rounds == every] for every in {move.every_rounds: None for move in moves}
    ]
