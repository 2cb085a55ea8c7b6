"""Write the report of a run: a self-contained HTML file, created from the run folder alone."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.reporting import diagnosis_section, scores_section
from zerosum.reporting.charts import render_charts
from zerosum.reporting.html import Markup, join_markup, render_code_spans, tag
from zerosum.reporting.timeline_section import SampleGrid, find_sample_grids, render_timeline, subsample_grids
from zerosum.run_folder import Row, RunFolder, RunState, write_atomically
from zerosum.units import format_count, format_seconds

MAX_CLASS_BARS = 24
"""Maximum number of classes drawn as bars."""
MAX_UNREADABLE_NAMED = 50
"""Maximum number of unreadable files that are listed."""
STATE_LABELS = {
    RunState.DONE: "finished",
    RunState.RUNNING: "still running",
    RunState.INTERRUPTED: "interrupted",
    RunState.DIVERGED: "diverged",
    RunState.STOPPED_BY_FINDING: "stopped by a finding",
}
CHANNEL_LABELS = {1: "grayscale", 2: "grayscale with alpha", 3: "RGB", 4: "RGB with alpha"}


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, at any time during or after training.

    Returns:
        The path of the file.

    Raises:
        BadInput: if the folder is not a run folder.
    """
    run = RunFolder.open(folder)
    recipe = run.read_toml("recipe.toml")
    data, plan, status = (run.read_json(name) for name in ("data.json", "plan.json", "status.json"))
    rows = list(run.rows())
    # status.json is newer than the log if the run stopped between two ticks
    latest = {"examples": 0, "seconds": 0.0} | (rows[-1] if rows else {}) | status
    history, findings = diagnose_run(run)
    sections = [
        _samples_section(find_sample_grids(folder), _is_translation(recipe)),
        scores_section.render_scores(list(run.rows("scores.jsonl")), folder),
        diagnosis_section.render_diagnosis(findings, history),
        render_charts(rows, recipe.get("objective", {})),
        _data_section(data),
        _decisions_section(plan.get("decisions", [])),
        _commands_section(folder, _is_translation(recipe)),
        _settings_section(recipe),
    ]
    page = Template(resources.files(__package__).joinpath("report.html").read_text("utf8")).substitute(
        title=tag("title", f"{folder.resolve().name} · Zerosum"),
        header=_header(folder.resolve().name, recipe, data, latest),
        sections=join_markup(sections),
        footer=_footer(recipe.get("metadata", {})),
    )
    return write_atomically(folder / "report.html", lambda part: part.write_text(page, "utf8"))


def _header(name: str, recipe: Row, data: Row, latest: Row) -> Markup:
    state = latest.get("state", "")
    chip = tag("span", STATE_LABELS.get(state, state), class_=f"chip {state}") if state else ""
    return tag(
        "header",
        tag("p", "Zerosum run report", class_="kicker"),
        tag("h1", name, chip),
        tag("p", *_summary(recipe, data, latest), class_="lead"),
        tag(
            "div",
            *(tag("div", tag("b", v), tag("span", label)) for v, label in _headline_numbers(recipe, latest)),
            class_="tiles",
        ),
    )


def _summary(recipe: Row, data: Row, latest: Row) -> Iterable[object]:
    """Yield a paragraph: what was trained, on which data and device, and for how long."""
    noun = "points" if data.get("kind") == "points" else "images"
    count, source = data.get("images", 0), data.get("source") or recipe.get("data", {}).get("source", "")
    task = "translate images, trained on" if _is_translation(recipe) else f"generate {noun} like"
    yield f"A generator learns to {task} "
    yield from ("the ", tag("b", format_count(count), f" {noun}"), " of ") if count else ("those of ",)
    yield from (tag("code", source or "its data"), ", against a discriminator that distinguishes real from fake")
    yield f" (recipe {recipe['name']}). " if recipe.get("name") else ". "
    size, channels = data.get("size", 0), data.get("channels", 0)
    if size:
        label = f", {CHANNEL_LABELS[channels]}" if channels in CHANNEL_LABELS else ""
        yield f"They are {size} × {size} pixels{label}. "
    examples = latest["examples"]
    if not examples:
        yield "Training has just started, and nothing is logged yet. Write the report again later."
        return
    device = recipe.get("metadata", {}).get("device") or recipe.get("training", {}).get("device", "")
    yield "So far it" if latest.get("state") == RunState.RUNNING else "It"
    yield from (" has trained for ", tag("b", format_seconds(latest["seconds"])))
    yield f" on {device}" if device else ""
    yield from (" on ", tag("b", f"{format_count(examples)} {noun}"))
    train = data.get("train", 0)
    yield f": {_format_epochs(examples / train)} of the training set. " if train else ". "
    if data.get("held_out"):
        yield f"{format_count(data['held_out'])} others are held out and never shown to the discriminator."


def _format_epochs(epochs: float) -> str:
    return f"about {epochs:,.0f} epochs" if epochs >= 2 else f"{epochs:.2g} epochs"


def _headline_numbers(recipe: Row, latest: Row) -> Iterable[tuple[str, str]]:
    """Yield the headline numbers with their labels."""
    seconds = latest["seconds"]
    yield format_count(latest["examples"]), "examples trained"
    yield format_seconds(seconds), "of training"
    if seconds:
        yield f"{latest['examples'] / seconds:,.0f}", "examples per second"
    yield format_count(latest.get("round", 0)), "rounds of the game"
    objective = recipe.get("objective", {}).get("kind", "")
    if objective:
        yield objective, "objective"


def _is_translation(recipe: Row) -> bool:
    return bool(recipe.get("game", {}).get("kind") == "translation")


def _samples_section(grids: list[SampleGrid], is_translation: bool) -> Markup:
    if not grids:
        return _section("Samples", "", tag("p", "No samples yet.", class_="muted"))
    description = (
        "Input, output and, for paired data, target, always of the same held-out images."
        if is_translation
        else "Generated from the same latents every time, so each cell shows one sample during training."
    )
    shown = subsample_grids(grids)
    if len(shown) < len(grids):
        description += f" {len(shown)} of {format_count(len(grids))} grids are shown; all are in samples/."
    return _section("Samples", description, render_timeline(shown))


def _data_section(data: Row) -> Markup:
    if not data:
        return Markup()
    facts = [
        ("source", data.get("source", "")),
        (str(data.get("kind", "examples")), data.get("images", "")),
        ("training", data.get("train", "")),
        ("held out", data.get("held_out", "")),
        ("sizes", data.get("sizes", "")),
        ("pixel modes", data.get("pixel_modes", "")),
        ("formats", data.get("formats", "")),
        ("duplicates", data.get("duplicates", "")),
        ("other files", data.get("other_files", "")),
    ]
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", text)) for name, v in facts if (text := _format_value(v))]
    parts = [tag("table", tag("tbody", *rows), class_="facts")]
    parts += [_class_bars(data["classes"])] if data.get("classes") else []
    parts += [_notes(data["notes"])] if data.get("notes") else []
    parts += [_unreadable_files(data["unreadable"])] if data.get("unreadable") else []
    return _section("Data", "The dataset as it was loaded before training.", *parts)


def _notes(notes: Iterable[str]) -> Markup:
    return tag("ul", *(tag("li", render_code_spans(note)) for note in notes), class_="notes")


def _class_bars(classes: Mapping[str, int]) -> Markup:
    shown = sorted(classes.items(), key=lambda pair: -pair[1])[:MAX_CLASS_BARS]
    largest = max(1, shown[0][1])
    rows = [
        tag(
            "div",
            tag("span", name, class_="name", title=name),
            tag("span", tag("i", style=f"width:{100 * count / largest:.1f}%"), class_="bar"),
            tag("span", format_count(count), class_="count"),
        )
        for name, count in shown
    ]
    num_hidden = len(classes) - len(shown)
    more = tag("p", f"and {format_count(num_hidden)} smaller classes", class_="muted") if num_hidden else ""
    return join_markup([tag("h3", f"{format_count(len(classes))} classes"), tag("div", *rows, class_="bars"), more])


def _unreadable_files(files: list[tuple[str, str]]) -> Markup:
    items = [tag("li", tag("code", name), " ", reason) for name, reason in files[:MAX_UNREADABLE_NAMED]]
    num_hidden = len(files) - len(items)
    items += [tag("li", f"and {format_count(num_hidden)} more")] if num_hidden else []
    summary = "1 file was skipped" if len(files) == 1 else f"{format_count(len(files))} files were skipped"
    return tag("details", tag("summary", f"{summary}: unreadable"), tag("ul", *items))


def _decisions_section(decisions: list[Row]) -> Markup:
    if not decisions:
        return Markup()
    head = tag("tr", *(tag("th", word, scope="col") for word in ("Setting", "Value", "Reason")))
    keys = ("name", "value", "reason")
    cells = [[render_code_spans(_format_value(decision.get(key, ""))) for key in keys] for decision in decisions]
    rows = [tag("tr", *(tag("td", cell) for cell in row)) for row in cells]
    description = "Settings that were chosen automatically, with the reasons."
    return _section("Decisions", description, tag("table", tag("thead", head), tag("tbody", *rows), class_="decisions"))


def _commands_section(folder: Path, is_translation: bool) -> Markup:
    name = shlex.quote(str(_relative_to_cwd(folder)))
    sample_commands = [
        (f"zerosum sample {name} -n 64", "generate new samples"),
        (f"zerosum walk {name}", "interpolate through latent space"),
    ]
    apply_command = (
        f"zerosum apply {name} IMAGES",
        "translate images of any size: a file, a folder, the frames of a video",
    )
    commands = [
        (f"zerosum resume {name}", "continue training from the last checkpoint"),
        *([apply_command] if is_translation else sample_commands),
        (f"zerosum evaluate {name}", "evaluate the samples: scores with their floor, copies, missing modes"),
    ]
    rows = [tag("tr", tag("td", tag("code", command)), tag("td", label)) for command, label in commands]
    return _section("Next steps", "", tag("table", tag("tbody", *rows), class_="commands"))


def _relative_to_cwd(folder: Path) -> Path:
    """Return the folder relative to the current one, or its name: a shared report must not contain the user's home."""
    absolute = folder.resolve()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else Path(absolute.name)


def _settings_section(recipe: Row) -> Markup:
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", tag("code", json.dumps(value, ensure_ascii=False))))
        for name, value in _flatten({name: value for name, value in recipe.items() if name != "metadata"})
    ]
    table = tag("table", tag("tbody", *rows), class_="facts")
    details = tag("details", tag("summary", f"All {len(rows)} settings, as in recipe.toml"), table)
    return _section("Settings", "Each can be set by its dotted name.", details)


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield settings with their dotted names."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _footer(metadata: Row) -> Markup:
    entries = [f"{name} {_format_value(value)}" for name, value in metadata.items()]
    return tag("footer", "Trained with ", ", ".join(entries) if entries else "zerosum", ".")


def _section(title: str, description: str, *content: object) -> Markup:
    lead = tag("p", description, class_="description") if description else ""
    return tag("section", tag("h2", title), lead, *content)


def _format_value(value: Any) -> str:
    """Format a value of a JSON or TOML file for reading."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return format_count(value)
        case Mapping():
            return ", ".join(f"{name}: {_format_value(inner)}" for name, inner in value.items())
        case list():
            return ", ".join(map(_format_value, value))
        case _:
            return str(value)
