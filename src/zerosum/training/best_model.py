"""Online evaluation during training: keep the best networks, and stop when they no longer improve."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from zerosum.game.game import Game
from zerosum.run_folder import Row, RunFolder
from zerosum.training import checkpoint
from zerosum.training.integrity import write_checksums

EvaluateFn = Callable[[Game, int], Row]
"""Evaluate samples of the game after so many examples: return a row of scores.jsonl with a `distance`, lower is better.
All ranks call it together. Only the result of rank 0 is used."""


@dataclass
class BestModelTracker:
    """Keeps the scores and the best networks. Its state is in the run folder, so resuming continues it."""

    folder: RunFolder
    evaluator: EvaluateFn
    every_examples: int
    """Examples between two evaluations."""
    patience: int = 0
    """Evaluations without improvement after which the run ends; 0: never."""

    def record(self, game: Game, row: Row) -> bool:
        """Write the scores of a game, keep its networks if they are the best, and return whether to stop early.

        Raises:
            OSError: a file cannot be written.
        """
        self.folder.append("scores.jsonl", row)
        best = self.folder.best_scores()
        if _reference(best) != _reference(row):
            best = Row()  # the data have changed since then, and scores against other real examples do not compare
        if _distance(row) < _distance(best):
            self.folder.save_best(row, partial(_save_networks, game))
            best = row
        return self.patience > 0 and self._evaluations_since(best) >= self.patience

    def _evaluations_since(self, best: Row) -> int:
        """Return the number of online evaluations after the best one."""
        rows = self.folder.rows("scores.jsonl")
        return sum(row.get("mode") == "online" and row["examples"] > best.get("examples", 0) for row in rows)


def _save_networks(game: Game, folder: Path) -> None:
    """Write the networks of a game and their checksums."""
    checkpoint.save_networks(folder, game)
    write_checksums(folder)


def _reference(row: Row) -> object:
    """Return what identifies the real examples that the samples of a row were compared with."""
    return row.get("protocol", {}).get("real_fingerprint")


def _distance(row: Row) -> float:
    value = row.get("distance")
    return math.inf if value is None else float(value)
