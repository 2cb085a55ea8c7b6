"""A run being played: the loop, and the witnesses that log, draw and save."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch

from zerosum.data.loader import BatchLoader
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.run_folder import Row, RunFolder
from zerosum.training import checkpoint
from zerosum.training.accelerator import Accelerator
from zerosum.training.best_model import BestModelTracker
from zerosum.training.loop import train
from zerosum.training.meter import Meter

LogCallback = Callable[[Row], None]


class TrainingMonitor(Protocol):
    """Someone who watches the game for trouble, on the first rank alone; it changes nothing."""

    every_examples: int | None
    """Images between two examinations, a multiple of those between two lines of the log; None: there are none."""

    def start(self) -> None:
        """Play begins, or goes on: read what the log says already."""

    def run_probe(self, game: Game, progress: Progress) -> Row:
        """What the game shows of itself now, for the log."""

    def process_row(self, row: Row) -> bool:
        """Read a line of the log as it was written; whether the run should stop to be treated."""

    def locate_nonfinite(self, game: Game) -> Row:
        """Where a game that has diverged is no longer finite, for the log."""


PreviewFn = Callable[[Game, Path], None]


@dataclass(frozen=True)
class Intervals:
    """Images between two lines of the log, two sample sheets, two checkpoints."""

    tick_examples: int
    preview_examples: int
    checkpoint_examples: int


@dataclass(frozen=True)
class StopCondition:
    """When a run is over: whichever comes first."""

    max_examples: float = math.inf
    max_seconds: float = math.inf


@dataclass
class Trainer:
    """Everything one run needs while it is played; only rank 0 writes and speaks."""

    game: Game
    loader: BatchLoader
    accelerator: Accelerator
    folder: RunFolder
    batch_size: int
    intervals: Intervals
    preview_fn: PreviewFn
    best_model_tracker: BestModelTracker | None = None
    monitor: TrainingMonitor | None = None
    keep_checkpoints: int = 2
    """Checkpoints."""
    log_callbacks: list[LogCallback] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)
    progress: Progress = field(default_factory=Progress)
    previous_seconds: float = 0.0
    """Seconds trained before this session's clock was started."""
    state: str = "running"
    """In the end "done", "interrupted" (Ctrl-C, SIGTERM), "diverged" (a loss or weight is not finite), or "stopped_by_finding" (what
    watches it wants it treated)."""
    stopped_early: bool = False
    """It is done because samples have not become better for as long as the recipe is patient."""
    _start_time: float = field(default_factory=time.monotonic, init=False)
    _last_tick: tuple[float, int] = field(default=(0.0, 0), init=False)

    def resume(self, settings_changed: bool = False) -> None:
        """Go on from the newest checkpoint, or from the beginning where there is none.

        Where settings were `settings_changed`, what the checkpoint does not know begins anew.
        """
        found = self.folder.checkpoints()
        if found:
            parts = self.game, self.loader, self.meter, self.accelerator
            self.progress, self.previous_seconds = checkpoint.load(found[-1], *parts, settings_changed=settings_changed)
        if self.accelerator.rank == 0:
            self.folder.rewind(self.progress.examples)
        self.accelerator.barrier()

    def train(self, stop_condition: StopCondition) -> str:
        """Play until the end; returns how it came: see `state`."""
        self._start_time = time.monotonic()
        self._last_tick = (self.previous_seconds, self.progress.examples)
        self._write_status()
        if self.monitor is not None:
            self.monitor.start()
        witnesses = [self._set_progress, self._tick, self._preview_when_due, self._evaluate_when_due]
        witnesses += [self._save_when_due]
        with catch_interrupts() as stop:
            if self.progress.examples == 0:
                self._save_preview(self.progress)
            over = partial(self._should_stop, stop_condition, stop)
            try:
                train(
                    self.game,
                    self.loader,
                    self.accelerator,
                    self.progress,
                    self.batch_size,
                    self.meter,
                    witnesses,
                    over,
                )
            finally:
                self.loader.close()
            if self.state not in {"diverged", "stopped_by_finding"}:
                self._save_checkpoint(self.progress)
            if self.state == "done":  # an interrupted run leaves the sheets an uninterrupted one would have
                self._save_preview(self.progress)
            self._write_status()
        return self.state

    def _should_stop(self, stop_condition: StopCondition, stop_event: threading.Event, progress: Progress) -> bool:
        """Whether to stop now; ranks decide together."""
        if self.state == "running" and progress.examples >= stop_condition.max_examples:
            self.state = "done"
        if self.state != "running":
            return True
        asked, late = self.accelerator.all_reduce_any(
            stop_event.is_set(), self.elapsed_seconds() >= stop_condition.max_seconds
        )
        if late or asked:
            self.state = "done" if late else "interrupted"
        return late or asked

    def elapsed_seconds(self) -> float:
        """Seconds trained, those before an interruption included."""
        return self.previous_seconds + time.monotonic() - self._start_time

    # ------------------------------------------------------------------ witnesses

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress

    def _is_due(self, progress: Progress, every_examples: int) -> bool:
        """Whether a multiple of `every_examples` was reached in the round just played."""
        return progress.examples // every_examples > (progress.examples - self.batch_size) // every_examples

    def _tick(self, progress: Progress) -> None:
        if not self._is_due(progress, self.intervals.tick_examples):
            return
        means = self.meter.pop_means(self.accelerator)
        seconds = self.elapsed_seconds()
        speed = (progress.examples - self._last_tick[1]) / max(seconds - self._last_tick[0], 1e-9)
        self._last_tick = (seconds, progress.examples)
        rates = {f"lr/{p.name}": p.optimizer.param_groups[0]["lr"] for p in self.game.players.values()}
        row = {"round": progress.round, "examples": progress.examples, "seconds": round(seconds, 3)}
        row |= {"examples_per_second": round(speed, 2)} | means | rates
        if not all(math.isfinite(value) for value in means.values()):
            self.state = "diverged"
        ill = False
        if self.accelerator.rank == 0:
            row |= self._monitor_row(progress)
            self.folder.append("log.jsonl", row)
            for listener in self.log_callbacks:
                listener(row)
            ill = self.monitor is not None and self.monitor.process_row(row)
        if self.accelerator.all_reduce_any(ill)[0] and self.state == "running":
            self.state = "stopped_by_finding"

    def _monitor_row(self, progress: Progress) -> Row:
        if self.monitor is None:
            return {}
        if self.state == "diverged":
            return self.monitor.locate_nonfinite(self.game)
        every = self.monitor.every_examples
        return self.monitor.run_probe(self.game, progress) if every and self._is_due(progress, every) else {}

    def _preview_when_due(self, progress: Progress) -> None:
        if self._is_due(progress, self.intervals.preview_examples):
            self._save_preview(progress)

    def _save_preview(self, progress: Progress) -> None:
        path = self.folder.sample_grid_path(progress.examples)
        if self.accelerator.rank == 0 and not path.exists():
            with torch.random.fork_rng():  # a network that draws noise of its own must not shift training's
                self.preview_fn(self.game, path)

    def _evaluate_when_due(self, progress: Progress) -> None:
        if (
            self.best_model_tracker is None
            or self.state != "running"
            or not self._is_due(progress, self.best_model_tracker.every_examples)
        ):
            return
        if self.accelerator.all_reduce_any(not checkpoint.has_finite_weights(self.game))[0]:
            self.state = "diverged"
            return
        with torch.random.fork_rng():
            weary = self.best_model_tracker.evaluate(self.game, progress.examples, self.accelerator.rank == 0)
        if self.accelerator.all_reduce_any(weary)[0]:
            self.state, self.stopped_early = "done", True

    def _save_when_due(self, progress: Progress) -> None:
        if self.state == "running" and self._is_due(progress, self.intervals.checkpoint_examples):
            self._save_checkpoint(progress)

    def _save_checkpoint(self, progress: Progress) -> None:
        """Write a checkpoint, unless the weights are beyond saving: the last good one must stay."""
        if self.accelerator.all_reduce_any(not checkpoint.has_finite_weights(self.game))[0]:
            self.state = "diverged"
            return
        dice = checkpoint.gather_rng_states(self.accelerator)
        if self.accelerator.rank == 0:
            self.folder.save_checkpoint(
                progress.examples,
                lambda p: checkpoint.save(
                    p, self.game, self.loader, self.meter, progress, self.elapsed_seconds(), dice
                ),
                self.keep_checkpoints,
            )
        self.accelerator.barrier()

    def _write_status(self) -> None:
        if self.accelerator.rank == 0:
            progress = {
                "round": self.progress.round,
                "examples": self.progress.examples,
                "seconds": round(self.elapsed_seconds(), 3),
            }
            self.folder.write_json("status.json", {"state": self.state, "stopped_early": self.stopped_early} | progress)


@contextmanager
def catch_interrupts() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, so that the round is finished and saved; a second Ctrl-C stops at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
