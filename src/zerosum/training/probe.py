"""How long a round takes here, from a few timed moves."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

from zerosum.game.game import Game
from zerosum.game.schedule import Now
from zerosum.game.verdict import Batch
from zerosum.training.loop import make_move
from zerosum.training.machine import Machine
from zerosum.training.meter import Meter

PATIENCE = 0.3
"""Seconds spent on each kind of move, beyond the two steps that every estimate needs."""


def seconds_per_round(game: Game, stream: Iterator[Batch], machine: Machine) -> float:
    """The time of one round, its rare moves counted by their share. Trains the game: hand it one to throw away."""
    meter, now, total = Meter(), Now(), 0.0
    game.train()
    for move in game.moves:
        make_move(game, move, stream, machine, now, meter)  # the first is slow: kernels are chosen, memory is found
        machine.finish()
        times: list[float] = []
        # ranks average gradients in every step, so they must agree on how many to make
        while machine.any(len(times) < 2 or (sum(times) < PATIENCE and len(times) < 50))[0]:
            began = time.perf_counter()
            make_move(game, move, stream, machine, now, meter)
            machine.finish()
            times.append(time.perf_counter() - began)
        total += statistics.median(times) * move.times / move.every
    began = time.perf_counter()
    for player in game.players.values():
        player.follow(1, now)
    machine.finish()
    return total + time.perf_counter() - began
