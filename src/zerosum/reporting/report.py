"""Write the report of a run: a self-contained HTML file, created from the run folder alone."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from string import Template
from typing import TypeAlias

from zerosum.files import write_atomically
from zerosum.reporting.charts import render_charts
from zerosum.reporting.commands_section import render_commands
from zerosum.reporting.data_section import render_data
from zerosum.reporting.diagnosis_section import render_diagnosis
from zerosum.reporting.header_section import render_header
from zerosum.reporting.html import Markup, join_markup, tag
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.samples_section import render_samples
from zerosum.reporting.scores_section import render_scores
from zerosum.reporting.settings_section import render_decisions, render_settings
from zerosum.reporting.values import format_value

Section: TypeAlias = Callable[[RunRecord], Markup]
"""Returns a section of the report; empty if the run has nothing to show in it."""
SECTIONS: tuple[Section, ...] = (
    render_samples,
    render_scores,
    render_diagnosis,
    render_charts,
    render_data,
    render_decisions,
    render_commands,
    render_settings,
)
"""The sections of a report, from top to bottom."""


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder, at any time during or after training.

    Returns:
        The path of the file.

    Raises:
        BadInput: the folder is not a run folder, or a file of it cannot be read.
    """
    page = render_report(RunRecord.read(folder))
    return write_atomically(folder / "report.html", lambda part: part.write_text(page, "utf8"))


def render_report(record: RunRecord) -> str:
    """Return the report of a run as an HTML page that loads nothing else."""
    template = resources.files(__package__).joinpath("report.html").read_text("utf8")
    return Template(template).substitute(
        title=tag("title", f"{record.name} · Zerosum"),
        header=render_header(record),
        sections=join_markup(section(record) for section in SECTIONS),
        footer=_footer(record),
    )


def _footer(record: RunRecord) -> Markup:
    entries = [f"{name} {format_value(value)}" for name, value in record.recipe.get("metadata", {}).items()]
    return tag("footer", "Trained with ", ", ".join(entries) if entries else "zerosum", ".")
