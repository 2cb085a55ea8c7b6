"""The doctor: examines a run while it is played, reads its log, and writes down what is the matter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import torch

from zerosum.diagnosis.finding import Finding, Severity
from zerosum.diagnosis.log_history import History
from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.run_facts import facts_of
from zerosum.errors import BadInput
from zerosum.game.adversarial import Adversarial
from zerosum.game.game import Game
from zerosum.game.schedule import Now
from zerosum.run_folder import Row, RunFolder

FILE = "findings.jsonl"
Tell = Callable[[Finding, bool], None]
"""Hears of a finding as it comes (True) or goes (False)."""


def diagnose(history: History) -> list[Finding]:
    """What is the matter at the end of a history, the worst first."""
    found = [finding for rule in RULES if (finding := rule(history))]
    order = list(Severity)
    return sorted(found, key=lambda finding: (order.index(finding.severity), -finding.confidence))


def consult(folder: RunFolder, log: str = "log.jsonl") -> tuple[History, list[Finding]]:
    """A run's history as its log has it, and what is the matter at its end."""
    history = History.of(folder.rows(log), facts_of(folder))
    for row in judged(folder):
        history.add(row)
    return history, diagnose(history)


def judged(folder: RunFolder) -> Iterator[Row]:
    """What judgements in passing saw, as lines of a log."""
    for row in folder.rows("scores.jsonl"):
        if row.get("when") == "training" and "signals" in row:
            yield {"images": row["images"], **row["signals"]}


@dataclass
class Doctor:
    """Watches one run; see `zerosum.training.session.Attendant`."""

    examination: Callable[..., Signals] | None
    """How its kind of game is examined: `Examination`, or `TranslationExamination`."""
    every_images: int | None
    deep: int
    """Every so many examinations is a deep one."""
    folder: RunFolder
    treats: Callable[[Finding], bool] = lambda finding: False
    """Whether a run with this severe finding is to be stopped and treated."""
    tell: Tell = lambda finding, comes: None
    standing: dict[str, Finding] = field(default_factory=dict)

    def begin(self) -> None:
        """Read what the log says already."""
        self.history, findings = consult(self.folder)
        self.standing = {finding.name: finding for finding in findings}
        for finding in findings:
            self.tell(finding, True)
        self._judged = sum(1 for _ in judged(self.folder))

    def examine(self, game: Game, now: Now) -> Row:
        """The signals of an examination now."""
        assert self.examination is not None, "examined only where there is something to examine by"
        assert self.every_images
        assert isinstance(game, Adversarial), "what all games are a kind of"
        try:
            return dict(self.examination(game, now, deep=now.images // self.every_images % self.deep == 0))
        except (BadInput, RuntimeError) as error:  # a run must not end because it could not be looked at
            return {"not_examined": (str(error) or type(error).__name__).splitlines()[0]}

    def read(self, row: Row) -> bool:
        """Read a line of the log; write down what came and what went; whether the run should stop to be treated."""
        self.history.add(row)
        for seen in islice(judged(self.folder), self._judged, None):
            self.history.add(seen)
            self._judged += 1
        found = {finding.name: finding for finding in diagnose(self.history)}
        for name, finding in found.items():
            if name not in self.standing or self.standing[name].severity is not finding.severity:
                self._note(finding, row, comes=True)
        for name, finding in self.standing.items():
            if name not in found:
                self._note(finding, row, comes=False)
        self.standing = found
        return any(finding.urgent and self.treats(finding) for finding in found.values())

    def _note(self, finding: Finding, row: Row, comes: bool) -> None:
        event = {"images": row["images"], "round": row["round"], "event": "comes" if comes else "goes"}
        self.folder.append(FILE, event | (finding.as_dict() if comes else {"name": finding.name}))
        self.tell(finding, comes)

    def open_up(self, game: Game) -> Row:
        """Where a game that has diverged is no longer finite."""
        return {"not_finite": first_not_finite(game)}


def first_not_finite(game: torch.nn.Module) -> str:
    """The first of a game's weights, by name, that is not a finite number; "" if all are."""
    for name, tensor in game.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return ""


def worst(findings: Sequence[Finding]) -> Severity | None:
    """The worst severity among findings."""
    return min((f.severity for f in findings), key=list(Severity).index, default=None)
