"""The command line: `zerosum VERB`. It parses, calls the verb, and turns the outcome into words and an exit code.

Exit codes: 0 done, 2 the user's input, 3 a severe finding stands (the run diverged), 130 interrupted.
"""

from __future__ import annotations

import json
import math
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
USAGE: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises when it cannot read a command line; it has no public name of its own."""
EXITS = {"done": 0, "severe": 3, "diverged": 3, "ill": 3, "interrupted": 130}

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DATA] [--SETTING VALUE]...", help="What to train on, and any settings by dotted name."),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
Seed = Annotated[int, typer.Option(help="Which samples.")]
Into = Annotated[Path | None, typer.Option(help="Where to; by default inside the run.", show_default=False)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]
Best = Annotated[bool, typer.Option("--best", help="The networks judged best during training, not the newest.")]
Class = Annotated[str | None, typer.Option("--class", help="Of this class, where it has any.", show_default=False)]
Images = Annotated[str | None, typer.Option(help="Train on this many images: 200k, 1.5M.", show_default=False)]
Budget = Annotated[str | None, typer.Option(help="Train this long: 90s, 5m, 2h.", show_default=False)]
Tracker = Annotated[list[str] | None, typer.Option(help="Also log to: tensorboard.", show_default=False)]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"zerosum {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Train every classic GAN on your own data, on any machine."""


def _voice() -> Any:
    from zerosum.console import voice

    return voice()


@app.command(context_settings={"ignore_unknown_options": True})
def train(
    context: typer.Context,
    words: Words = None,
    data: Annotated[str | None, typer.Option(help="The same as DATA.", show_default=False)] = None,
    recipe: Annotated[str, typer.Option(help="A recipe's name, or a .toml file (see `zerosum recipes`).")] = "auto",
    run: Annotated[
        Path | None, typer.Option(help="The run's folder; by default runs/NAME.", show_default=False)
    ] = None,
    images: Images = None,
    budget: Budget = None,
    size: Annotated[
        str,
        typer.Option(help="Of the networks: nano, small, base; by default as the machine is.", show_default=False),
    ] = "",
    batch: Annotated[int | None, typer.Option(help="Images in a step.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="All randomness derives from it.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps.", show_default=False)] = None,
    tracker: Tracker = None,
    rescue: Annotated[
        bool, typer.Option("--rescue", help="Put back and treat a run that goes wrong, three times at most.")
    ] = False,
    profile: Annotated[bool, typer.Option("--profile", help="Only say where a round's time would go.")] = False,
) -> None:
    """Train on a folder of images, a zip, an .npz or .npy, or a built-in set (digits; points: ring, grid, spiral).

    With no settings at all it looks at the data and the machine, and says what it chose and why. Any setting can be
    given by its dotted name: --optimizer.lr 1e-4, --terms.r1.weight 5, --generator.width 64.
    """
    from zerosum import api
    from zerosum.plan import parse_words

    known = [option for parameter in context.command.params for option in parameter.opts]
    plain, settings = parse_words(words or [], known)
    sources = [*plain, *([data] if data else [])]
    if len(sources) > 1:
        raise BadInput(f"train on one source: {', '.join(sources)} are {len(sources)}; put them in one folder")
    flags = {"images": images, "budget": budget, "batch": batch, "seed": seed, "device": device}
    source = sources[0] if sources else ""
    if profile:
        found = api.profile(source, recipe=recipe, size=size, settings=settings, voice=_voice(), **flags)
        typer.echo("\n".join(found.lines()))
        return
    ended = api.train(
        source,
        recipe=recipe, run=run, size=size, settings=settings, trackers=tracker or [], rescue=rescue, voice=_voice(),
        **flags,
    )  # fmt: skip
    raise typer.Exit(EXITS[ended.state])


@app.command()
def resume(run: RunArgument, images: Images = None, budget: Budget = None, tracker: Tracker = None) -> None:
    """Go on with a run exactly where it stood; --images or --budget move its end."""
    from zerosum import api

    ended = api.resume(run, images=images, budget=budget, trackers=tracker or [], voice=_voice())
    raise typer.Exit(EXITS[ended.state])


@app.command()
def sample(
    run: RunArgument,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 64,
    seed: Seed = 0,
    truncation: Annotated[
        float,
        typer.Option(help="Cut latents off here; about 0.7 trades variety for quality.", show_default=False),
    ] = math.inf,
    label: Class = None,
    into: Into = None,
    best: Best = False,
    device: Device = "auto",
) -> None:
    """Write samples of a run: single files and a sheet, and one with a row for each class where there are any."""
    from zerosum import api

    told = api.sample(run, n, seed=seed, truncation=truncation, label=label, into=into, best=best, device=device)
    typer.echo(told)


@app.command()
def walk(
    run: RunArgument,
    seed: Seed = 0,
    stops: Annotated[int, typer.Option(help="Samples the walk passes.")] = 5,
    steps: Annotated[int, typer.Option(help="Steps from one to the next.")] = 10,
    way: Annotated[str, typer.Option(help="slerp (along the sphere) or lerp (straight).")] = "slerp",
    label: Class = None,
    to: Annotated[str | None, typer.Option(help="Walk from --class to this class.", show_default=False)] = None,
    film: Annotated[str, typer.Option(help="gif, or mp4 (pip install zerosum[film]).")] = "gif",
    into: Annotated[
        Path | None, typer.Option(help="Name of the strip and the film, without suffix.", show_default=False)
    ] = None,
    best: Best = False,
    device: Device = "auto",
) -> None:
    """Walk through latent space: a strip (PNG) and a film (GIF or MP4)."""
    from zerosum import api

    paths = api.walk(
        run, seed=seed, stops=stops, steps=steps, way=way, label=label, to=to, film=film, into=into, best=best,
        device=device,
    )  # fmt: skip
    for path in paths:
        typer.echo(path)


@app.command()
def mix(
    run: RunArgument,
    sources: Annotated[str, typer.Option("--from", help="Samples that keep all other layers: 3, or 3,5.")],
    styles: Annotated[str, typer.Option(help="Samples that give these layers' styles: 7,12.")],
    layers: Annotated[str, typer.Option(help="coarse, middle, fine, or a range: 2:5.")] = "coarse",
    seed: Seed = 0,
    truncation: Annotated[float, typer.Option(help="1 leaves styles where they are, 0 is the mean style.")] = 1.0,
    label: Class = None,
    into: Into = None,
    best: Best = False,
    device: Device = "auto",
) -> None:
    """Mix styles: samples (rows) with some layers' styles of other samples (columns). For recipe stylegan2."""
    from zerosum import api

    told = api.mix(
        run, _numbers("--from", sources), _numbers("--styles", styles), layers=layers, seed=seed,
        truncation=truncation, label=label, into=into, best=best, device=device,
    )  # fmt: skip
    typer.echo(told)


@app.command()
def edit(
    run: RunArgument,
    direction: Annotated[str, typer.Option(help="sefa:K (closed form), pca:K (principal), or class:NAME (learned).")],
    samples: Annotated[str, typer.Option(help="Which ones, by number.")] = "0,1,2,3",
    reach: Annotated[float, typer.Option(help="How far to both sides, in standard deviations.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Pictures in a row.")] = 7,
    layers: Annotated[str, typer.Option(help="Of styles: all, coarse, middle, fine, or a range: 2:5.")] = "all",
    seed: Seed = 0,
    truncation: Annotated[float, typer.Option(help="Of styles: 1 leaves them where they are.")] = 1.0,
    label: Class = None,
    into: Into = None,
    best: Best = False,
    device: Device = "auto",
) -> None:
    """Move samples along a direction of the latent space: a row for each."""
    from zerosum import api

    told = api.edit(
        run, direction, samples=_numbers("--samples", samples), reach=reach, steps=steps, layers=layers, seed=seed,
        truncation=truncation, label=label, into=into, best=best, device=device, voice=_voice(),
    )  # fmt: skip
    typer.echo(told)


@app.command()
def encode(
    run: RunArgument,
    picture: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture to be found again.")],
    steps: Annotated[int, typer.Option(help="Of the search.")] = 500,
    apart: Annotated[bool, typer.Option("--apart", help="A style of its own for each layer: nearer.")] = False,
    seed: Seed = 0,
    label: Class = None,
    into: Into = None,
    best: Best = False,
    device: Device = "auto",
) -> None:
    """Find a real picture in the latent space: it and what was found, side by side."""
    from zerosum import api

    told = api.encode(
        run, picture, steps=steps, apart=apart, seed=seed, label=label, into=into, best=best, device=device,
        voice=_voice(),
    )  # fmt: skip
    typer.echo(told)


def _numbers(flag: str, text: str) -> list[int]:
    """Whole numbers, separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{flag} {text}: give whole numbers, separated by commas: 3,7,12") from None


@app.command()
def evaluate(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="A run's folder.", show_default=False)] = None,
    data: Annotated[str, typer.Option(help="Real images from elsewhere: a test set.", show_default=False)] = "",
    fake: Annotated[str, typer.Option(help="Instead of RUN: a folder of images to judge.", show_default=False)] = "",
    real: Annotated[str, typer.Option(help="With --fake: real images.", show_default=False)] = "",
    train: Annotated[str, typer.Option(help="With --fake: what it was trained on.", show_default=False)] = "",
    features: Annotated[
        str,
        typer.Option(help="lite0 (default), inception, pixels, labels, package.module:factory.", show_default=False),
    ] = "",
    n: Annotated[int | None, typer.Option("--n", "-n", help="Samples; by default 10,000.", show_default=False)] = None,
    seed: Seed = 0,
    truncation: Annotated[float, typer.Option(help="Cut latents off here.", show_default=False)] = math.inf,
    against: Annotated[str, typer.Option(help="held-out or train: which part of the run's data.")] = "held-out",
    among: Annotated[int, typer.Option(help="Training images searched for copies; 0: 20,000.")] = 0,
    neighbours: Annotated[int, typer.Option(help="Of precision, recall, density, coverage.")] = 5,
    best: Best = False,
    live: Annotated[bool, typer.Option("--live", help="Training's own weights, not their average.")] = False,
    size: Annotated[int | None, typer.Option(help="With --fake: pixels a side.", show_default=False)] = None,
    channels: Annotated[int | None, typer.Option(help="With --fake: 1 to 4.", show_default=False)] = None,
    into: Into = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Judge a run's samples, or images of any origin: scores beside their floor, copies, modes that are not made."""
    from zerosum import scoring
    from zerosum.console import Silent

    shared: dict[str, Any] = {
        "features": features, "n": n, "among": among, "neighbours": neighbours, "device": device,
        "voice": Silent() if as_json else _voice(),
    }  # fmt: skip
    if (run is None) == (not fake):
        raise BadInput("judge what? Name a run, or two folders: zerosum evaluate --fake DIR --real DIR")
    of_run = {"--data": data, "--best": best, "--live": live, "--against": against != "held-out", "--seed": seed,
              "--truncation": not math.isinf(truncation)}  # fmt: skip
    of_folders = {"--real": real, "--train": train, "--size": size, "--channels": channels, "--into": into}
    for name, given in (of_run if fake else of_folders).items():
        if given:
            raise BadInput(
                f"{name} goes with {'a run' if fake else '--fake'}, which is not what is judged here; leave it out"
            )
    if data and against != "held-out":
        raise BadInput(f"--against {against} is about the run's own data, and --data names others; give one of the two")
    if run is None:
        if not real:
            raise BadInput("--fake needs real images to be held against: add --real DIR")
        row = scoring.evaluate_folders(fake, real, train=train, size=size, channels=channels, into=into, **shared)
    else:
        shared |= {"against": against, "best": best, "live": live}
        row = scoring.evaluate(run, data=data, seed=seed, truncation=truncation, **shared)
    if as_json and row:
        typer.echo(json.dumps(row))


@app.command()
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or any log.jsonl.")],
    signals: Annotated[bool, typer.Option("--signals", help="Also what the last examination saw.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what is the matter with a run, how that is known, and which settings to change; also of one that crashed."""
    from zerosum import diagnosing

    findings = diagnosing.diagnose(run)
    typer.echo(diagnosing.as_json(findings) if as_json else diagnosing.text(findings, run))
    for line in diagnosing.signals(run) if signals and not as_json else ():
        typer.echo(line)
    raise typer.Exit(EXITS["severe" if diagnosing.severe(findings) else "done"])


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs that have been judged.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Judged runs in one table: ranked where they were judged alike, and why not where they were not."""
    from zerosum import scoring

    groups, sentences = scoring.compare(runs)
    told = scoring.as_json(groups, sentences) if as_json else "\n".join(scoring.table(groups, sentences))
    typer.echo(told)


@app.command()
def data(
    source: Annotated[str, typer.Argument(metavar="DATA", help="A folder, a zip, an .npz or .npy, or a built-in set.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what the intake sees: sizes, modes, classes, duplicates, unreadable files, the held-out split."""
    from zerosum import api
    from zerosum.console import Silent

    survey = api.survey(source, voice=Silent() if as_json else _voice())
    typer.echo(json.dumps(survey.as_dict(), indent=1) if as_json else "\n".join(survey.lines()))


@app.command()
def recipes(
    name: Annotated[str, typer.Argument(help="Print this one as text, to copy and edit.")] = "",
) -> None:
    """List the recipes, or print one."""
    from zerosum import recipe

    if name:
        typer.echo(recipe.text(name), nl=False)
        return
    for each in recipe.names():
        tree = recipe.RecipeFile(each).draft.tree
        typer.echo(f"{each:<16}  {tree.get('about', '')}" + (f" ({tree['paper']})" if tree.get("paper") else ""))


def main() -> None:
    """Run the command line."""
    sys.exit(run_safely(app))


def run_safely(command: Callable[..., Any]) -> int:  # noqa: PLR0911
    """Run it; the user's mistakes become one message and exit code 2, an interruption 130."""
    try:
        return int(command(standalone_mode=False) or 0)
    except BadInput as error:
        return _complain(str(error))
    except USAGE as error:
        said = getattr(error, "format_message", error.__str__)()
        return _complain(f"{said.rstrip('.')}; `zerosum --help` shows how it is used")
    except (typer.Exit, SystemExit) as ended:
        return int(getattr(ended, "exit_code", getattr(ended, "code", 0)) or 0)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("zerosum: interrupted; nothing was begun that could be lost", err=True)
        return EXITS["interrupted"]
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # `zerosum recipes | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return _complain(
            f"{error.filename or 'a file'}: {error.strerror or error}; free space or allow access, then go on"
        )


def _complain(message: str) -> int:
    """Say what is wrong, once however many ranks there are; the exit code."""
    if os.environ.get("RANK", "0") == "0":
        for line in message.splitlines():
            typer.echo(f"zerosum: {line}", err=True)
    return 2
