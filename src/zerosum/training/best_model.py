"""The contest within a run: samples judged on schedule, the best networks kept, and an end when none get better."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from zerosum.game.game import Game
from zerosum.run_folder import Row, RunFolder
from zerosum.training import checkpoint

EvaluateFn = Callable[[Game, int], Row]
"""Judges the game's samples after so many images: a line of scores.jsonl, with the `distance` that is to be small.
All ranks call it together; what it gives on the first one counts."""


@dataclass
class BestModelTracker:
    """Who was best so far. All it knows stands in the run's folder, so that a resumed run goes on with it."""

    folder: RunFolder
    evaluator: EvaluateFn
    every_examples: int
    """Images between two judgements."""
    patience: int = 0
    """Judgements without a better one after which the run ends; 0: never."""

    def evaluate(self, game: Game, examples: int, is_rank_zero: bool) -> bool:
        """Judge, write it down, keep the networks if they are the best; whether patience is over.

        Args:
            game: the game at this instant.
            examples: when that is.
            is_rank_zero: this is the first rank, which writes.
        """
        row = self.evaluator(game, examples)
        if not is_rank_zero:
            return False
        self.folder.append("scores.jsonl", row)
        best = self.folder.best_scores()
        if _distance(row) < _distance(best):
            self.folder.save_best(row, lambda folder: checkpoint.save_networks(folder, game))
            best = row
        return self.patience > 0 and self._evaluations_since(best) >= self.patience

    def _evaluations_since(self, best: Row) -> int:
        """Judgements of this run after the best one."""
        rows = self.folder.rows("scores.jsonl")
        return sum(row.get("mode") == "online" and row["examples"] > best.get("examples", 0) for row in rows)


def _distance(row: Row) -> float:
    value = row.get("distance")
    return math.inf if value is None else float(value)
