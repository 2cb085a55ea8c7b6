"""The data section of a report: facts about the dataset, its classes, notes, and unreadable files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporting.html import Markup, join_markup, render_code_spans, section, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.values import format_value
from zerosum.units import format_count

MAX_CLASS_BARS = 24
"""Maximum number of classes drawn as bars."""
MAX_UNREADABLE_NAMED = 50
"""Maximum number of unreadable files that are listed."""


def render_data(record: RunRecord) -> Markup:
    """Return the data section; empty if nothing is known about the dataset."""
    data = record.data
    if not data:
        return Markup()
    facts: list[tuple[str, object]] = [
        ("source", data.get("source", "")),
        (record.plural, data.get("count", "")),
        ("training", data.get("train", "")),
        ("held out", data.get("held_out", "")),
        *(MEDIA_KINDS.find(record.kind).facts(data) if record.kind else ()),
    ]
    rows = [tag("tr", tag("th", name, scope="row"), tag("td", text)) for name, v in facts if (text := format_value(v))]
    parts = [tag("table", tag("tbody", *rows), class_="facts")]
    parts += [_class_bars(data["classes"])] if data.get("classes") else []
    parts += [_notes(data["notes"])] if data.get("notes") else []
    parts += [_notes(_describe_changes(record))] if data.get("changes") else []
    parts += [_unreadable_files(data["unreadable"])] if data.get("unreadable") else []
    description = "The dataset since its last change." if data.get("changes") else "The dataset as it was loaded."
    return section("Data", description, *parts)


def _describe_changes(record: RunRecord) -> Iterable[str]:
    """Yield a sentence for each time the run went on with other data."""
    for change in record.data["changes"]:
        added, removed, examples = (format_count(change.get(name, 0)) for name in ("added", "removed", "examples"))
        yield (
            f"after {examples} examples, {added} {record.plural} were added and {removed} removed: the run went on with"
            f" {change.get('source', '')}, and no {record.noun} changed its side of the split"
        )


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


def _unreadable_files(files: Sequence[tuple[str, str]]) -> Markup:
    items = [tag("li", tag("code", name), " ", reason) for name, reason in files[:MAX_UNREADABLE_NAMED]]
    num_hidden = len(files) - len(items)
    items += [tag("li", f"and {format_count(num_hidden)} more")] if num_hidden else []
    summary = "1 file was skipped" if len(files) == 1 else f"{format_count(len(files))} files were skipped"
    return tag("details", tag("summary", f"{summary}: unreadable"), tag("ul", *items))
