"""What is said when a run has been played."""

from __future__ import annotations

from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.diagnosis.finding import Severity
from zerosum.reporter import Reporter
from zerosum.training.trainer import Trainer
from zerosum.units import format_count, format_seconds

NEXT_COMMANDS = {
    False: ("sample {run} -n 64", "walk {run}", "evaluate {run}"),
    True: ("apply {run} PICTURES", "evaluate {run}"),
}
"""What to do next with a run that makes pictures of noise, and with one that turns pictures into others."""


def print_summary(trainer: Trainer, state: str, is_translation: bool, reporter: Reporter) -> None:
    """How a session ended, what is the matter with it, and where to look."""
    path = trainer.folder.path
    done = f"{format_count(trainer.progress.examples)} images in {format_seconds(trainer.elapsed_seconds())}"
    why = ", and no better score for as long as judging.patience asks" if trainer.stopped_early else ""
    endings = {
        "done": f"done: {done}{why}",
        "interrupted": f"interrupted after {done}; `zerosum resume {path}` goes on exactly here",
        "stopped_by_finding": f"stopped after {done}: a severe finding stands; `zerosum diagnose {path}` says more",
        "diverged": (
            f"diverged after {done}: a loss or a weight is no longer a finite number. {_describe_last_checkpoint(trainer)}; "
            f"start anew with a lower --optimizer.lr or a stronger --terms.r1.weight"
        ),
    }
    reporter.message(endings[state])
    _report_best_model(trainer, reporter)
    for finding in diagnose_run(trainer.folder)[1]:
        if finding.severity is not Severity.NOTE:
            reporter.message(
                f"  {finding.severity}: {finding.title}; `zerosum diagnose {path}` says why, and what to change"
            )
    sheets = trainer.folder.sample_grids()
    if state != "diverged" and sheets:
        reporter.message(f"  look at  {sheets[-1]}")
        reporter.message(f"           {path / 'report.html'}")
        for place, command in enumerate(NEXT_COMMANDS[is_translation]):
            reporter.message(f"  {'' if place else 'then':<7}  zerosum {command.format(run=path)}")


def _report_best_model(trainer: Trainer, reporter: Reporter) -> None:
    """Which moment was judged best, where samples were judged."""
    best = trainer.folder.best_scores()
    if best:
        (name, score), *_ = best["scores"].items()
        where = "" if best["examples"] == trainer.progress.examples else "; it is kept: give --best to use it"
        reporter.message(
            f"  judged best after {format_count(best['examples'])} images: {name} {score['value']:.4f}{where}"
        )


def _describe_last_checkpoint(trainer: Trainer) -> str:
    found = trainer.folder.checkpoints()
    return f"The last good checkpoint, {found[-1].name}, is kept" if found else "It came before the first checkpoint"
