"""The header of a report: the name and state of the run, a summary, and headline numbers."""

from __future__ import annotations

from collections.abc import Iterable

from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporting.html import Markup, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.run_folder import RunState
from zerosum.units import format_count, format_seconds

STATE_LABELS = {
    RunState.DONE: "finished",
    RunState.RUNNING: "still running",
    RunState.INTERRUPTED: "interrupted",
    RunState.DIVERGED: "diverged",
    RunState.STOPPED_BY_FINDING: "stopped by a finding",
}


def render_header(record: RunRecord) -> Markup:
    """Return the header of a report."""
    state = record.state
    label = {str(known): text for known, text in STATE_LABELS.items()}.get(state, state)
    chip = tag("span", label, class_=f"chip {state}") if state else ""
    tiles = [tag("div", tag("b", value), tag("span", label)) for value, label in _headline_numbers(record)]
    return tag(
        "header",
        tag("p", "Zerosum run report", class_="kicker"),
        tag("h1", record.name, chip),
        tag("p", *_task(record), *_progress(record), class_="lead"),
        tag("p", f"{record.damage}.", class_="muted") if record.damage else "",
        tag("div", *tiles, class_="tiles"),
    )


def _task(record: RunRecord) -> Iterable[object]:
    """Yield what is trained, and on which data."""
    recipe, data, plural = record.recipe, record.data, record.plural
    count, source = data.get("count", 0), data.get("source") or recipe.get("data", {}).get("source", "")
    task = f"translate {plural}, trained on" if record.is_translation else f"generate {plural} like"
    yield f"A generator learns to {task} "
    yield from ("the ", tag("b", format_count(count), f" {plural}"), " of ") if count else ("those of ",)
    yield from (tag("code", source or "its data"), ", against a discriminator that distinguishes real from fake")
    yield f" (recipe {recipe['name']}). " if recipe.get("name") else ". "
    description = MEDIA_KINDS.find(record.kind).describe(data) if data and record.kind else ""
    yield f"{description} " if description else ""


def _progress(record: RunRecord) -> Iterable[object]:
    """Yield for how long the run was trained, on which device, and how often it saw the data."""
    recipe, data = record.recipe, record.data
    if not record.examples:
        yield "Training has just started, and nothing is logged yet. Write the report again later."
        return
    device = recipe.get("metadata", {}).get("device") or recipe.get("training", {}).get("device", "")
    yield "So far it" if record.state == RunState.RUNNING else "It"
    yield from (" has trained for ", tag("b", format_seconds(record.seconds)))
    yield f" on {device}" if device else ""
    yield from (" on ", tag("b", f"{format_count(record.examples)} {record.plural}"))
    train = data.get("train", 0)
    yield f": {_format_epochs(record.examples / train)} of the training set. " if train else ". "
    if data.get("held_out"):
        yield f"{format_count(data['held_out'])} others are held out and never shown to the discriminator."


def _format_epochs(epochs: float) -> str:
    return f"about {epochs:,.0f} epochs" if epochs >= 2 else f"{epochs:.2g} epochs"


def _headline_numbers(record: RunRecord) -> Iterable[tuple[str, str]]:
    """Yield the headline numbers with their labels."""
    yield format_count(record.examples), "examples trained"
    yield format_seconds(record.seconds), "of training"
    if record.seconds:
        yield f"{record.examples / record.seconds:,.0f}", "examples per second"
    yield format_count(record.round), "rounds of the game"
    objective = record.recipe.get("objective", {}).get("kind", "")
    if objective:
        yield objective, "objective"
