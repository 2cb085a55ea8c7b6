"""The command line's application, what its words are called, and how a command is run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from zerosum import __version__
from zerosum.errors import BadInput

app = typer.Typer(
    name="zerosum",
    help="Train every classic GAN on your own data, on any machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises when it cannot read a command line; it has no public name of its own."""
EXIT_CODES = {"done": 0, "severe": 3, "diverged": 3, "stopped_by_finding": 3, "interrupted": 130}

TrainArguments = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DATA] [--SETTING VALUE]...", help="What to train on, and any settings by dotted name."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
SeedOption = Annotated[int, typer.Option(help="Which samples.")]
IntoOption = Annotated[Path | None, typer.Option(help="Where to; by default inside the run.", show_default=False)]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
BestOption = Annotated[bool, typer.Option("--best", help="The networks judged best during training, not the newest.")]
ClassOption = Annotated[
    str | None, typer.Option("--class", help="Of this class, where it has any.", show_default=False)
]
ExamplesOption = Annotated[
    str | None,
    typer.Option("--examples", "--images", help="Train on this many examples: 200k, 1.5M.", show_default=False),
]
BudgetOption = Annotated[str | None, typer.Option(help="Train this long: 90s, 5m, 2h.", show_default=False)]
LoggerOption = Annotated[list[str] | None, typer.Option(help="Also log to: tensorboard.", show_default=False)]


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"zerosum {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Train every classic GAN on your own data, on any machine."""


def create_reporter() -> Any:
    """Who tells how it goes."""
    from zerosum.cli import console

    return console.choose_reporter()


def run_safely(command: Callable[..., Any]) -> int:  # noqa: PLR0911
    """Run it; the user's mistakes become one message and exit code 2, an interruption 130."""
    try:
        return int(command(standalone_mode=False) or 0)
    except BadInput as error:
        return _print_error(str(error))
    except USAGE_ERROR as error:
        said = getattr(error, "format_message", error.__str__)()
        return _print_error(f"{said.rstrip('.')}; `zerosum --help` shows how it is used")
    except (typer.Exit, SystemExit) as ended:
        return int(getattr(ended, "exit_code", getattr(ended, "code", 0)) or 0)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("zerosum: interrupted; nothing was begun that could be lost", err=True)
        return EXIT_CODES["interrupted"]
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # `zerosum recipes | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return _print_error(
            f"{error.filename or 'a file'}: {error.strerror or error}; free space or allow access, then go on"
        )


def _print_error(message: str) -> int:
    """Say what is wrong, once however many ranks there are; the exit code."""
    if os.environ.get("RANK", "0") == "0":
        for line in message.splitlines():
            typer.echo(f"zerosum: {line}", err=True)
    return 2
