"""The monitor of a run: it probes the game during training, reads the log and records findings."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import torch

from zerosum.diagnosis.diagnose import diagnose_history, diagnose_run, read_evaluation_signals
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.weight_signals import WeightSignals
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.run_folder import FINDINGS_FILE, Row, RunFolder

FindingCallback = Callable[[Finding, bool], None]
"""Called with a finding when it appears (True) or is resolved (False)."""


@dataclass
class Monitor:
    """Monitor one run; implements the protocol `zerosum.training.trainer.TrainingMonitor`."""

    probe: Callable[..., Mapping[str, object]] | None
    """`GameProbe` or `TranslationProbe`, by the kind of game; None for no probes."""
    every_examples: int | None
    """Training examples between probes; None for no probes."""
    duality_gap_every: int
    """Number of probes between computations of the duality gap, each of which plays 10 steps of either player."""
    folder: RunFolder
    gradients_every: int = 1
    """Number of probes between measurements of gradients."""
    max_time_fraction: float = math.inf
    """Fraction of the time since the start from which a probe is left out; from half of it on, it is reduced."""
    can_recover: Callable[[Finding], bool] = lambda finding: False
    """Return whether the run should stop for automatic recovery from this finding."""
    on_finding: FindingCallback = lambda finding, appeared: None
    active_findings: dict[str, Finding] = field(default_factory=dict)
    """The present findings by name."""
    weight_signals: WeightSignals = field(default_factory=WeightSignals)
    _start_time: float = field(default_factory=time.perf_counter, init=False)
    _probe_seconds: float = field(default=0.0, init=False)
    _is_warm: bool = field(default=False, init=False)

    def start(self) -> None:
        """Read the existing log of the run and report its findings."""
        self._start_time = time.perf_counter()
        self.history, findings = diagnose_run(self.folder)
        self.active_findings = {finding.name: finding for finding in findings}
        for finding in findings:
            self.on_finding(finding, True)
        self._num_evaluations_read = sum(1 for _ in read_evaluation_signals(self.folder))

    def before_measured_round(self, game: Game) -> None:
        """Keep the weights before the last round of a row."""
        self.weight_signals.remember(game)

    def measure_weights(self, game: Game) -> Row:
        """Return the signals of the weights for a row of the log; they need neither a probe nor examples."""
        return dict(self.weight_signals.measure(game))

    def run_probe(self, game: Game, progress: Progress) -> Row:
        """Return the signals of a probe at `progress`, or its error under "probe_error".

        There are none while probes have taken too much of the run's time, and half of the way there only cheap ones.
        """
        assert self.probe is not None, "probes are run only where there is a probe"
        assert self.every_examples
        assert isinstance(game, AdversarialGame), "the base class of all games that are trained"
        start, number = time.perf_counter(), progress.examples // self.every_examples
        used_fraction = self._probe_seconds / max(start - self._start_time, 1e-9)
        if used_fraction > self.max_time_fraction:
            return {}
        is_affordable = used_fraction <= self.max_time_fraction / 2
        try:
            return dict(
                self.probe(
                    game,
                    progress,
                    with_gradients=is_affordable and number % self.gradients_every == 0,
                    with_duality_gap=is_affordable and number % self.duality_gap_every == 0,
                )
            )
        except Exception as error:  # a failed probe, also one of a user's kind of data, must not end the training
            return {"probe_error": f"{type(error).__name__}: {error}".splitlines()[0]}
        finally:
            if self._is_warm:  # the first probe also computes the features of the real examples, once
                self._probe_seconds += time.perf_counter() - start
            self._is_warm = True

    def process_row(self, row: Row) -> bool:
        """Read a row of the log, and record the findings that appear and those that are resolved.

        Returns:
            Whether the run should stop for automatic recovery.
        """
        self.history.add_row(row)
        for evaluation_row in islice(read_evaluation_signals(self.folder), self._num_evaluations_read, None):
            self.history.add_row(evaluation_row)
            self._num_evaluations_read += 1
        findings = {finding.name: finding for finding in diagnose_history(self.history)}
        for name, finding in findings.items():
            if name not in self.active_findings or self.active_findings[name].severity is not finding.severity:
                self._record_event(finding, row, appeared=True)
        for name, finding in self.active_findings.items():
            if name not in findings:
                self._record_event(finding, row, appeared=False)
        self.active_findings = findings
        return any(finding.triggers_recovery and self.can_recover(finding) for finding in findings.values())

    def _record_event(self, finding: Finding, row: Row, appeared: bool) -> None:
        event = {"examples": row["examples"], "round": row["round"], "event": "appeared" if appeared else "resolved"}
        self.folder.append(FINDINGS_FILE, event | (finding.as_dict() if appeared else {"name": finding.name}))
        self.on_finding(finding, appeared)

    def locate_nonfinite(self, game: Game) -> Row:
        """Return the name of the first non-finite weight of a game that has diverged, as fields of a log row."""
        return {"first_nonfinite_weight": first_nonfinite_weight(game)}


def first_nonfinite_weight(game: torch.nn.Module) -> str:
    """Return the name of the first weight or buffer that is not finite; "" if all are finite."""
    for name, tensor in game.state_dict().items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return ""
