"""What the terminal shows during training: a live table, or a plain line per tick where output is not a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zerosum.reporter import ReportedFinding, Reporter
from zerosum.run_folder import Row
from zerosum.units import format_count, format_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live


def estimate_remaining_seconds(row: Row, max_examples: float, max_seconds: float) -> float:
    """Seconds until the end, by images or by the clock, whichever comes first."""
    by_images = (max_examples - row["examples"]) / max(row["examples_per_second"], 1e-9)
    return float(max(0.0, min(by_images, max_seconds - row["seconds"])))


class LineReporter:
    """A line per tick, for logs and pipes."""

    last_tenth = 0

    def message(self, text: str = "") -> None:
        """One line."""
        print(text, flush=True)  # noqa: T201

    def progress(self, done: int, total: int, description: str) -> None:
        """A line each tenth of the way, where there is enough to do."""
        tenth = 10 * done // max(total, 1)
        if total >= 2_000 and tenth > self.last_tenth:
            self.message(f"{description}: {format_count(done)} of {format_count(total)}")
        self.last_tenth = tenth

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Remember the end."""
        self.max_examples, self.max_seconds = max_examples, max_seconds

    def tick(self, row: Row) -> None:
        """Both losses, the discriminator's accuracy, speed, and how long it still takes."""
        losses = ", ".join(
            f"{k.replace('/objective', '')} {v:.3f}" for k, v in row.items() if k.endswith("or/objective")
        )
        real, fake = row.get("signals/real_accuracy", 0), row.get("signals/fake_accuracy", 0)
        signals = f"accuracy real {real:.2f} fake {fake:.2f}"
        left = format_seconds(estimate_remaining_seconds(row, self.max_examples, self.max_seconds))
        self.message(
            f"{format_count(row['examples']):>11} images  {losses}  {signals}  "
            f"{row['examples_per_second']:,.0f} images/s  {left} left"
        )

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """A line when it comes, and one when it goes."""
        self.message(_format_finding(finding) if is_active else f"  no longer: {finding.title}")

    def training_ended(self) -> None:
        """Nothing more to say."""


class LiveReporter:
    """A live table of the players, in a terminal."""

    def __init__(self) -> None:
        """Take over the terminal's last lines once training begins."""
        from rich.console import Console

        self.console = Console(highlight=False)
        self.live: Live | None = None
        self.active_findings: dict[str, ReportedFinding] = {}

    def message(self, text: str = "") -> None:
        """One line, above the table."""
        self.console.print(text, markup=False)

    def progress(self, done: int, total: int, description: str) -> None:
        """A line that is written over."""
        end = "\n" if done == total else "\r"
        self.console.print(f"{description}: {format_count(done)} of {format_count(total)}", end=end, markup=False)

    def training_started(self, max_examples: float, max_seconds: float) -> None:
        """Show the table."""
        from rich.live import Live

        self.max_examples, self.max_seconds = max_examples, max_seconds
        self.active_findings.clear()
        self.live = Live(console=self.console, refresh_per_second=4)
        self.live.start()

    def tick(self, row: Row) -> None:
        """Renew the table."""
        if self.live:
            self.live.update(self._render(row))

    def finding(self, finding: ReportedFinding, is_active: bool) -> None:
        """It stands below the table from the next tick on, or no longer."""
        if is_active:
            self.active_findings[finding.name] = finding
        else:
            self.active_findings.pop(finding.name, None)

    def training_ended(self) -> None:
        """Leave the last table standing."""
        if self.live:
            self.live.stop()
            self.live = None

    def _render(self, row: Row) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, padding=(0, 2), header_style="dim")
        for column in ("player", "loss", "its parts", "accuracy on"):
            table.add_column(column)
        accuracy = f"real {row.get('signals/real_accuracy', 0):.0%}, fake {row.get('signals/fake_accuracy', 0):.0%}"
        for player in [name.removeprefix("lr/") for name in row if name.startswith("lr/")]:
            parts = {k.partition("/")[2]: v for k, v in row.items() if k.startswith(f"{player}/")}
            shown = ", ".join(f"{name} {value:.4f}" for name, value in parts.items())
            seen = accuracy if player == "discriminator" else ""
            table.add_row(player, f"{sum(parts.values()):.3f}", shown, seen)
        left = estimate_remaining_seconds(row, self.max_examples, self.max_seconds)
        done = row["seconds"] / max(row["seconds"] + left, 1e-9)
        clock = (
            f"{format_count(row['examples'])} images, {row['examples_per_second']:,.0f} images/s, "
            f"{format_seconds(row['seconds'])} gone, {format_seconds(left)} left"
        )
        findings = [
            Text(_format_finding(finding), SEVERITY_STYLES[finding.severity])
            for finding in self.active_findings.values()
        ]
        return Group(table, *findings, ProgressBar(total=1.0, completed=done, width=72), clock)


SEVERITY_STYLES = {"severe": "bold red", "mild": "yellow", "note": "dim"}


def _format_finding(finding: ReportedFinding) -> str:
    """A finding in a line."""
    since = f"since {format_count(finding.since_examples)} images; `zerosum diagnose` says more"
    return f"  {finding.severity}: {finding.title} ({since})"


def choose_reporter() -> Reporter:
    """The voice that suits this output."""
    return LiveReporter() if sys.stdout.isatty() else LineReporter()
