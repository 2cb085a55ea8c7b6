"""Where a round's time goes: by part of each move, and by operator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity
from torch.profiler import profile as torch_profile

from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import PROFILER_PREFIX, play_round
from zerosum.training.meter import Meter

WARMUP_ROUNDS, MAX_OPERATORS = 2, 10
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
        conditioning = [f"a round takes {1000 * self.seconds:.1f} ms"]
        for title, seconds in (("parts", self.parts), ("operators", self.operators)):
            conditioning.append(f"{title}:")
            conditioning += [
                f"  {name:<{wide}}  {1000 * value:8.2f} ms  {value / self.seconds:4.0%}"
                for name, value in seconds.items()
            ]
        return conditioning


def profile_rounds(
    game: Game, loader: Iterator[Batch], accelerator: Accelerator, batch_size: int, rounds: int
) -> Profile:
    """Play rounds and look where their time goes. Trains the game: hand it one to throw away.

    Args:
        game: what is played.
        loader: its data.
        accelerator: where.
        batch_size: images in a round.
        rounds: how many are looked at; as many as the rarest move's interval count it rightly.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # PyTorch's profiler writes of its own beginning and end
    game.train()
    progress, meter = game.timing_points(1_000_000)[-1][0], Meter()  # of networks that grow, the grown ones
    for _ in range(WARMUP_ROUNDS):
        progress = _play_and_update_ema(game, loader, accelerator, progress, meter, batch_size)
    on_device = accelerator.device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with torch_profile(activities=kinds) as watched:
        for _ in range(rounds):
            progress = _play_and_update_ema(game, loader, accelerator, progress, meter, batch_size)
        accelerator.synchronize()
    rows = watched.key_averages()
    parts = {
        row.key.removeprefix(PROFILER_PREFIX): _total_seconds(row, on_device) / rounds
        for row in rows
        if row.key.startswith(PROFILER_PREFIX)
    }
    own = {row.key: _self_seconds(row, on_device) / rounds for row in rows if not row.key.startswith(PROFILER_PREFIX)}
    longest = sorted(own, key=lambda name: -own[name])[:MAX_OPERATORS]
    return Profile(sum(parts.values()), parts, {name: own[name] for name in longest})


def _play_and_update_ema(
    game: Game, loader: Iterator[Batch], accelerator: Accelerator, progress: Progress, meter: Meter, batch_size: int
) -> Progress:
    play_round(game, loader, accelerator, progress, meter)
    progress = Progress(progress.round + 1, progress.examples + batch_size)
    with torch.profiler.record_function(f"{PROFILER_PREFIX}averages"):
        for player in game.players.values():
            player.update_ema(batch_size, progress)
    return progress


def _total_seconds(event: torch.autograd.profiler_util.FunctionEventAvg, on_device: bool) -> float:
    return float(max(event.cpu_time_total, event.device_time_total if on_device else 0)) / 1e6


def _self_seconds(event: torch.autograd.profiler_util.FunctionEventAvg, on_device: bool) -> float:
    return float(event.self_device_time_total if on_device else event.self_cpu_time_total) / 1e6
