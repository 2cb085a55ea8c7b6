"""A profile of a round: seconds by part of each move, and by operator."""

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
"""Rounds played before the measurement, and operators listed at most."""


@dataclass(frozen=True)
class Profile:
    """Seconds of a round, of its parts and of its operators."""

    seconds: float
    parts: dict[str, float]
    """Seconds by "player: part", in the order of the round. The loop's own time is not among them."""
    operators: dict[str, float]
    """Self time in seconds of the slowest operators."""

    def lines(self) -> list[str]:
        """Return the profile as lines of text."""
        width = max(len(name) for name in (*self.parts, *self.operators))
        lines = [f"a round takes {1000 * self.seconds:.1f} ms"]
        for title, seconds in (("parts", self.parts), ("operators", self.operators)):
            lines.append(f"{title}:")
            lines += [
                f"  {name:<{width}}  {1000 * value:8.2f} ms  {value / self.seconds:4.0%}"
                for name, value in seconds.items()
            ]
        return lines


def profile_rounds(
    game: Game, loader: Iterator[Batch], accelerator: Accelerator, batch_size: int, rounds: int
) -> Profile:
    """Play rounds and profile them. This trains the game: pass one that is not needed afterwards.

    Args:
        game: the game to profile.
        loader: its data.
        accelerator: where the steps are computed.
        batch_size: examples in a round.
        rounds: rounds to profile; a multiple of the rarest move's interval counts that move correctly.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # silence the profiler's own log lines
    game.train()
    progress, meter = game.timing_points(1_000_000)[-1][0], Meter()  # growing networks are profiled at their full size
    for _ in range(WARMUP_ROUNDS):
        progress = _play_and_update_ema(game, loader, accelerator, progress, meter, batch_size)
    on_device = accelerator.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with torch_profile(activities=activities) as profiler:
        for _ in range(rounds):
            progress = _play_and_update_ema(game, loader, accelerator, progress, meter, batch_size)
        accelerator.synchronize()
    rows = profiler.key_averages()
    parts = {
        row.key.removeprefix(PROFILER_PREFIX): _total_seconds(row, on_device) / rounds
        for row in rows
        if row.key.startswith(PROFILER_PREFIX)
    }
    self_seconds = {
        row.key: _self_seconds(row, on_device) / rounds for row in rows if not row.key.startswith(PROFILER_PREFIX)
    }
    slowest = sorted(self_seconds, key=lambda name: -self_seconds[name])[:MAX_OPERATORS]
    return Profile(sum(parts.values()), parts, {name: self_seconds[name] for name in slowest})


def _play_and_update_ema(
    game: Game, loader: Iterator[Batch], accelerator: Accelerator, progress: Progress, meter: Meter, batch_size: int
) -> Progress:
    play_round(game, loader, accelerator, progress, meter)
    progress = Progress(progress.round + 1, progress.examples + batch_size)
    with torch.profiler.record_function(f"{PROFILER_PREFIX}ema"):
        for player in game.players.values():
            player.update_ema(batch_size, progress)
    return progress


def _total_seconds(event: torch.autograd.profiler_util.FunctionEventAvg, on_device: bool) -> float:
    return float(max(event.cpu_time_total, event.device_time_total if on_device else 0)) / 1e6


def _self_seconds(event: torch.autograd.profiler_util.FunctionEventAvg, on_device: bool) -> float:
    return float(event.self_device_time_total if on_device else event.self_cpu_time_total) / 1e6
