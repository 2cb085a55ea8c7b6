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

from zerosum.data.loader import Stream
from zerosum.game.game import Game
from zerosum.game.schedule import Now
from zerosum.run_folder import Row, RunFolder
from zerosum.training import checkpoint
from zerosum.training.accelerator import Machine
from zerosum.training.best_model import Contest
from zerosum.training.loop import train
from zerosum.training.meter import Meter

Listener = Callable[[Row], None]


class Attendant(Protocol):
    """Someone who watches the game for trouble, on the first rank alone; it changes nothing."""

    every_images: int | None
    """Images between two examinations, a multiple of those between two lines of the log; None: there are none."""

    def begin(self) -> None:
        """Play begins, or goes on: read what the log says already."""

    def examine(self, game: Game, now: Now) -> Row:
        """What the game shows of itself now, for the log."""

    def read(self, row: Row) -> bool:
        """Read a line of the log as it was written; whether the run should stop to be treated."""

    def open_up(self, game: Game) -> Row:
        """Where a game that has diverged is no longer finite, for the log."""


Draw = Callable[[Game, Path], None]


@dataclass(frozen=True)
class Pace:
    """Images between two lines of the log, two sample sheets, two checkpoints."""

    tick: int
    preview: int
    checkpoint: int


@dataclass(frozen=True)
class End:
    """When a run is over: whichever comes first."""

    images: float = math.inf
    seconds: float = math.inf


@dataclass
class Session:
    """Everything one run needs while it is played; only rank 0 writes and speaks."""

    game: Game
    stream: Stream
    machine: Machine
    folder: RunFolder
    batch: int
    pace: Pace
    draw: Draw
    contest: Contest | None = None
    doctor: Attendant | None = None
    keep: int = 2
    """Checkpoints."""
    listeners: list[Listener] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)
    now: Now = field(default_factory=Now)
    seconds: float = 0.0
    """Seconds trained before this session's clock was started."""
    state: str = "running"
    """In the end "done", "interrupted" (Ctrl-C, SIGTERM), "diverged" (a loss or weight is not finite), or "ill" (what
    watches it wants it treated)."""
    weary: bool = False
    """It is done because samples have not become better for as long as the recipe is patient."""
    _started: float = field(default_factory=time.monotonic, init=False)
    _ticked: tuple[float, int] = field(default=(0.0, 0), init=False)

    def resume(self, changed: bool = False) -> None:
        """Go on from the newest checkpoint, or from the beginning where there is none.

        Where settings were `changed`, what the checkpoint does not know begins anew.
        """
        found = self.folder.checkpoints()
        if found:
            parts = self.game, self.stream, self.meter, self.machine
            self.now, self.seconds = checkpoint.load(found[-1], *parts, changed=changed)
        if self.machine.rank == 0:
            self.folder.rewind(self.now.images)
        self.machine.wait()

    def play(self, end: End) -> str:
        """Play until the end; returns how it came: see `state`."""
        self._started = time.monotonic()
        self._ticked = (self.seconds, self.now.images)
        self._status()
        if self.doctor is not None:
            self.doctor.begin()
        witnesses = [self._remember, self._tick, self._preview_when_due, self._judge_when_due]
        witnesses += [self._save_when_due]
        with interruption() as stop:
            if self.now.images == 0:
                self._preview(self.now)
            over = partial(self._over, end, stop)
            try:
                train(self.game, self.stream, self.machine, self.now, self.batch, self.meter, witnesses, over)
            finally:
                self.stream.close()
            if self.state not in {"diverged", "ill"}:
                self._save(self.now)
            if self.state == "done":  # an interrupted run leaves the sheets an uninterrupted one would have
                self._preview(self.now)
            self._status()
        return self.state

    def _over(self, end: End, stop: threading.Event, now: Now) -> bool:
        """Whether to stop now; ranks decide together."""
        if self.state == "running" and now.images >= end.images:
            self.state = "done"
        if self.state != "running":
            return True
        asked, late = self.machine.any(stop.is_set(), self.elapsed() >= end.seconds)
        if late or asked:
            self.state = "done" if late else "interrupted"
        return late or asked

    def elapsed(self) -> float:
        """Seconds trained, those before an interruption included."""
        return self.seconds + time.monotonic() - self._started

    # ------------------------------------------------------------------ witnesses

    def _remember(self, now: Now) -> None:
        self.now = now

    def _due(self, now: Now, images: int) -> bool:
        """Whether a multiple of `images` was reached in the round just played."""
        return now.images // images > (now.images - self.batch) // images

    def _tick(self, now: Now) -> None:
        if not self._due(now, self.pace.tick):
            return
        means = self.meter.take(self.machine)
        seconds = self.elapsed()
        speed = (now.images - self._ticked[1]) / max(seconds - self._ticked[0], 1e-9)
        self._ticked = (seconds, now.images)
        rates = {f"rate/{p.name}": p.optimizer.param_groups[0]["lr"] for p in self.game.players.values()}
        row = {"round": now.round, "images": now.images, "seconds": round(seconds, 3)}
        row |= {"images_per_second": round(speed, 2)} | means | rates
        if not all(math.isfinite(value) for value in means.values()):
            self.state = "diverged"
        ill = False
        if self.machine.rank == 0:
            row |= self._examined(now)
            self.folder.append("log.jsonl", row)
            for listener in self.listeners:
                listener(row)
            ill = self.doctor is not None and self.doctor.read(row)
        if self.machine.any(ill)[0] and self.state == "running":
            self.state = "ill"

    def _examined(self, now: Now) -> Row:
        if self.doctor is None:
            return {}
        if self.state == "diverged":
            return self.doctor.open_up(self.game)
        every = self.doctor.every_images
        return self.doctor.examine(self.game, now) if every and self._due(now, every) else {}

    def _preview_when_due(self, now: Now) -> None:
        if self._due(now, self.pace.preview):
            self._preview(now)

    def _preview(self, now: Now) -> None:
        path = self.folder.sample_path(now.images)
        if self.machine.rank == 0 and not path.exists():
            with torch.random.fork_rng():  # a network that draws noise of its own must not shift training's
                self.draw(self.game, path)

    def _judge_when_due(self, now: Now) -> None:
        if self.contest is None or self.state != "running" or not self._due(now, self.contest.every_images):
            return
        if self.machine.any(not checkpoint.is_sound(self.game))[0]:
            self.state = "diverged"
            return
        with torch.random.fork_rng():
            weary = self.contest.hold(self.game, now.images, self.machine.rank == 0)
        if self.machine.any(weary)[0]:
            self.state, self.weary = "done", True

    def _save_when_due(self, now: Now) -> None:
        if self.state == "running" and self._due(now, self.pace.checkpoint):
            self._save(now)

    def _save(self, now: Now) -> None:
        """Write a checkpoint, unless the weights are beyond saving: the last good one must stay."""
        if self.machine.any(not checkpoint.is_sound(self.game))[0]:
            self.state = "diverged"
            return
        dice = checkpoint.all_dice(self.machine)
        if self.machine.rank == 0:
            self.folder.save_checkpoint(
                now.images,
                lambda p: checkpoint.save(p, self.game, self.stream, self.meter, now, self.elapsed(), dice),
                self.keep,
            )
        self.machine.wait()

    def _status(self) -> None:
        if self.machine.rank == 0:
            now = {"round": self.now.round, "images": self.now.images, "seconds": round(self.elapsed(), 3)}
            self.folder.write_json("status.json", {"state": self.state, "weary": self.weary} | now)


@contextmanager
def interruption() -> Iterator[threading.Event]:
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
