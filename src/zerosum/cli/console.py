"""What the terminal shows during training: a live table, or a plain line per tick where output is not a terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zerosum.reporter import ReportedFinding, Voice
from zerosum.run_folder import Row
from zerosum.units import say_count, say_seconds

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live


def remaining(row: Row, images: float, seconds: float) -> float:
    """Seconds until the end, by images or by the clock, whichever comes first."""
    by_images = (images - row["images"]) / max(row["images_per_second"], 1e-9)
    return float(max(0.0, min(by_images, seconds - row["seconds"])))


class Plain:
    """A line per tick, for logs and pipes."""

    tenth = 0

    def say(self, text: str = "") -> None:
        """One line."""
        print(text, flush=True)  # noqa: T201

    def progress(self, done: int, total: int, what: str) -> None:
        """A line each tenth of the way, where there is enough to do."""
        tenth = 10 * done // max(total, 1)
        if total >= 2_000 and tenth > self.tenth:
            self.say(f"{what}: {say_count(done)} of {say_count(total)}")
        self.tenth = tenth

    def begin(self, images: float, seconds: float) -> None:
        """Remember the end."""
        self.images, self.seconds = images, seconds

    def row(self, row: Row) -> None:
        """Both losses, the discriminator's accuracy, speed, and how long it still takes."""
        losses = ", ".join(f"{k.replace('/score', '')} {v:.3f}" for k, v in row.items() if k.endswith("or/score"))
        real, fake = row.get("signals/real_accuracy", 0), row.get("signals/fake_accuracy", 0)
        signals = f"accuracy real {real:.2f} fake {fake:.2f}"
        left = say_seconds(remaining(row, self.images, self.seconds))
        self.say(
            f"{say_count(row['images']):>11} images  {losses}  {signals}  "
            f"{row['images_per_second']:,.0f} images/s  {left} left"
        )

    def finding(self, finding: ReportedFinding, comes: bool) -> None:
        """A line when it comes, and one when it goes."""
        self.say(_said(finding) if comes else f"  no longer: {finding.title}")

    def end(self) -> None:
        """Nothing more to say."""


class Table:
    """A live table of the players, in a terminal."""

    def __init__(self) -> None:
        """Take over the terminal's last lines once training begins."""
        from rich.console import Console

        self.console = Console(highlight=False)
        self.live: Live | None = None
        self.standing: dict[str, ReportedFinding] = {}

    def say(self, text: str = "") -> None:
        """One line, above the table."""
        self.console.print(text, markup=False)

    def progress(self, done: int, total: int, what: str) -> None:
        """A line that is written over."""
        end = "\n" if done == total else "\r"
        self.console.print(f"{what}: {say_count(done)} of {say_count(total)}", end=end, markup=False)

    def begin(self, images: float, seconds: float) -> None:
        """Show the table."""
        from rich.live import Live

        self.images, self.seconds = images, seconds
        self.standing.clear()
        self.live = Live(console=self.console, refresh_per_second=4)
        self.live.start()

    def row(self, row: Row) -> None:
        """Renew the table."""
        if self.live:
            self.live.update(self._table(row))

    def finding(self, finding: ReportedFinding, comes: bool) -> None:
        """It stands below the table from the next tick on, or no longer."""
        if comes:
            self.standing[finding.name] = finding
        else:
            self.standing.pop(finding.name, None)

    def end(self) -> None:
        """Leave the last table standing."""
        if self.live:
            self.live.stop()
            self.live = None

    def _table(self, row: Row) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, padding=(0, 2), header_style="dim")
        for column in ("player", "loss", "its parts", "accuracy on"):
            table.add_column(column)
        accuracy = f"real {row.get('signals/real_accuracy', 0):.0%}, fake {row.get('signals/fake_accuracy', 0):.0%}"
        for player in [name.removeprefix("rate/") for name in row if name.startswith("rate/")]:
            parts = {k.partition("/")[2]: v for k, v in row.items() if k.startswith(f"{player}/")}
            shown = ", ".join(f"{name} {value:.4f}" for name, value in parts.items())
            seen = accuracy if player == "discriminator" else ""
            table.add_row(player, f"{sum(parts.values()):.3f}", shown, seen)
        left = remaining(row, self.images, self.seconds)
        done = row["seconds"] / max(row["seconds"] + left, 1e-9)
        clock = (
            f"{say_count(row['images'])} images, {row['images_per_second']:,.0f} images/s, "
            f"{say_seconds(row['seconds'])} gone, {say_seconds(left)} left"
        )
        findings = [Text(_said(finding), STYLES[finding.severity]) for finding in self.standing.values()]
        return Group(table, *findings, ProgressBar(total=1.0, completed=done, width=72), clock)


STYLES = {"severe": "bold red", "mild": "yellow", "note": "dim"}


def _said(finding: ReportedFinding) -> str:
    """A finding in a line."""
    since = f"since {say_count(finding.since)} images; `zerosum diagnose` says more"
    return f"  {finding.severity}: {finding.title} ({since})"


def voice() -> Voice:
    """The voice that suits this output."""
    return Table() if sys.stdout.isatty() else Plain()
