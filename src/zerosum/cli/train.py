"""Commands that train, and those that say what there is to train: on what, and by which recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import (
    EXIT_CODES,
    BudgetOption,
    ExamplesOption,
    LoggerOption,
    RunArgument,
    TrainArguments,
    app,
    create_reporter,
)
from zerosum.errors import BadInput


@app.command(context_settings={"ignore_unknown_options": True})
def train(
    context: typer.Context,
    arguments: TrainArguments = None,
    data: Annotated[str | None, typer.Option(help="The same as DATA.", show_default=False)] = None,
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a .toml file (see `zerosum recipes`).")] = "auto",
    run: Annotated[
        Path | None, typer.Option(help="The run's folder; by default runs/NAME.", show_default=False)
    ] = None,
    examples: ExamplesOption = None,
    budget: BudgetOption = None,
    size: Annotated[
        str,
        typer.Option(help="Of the networks: nano, small, base; by default as the machine is.", show_default=False),
    ] = "",
    batch_size: Annotated[int | None, typer.Option(help="Images in a step.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="All randomness derives from it.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps.", show_default=False)] = None,
    logger: LoggerOption = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Put back and treat a run that goes wrong, three times at most.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Only say where a round's time would go.")] = False,
) -> None:
    """Train on a folder of images, a zip, an .npz or .npy, or a built-in set (digits; points: ring, grid, spiral).

    Recipes that turn pictures into others take a folder with A/ (given) and B/ (wanted) in it, or two folders.

    With no settings at all it looks at the data and the machine, and says what it chose and why. Any setting can be
    given by its dotted name: --optimizer.lr 1e-4, --terms.r1.weight 5, --generator.width 64.
    """
    from zerosum import api
    from zerosum.cli.arguments import parse_arguments

    known = [option for parameter in context.command.params for option in parameter.opts]
    plain, settings = parse_arguments(arguments or [], known)
    sources = [*plain, *([data] if data else [])]
    if len(sources) > 2:
        raise BadInput(
            f"train on one source, or on two folders of what is given and what is wanted: {', '.join(sources)} are "
            f"{len(sources)}; put them in one folder"
        )
    flags = {"examples": examples, "budget": budget, "batch_size": batch_size, "seed": seed, "device": device}
    source, beside = (*sources, "", "")[:2]
    if profile:
        found = api.profile(
            source, beside, recipe=recipe, size=size, settings=settings, reporter=create_reporter(), **flags
        )
        typer.echo("\n".join(found.lines()))
        return
    ended = api.train(
        source, beside,
        recipe=recipe, run=run, size=size, settings=settings, loggers=logger or [], recover=recover, reporter=create_reporter(),
        **flags,
    )  # fmt: skip
    raise typer.Exit(EXIT_CODES[ended.outcome])


@app.command()
def resume(
    run: RunArgument, examples: ExamplesOption = None, budget: BudgetOption = None, logger: LoggerOption = None
) -> None:
    """Go on with a run exactly where it stood; --examples or --budget move its end."""
    from zerosum import api

    ended = api.resume(run, examples=examples, budget=budget, loggers=logger or [], reporter=create_reporter())
    raise typer.Exit(EXIT_CODES[ended.outcome])


@app.command()
def data(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A folder, a zip, an .npz or .npy, or a built-in set.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what the intake sees: sizes, modes, classes, duplicates, unreadable files, the held-out split."""
    from zerosum import api
    from zerosum.reporter import SilentReporter

    summary = api.inspect_dataset(source, reporter=SilentReporter() if as_json else create_reporter())
    typer.echo(json.dumps(summary.as_dict(), indent=1) if as_json else "\n".join(summary.lines()))


@app.command()
def recipes(
    name: Annotated[str, typer.Argument(help="Print this one as text, to copy and edit.")] = "",
) -> None:
    """List the recipes, or print one."""
    from zerosum.recipes import files

    if name:
        typer.echo(files.read_recipe_text(name), nl=False)
        return
    for each in files.list_recipes():
        tree = files.RecipeFile(each).settings_tree.tree
        typer.echo(f"{each:<16}  {tree.get('description', '')}" + (f" ({tree['paper']})" if tree.get("paper") else ""))
