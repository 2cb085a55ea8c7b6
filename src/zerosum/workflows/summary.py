"""The summary that is reported at the end of training."""

from __future__ import annotations

from zerosum.data.kind import DATA_KINDS
from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.rules.remedies import GRADIENT_PENALTIES
from zerosum.files import quote_path
from zerosum.media.kind import MEDIA_KINDS
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import Reporter
from zerosum.run_folder import RunState
from zerosum.training.trainer import Trainer
from zerosum.units import format_count, format_seconds


def report_summary(trainer: Trainer, state: RunState, recipe: Recipe, reporter: Reporter) -> None:
    """Report how training ended, the best evaluation, the findings, and the next commands."""
    path, run = trainer.folder.path, quote_path(trainer.folder.path)
    reporter.message(_describe_end(trainer, state, recipe))
    _report_best_model(trainer, reporter)
    for finding in diagnose_run(trainer.folder)[1]:
        if finding.severity is not Severity.NOTE:
            reporter.message(
                f"  {finding.severity}: {finding.title}; `zerosum diagnose {run}` shows the reasons and what to change"
            )
    sample_grids = trainer.folder.sample_grids()
    if state is not RunState.DIVERGED and sample_grids:
        reporter.message(f"  look at  {sample_grids[-1]}")
        reporter.message(f"           {path / 'report.html'}")
        for index, command in enumerate(_next_commands(recipe)):
            reporter.message(f"  {'' if index else 'then':<7}  zerosum {command.format(run=run)}")


def _next_commands(recipe: Recipe) -> list[str]:
    """Return the commands to suggest after training."""
    if recipe.is_translation:
        noun = DATA_KINDS.find(recipe.data.kind).noun
        return [f"apply {{run}} {noun.upper()}S", "evaluate {run}"]
    walk = ["walk {run}"] if MEDIA_KINDS.find(recipe.data.kind).has_frames else []
    return ["sample {run} -n 64", *walk, "evaluate {run}"]


def _describe_end(trainer: Trainer, state: RunState, recipe: Recipe) -> str:
    """Return a sentence about how training ended."""
    run = quote_path(trainer.folder.path)
    amount = f"{format_count(trainer.progress.examples)} examples in {format_seconds(trainer.elapsed_seconds())}"
    early = (
        ", stopped early since the score no longer improved (`evaluation.patience`)" if trainer.stopped_early else ""
    )
    sentences = {
        RunState.DONE: f"done: {amount}{early}",
        RunState.INTERRUPTED: f"interrupted after {amount}; `zerosum resume {run}` continues from the same state",
        RunState.STOPPED_BY_FINDING: f"stopped after {amount} by a finding; `zerosum diagnose {run}` explains it",
        RunState.DIVERGED: (
            f"diverged after {amount}: a loss or a weight is not a finite number (NaN or infinity). "
            f"{_describe_last_checkpoint(trainer)}; train again with a lower `optimizer.lr`"
            f"{_suggest_gradient_penalty(recipe)}"
        ),
    }
    return sentences[state]


def _suggest_gradient_penalty(recipe: Recipe) -> str:
    """Return the end of the advice for a diverged run: the recipe's gradient penalty, if it has one."""
    name = next((name for name, term in recipe.terms.items() if term.kind in GRADIENT_PENALTIES), None)
    return f" or a higher `terms.{name}.weight`" if name else ""


def _report_best_model(trainer: Trainer, reporter: Reporter) -> None:
    """Report when the best score was reached, if the run was evaluated during training."""
    best = trainer.folder.best_scores()
    if best:
        (name, score), *_ = best["scores"].items()
        hint = "" if best["examples"] == trainer.progress.examples else "; use these networks with `best`"
        reporter.message(
            f"  best score after {format_count(best['examples'])} examples: {name} {score['value']:.4f}{hint}"
        )


def _describe_last_checkpoint(trainer: Trainer) -> str:
    checkpoints = trainer.folder.checkpoints()
    if not checkpoints:
        return "There is no checkpoint from before"
    return f"The last good checkpoint, {checkpoints[-1].name}, is kept"
