"""The report of a run: one HTML file that needs nothing else, made from the run folder alone."""

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
from zerosum.reporting.html import Markup, join_markup, tag
from zerosum.reporting.timeline_section import SampleGrid, find_sample_grids, render_timeline, subsample_grids
from zerosum.run_folder import Row, RunFolder, write_atomically
from zerosum.units import format_count, format_seconds

MAX_CLASS_BARS = 24
"""Classes drawn as bars; the rest are counted."""
MAX_UNREADABLE_NAMED = 50
"""Unreadable files that are named."""
STATE_LABELS = {
    "done": "finished", "running": "still running", "interrupted": "interrupted", "diverged": "diverged",
    "stopped_by_finding": "stopped: a severe finding stands",
}  # fmt: skip
CHANNEL_LABELS = {1: "gray", 2: "gray with alpha", 3: "in color", 4: "in color with alpha"}


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, whatever the run has come to so far.

    Returns:
        The file's path.

    Raises:
        BadInput: the folder holds no run.
    """
    run = RunFolder.open(folder)
    recipe = run.read_toml("recipe.toml")
    data, plan, status = (run.read_json(name) for name in ("data.json", "plan.json", "status.json"))
    rows = list(run.rows())
    # status.json is the newer of the two where a run was stopped between two ticks
    latest = {"examples": 0, "seconds": 0.0} | (rows[-1] if rows else {}) | status
    history_, findings = diagnose_run(run)
    sections = [
        _samples_section(find_sample_grids(folder), _is_translation(recipe)),
        scores_section.render_scores(list(run.rows("scores.jsonl")), folder),
        diagnosis_section.render_diagnosis(findings, history_),
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
        tag("p", "Zerosum run report", class_="over"),
        tag("h1", name, chip),
        tag("p", *_summary(recipe, data, latest), class_="lead"),
        tag(
            "div",
            *(tag("div", tag("b", v), tag("span", what)) for v, what in _headline_numbers(recipe, latest)),
            class_="tiles",
        ),
    )


def _summary(recipe: Row, data: Row, latest: Row) -> Iterable[object]:
    """What was trained on what, how long, where: one paragraph."""
    noun = "points" if data.get("kind") == "points" else "images"
    count, source = data.get("images", 0), data.get("source") or recipe.get("data", {}).get("source", "")
    learns = "turn pictures into others, as" if _is_translation(recipe) else f"make {noun} like"
    yield f"A generator learns to {learns} "
    yield from ("the ", tag("b", format_count(count), f" {noun}"), " of ") if count else ("those of ",)
    yield from (
        tag("code", source or "its data"),
        ", by playing against a discriminator that tells real from fake",
    )
    yield f" (recipe {recipe['name']}). " if recipe.get("name") else ". "
    size, channels = data.get("size", 0), data.get("channels", 0)
    if size:
        yield f"They are {size} × {size} pixels{', ' + CHANNEL_LABELS[channels] if channels in CHANNEL_LABELS else ''}. "
    seen = latest["examples"]
    if not seen:
        yield "The run has just begun: there is nothing to see yet. Make the report again in a while."
        return
    device = recipe.get("metadata", {}).get("device") or recipe.get("training", {}).get("device", "")
    yield "So far it" if latest.get("state") == "running" else "It"
    yield from (" has trained for ", tag("b", format_seconds(latest["seconds"])))
    yield f" on {device}" if device else ""
    yield from (" and seen ", tag("b", f"{format_count(seen)} {noun}"))
    train = data.get("train", 0)
    yield f": {_format_passes(seen / train)} through the data it trains on. " if train else ". "
    if data.get("held_out"):
        yield f"{format_count(data['held_out'])} others are held out, and never reach the discriminator."


def _format_passes(passes: float) -> str:
    return f"about {passes:,.0f} times" if passes >= 2 else f"{passes:.2g} times"


def _headline_numbers(recipe: Row, latest: Row) -> Iterable[tuple[str, str]]:
    """The numbers at a glance, with what they are."""
    seconds = latest["seconds"]
    yield format_count(latest["examples"]), "images seen"
    yield format_seconds(seconds), "of training"
    if seconds:
        yield f"{latest['examples'] / seconds:,.0f}", "images a second"
    yield format_count(latest.get("round", 0)), "rounds of the game"
    objective = recipe.get("objective", {}).get("kind", "")
    if objective:
        yield objective, "objective"


def _is_translation(recipe: Row) -> bool:
    return bool(recipe.get("game", {}).get("kind") == "translation")


def _samples_section(grids: list[SampleGrid], is_translation: bool) -> Markup:
    if not grids:
        return _section("Samples", "", tag("p", "No samples yet.", class_="none"))
    about = (
        "Always of the same held-out pictures: what is given, what is made of it, and what was wanted, where known."
        if is_translation
        else "Made from the same latents every time, so each place shows one sample growing up."
    )
    shown = subsample_grids(grids)
    if len(shown) < len(grids):
        about += f" {len(shown)} of {format_count(len(grids))} sheets are shown; the others lie in samples/."
    return _section("Samples", about, render_timeline(shown))


def _data_section(data: Row) -> Markup:
    if not data:
        return Markup()
    facts = [
        ("source", data.get("source", "")),
        (str(data.get("kind", "examples")), data.get("images", "")),
        ("to train on", data.get("train", "")),
        ("held out", data.get("held_out", "")),
        ("sizes", data.get("sizes", "")),
        ("pixel modes", data.get("pixel_modes", "")),
        ("formats", data.get("formats", "")),
        ("duplicates", data.get("duplicates", "")),
        ("other files", data.get("other_files", "")),
    ]
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", said)) for name, v in facts if (said := _format_value(v))]
    parts = [tag("table", tag("tbody", *rows), class_="facts")]
    parts += [_class_bars(data["classes"])] if data.get("classes") else []
    parts += [tag("ul", *(tag("li", note) for note in data["notes"]), class_="notes")] if data.get("notes") else []
    parts += [_unreadable_files(data["unreadable"])] if data.get("unreadable") else []
    return _section("Data", "What the intake saw before training.", *parts)


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
    rest = len(classes) - len(shown)
    more = tag("p", f"and {format_count(rest)} smaller classes", class_="none") if rest else ""
    return join_markup([tag("h3", f"{format_count(len(classes))} classes"), tag("div", *rows, class_="bars"), more])


def _unreadable_files(files: list[tuple[str, str]]) -> Markup:
    items = [tag("li", tag("code", name), " ", reason) for name, reason in files[:MAX_UNREADABLE_NAMED]]
    rest = len(files) - len(items)
    items += [tag("li", f"and {format_count(rest)} more")] if rest else []
    what = "1 file was skipped" if len(files) == 1 else f"{format_count(len(files))} files were skipped"
    return tag("details", tag("summary", f"{what}: unreadable"), tag("ul", *items))


def _decisions_section(decisions: list[Row]) -> Markup:
    if not decisions:
        return Markup()
    head = tag("tr", *(tag("th", word, scope="col") for word in ("What", "Chosen", "Why")))
    keys = ("name", "value", "reason")
    rows = [tag("tr", *(tag("td", _format_value(choice.get(key, ""))) for key in keys)) for choice in decisions]
    about = "Settings you left open, and the reasons for what was picked."
    return _section("Choices", about, tag("table", tag("thead", head), tag("tbody", *rows), class_="decisions"))


def _commands_section(folder: Path, is_translation: bool) -> Markup:
    name = shlex.quote(str(_relative_to_cwd(folder)))
    made = [
        (f"zerosum sample {name} -n 64", "make new samples"),
        (f"zerosum walk {name}", "walk from one sample to the next"),
    ]
    turned = [(f"zerosum apply {name} PICTURES", "turn pictures of any size: a file, a folder, the frames of a film")]
    commands = [
        (f"zerosum resume {name}", "go on exactly where it stood"),
        *(turned if is_translation else made),
        (f"zerosum evaluate {name}", "judge the samples: scores beside their floor, copies, missing modes"),
    ]
    rows = [tag("tr", tag("td", tag("code", command)), tag("td", what)) for command, what in commands]
    return _section("How to go on", "", tag("table", tag("tbody", *rows), class_="commands"))


def _relative_to_cwd(folder: Path) -> Path:
    """The folder as one would type it: a report is passed on, and its maker's home is nobody's business."""
    full = folder.resolve()
    return full.relative_to(Path.cwd()) if full.is_relative_to(Path.cwd()) else Path(full.name)


def _settings_section(recipe: Row) -> Markup:
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", tag("code", json.dumps(value, ensure_ascii=False))))
        for name, value in _flatten({name: value for name, value in recipe.items() if name != "metadata"})
    ]
    table = tag("table", tag("tbody", *rows), class_="facts")
    opened = tag("details", tag("summary", f"All {len(rows)} settings, as in recipe.toml"), table)
    return _section(
        "Settings",
        join_markup(["Any of them can be set by its dotted name: ", tag("code", "--training.batch_size 64"), "."]),
        opened,
    )


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Settings by their dotted names."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _footer(made: Row) -> Markup:
    words = [f"{name} {_format_value(value)}" for name, value in made.items()]
    return tag("footer", "Made with ", ", ".join(words) if words else "zerosum", ".")


def _section(title: str, description: str, *content: object) -> Markup:
    lead = tag("p", description, class_="about") if description else ""
    return tag("section", tag("h2", title), lead, *content)


def _format_value(value: Any) -> str:
    """A value from a JSON or TOML file as people write it."""
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
