"""The summary of a table: what each column holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from zerosum.data.summary import DatasetSummary
from zerosum.data.text import pluralize, printable

MAX_COLUMN_LINES = 60
"""Columns that are listed in the terminal; data.json has them all."""


@dataclass
class TableSummary(DatasetSummary):
    """Counts and notes of a table."""

    noun: str = "row"
    columns: dict[str, str] = field(default_factory=dict)
    """What each column is taken for, and why."""
    missing: dict[str, int] = field(default_factory=dict)
    """Number of missing cells of the columns that have some."""
    copies: int = 0
    """Number of rows that equal an earlier one."""
    target: str = ""
    """The column that is predicted in an evaluation; "" for each in turn."""

    def item_lines(self) -> list[str]:
        """Return the lines about rows and columns."""
        text = [f"{self.source}: {pluralize(self.count, 'row')} of {pluralize(len(self.columns), 'column')}"]
        shown = list(self.columns.items())[:MAX_COLUMN_LINES]
        width = min(30, max((len(printable(name)) for name, _ in shown), default=0))
        for name, reason in shown:
            gone = self.missing.get(name, 0)
            text.append(f"  {printable(name):<{width}}  {reason}" + (f", {gone:,} missing" if gone else ""))
        if len(self.columns) > len(shown):
            text.append(f"  and {len(self.columns) - len(shown):,} more columns")
        return text

    def exception_lines(self) -> list[str]:
        """Return a line about equal rows, if there are any."""
        return [f"{pluralize(self.copies, 'row')} equal an earlier one"] if self.copies else []
