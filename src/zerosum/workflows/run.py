"""A run as an object: its folder, log, findings and generator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zerosum.inference.load import load
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    from zerosum.diagnosis.finding import Finding
    from zerosum.inference.generator import Generator


class Run:
    """A run: its folder, its log, its generator."""

    def __init__(self, folder: RunFolder, state: str) -> None:
        """A run found in `folder`, which ended as `state` ("done", "interrupted", "diverged" or "running")."""
        self.folder, self.state = folder, state
        self.path = folder.path

    def log(self) -> list[Row]:
        """The ticks so far: round, images, seconds, losses, signals, speed."""
        return list(self.folder.rows())

    def scores(self) -> list[Row]:
        """The judgements so far, those made during training included: a line of scores.jsonl each."""
        return list(self.folder.rows("scores.jsonl"))

    def findings(self) -> list[Finding]:
        """What is the matter with it, the worst first; see `diagnose`."""
        from zerosum.diagnosis.diagnose import diagnose_run

        return diagnose_run(self.folder)[1]

    @property
    def outcome(self) -> str:
        """How it ended: as its state says, or "severe" where it is done and a severe finding stands against it.

        Of several processes none says so: whoever started them would take it for a crash.
        """
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            return self.state
        severe = any(finding.severity == "severe" for finding in self.findings()) if self.state == "done" else False
        return "severe" if severe else self.state

    def generator(self, device: str = "auto") -> Generator:
        """The averaged generator of the newest checkpoint."""
        return load(self.path, device)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.state})"
