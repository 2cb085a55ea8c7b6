"""What is said when a run has been played."""

from __future__ import annotations

from zerosum.diagnosis.finding import Severity
from zerosum.diagnosis.monitor import consult
from zerosum.reporter import Voice
from zerosum.training.trainer import Session
from zerosum.units import say_count, say_seconds

AFTER = {
    False: ("sample {run} -n 64", "walk {run}", "evaluate {run}"),
    True: ("apply {run} PICTURES", "evaluate {run}"),
}
"""What to do next with a run that makes pictures of noise, and with one that turns pictures into others."""


def tell(session: Session, state: str, translates: bool, voice: Voice) -> None:
    """How a session ended, what is the matter with it, and where to look."""
    path = session.folder.path
    done = f"{say_count(session.now.images)} images in {say_seconds(session.elapsed())}"
    why = ", and no better score for as long as judging.patience asks" if session.weary else ""
    endings = {
        "done": f"done: {done}{why}",
        "interrupted": f"interrupted after {done}; `zerosum resume {path}` goes on exactly here",
        "ill": f"stopped after {done}: a severe finding stands; `zerosum diagnose {path}` says more",
        "diverged": (
            f"diverged after {done}: a loss or a weight is no longer a finite number. {_kept(session)}; "
            f"start anew with a lower --optimizer.lr or a stronger --terms.r1.weight"
        ),
    }
    voice.say(endings[state])
    _tell_best(session, voice)
    for finding in consult(session.folder)[1]:
        if finding.severity is not Severity.NOTE:
            voice.say(f"  {finding.severity}: {finding.title}; `zerosum diagnose {path}` says why, and what to change")
    sheets = session.folder.sheets()
    if state != "diverged" and sheets:
        voice.say(f"  look at  {sheets[-1]}")
        voice.say(f"           {path / 'report.html'}")
        for place, command in enumerate(AFTER[translates]):
            voice.say(f"  {'' if place else 'then':<7}  zerosum {command.format(run=path)}")


def _tell_best(session: Session, voice: Voice) -> None:
    """Which moment was judged best, where samples were judged."""
    best = session.folder.best()
    if best:
        (name, score), *_ = best["scores"].items()
        where = "" if best["images"] == session.now.images else "; it is kept: give --best to use it"
        voice.say(f"  judged best after {say_count(best['images'])} images: {name} {score['value']:.4f}{where}")


def _kept(session: Session) -> str:
    found = session.folder.checkpoints()
    return f"The last good checkpoint, {found[-1].name}, is kept" if found else "It came before the first checkpoint"
