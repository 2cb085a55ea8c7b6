"""Commands that judge: scores, findings, comparisons."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from zerosum.cli.app import EXITS, Best, Device, Into, Seed, app, voice
from zerosum.errors import BadInput


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
    paired: Annotated[bool, typer.Option("--paired", help="In --data, pictures of equal names are pairs.")] = False,
    back: Annotated[bool, typer.Option("--back", help="The other way, of a run that learned both.")] = False,
    realism: Annotated[float, typer.Option(help="Of esrgan and srgan: 0 is faithful, 1 as trained.")] = 1.0,
    size: Annotated[int | None, typer.Option(help="With --fake: pixels a side.", show_default=False)] = None,
    channels: Annotated[int | None, typer.Option(help="With --fake: 1 to 4.", show_default=False)] = None,
    into: Into = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Judge a run's samples, or images of any origin: scores beside their floor, copies, modes that are not made."""
    from zerosum.reporter import Silent
    from zerosum.workflows import evaluate

    shared: dict[str, Any] = {
        "features": features, "n": n, "among": among, "neighbours": neighbours, "device": device,
        "voice": Silent() if as_json else voice(),
    }  # fmt: skip
    if (run is None) == (not fake):
        raise BadInput("judge what? Name a run, or two folders: zerosum evaluate --fake DIR --real DIR")
    of_run = {"--data": data, "--best": best, "--live": live, "--paired": paired, "--back": back,
              "--realism": realism < 1, "--against": against != "held-out", "--seed": seed,
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
        row = evaluate.evaluate_folders(fake, real, train=train, size=size, channels=channels, into=into, **shared)
    else:
        shared |= {"against": against, "best": best, "live": live, "paired": paired, "back": back, "realism": realism}
        row = evaluate.evaluate(run, data=data, seed=seed, truncation=truncation, **shared)
    if as_json and row:
        typer.echo(json.dumps(row))


@app.command()
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or any log.jsonl.")],
    signals: Annotated[bool, typer.Option("--signals", help="Also what the last examination saw.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Play on from the last checkpoint, to see where numbers were lost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what is the matter with a run, how that is known, and which settings to change; also of one that crashed."""
    from zerosum import api
    from zerosum.reporter import Silent
    from zerosum.workflows import diagnose

    findings = diagnose.diagnose(run)
    if not as_json:
        typer.echo(diagnose.text(run, findings, signals))
    lost = api.replay(run, voice=Silent() if as_json else voice()) if replay else None
    if as_json:
        typer.echo(diagnose.as_json(run, findings, signals, lost))
    elif lost is not None:
        typer.echo(f"the first number that is not finite: {lost}" if lost else "no number was lost on the way")
    raise typer.Exit(EXITS["severe" if diagnose.severe(findings) else "done"])


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs that have been judged.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Judged runs in one table: ranked where they were judged alike, and why not where they were not."""
    from zerosum.workflows import compare

    groups, sentences = compare.compare(runs)
    told = compare.as_json(groups, sentences) if as_json else "\n".join(compare.table(groups, sentences))
    typer.echo(told)
