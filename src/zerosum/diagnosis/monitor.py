"""The doctor: examines a run while it is played, reads its log, and writes down what is the matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch

from zerosum.diagnosis.diagnose import diagnose_history, diagnose_run, read_evaluation_signals
from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.measures import Signals
from zerosum.errors import BadInput
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.run_folder import Row, RunFolder

FINDINGS_FILE = "findings.jsonl"
FindingCallback = Callable[[Finding, bool], None]
"""Hears of a finding as it comes (True) or goes (False)."""


@dataclass
class Monitor:
    """Watches one run; see `zerosum.training.session.Attendant`."""

    probe: Callable[..., Signals] | None
    """How its kind of game is examined: `Examination`, or `TranslationExamination`."""
    every_examples: int | None
    duality_gap_every: int
    """Every so many examinations is a deep one."""
    folder: RunFolder
    can_recover: Callable[[Finding], bool] = lambda finding: False
    """Whether a run with this severe finding is to be stopped and treated."""
    on_finding: FindingCallback = lambda finding, comes: None
    active_findings: dict[str, Finding] = field(default_factory=dict)

    def start(self) -> None:
        """Read what the log says already."""
        self.history, findings = diagnose_run(self.folder)
        self.active_findings = {finding.name: finding for finding in findings}
        for finding in findings:
            self.on_finding(finding, True)
        self._num_evaluations_read = sum(1 for _ in read_evaluation_signals(self.folder))

    def run_probe(self, game: Game, progress: Progress) -> Row:
        """The signals of an examination now."""
        assert self.probe is not None, "examined only where there is something to examine by"
        assert self.every_examples
        assert isinstance(game, AdversarialGame), "what all games are a kind of"
        try:
            return dict(
                self.probe(
                    game,
                    progress,
                    with_duality_gap=progress.examples // self.every_examples % self.duality_gap_every == 0,
                )
            )
        except (BadInput, RuntimeError) as error:  # a run must not end because it could not be looked at
            return {"probe_error": (str(error) or type(error).__name__).splitlines()[0]}

    def process_row(self, row: Row) -> bool:
        """Read a line of the log; write down what came and what went; whether the run should stop to be treated."""
        self.history.add_row(row)
        for seen in islice(read_evaluation_signals(self.folder), self._num_evaluations_read, None):
            self.history.add_row(seen)
            self._num_evaluations_read += 1
        found = {finding.name: finding for finding in diagnose_history(self.history)}
        for name, finding in found.items():
            if name not in self.active_findings or self.active_findings[name].severity is not finding.severity:
                self._record_event(finding, row, appeared=True)
        for name, finding in self.active_findings.items():
            if name not in found:
                self._record_event(finding, row, appeared=False)
        self.active_findings = found
        return any(finding.triggers_recovery and self.can_recover(finding) for finding in found.values())

    def _record_event(self, finding: Finding, row: Row, appeared: bool) -> None:
        event = {"examples": row["examples"], "round": row["round"], "event": "appeared" if appeared else "resolved"}
        self.folder.append(FINDINGS_FILE, event | (finding.as_dict() if appeared else {"name": finding.name}))
        self.on_finding(finding, appeared)

    def locate_nonfinite(self, game: Game) -> Row:
        """Where a game that has diverged is no longer finite."""
        return {"first_nonfinite_weight": first_nonfinite_weight(game)}


def first_nonfinite_weight(game: torch.nn.Module) -> str:
    """The first of a game's weights, by name, that is not a finite number; "" if all are."""
    for name, tensor in game.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return ""


def worst_severity(findings: Sequence[Finding]) -> Severity | None:
    """The worst severity among findings."""
    return min((f.severity for f in findings), key=list(Severity).index, default=None)
