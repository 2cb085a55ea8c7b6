"""The command that ships a trained generator."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import BestOption, IntoOption, ModelArgument, app, create_reporter, echo_path
from zerosum.workflows.export_request import EXPORT_TARGETS

_TARGETS_HELP = "; ".join(f"{name}: {target.description}" for name, target in EXPORT_TARGETS.items())


@app.command()
def export(
    run: ModelArgument,
    to: Annotated[str, typer.Option("--to", help=f"{_TARGETS_HELP}.")] = "onnx",
    into: IntoOption = None,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in half precision: half the size, errors below 2 of 255.")
    ] = False,
    best: BestOption = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Translate from B to A (cyclegan, season).")] = False,
    ort: Annotated[
        Path | None,
        typer.Option(
            help="For a web page: onnxruntime-web-1.30.0.tgz, which npm pack onnxruntime-web@1.30.0 downloads.",
            show_default=False,
        ),
    ] = None,
    push: Annotated[
        str, typer.Option(help="For the hub: user/name of a new private model there.", show_default=False)
    ] = "",
) -> None:
    """Export the generator of a run in a form that runs elsewhere, after a check that it computes the same."""
    from zerosum import api

    with redirect_stdout(sys.stderr):  # standard output is the path alone, for scripts
        path = api.export(
            run, to, into=into, half=half, best=best, reverse=reverse, ort=ort, push=push, reporter=create_reporter(),
        )  # fmt: skip
    echo_path(path)
