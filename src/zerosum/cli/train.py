"""The commands that train, and those that describe data and recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import (
    EXIT_CODES,
    BudgetOption,
    ExamplesOption,
    LoggersOption,
    RunArgument,
    TrainArguments,
    app,
    create_reporter,
    echo,
)
from zerosum.errors import BadInput


@app.command(context_settings={"ignore_unknown_options": True})
def train(
    context: typer.Context,
    arguments: TrainArguments = None,
    data: Annotated[str | None, typer.Option(help="The same as DATA.", show_default=False)] = None,
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a .toml file (see `zerosum recipes`).")] = "auto",
    run: Annotated[Path | None, typer.Option(help="The run folder; by default runs/NAME.", show_default=False)] = None,
    examples: ExamplesOption = None,
    budget: BudgetOption = None,
    size: Annotated[
        str,
        typer.Option(
            help="Size of the networks: nano, small, base; by default to suit the device.", show_default=False
        ),
    ] = "",
    batch_size: Annotated[int | None, typer.Option(help="Examples per batch.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed of the run.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default=False)] = None,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Fine-tune this run: its recipe, and its weights where they fit.",
            show_default=False,
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLAYER:STAGES",
            help="With --from: stages that are not trained, such as discriminator:4.",
            show_default=False,
        ),
    ] = None,
    loggers: LoggersOption = None,
    recover: Annotated[
        bool,
        typer.Option(
            "--recover",
            help="After a severe finding, or a mild one whose remedy cannot harm, go back to a checkpoint and change "
            "settings; 3 times.",
        ),
    ] = False,
    or_resume: Annotated[
        bool,
        typer.Option(
            "--or-resume",
            help="Continue the run if its folder holds it already; implied after a restart by torchrun.",
        ),
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Only measure the time of a round, by part and operator.")
    ] = False,
) -> None:
    """Train on a folder of images, a zip, an .npz or .npy, or a built-in set (digits; points: ring, grid, spiral).

    Several folders are one set. Image-to-image recipes take a folder with subfolders A (inputs) and B (targets), or two
    folders.

    Without settings, the recipe is chosen to suit the data and the device, and printed with reasons. Any setting can
    be set by its dotted name: --optimizer.lr 1e-4, --terms.r1.weight 5, --generator.width 64.
    """
    from zerosum import api
    from zerosum.cli.arguments import parse_arguments

    flags = [option for parameter in context.command.params for option in parameter.opts]
    positional, settings = parse_arguments(arguments or [], flags)
    sources = [*positional, *([data] if data else [])]
    source, target_source = _assign_sources(sources, recipe, settings, start_from)
    reporter = create_reporter()
    if profile and freeze:
        raise BadInput("`profile`: measures a round of a recipe, in which nothing is frozen; leave `freeze` out")
    if profile and start_from is not None:
        raise BadInput("`profile`: measures a round of a recipe, and keeps no networks; leave `start_from` out")
    if profile:
        result = api.profile(
            source, target_source, recipe=recipe, size=size, settings=settings, examples=examples, budget=budget,
            batch_size=batch_size, seed=seed, device=device, reporter=reporter,
        )  # fmt: skip
        echo(*result.lines())
        return
    trained = api.train(
        source, target_source, recipe=recipe, run=run, size=size, settings=settings, examples=examples, budget=budget,
        batch_size=batch_size, seed=seed, device=device, start_from=start_from, freeze=_parse_freeze(freeze or []),
        loggers=loggers or [], recover=recover, or_resume=or_resume, reporter=reporter,
    )  # fmt: skip
    raise typer.Exit(EXIT_CODES[trained.outcome])


def _parse_freeze(words: list[str]) -> dict[str, int]:
    """Return the number of stages by player from words such as discriminator:4.

    Raises:
        BadInput: a word is no such pair, or a player is named twice.
    """
    counts: dict[str, int] = {}
    for word in words:
        player, colon, number = word.partition(":")
        if not colon or not number.isdecimal():
            raise BadInput(f"`freeze` {word}: name a player and a number of stages, such as discriminator:4")
        if player in counts:
            raise BadInput(f"`freeze` {word}: {player}:{counts[player]} is given too; give one number of stages")
        counts[player] = int(number)
    return counts


def _assign_sources(
    sources: list[str], recipe: str, settings: Mapping[str, object], start_from: str | None
) -> tuple[list[str], str]:
    """Return the sources of one set, or, where the recipe translates, that of the inputs and that of the targets."""
    if len(sources) < 2 or not _is_translation(recipe, settings, start_from):
        return sources, ""
    if len(sources) > 2:
        raise BadInput(
            f"{', '.join(sources)}: {len(sources)} data sources, and `recipe` {recipe} translates; give one, or two "
            "folders of inputs and targets"
        )
    return sources[:1], sources[1]


def _is_translation(recipe: str, settings: Mapping[str, object], start_from: str | None) -> bool:
    """Return whether the run translates inputs: as its recipe does, or the run that it starts from."""
    if start_from is not None:
        from zerosum.inference.start import open_start

        return open_start(start_from).recipe.is_translation
    from zerosum.recipes import variants

    return variants.is_translation_recipe(recipe, settings)


@app.command()
def resume(
    run: RunArgument,
    data: Annotated[
        list[str] | None,
        typer.Option(help="Go on with these training data; give it again for several.", show_default=False),
    ] = None,
    examples: ExamplesOption = None,
    budget: BudgetOption = None,
    loggers: LoggersOption = None,
    trust_code: Annotated[
        bool,
        typer.Option("--trust-code", help="Run the code that the run's recipe names: package.module:factory."),
    ] = False,
) -> None:
    """Resume a run from its newest checkpoint, bit for bit; --examples or --budget extend it.

    With --data, it goes on with other data, such as a set that has grown. Images that were held out stay held out.
    """
    from zerosum import api

    trained = api.resume(
        run, data=data or [], examples=examples, budget=budget, loggers=loggers or [], trust_code=trust_code,
        reporter=create_reporter(),
    )  # fmt: skip
    raise typer.Exit(EXIT_CODES[trained.outcome])


@app.command()
def data(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A folder, a zip, an .npz or .npy, or a built-in set.")],
    target_source: Annotated[
        str, typer.Argument(metavar="[TARGETS]", help="For translation: the target images.", show_default=False)
    ] = "",
    pairs: Annotated[
        str, typer.Option(help="The data are inputs and targets: paired or unpaired.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Describe a data source: image sizes, modes, classes, duplicates, unreadable files, held-out split."""
    from zerosum import api
    from zerosum.reporter import SilentReporter

    reporter = SilentReporter() if as_json else create_reporter()
    summary = api.inspect_dataset(source, target_source, pairs=pairs, reporter=reporter)
    if as_json:
        typer.echo(json.dumps(summary.as_dict(), indent=1))
    else:
        echo(*summary.lines())


@app.command()
def recipes(
    name: Annotated[str, typer.Argument(help="Print this recipe as TOML, to copy and edit.")] = "",
) -> None:
    """List the recipes, or print one."""
    from zerosum.recipes import files

    if name:
        typer.echo(files.read_recipe_text(name), nl=False)
        return
    for recipe in files.list_recipes():
        tree = files.RecipeFile(recipe).settings_tree.tree
        paper = f" ({tree['paper']})" if tree.get("paper") else ""
        use_when = f" Use it when {tree['use_when']}." if tree.get("use_when") else ""
        echo(f"{recipe:<16}  {tree.get('description', '')}{use_when}{paper}")
