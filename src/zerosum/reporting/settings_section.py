"""The settings of a run in its report: those that were chosen automatically, with the reasons, and all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from zerosum.reporting.html import Markup, render_code_spans, section, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.values import format_value


def render_decisions(record: RunRecord) -> Markup:
    """Return the section of decisions; empty without any."""
    decisions = record.plan.get("decisions", [])
    if not decisions:
        return Markup()
    head = tag("tr", *(tag("th", word, scope="col") for word in ("Setting", "Value", "Reason")))
    keys = ("name", "value", "reason")
    cells = [[render_code_spans(format_value(decision.get(key, ""))) for key in keys] for decision in decisions]
    rows = [tag("tr", *(tag("td", cell) for cell in row)) for row in cells]
    description = "Settings that were chosen automatically, with the reasons."
    return section("Decisions", description, tag("table", tag("thead", head), tag("tbody", *rows), class_="decisions"))


def render_settings(record: RunRecord) -> Markup:
    """Return the section of all settings by dotted name."""
    settings = {name: value for name, value in record.recipe.items() if name != "metadata"}
    rows = [
        tag("tr", tag("th", name, scope="row"), tag("td", tag("code", json.dumps(value, ensure_ascii=False))))
        for name, value in _flatten(settings)
    ]
    table = tag("table", tag("tbody", *rows), class_="facts")
    details = tag("details", tag("summary", f"All {len(rows)} settings, as in recipe.toml"), table)
    return section("Settings", "Each can be set by its dotted name.", details)


def _flatten(tree: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    """Yield settings with their dotted names."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
