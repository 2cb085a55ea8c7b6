"""The commands that evaluate: scores, findings and comparisons."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import EXIT_CODES, BestOption, DeviceOption, IntoOption, SeedOption, app, create_reporter, echo
from zerosum.diagnosis.finding import Severity
from zerosum.errors import BadInput
from zerosum.run_folder import RunState


@app.command()
def evaluate(
    run: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="The run folder.", show_default=False)] = None,
    data: Annotated[str, typer.Option(help="Other real images to compare with: a test set.", show_default=False)] = "",
    fake: Annotated[str, typer.Option(help="Instead of RUN: a folder of generated images.", show_default=False)] = "",
    real: Annotated[str, typer.Option(help="With --fake: a folder of real images.", show_default=False)] = "",
    train: Annotated[str, typer.Option(help="With --fake: the training images of its model.", show_default=False)] = "",
    features: Annotated[
        str,
        typer.Option(
            help="lite0 (default), inception, pixels, classifier, package.module:factory.", show_default=False
        ),
    ] = "",
    num_samples: Annotated[
        int | None,
        typer.Option("--num-samples", "-n", help="Number of samples; by default 10,000.", show_default=False),
    ] = None,
    seed: SeedOption = 0,
    truncation: Annotated[
        float, typer.Option(help="Truncate latents at this value; by default they are not.", show_default=False)
    ] = math.inf,
    reference_split: Annotated[
        str, typer.Option("--split", help="Part of the run's data to compare with: held-out or train.")
    ] = "held-out",
    copy_candidates: Annotated[int, typer.Option(help="Number of training images searched for copies; 0: 20,000.")] = 0,
    neighbors: Annotated[int, typer.Option(help="Neighbors of precision, recall, density and coverage.")] = 5,
    best: BestOption = False,
    raw_weights: Annotated[
        bool, typer.Option("--raw-weights", help="Use the generator's weights instead of their EMA.")
    ] = False,
    paired: Annotated[bool, typer.Option("--paired", help="In --data, images of equal names are pairs.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Translate from B to A (cyclegan, season).")] = False,
    network_interpolation: Annotated[
        float, typer.Option(help="Of esrgan and srgan: 0 before adversarial training, 1 as trained.")
    ] = 1.0,
    size: Annotated[
        str | None, typer.Option(help="With --fake: size of images in pixels, 64 or WIDTHxHEIGHT.", show_default=False)
    ] = None,
    channels: Annotated[int | None, typer.Option(help="With --fake: 1 to 4.", show_default=False)] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", "--data.target", help="With --fake: of tables, the column to predict.", show_default=False
        ),
    ] = None,
    into: IntoOption = None,
    device: DeviceOption = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Evaluate a run, or any folder of images: scores with their floor, copies of training images, missing modes."""
    from zerosum.reporter import SilentReporter
    from zerosum.workflows import evaluate

    reporter = SilentReporter() if as_json else create_reporter()
    _check_evaluation_source(run, fake, real)
    run_flags = {
        "--data": data, "--best": best, "--raw-weights": raw_weights, "--paired": paired, "--reverse": reverse,
        "--network-interpolation": network_interpolation != 1, "--split": reference_split != "held-out", "--seed": seed,
        "--truncation": not math.isinf(truncation),
    }  # fmt: skip
    folder_flags = {
        "--real": real, "--train": train, "--size": size, "--channels": channels, "--target": target,
        "--into": into,
    }  # fmt: skip
    _check_unused("a run" if fake else "--fake", run_flags if fake else folder_flags)
    if data and reference_split != "held-out":
        raise BadInput(f"--split {reference_split} selects a part of the run's own data; leave it out, or --data")
    if run is None:
        row = evaluate.evaluate_folders(
            fake, real, train=train, size=size, channels=channels, target=target, into=into, features=features,
            num_samples=num_samples, copy_candidates=copy_candidates, neighbors=neighbors, device=device,
            reporter=reporter,
        )  # fmt: skip
    else:
        row = evaluate.evaluate(
            run, data=data, seed=seed, truncation=truncation, reference_split=reference_split, best=best,
            raw_weights=raw_weights, paired=paired, reverse=reverse, network_interpolation=network_interpolation,
            features=features, num_samples=num_samples, copy_candidates=copy_candidates, neighbors=neighbors,
            device=device, reporter=reporter,
        )  # fmt: skip
    if as_json and row:
        typer.echo(json.dumps(row))


def _check_evaluation_source(run: Path | None, fake: str, real: str) -> None:
    """Raise unless the command line names either a run, or generated and real images."""
    if (run is None) == (not fake):
        raise BadInput(
            "`zerosum evaluate` needs either a run, or two folders of images: "
            "write `zerosum evaluate RUN` or `zerosum evaluate --fake DIR --real DIR`"
        )
    if fake and not real:
        raise BadInput("--fake needs real images to compare with: add --real DIR")


def _check_unused(needed: str, flags: Mapping[str, object]) -> None:
    """Raise if one of the flags has a value; they are only used together with `needed`."""
    for flag, value in flags.items():
        if value:
            raise BadInput(f"{flag} can only be used with {needed}; leave it out")


@app.command()
def diagnose(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder, or a log.jsonl.")],
    show_signals: Annotated[bool, typer.Option("--signals", help="Also print the signals of the last probe.")] = False,
    trace_nan: Annotated[
        bool, typer.Option("--trace-nan", help="Replay from the last checkpoint and find the first NaN or infinity.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report what is wrong with a run, finished, running or crashed: findings, evidence, and settings to change."""
    from zerosum import api
    from zerosum.reporter import SilentReporter
    from zerosum.workflows import diagnose

    findings = diagnose.diagnose(run)
    if not as_json:
        echo(*diagnose.format_lines(run, findings, show_signals))
    reporter = SilentReporter() if as_json else create_reporter()
    first_nonfinite = api.trace_nan(run, reporter=reporter) if trace_nan else None
    if as_json:
        typer.echo(diagnose.format_json(run, findings, show_signals, first_nonfinite))
    elif first_nonfinite is not None:
        echo(f"first non-finite number: {first_nonfinite}" if first_nonfinite else "no NaN or infinity was found")
    raise typer.Exit(EXIT_CODES[Severity.SEVERE if diagnose.has_severe(findings) else RunState.DONE])


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="The folders of evaluated runs.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare evaluated runs in a table; only runs evaluated by the same protocol are ranked against each other."""
    from zerosum.workflows import compare

    groups, notes = compare.compare(runs)
    if as_json:
        typer.echo(compare.format_json(groups, notes))
    else:
        echo(*compare.format_table(groups, notes))
