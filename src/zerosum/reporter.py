"""How a workflow reports what it does: the protocol, and a reporter that prints nothing."""

from __future__ import annotations

from typing import Protocol

from zerosum.run_folder import Row


class ReportedFinding(Protocol):
    """A finding, as far as a reporter shows it; see `zerosum.diagnosis.finding.Finding`."""

    @property
    def name(self) -> str:
        """Its identifier, such as mode-collapse."""

    @property
    def title(self) -> str:
        """One line."""

    @property
    def severity(self) -> str:
        """severe, mild or note."""

    @property
    def since_examples(self) -> int:
        """Examples the generator was trained on when it was first seen."""


class Reporter(Protocol):
    """Someone who tells the user how it goes."""

    def message(self, text: str = "") -> None:
        """One line."""

    def progress(self, done: int, total: int, description: str) -> None:
        """How far a preparation has come."""

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Training begins, to end after so many images or seconds."""

    def tick(self, row: Row) -> None:
        """A tick."""

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """Something is the matter, or no longer."""

    def training_ended(self) -> None:
        """Training is over."""


class SilentReporter:
    """Says nothing: for programs, and for ranks other than the first."""

    def message(self, text: str = "") -> None:
        """Nothing."""

    def progress(self, done: int, total: int, description: str) -> None:
        """Nothing."""

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Nothing."""

    def tick(self, row: Row) -> None:
        """Nothing."""

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """Nothing."""

    def training_ended(self) -> None:
        """Nothing."""
