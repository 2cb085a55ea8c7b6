"""A run being played: the loop, and the witnesses that log, draw and save."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import torch

from zerosum.game.game import Game
from zerosum.game.schedule import Now
from zerosum.run import Row, RunFolder
from zerosum.training import checkpoint
from zerosum.training.loop import train
from zerosum.training.machine import Machine
from zerosum.training.meter import Meter
from zerosum.training.stream import Stream

Listener = Callable[[Row], None]
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
    listeners: Sequence[Listener] = ()
    meter: Meter = field(default_factory=Meter)
    now: Now = field(default_factory=Now)
    seconds: float = 0.0
    """Seconds trained before this session's clock was started."""

    def resume(self) -> None:
        """Go on from the newest checkpoint, or from the beginning where there is none."""
        found = self.folder.checkpoints()
        if found:
            self.now, self.seconds = checkpoint.load(found[-1], self.game, self.stream, self.meter, self.machine)
        if self.machine.rank == 0:
            self.folder.rewind(self.now.images)
        self.machine.wait()

    def play(self, end: End) -> str:
        """Play until the end; returns "done", "interrupted" (Ctrl-C, SIGTERM) or "diverged" (a loss is not finite)."""
        self._started, self._state = time.monotonic(), "done"
        self._status("running")
        if self.now.images == 0:
            self._preview(self.now)
        with interruption() as stop:

            def over(now: Now) -> bool:
                if self.machine.any(stop.is_set()):
                    self._state = "interrupted"
                late = self.machine.any(self.elapsed() >= end.seconds)
                return self._state != "done" or now.images >= end.images or late

            witnesses = [self._remember, self._tick, self._preview_when_due, self._save_when_due]
            train(self.game, self.stream, self.machine, self.now, self.batch, self.meter, witnesses, over)
        self.stream.close()
        if self._state != "diverged":
            self._save(self.now)
        if self._state == "done":  # an interrupted run leaves the sheets an uninterrupted one would have
            self._preview(self.now)
        self._status(self._state)
        return self._state

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
        last_seconds, last_images = getattr(self, "_last", (self.seconds, now.images - self.pace.tick))
        self._last = (seconds, now.images)
        speed = (now.images - last_images) / max(seconds - last_seconds, 1e-9)
        rates = {f"rate/{p.name}": p.optimizer.param_groups[0]["lr"] for p in self.game.players.values()}
        row = {"round": now.round, "images": now.images, "seconds": round(seconds, 3)}
        row |= {"images_per_second": round(speed, 2)} | means | rates
        if not all(math.isfinite(value) for value in means.values()):
            self._state = "diverged"
        if self.machine.rank == 0:
            self.folder.append("log.jsonl", row)
            for listener in self.listeners:
                listener(row)

    def _preview_when_due(self, now: Now) -> None:
        if self._due(now, self.pace.preview):
            self._preview(now)

    def _preview(self, now: Now) -> None:
        path = self.folder.sample_path(now.images)
        if self.machine.rank == 0 and not path.exists():
            with torch.random.fork_rng():  # a network that draws noise of its own must not shift training's
                self.draw(self.game, path)

    def _save_when_due(self, now: Now) -> None:
        if self._state == "done" and self._due(now, self.pace.checkpoint):
            self._save(now)

    def _save(self, now: Now) -> None:
        dice = checkpoint.all_dice(self.machine)
        if self.machine.rank == 0:
            self.folder.save_checkpoint(
                now.images,
                lambda p: checkpoint.save(p, self.game, self.stream, self.meter, now, self.elapsed(), dice),
            )
        self.machine.wait()

    def _status(self, state: str) -> None:
        if self.machine.rank == 0:
            now = {"round": self.now.round, "images": self.now.images, "seconds": round(self.elapsed(), 3)}
            self.folder.write_json("status.json", {"state": state} | now)


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
