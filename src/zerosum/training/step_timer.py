"""How long a round takes here, from a few timed moves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from zerosum.game.game import Game, Move
from zerosum.game.schedule import Now
from zerosum.game.types import Batch
from zerosum.training.accelerator import Machine
from zerosum.training.loop import play
from zerosum.training.meter import Meter

PATIENCE = 0.15
"""Seconds spent on moves of every round, beyond the two steps that every estimate needs; rarer ones get their share."""


def seconds_per_round(game: Game, stream: Iterator[Batch], machine: Machine, images: int) -> float:
    """The mean time of a round over a run of so many images, rare moves counted by their share.

    Trains the game: hand it one to throw away.
    """
    game.train()
    return sum(share * _seconds(game, stream, machine, now) for now, share in game.moments(images))


def _seconds(game: Game, stream: Iterator[Batch], machine: Machine, now: Now) -> float:
    """The time of a round now."""
    meter, total = Meter(), 0.0
    for moves in _together(game.moves):
        play(moves, game, stream, machine, now, meter)  # the first is slow: kernels are chosen, memory is found
        machine.finish()
        times: list[float] = []
        # ranks average gradients in every step, so they must agree on how many to make
        while machine.any(len(times) < 2 or (sum(times) < PATIENCE / moves[0].every and len(times) < 50))[0]:
            began = time.perf_counter()
            play(moves, game, stream, machine, now, meter)
            machine.finish()
            times.append(time.perf_counter() - began)
        total += statistics.median(times) / moves[0].every
    began = time.perf_counter()
    for player in game.players.values():
        player.follow(1, now)
    machine.finish()
    return total + time.perf_counter() - began


def _together(moves: list[Move]) -> list[list[Move]]:
    """Moves of one interval are timed in one go: what one makes the next may take up."""
    return [[move for move in moves if move.every == every] for every in {move.every: None for move in moves}]
