"""The typer application, the options that several commands share, and the handling of errors."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from typer.core import TyperGroup

from zerosum import __version__
from zerosum.cli.fields import fields_to_flags, set_command
from zerosum.data.text import printable
from zerosum.diagnosis.finding import Severity
from zerosum.errors import BadInput
from zerosum.run_folder import RunState

if TYPE_CHECKING:
    from zerosum.reporter import Reporter

    class UsageError(Exception):
        """The exception that typer raises for an invalid command line; typer gives it no public name."""

        ctx: typer.Context | None
        """The command; none if it could not be found."""

        def format_message(self) -> str:
            """Return what is wrong, in one sentence."""


app = typer.Typer(
    name="zerosum",
    help="Train every classic GAN on your own data, on any machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
USAGE_ERROR: type[UsageError] = typer.BadParameter.__bases__[0]
_DOTTED_OPTION = re.compile(r"option: --\w+\.")
_LONG_WORD = re.compile(r"[^\s:;]{1001,}")  # paths may have some hundred characters
EXIT_CODES: dict[str, int] = {
    RunState.DONE: 0,
    Severity.SEVERE: 3,
    RunState.DIVERGED: 3,
    RunState.STOPPED_BY_FINDING: 3,
    RunState.INTERRUPTED: 130,
}
"""Exit code of a command by the outcome of the run."""

TrainArguments = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[DATA]... [TARGET] [--SETTING VALUE]...", help="The training data, and any settings by dotted name."
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]
ModelArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder, a model folder or hf:user/name.")]
SeedOption = Annotated[int, typer.Option(help="Random seed of the samples.")]
IntoOption = Annotated[
    Path | None, typer.Option(help="Output path; by default inside the run folder.", show_default=False)
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
BestOption = Annotated[
    bool, typer.Option("--best", help="Use the networks with the best score instead of the newest checkpoint.")
]
ClassOption = Annotated[
    str | None, typer.Option("--class", help="Class of the samples, for class-conditional runs.", show_default=False)
]
ExamplesOption = Annotated[
    str | None,
    typer.Option("--examples", "--images", help="Number of training examples: 200k, 1.5M.", show_default=False),
]
BudgetOption = Annotated[str | None, typer.Option(help="Training time: 90s, 5m, 2h.", show_default=False)]
LoggersOption = Annotated[
    list[str] | None, typer.Option("--logger", help="Also log to: tensorboard.", show_default=False)
]


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"zerosum {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train every classic GAN on your own data, on any machine."""
    assert isinstance(context.command, TyperGroup)
    commands = context.command.commands
    set_command(
        commands[context.invoked_subcommand or ""].params,
        [parameter for command in commands.values() for parameter in command.params],
    )


def create_reporter() -> Reporter:
    """Return the reporter that suits the output: a live table in a terminal, otherwise plain lines."""
    from zerosum.cli import console

    return console.choose_reporter()


def echo(*lines: object) -> None:
    """Print lines to standard output, with flags in place of field names; a newline in a name begins no line."""
    typer.echo("\n".join(printable(fields_to_flags(str(line))) for line in lines))


def echo_path(path: Path) -> None:
    """Print the path of a result to standard output: escaped in a terminal, unchanged to a program."""
    typer.echo(printable(str(path)) if sys.stdout.isatty() else os.fsencode(path))


def run_safely(command: typer.Typer) -> int:  # noqa: PLR0911
    """Run a command and return the exit code; invalid input becomes a message without a traceback."""
    try:
        return int(command(standalone_mode=False) or 0)
    except BadInput as error:
        return _print_error(fields_to_flags(str(error)))
    except USAGE_ERROR as error:
        return _print_error(f"{error.format_message().rstrip('.')}; {_describe_help(error)}")
    except typer.Exit as ended:
        return ended.exit_code
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # `zerosum recipes | head`
            return 0
        return int(ended.code or 0)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_CODES[RunState.INTERRUPTED]
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # `zerosum recipes | head`
            _discard(sys.stdout)
            return 0
        return _print_error(
            f"{error.filename or 'a file'}: {error.strerror or error}; free disk space or grant access to it, then "
            "run the command again"
        )


def _describe_help(error: UsageError) -> str:
    """Return where the help on a wrong command line is, and where settings with dotted names belong."""
    command = f" {error.ctx.info_name}" if error.ctx and error.ctx.parent else ""
    belongs = "give settings to `zerosum train`, or " if _DOTTED_OPTION.search(error.format_message()) else ""
    return f"{belongs}see `zerosum{command} --help`"


def _print_error(message: str) -> int:
    """Print an error message, on the first rank only, and return exit code 2."""
    if os.environ.get("RANK", "0") == "0":
        with suppress(OSError):  # the disk that is full may hold the output too
            for line in _LONG_WORD.sub(_abbreviate, message).split("\n"):
                typer.echo(f"zerosum: {printable(line)}", err=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # Python would try again at exit, and change the exit code
            _discard(stream)
    return 2


def _abbreviate(match: re.Match[str]) -> str:
    """Return the two ends of a word that is too long to be read, such as a value that was given by mistake."""
    return f"{match[0][:60]}...{match[0][-20:]} ({len(match[0]):,} characters)"


def _discard(stream: TextIO) -> None:
    """Discard what is written to a stream of this process from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
