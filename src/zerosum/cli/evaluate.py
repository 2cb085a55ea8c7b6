"""Commands that judge: scores, findings, comparisons."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from zerosum.cli.app import EXIT_CODES, BestOption, DeviceOption, IntoOption, SeedOption, app, create_reporter
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
    num_samples: Annotated[
        int | None, typer.Option("--num-samples", "-n", help="Samples; by default 10,000.", show_default=False)
    ] = None,
    seed: SeedOption = 0,
    truncation: Annotated[float, typer.Option(help="Cut latents off here.", show_default=False)] = math.inf,
    split: Annotated[str, typer.Option(help="held-out or train: which part of the run's data.")] = "held-out",
    copy_candidates: Annotated[int, typer.Option(help="Training images searched for copies; 0: 20,000.")] = 0,
    neighbors: Annotated[int, typer.Option(help="Of precision, recall, density, coverage.")] = 5,
    best: BestOption = False,
    raw_weights: Annotated[
        bool, typer.Option("--raw-weights", help="Training's own weights, not their average.")
    ] = False,
    paired: Annotated[bool, typer.Option("--paired", help="In --data, pictures of equal names are pairs.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way, of a run that learned both.")] = False,
    network_interpolation: Annotated[
        float, typer.Option(help="Of esrgan and srgan: 0 is faithful, 1 as trained.")
    ] = 1.0,
    size: Annotated[int | None, typer.Option(help="With --fake: pixels a side.", show_default=False)] = None,
    channels: Annotated[int | None, typer.Option(help="With --fake: 1 to 4.", show_default=False)] = None,
    into: IntoOption = None,
    device: DeviceOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Judge a run's samples, or images of any origin: scores beside their floor, copies, modes that are not made."""
    from zerosum.reporter import SilentReporter
    from zerosum.workflows import evaluate

    shared: dict[str, Any] = {
        "features": features, "num_samples": num_samples, "copy_candidates": copy_candidates, "neighbors": neighbors, "device": device,
        "reporter": SilentReporter() if as_json else create_reporter(),
    }  # fmt: skip
    if (run is None) == (not fake):
        raise BadInput("judge what? Name a run, or two folders: zerosum evaluate --fake DIR --real DIR")
    of_run = {"--data": data, "--best": best, "--raw-weights": raw_weights, "--paired": paired, "--reverse": reverse,
              "--network-interpolation": network_interpolation < 1, "--split": split != "held-out", "--seed": seed,
              "--truncation": not math.isinf(truncation)}  # fmt: skip
    of_folders = {"--real": real, "--train": train, "--size": size, "--channels": channels, "--into": into}
    for name, given in (of_run if fake else of_folders).items():
        if given:
            raise BadInput(
                f"{name} goes with {'a run' if fake else '--fake'}, which is not what is judged here; leave it out"
            )
    if data and split != "held-out":
        raise BadInput(f"--split {split} is about the run's own data, and --data names others; give one of the two")
    if run is None:
        if not real:
            raise BadInput("--fake needs real images to be held against: add --real DIR")
        row = evaluate.evaluate_folders(fake, real, train=train, size=size, channels=channels, into=into, **shared)
    else:
        shared |= {
            "reference_split": split,
            "best": best,
            "raw_weights": raw_weights,
            "paired": paired,
            "reverse": reverse,
            "network_interpolation": network_interpolation,
        }
        row = evaluate.evaluate(run, data=data, seed=seed, truncation=truncation, **shared)
    if as_json and row:
        typer.echo(json.dumps(row))


@app.command()
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, or any log.jsonl.")],
    show_signals: Annotated[bool, typer.Option("--signals", help="Also what the last examination saw.")] = False,
    trace_nan: Annotated[
        bool, typer.Option("--trace-nan", help="Play on from the last checkpoint, to see where numbers were lost.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Say what is the matter with a run, how that is known, and which settings to change; also of one that crashed."""
    from zerosum import api
    from zerosum.reporter import SilentReporter
    from zerosum.workflows import diagnose

    findings = diagnose.diagnose(run)
    if not as_json:
        typer.echo(diagnose.format_text(run, findings, show_signals))
    lost = api.trace_nan(run, reporter=SilentReporter() if as_json else create_reporter()) if trace_nan else None
    if as_json:
        typer.echo(diagnose.format_json(run, findings, show_signals, lost))
    elif lost is not None:
        typer.echo(f"the first number that is not finite: {lost}" if lost else "no number was lost on the way")
    raise typer.Exit(EXIT_CODES["severe" if diagnose.has_severe(findings) else "done"])


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Runs that have been judged.")],
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False,
) -> None:
    """Judged runs in one table: ranked where they were judged alike, and why not where they were not."""
    from zerosum.workflows import compare

    groups, sentences = compare.compare(runs)
    conditioning = (
        compare.format_json(groups, sentences) if as_json else "\n".join(compare.format_table(groups, sentences))
    )
    typer.echo(conditioning)
