"""The record of a run: everything that the sections of its report show, read once from the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zerosum.data.kind import DATA_KINDS
from zerosum.diagnosis.diagnose import diagnose_rows
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.run_facts import build_run_facts
from zerosum.run_folder import Row, RunFolder


@dataclass(frozen=True)
class SampleGrid:
    """A grid of samples after `examples` training examples."""

    examples: int
    path: Path


@dataclass(frozen=True)
class RunRecord:
    """A run as it is in its folder at one moment, during or after training."""

    folder: Path
    recipe: Row = field(default_factory=dict)
    """The settings of the run, and `metadata`: recipe.toml."""
    data: Row = field(default_factory=dict)
    """The dataset as it was loaded: data.json; empty if the file is missing or damaged."""
    plan: Row = field(default_factory=dict)
    """The decisions with their reasons: plan.json; empty if the file is missing or damaged."""
    status: Row = field(default_factory=dict)
    """The state and position of the training: status.json; empty before the first tick."""
    log_rows: Sequence[Row] = ()
    """The rows of log.jsonl, oldest first."""
    score_rows: Sequence[Row] = ()
    """The evaluations: rows of scores.jsonl, oldest first."""
    history: LogHistory = field(default_factory=LogHistory)
    """The signals of the log and of the online evaluations."""
    findings: Sequence[Finding] = ()
    """The findings at the end of the history, the most severe first."""
    sample_grids: Sequence[SampleGrid] = ()
    """The grids of samples, oldest first."""
    damage: str = ""
    """A sentence about files and lines of the run that cannot be read; "" if there are none."""

    @classmethod
    def read(cls, folder: Path) -> RunRecord:
        """Read and diagnose the run in a folder.

        Raises:
            BadInput: the folder is not a run folder, or its recipe cannot be read.
        """
        run = RunFolder.open(folder)
        recipe = run.read_toml("recipe.toml")
        data, plan, status = (run.read_intact_json(name) for name in ("data.json", "plan.json", "status.json"))
        log_rows, score_rows = list(run.rows()), list(run.rows("scores.jsonl"))
        history, findings = diagnose_rows(log_rows, score_rows, build_run_facts(recipe, plan, data))
        grids = [SampleGrid(int(path.stem), path) for path in run.sample_grids()]
        damage = run.describe_damage()
        return cls(folder, recipe, data, plan, status, log_rows, score_rows, history, findings, grids, damage)

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def kind(self) -> str:
        """The name of the kind of data; "" if neither data.json nor recipe.toml names one."""
        return str(self.data.get("kind") or self.recipe.get("data", {}).get("kind", ""))

    @property
    def noun(self) -> str:
        """One item of the data in words, such as "point"."""
        return DATA_KINDS.find(self.kind).noun if self.kind else "example"

    @property
    def plural(self) -> str:
        """Several items of the data in words, such as "points"."""
        return f"{self.noun}s"

    @property
    def is_translation(self) -> bool:
        """Whether the generator translates inputs that are part of the data."""
        return bool(self.data.get("has_inputs"))

    @property
    def state(self) -> str:
        """The state of the run: one of `RunState`, or "" before the first tick."""
        return str(self._latest.get("state", ""))

    @property
    def examples(self) -> int:
        """Training examples so far."""
        return int(self._latest.get("examples", 0))

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return float(self._latest.get("seconds", 0.0))

    @property
    def round(self) -> int:
        """Rounds of the game so far."""
        return int(self._latest.get("round", 0))

    @property
    def _latest(self) -> Row:
        """The last row of the log, updated by status.json, which is newer if the run stopped between two ticks."""
        return (self.log_rows[-1] if self.log_rows else {}) | self.status
