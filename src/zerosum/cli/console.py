"""Terminal output during training: a live table, or a line for each row of the log if output is not a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zerosum.cli.fields import fields_to_flags
from zerosum.data.text import printable
from zerosum.reporter import ReportedFinding, Reporter
from zerosum.run_folder import Row
from zerosum.units import format_count, format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_SHOWN_LOSSES = ("or/objective", "autoencoder/reconstruction")
"""The ends of the names of the losses in a line: of generator and discriminator, and of what is trained before them."""
SEVERITY_STYLES = {"severe": "bold red", "mild": "yellow", "note": "dim"}


def estimate_remaining_seconds(row: Row, max_examples: float, max_seconds: float) -> float:
    """Return the seconds until training reaches `max_examples` or `max_seconds`, whichever comes first."""
    by_examples = (max_examples - row["examples"]) / max(row["examples_per_second"], 1e-9)
    return float(max(0.0, min(by_examples, max_seconds - row["seconds"])))


class LineReporter:
    """Prints a line for each row of the log; for log files and pipes."""

    last_tenth = 0

    def message(self, text: str = "") -> None:
        """Print one line."""
        print(printable(fields_to_flags(text)), flush=True)  # noqa: T201

    def progress(self, done: int, total: int, description: str) -> None:
        """Print a line for each tenth of a step of 2,000 items or more."""
        tenth = 10 * done // max(total, 1)
        if total >= 2_000 and tenth > self.last_tenth:
            self.message(f"{description}: {format_count(done)} of {format_count(total)}")
        self.last_tenth = tenth

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Store the end of training, from which the remaining time is estimated."""
        self.max_examples, self.max_seconds = max_examples, max_seconds

    def tick(self, row: Row) -> None:
        """Print the losses, the discriminator's accuracy, the speed and the remaining time."""
        losses = ", ".join(
            f"{key.replace('/objective', '')} {value:.3f}" for key, value in row.items() if key.endswith(_SHOWN_LOSSES)
        )
        accuracy = _format_accuracy(row, "accuracy real {:.2f} fake {:.2f}")
        remaining = format_seconds(estimate_remaining_seconds(row, self.max_examples, self.max_seconds))
        shown = "  ".join(part for part in (f"{format_count(row['examples']):>11} examples", losses, accuracy) if part)
        self.message(f"{shown}  {row['examples_per_second']:,.0f} examples/s  {remaining} left")

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """Print a line when a finding becomes active, and one when it no longer is."""
        self.message(_format_finding(finding) if is_active else f"  resolved: {finding.title}")

    def training_ended(self) -> None:
        """Do nothing."""


class LiveReporter:
    """Shows a live table of the players; for terminals."""

    def __init__(self) -> None:
        """Create the console; the live table starts with training."""
        from rich.console import Console

        self.console = Console(highlight=False)
        self.live: Live | None = None
        self.active_findings: dict[str, ReportedFinding] = {}

    def message(self, text: str = "") -> None:
        """Print one line above the table."""
        self.console.print(printable(fields_to_flags(text)), markup=False)

    def progress(self, done: int, total: int, description: str) -> None:
        """Print a line that the next one overwrites."""
        end = "\n" if done == total else "\r"
        self.console.print(
            f"{printable(description)}: {format_count(done)} of {format_count(total)}", end=end, markup=False
        )

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Start the live table."""
        from rich.live import Live

        self.max_examples, self.max_seconds = max_examples, max_seconds
        self.active_findings.clear()
        self.live = Live(console=self.console, refresh_per_second=4)
        self.live.start()

    def tick(self, row: Row) -> None:
        """Update the table."""
        if self.live:
            self.live.update(self._render(row))

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """Show a finding below the table from the next update on, or remove it."""
        if is_active:
            self.active_findings[finding.name] = finding
        else:
            self.active_findings.pop(finding.name, None)

    def training_ended(self) -> None:
        """Stop the live table and leave its last state on the screen."""
        if self.live:
            self.live.stop()
            self.live = None

    def _render(self, row: Row) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 2), header_style="dim")
        for column in ("player", "total loss", "losses", "accuracy on"):
            table.add_column(column)
        accuracy = _format_accuracy(row, "real {:.0%}, fake {:.0%}")
        for player in [name.removeprefix("lr/") for name in row if name.startswith("lr/")]:
            losses = {key.partition("/")[2]: value for key, value in row.items() if key.startswith(f"{player}/")}
            parts = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
            table.add_row(player, f"{sum(losses.values()):.3f}", parts, accuracy if player == "discriminator" else "")
        remaining = estimate_remaining_seconds(row, self.max_examples, self.max_seconds)
        fraction = row["seconds"] / max(row["seconds"] + remaining, 1e-9)
        status = (
            f"{format_count(row['examples'])} examples, {row['examples_per_second']:,.0f} examples/s, "
            f"{format_seconds(row['seconds'])} elapsed, {format_seconds(remaining)} left"
        )
        findings = [
            Text(_format_finding(finding), SEVERITY_STYLES[finding.severity])
            for finding in self.active_findings.values()
        ]
        return Group(table, *findings, ProgressBar(total=1.0, completed=fraction, width=72), status)


def _format_accuracy(row: Row, form: str) -> str:
    """Return the accuracy on real and on fake samples; "" before the discriminator's first move."""
    if "signals/real_accuracy" not in row:
        return ""
    return form.format(row["signals/real_accuracy"], row.get("signals/fake_accuracy", 0))


def _format_finding(finding: ReportedFinding) -> str:
    """Return one line that describes a finding."""
    since = f"since {format_count(finding.since_examples)} examples; see `zerosum diagnose`"
    return f"  {finding.severity}: {finding.title} ({since})"


def choose_reporter() -> Reporter:
    """Return a live table if standard output is a terminal, otherwise a reporter of plain lines."""
    return LiveReporter() if sys.stdout.isatty() else LineReporter()
