"""Where a round's time goes: by part of each move, and by operator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

from zerosum.game.game import Game
from zerosum.game.schedule import Now
from zerosum.game.types import Batch
from zerosum.training.accelerator import Machine
from zerosum.training.loop import MARK, play_round
from zerosum.training.meter import Meter

WARM, MOST = 2, 10
"""Rounds played before it counts, and operators told of, at most."""


@dataclass(frozen=True)
class Profile:
    """Seconds of a round, and of what it is made of."""

    seconds: float
    parts: dict[str, float]
    """By "player part", in the order of the round; what is left over is the loop's own."""
    operators: dict[str, float]
    """The operators that take longest by themselves."""

    def lines(self) -> list[str]:
        """As text."""
        wide = max(len(name) for name in (*self.parts, *self.operators))
        told = [f"a round takes {1000 * self.seconds:.1f} ms"]
        for title, seconds in (("parts", self.parts), ("operators", self.operators)):
            told.append(f"{title}:")
            told += [
                f"  {name:<{wide}}  {1000 * value:8.2f} ms  {value / self.seconds:4.0%}"
                for name, value in seconds.items()
            ]
        return told


def profile(game: Game, stream: Iterator[Batch], machine: Machine, batch: int, rounds: int) -> Profile:
    """Play rounds and look where their time goes. Trains the game: hand it one to throw away.

    Args:
        game: what is played.
        stream: its data.
        machine: where.
        batch: images in a round.
        rounds: how many are looked at; as many as the rarest move's interval count it rightly.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # PyTorch's profiler writes of its own beginning and end
    game.train()
    now, meter = game.moments(1_000_000)[-1][0], Meter()  # of networks that grow, the grown ones
    for _ in range(WARM):
        now = _play(game, stream, machine, now, meter, batch)
    on_device = machine.device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with torch_profile(activities=kinds) as watched:
        for _ in range(rounds):
            now = _play(game, stream, machine, now, meter, batch)
        machine.finish()
    rows = watched.key_averages()
    parts = {row.key.removeprefix(MARK): _total(row, on_device) / rounds for row in rows if row.key.startswith(MARK)}
    own = {row.key: _own(row, on_device) / rounds for row in rows if not row.key.startswith(MARK)}
    longest = sorted(own, key=lambda name: -own[name])[:MOST]
    return Profile(sum(parts.values()), parts, {name: own[name] for name in longest})


def _play(game: Game, stream: Iterator[Batch], machine: Machine, now: Now, meter: Meter, batch: int) -> Now:
    play_round(game, stream, machine, now, meter)
    now = Now(now.round + 1, now.images + batch)
    with torch.profiler.record_function(f"{MARK}averages"):
        for player in game.players.values():
            player.follow(batch, now)
    return now


def _total(row: torch.autograd.profiler_util.FunctionEventAvg, on_device: bool) -> float:
    return float(max(row.cpu_time_total, row.device_time_total if on_device else 0)) / 1e6


def _own(row: torch.autograd.profiler_util.FunctionEventAvg, on_device: bool) -> float:
    return float(row.self_device_time_total if on_device else row.self_cpu_time_total) / 1e6
