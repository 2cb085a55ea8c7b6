"""The interface through which workflows report progress, and a reporter that prints nothing."""

from __future__ import annotations

import time
from typing import Protocol

from zerosum.run_folder import Row
from zerosum.units import format_seconds


class ReportedFinding(Protocol):
    """The part of a finding that reporters show; see `zerosum.diagnosis.finding.Finding`."""

    @property
    def name(self) -> str:
        """The identifier, such as mode-collapse."""

    @property
    def title(self) -> str:
        """A description of one line."""

    @property
    def severity(self) -> str:
        """One of severe, mild and note."""

    @property
    def since_examples(self) -> int:
        """Training examples at which the finding was first detected."""


class Reporter(Protocol):
    """Shows the user what a workflow does.

    Settings and arguments in texts stand in backticks under their Python names.
    """

    def message(self, text: str = "") -> None:
        """Report one line of text."""

    def progress(self, done: int, total: int, description: str) -> None:
        """Report that `done` of `total` items of a preparation step are finished."""

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Report the start of training, which ends after `max_examples` examples or `max_seconds` seconds."""

    def tick(self, row: Row) -> None:
        """Report a new row of log.jsonl."""

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """Report that a finding has become active, or no longer is."""

    def training_ended(self) -> None:
        """Report the end of training."""


class SilentReporter:
    """Prints nothing: the default of the Python API, and the reporter of all ranks but the first."""

    def message(self, text: str = "") -> None:
        """Do nothing."""

    def progress(self, done: int, total: int, description: str) -> None:
        """Do nothing."""

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Do nothing."""

    def tick(self, row: Row) -> None:
        """Do nothing."""

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """Do nothing."""

    def training_ended(self) -> None:
        """Do nothing."""


class TimedProgress:
    """Reports the progress of a step whose items take equally long, with an estimate of the time that is left."""

    min_seconds = 2.0
    """Time after which the speed is known well enough."""

    def __init__(self, reporter: Reporter, description: str) -> None:
        """Start the clock of a step that `description` names."""
        self._reporter, self._description = reporter, description
        self._start, self._done = time.monotonic(), 0

    def __call__(self, done: int, total: int) -> None:
        """Report that `done` of `total` items are finished; with fewer than before, another step has begun."""
        if done < self._done:
            self._start = time.monotonic()
        self._done = done
        elapsed = time.monotonic() - self._start
        is_known = elapsed >= self.min_seconds and 0 < done < total
        left = f" ({format_seconds(elapsed / done * (total - done))} left)" if is_known else ""
        self._reporter.progress(done, total, f"{self._description}{left}")
