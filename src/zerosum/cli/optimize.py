"""The command that searches for samples with a high score."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from zerosum.cli.app import (
    BestOption,
    DeviceOption,
    IntoOption,
    ModelArgument,
    SeedOption,
    app,
    create_reporter,
    echo_path,
)
from zerosum.cli.given import parse_wishes


@app.command()
def optimize(
    run: ModelArgument,
    maximize: Annotated[
        str, typer.Option("--raise", help="The property to raise, such as qed.", show_default=False)
    ] = "",
    minimize: Annotated[
        str, typer.Option("--lower", help="The property to lower, instead of --raise.", show_default=False)
    ] = "",
    keep: Annotated[str, typer.Option(help='Keep samples that pass: "logp<5 and sa<=3".', show_default=False)] = "",
    num_samples: Annotated[int, typer.Option("--num-samples", "-n", help="Number of samples.")] = 100,
    given: Annotated[
        list[str] | None,
        typer.Option("--want", help="A further given value, such as logp=2.5; may be repeated.", show_default=False),
    ] = None,
    rounds: Annotated[int, typer.Option(help="Largest number of rounds of the search.")] = 12,
    seconds: Annotated[float, typer.Option(help="Seconds after which no other round begins.")] = 180.0,
    seed: SeedOption = 0,
    temperature: Annotated[
        float | None, typer.Option(help="Of drawn tokens: below 1 likely ones are more frequent.", show_default=False)
    ] = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Search for new, different samples with a high score, such as molecules with a property raised."""
    from zerosum import api

    with redirect_stdout(sys.stderr):  # standard output is the path alone, for scripts
        folder = api.optimize(
            run, maximize, minimize=minimize, keep=keep, num_samples=num_samples, given=parse_wishes(given or []),
            rounds=rounds, seconds=seconds, seed=seed, temperature=temperature, into=into, best=best, device=device,
            reporter=create_reporter(),
        )  # fmt: skip
    echo_path(folder)
