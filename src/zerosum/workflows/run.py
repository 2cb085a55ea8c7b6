"""A run as a Python object: its folder, log, scores, findings and generator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from zerosum.diagnosis.finding import Severity
from zerosum.inference.load import load
from zerosum.run_folder import Row, RunFolder, RunState

if TYPE_CHECKING:
    from zerosum.diagnosis.finding import Finding
    from zerosum.inference.generator import Generator


class Run:
    """A training run, as returned by `train` and `resume`.

    Attributes:
        folder: the run folder.
        path: the path of the run folder.
        state: how training ended; equal to "done", "interrupted", "diverged" or "stopped_by_finding".

    Example:
        >>> run = zerosum.resume("runs/ring", examples=25_000)
        >>> run.generator("cpu").sample(16, seed=7).shape
        torch.Size([16, 2])
    """

    def __init__(self, folder: RunFolder, state: RunState) -> None:
        """Wrap the run in `folder`, whose training ended in this state."""
        self.folder, self.state = folder, state
        self.path = folder.path

    def log(self) -> list[Row]:
        """Return the rows of log.jsonl: round, examples, seconds, losses, signals and speed."""
        return list(self.folder.rows())

    def scores(self) -> list[Row]:
        """Return the rows of scores.jsonl: one for each evaluation, during or after training."""
        return list(self.folder.rows("scores.jsonl"))

    def findings(self) -> list[Finding]:
        """Return the active findings of the run, the most severe first; see `diagnose`."""
        from zerosum.diagnosis.diagnose import diagnose_run

        return diagnose_run(self.folder)[1]

    @property
    def outcome(self) -> str:
        """The state, or "severe" if the run is done and a severe finding is active.

        With several processes it is always the state: a launcher would take the exit code of "severe" for a crash.
        """
        from zerosum.workflows.diagnose import has_severe

        if self.state is not RunState.DONE or int(os.environ.get("WORLD_SIZE", "1")) > 1:
            return self.state
        return Severity.SEVERE if has_severe(self.findings()) else self.state

    def generator(self, device: str = "auto") -> Generator:
        """Return the EMA generator of the newest checkpoint.

        Raises:
            BadInput: the run has no checkpoint yet, or is an image-to-image translation.
        """
        return load(self.path, device)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.state})"
