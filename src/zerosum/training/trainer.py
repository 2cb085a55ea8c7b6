"""The trainer of a run: the loop with callbacks that log, save sample grids and checkpoints, and evaluate."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Protocol

import torch

from zerosum.data.loader import BatchLoader
from zerosum.files import overwrite
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.run_folder import FORMAT_VERSION, Json, Row, RunFolder, RunState
from zerosum.training import checkpoint
from zerosum.training.accelerator import Accelerator
from zerosum.training.best_model import BestModelTracker
from zerosum.training.disk_full import explain_disk_full, first_rank_writes, is_disk_full
from zerosum.training.loop import train
from zerosum.training.meter import Meter

LogCallback = Callable[[Row], None]


class TrainingMonitor(Protocol):
    """Probes the game and diagnoses problems, on rank 0 only. It does not change the game."""

    every_examples: int | None
    """Examples between two probes, a multiple of `Intervals.tick_examples`; None: no probes."""

    def start(self) -> None:
        """Read the existing log; called when training starts or resumes."""

    def before_measured_round(self, game: Game) -> None:
        """Called before the last round of each row of the log, whose effect on the weights is measured."""

    def measure_weights(self, game: Game) -> Row:
        """Return the signals of the weights for a row of the log."""

    def run_probe(self, game: Game, progress: Progress) -> Row:
        """Measure the game and return the signals for the log."""

    def process_row(self, row: Row) -> bool:
        """Diagnose a row of the log, and return whether the run must stop because of a finding."""

    def locate_nonfinite(self, game: Game) -> Row:
        """Return where a diverged game is not finite, for the log."""


PreviewFn = Callable[[Game, Path], None]
"""Draw samples of the game into an image file."""


@dataclass(frozen=True)
class Intervals:
    """Examples between two rows of the log, two sample grids and two checkpoints."""

    tick_examples: int
    preview_examples: int
    checkpoint_examples: int


@dataclass(frozen=True)
class StopCondition:
    """When a run ends: at the first limit reached."""

    max_examples: float = math.inf
    max_seconds: float = math.inf
    pause_at: float = math.inf
    """Examples from which on training pauses: it saves a checkpoint and returns in the state "running"."""


@dataclass
class Trainer:
    """Trains a game and writes its run folder. Only rank 0 writes and reports."""

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
    """Number of newest checkpoints to keep."""
    log_callbacks: list[LogCallback] = field(default_factory=list)
    report: Callable[[str], object] = lambda text: None
    """Shows the user one line of text."""
    meter: Meter = field(default_factory=Meter)
    progress: Progress = field(default_factory=Progress)
    previous_seconds: float = 0.0
    """Seconds of training before the last resume."""
    state: RunState = RunState.RUNNING
    stopped_early: bool = False
    """Whether it is done because scores did not improve for `patience` evaluations."""
    _start_time: float = field(default_factory=time.monotonic, init=False)
    _last_tick: tuple[float, int] = field(default=(0.0, 0), init=False)

    def resume(self, settings_changed: bool = False) -> None:
        """Restore the newest checkpoint, or start from the beginning if there is none.

        With `settings_changed`, what the checkpoint does not contain starts from its initial state.

        Raises:
            BadInput: if the checkpoint is damaged or does not match the game.
        """
        checkpoints = self.folder.checkpoints()
        if checkpoints:
            checkpoint_parts = self.game, self.loader, self.meter, self.accelerator
            self.progress, self.previous_seconds = checkpoint.load(
                checkpoints[-1], *checkpoint_parts, settings_changed=settings_changed
            )
        with explain_disk_full(self.folder.path), first_rank_writes(self.accelerator, self.folder.path):
            if self.accelerator.rank == 0:
                self.folder.rewind(self.progress.examples)

    def train(self, stop_condition: StopCondition) -> RunState:
        """Train until a stop condition holds, and return the `state`, which is final unless training only paused.

        An error leaves the run in the state "interrupted".

        Raises:
            BadInput: the disk is full.
        """
        try:
            with explain_disk_full(self.folder.path):
                return self._train(stop_condition)
        except Exception:  # not swallowed: the status must not say "running" after the error has ended the process
            self._mark_interrupted()
            raise

    def _train(self, stop_condition: StopCondition) -> RunState:
        """Train until a stop condition holds, and return the state."""
        self._start_time = time.monotonic()
        self._last_tick = (self.previous_seconds, self.progress.examples)
        with first_rank_writes(self.accelerator, self.folder.path):
            self._write_status()
        if self.monitor is not None:
            self.monitor.start()
        self._announce_measured_round(self.progress)
        callbacks = [self._set_progress, self._tick, self._preview_when_due, self._evaluate_when_due]
        callbacks += [self._save_when_due, self._announce_measured_round]
        with catch_interrupts() as stop_request:
            if self.progress.examples == 0:
                self._save_preview(self.progress)
            should_stop = partial(self._should_stop, stop_condition, stop_request)
            try:
                train(
                    self.game,
                    self.loader,
                    self.accelerator,
                    self.progress,
                    self.batch_size,
                    self.meter,
                    callbacks,
                    should_stop,
                )
            finally:
                self.loader.close()
            if self.state not in {RunState.DIVERGED, RunState.STOPPED_BY_FINDING}:
                self._save_checkpoint(self.progress)
            if self.state is RunState.DONE:  # an interrupted run has the same sample grids as an uninterrupted one
                self._save_preview(self.progress)
            with first_rank_writes(self.accelerator, self.folder.path):
                self._write_status()
        return self.state

    def _should_stop(self, stop_condition: StopCondition, stop_request: StopRequest, progress: Progress) -> bool:
        """Return whether to stop before the next round; all ranks get the same answer."""
        if self.state is RunState.RUNNING and progress.examples >= stop_condition.max_examples:
            self.state = RunState.DONE
        if self.state is not RunState.RUNNING or progress.examples >= stop_condition.pause_at:
            return True
        interrupted, out_of_time = self.accelerator.all_reduce_any(
            bool(stop_request.signals), self.elapsed_seconds() >= stop_condition.max_seconds
        )
        if out_of_time or interrupted:
            self.state = RunState.DONE if out_of_time else RunState.INTERRUPTED
        return out_of_time or interrupted

    def elapsed_seconds(self) -> float:
        """Return the seconds of training, including those before the last resume."""
        return self.previous_seconds + time.monotonic() - self._start_time

    # ------------------------------------------------------------------ callbacks

    def _set_progress(self, progress: Progress) -> None:
        self.progress = progress

    def _is_due(self, progress: Progress, every_examples: int) -> bool:
        """Return whether the last round reached a multiple of `every_examples`."""
        return progress.examples // every_examples > (progress.examples - self.batch_size) // every_examples

    def _tick(self, progress: Progress) -> None:
        if not self._is_due(progress, self.intervals.tick_examples):
            return
        means = self.meter.pop_means(self.accelerator)
        seconds = self.elapsed_seconds()
        speed = (progress.examples - self._last_tick[1]) / max(seconds - self._last_tick[0], 1e-9)
        self._last_tick = (seconds, progress.examples)
        learning_rates = {f"lr/{p.name}": p.optimizer.param_groups[0]["lr"] for p in self.game.players.values()}
        row = {"round": progress.round, "examples": progress.examples, "seconds": round(seconds, 3)}
        row |= {"examples_per_second": round(speed, 2)} | means | learning_rates
        if not all(math.isfinite(value) for value in means.values()):
            self.state = RunState.DIVERGED
        has_stopping_finding = False
        with first_rank_writes(self.accelerator, self.folder.path):
            if self.accelerator.rank == 0:
                row |= self._monitor_row(progress)
                self.folder.append("log.jsonl", row)
                for log_callback in self.log_callbacks:
                    log_callback(row)
                has_stopping_finding = self.monitor is not None and self.monitor.process_row(row)
        if self.accelerator.all_reduce_any(has_stopping_finding)[0] and self.state is RunState.RUNNING:
            self.state = RunState.STOPPED_BY_FINDING

    def _monitor_row(self, progress: Progress) -> Row:
        if self.monitor is None:
            return {}
        if self.state is RunState.DIVERGED:
            return self.monitor.locate_nonfinite(self.game)
        row, every = self.monitor.measure_weights(self.game), self.monitor.every_examples
        return row | self.monitor.run_probe(self.game, progress) if every and self._is_due(progress, every) else row

    def _announce_measured_round(self, progress: Progress) -> None:
        """Tell the monitor if the next round ends a row of the log."""
        next_progress = Progress(progress.round + 1, progress.examples + self.batch_size)
        if self.monitor is not None and self._is_due(next_progress, self.intervals.tick_examples):
            self.monitor.before_measured_round(self.game)

    def _preview_when_due(self, progress: Progress) -> None:
        if self._is_due(progress, self.intervals.preview_examples):
            self._save_preview(progress)

    def _save_preview(self, progress: Progress) -> None:
        with first_rank_writes(self.accelerator, self.folder.path):
            path = self.folder.sample_grid_path(progress.examples)
            if self.accelerator.rank == 0 and not path.exists():
                with torch.random.fork_rng():  # noise layers must not advance the random state of training
                    self.preview_fn(self.game, path)

    def _evaluate_when_due(self, progress: Progress) -> None:
        if (
            self.best_model_tracker is None
            or self.state is not RunState.RUNNING
            or not self.game.can_sample(progress)
            or not self._is_due(progress, self.best_model_tracker.every_examples)
        ):
            return
        if self.accelerator.all_reduce_any(not checkpoint.has_finite_weights(self.game))[0]:
            self.state = RunState.DIVERGED
            return
        out_of_patience = False
        try:
            with torch.random.fork_rng():
                # not in the context below: its ranks exchange features, so an error of one cannot be told to the others
                row = self.best_model_tracker.evaluator(self.game, progress.examples)
                with first_rank_writes(self.accelerator, self.folder.path):
                    if self.accelerator.rank == 0:
                        out_of_patience = self.best_model_tracker.record(self.game, row)
        except Exception as error:  # an evaluation must not end the training, unless nothing can be written any more
            if is_disk_full(error) or self.accelerator.world_size > 1:  # the other ranks wait inside the evaluation
                raise
            self._disable_evaluation(error, progress)
        if self.accelerator.all_reduce_any(out_of_patience)[0]:
            self.state, self.stopped_early = RunState.DONE, True

    def _disable_evaluation(self, error: Exception, progress: Progress) -> None:
        """Report why an evaluation failed, and train on without evaluations."""
        self.best_model_tracker = None
        self.accelerator.free_memory()
        reason = (str(error) or type(error).__name__).splitlines()[0]
        self.report(
            f"the evaluation after {progress.examples:,} examples failed ({reason}): training continues without "
            "further evaluations"
        )

    def _save_when_due(self, progress: Progress) -> None:
        if self.state is RunState.RUNNING and self._is_due(progress, self.intervals.checkpoint_examples):
            self._save_checkpoint(progress)

    def _save_checkpoint(self, progress: Progress) -> None:
        """Write a checkpoint, or end as "diverged" if a weight is not finite: good checkpoints must be kept."""
        if self.accelerator.all_reduce_any(not checkpoint.has_finite_weights(self.game))[0]:
            self.state = RunState.DIVERGED
            return
        rng_states = checkpoint.gather_rng_states(self.accelerator)
        rank_sums = self.meter.gather_sums(self.accelerator)
        with first_rank_writes(self.accelerator, self.folder.path):
            if self.accelerator.rank == 0:
                self.folder.save_checkpoint(
                    progress.examples,
                    lambda p: checkpoint.save(
                        p, self.game, self.loader, self.meter, progress, self.elapsed_seconds(), rng_states, rank_sums
                    ),
                    self.keep_checkpoints,
                )

    def _mark_interrupted(self) -> None:
        """Write that training was interrupted by an error, if that is possible."""
        self.state = RunState.INTERRUPTED
        try:
            self._write_status()
        except OSError:  # a full disk has no room for a second file, but for another state in the first
            with suppress(OSError):  # the first error is the one to report
                overwrite(self.folder.path / "status.json", json.dumps(self._status(), indent=1) + "\n")

    def _write_status(self) -> None:
        if self.accelerator.rank == 0:
            self.folder.write_json("status.json", self._status())

    def _status(self) -> dict[str, Json]:
        return {
            "format": FORMAT_VERSION,
            "state": self.state,
            "stopped_early": self.stopped_early,
            "round": self.progress.round,
            "examples": self.progress.examples,
            "seconds": round(self.elapsed_seconds(), 3),
        }


@dataclass
class StopRequest:
    """What signals asked for. A plain list: a lock, as of an event, could be requested again by the next signal."""

    signals: list[int] = field(default_factory=list)
    """The signals so far, oldest first."""


@contextmanager
def catch_interrupts() -> Iterator[StopRequest]:
    """Yield a request that Ctrl-C, SIGTERM or SIGHUP fills, so that the current round is finished and saved.

    A second signal raises KeyboardInterrupt at once, and further ones do what they did before. Outside the main thread
    no signal is caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def request_stop(number: int, frame: FrameType | None) -> None:
        request.signals.append(number)
        if len(request.signals) > 1:
            restore()
            raise KeyboardInterrupt

    def restore() -> None:
        for number, handler in former_handlers.items():
            signal.signal(number, handler)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)
    former_handlers = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, request_stop)
    try:
        yield request
    finally:
        restore()
