"""Commands that make something with a trained generator."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import (
    BestOption,
    ClassOption,
    DeviceOption,
    IntoOption,
    RunArgument,
    SeedOption,
    app,
    create_reporter,
)
from zerosum.errors import BadInput


@app.command()
def sample(
    run: RunArgument,
    num_samples: Annotated[int, typer.Option("--num-samples", "-n", help="How many.")] = 64,
    seed: SeedOption = 0,
    truncation: Annotated[
        float,
        typer.Option(help="Cut latents off here; about 0.7 trades variety for quality.", show_default=False),
    ] = math.inf,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Write samples of a run: single files and a sheet, and one with a row for each class where there are any."""
    from zerosum import api

    conditioning = api.sample(
        run, num_samples, seed=seed, truncation=truncation, label=label, into=into, best=best, device=device
    )
    typer.echo(conditioning)


@app.command()
def walk(
    run: RunArgument,
    seed: SeedOption = 0,
    keyframes: Annotated[int, typer.Option(help="Samples the walk passes.")] = 5,
    steps: Annotated[int, typer.Option(help="Steps from one to the next.")] = 10,
    interpolation: Annotated[str, typer.Option(help="slerp (along the sphere) or lerp (straight).")] = "slerp",
    label: ClassOption = None,
    to_label: Annotated[
        str | None, typer.Option("--to", help="Walk from --class to this class.", show_default=False)
    ] = None,
    video_format: Annotated[str, typer.Option("--video", help="gif, or mp4 (pip install zerosum[video]).")] = "gif",
    into: Annotated[
        Path | None, typer.Option(help="Name of the strip and the film, without suffix.", show_default=False)
    ] = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Walk through latent space: a strip (PNG) and a film (GIF or MP4)."""
    from zerosum import api

    paths = api.walk(
        run, seed=seed, keyframes=keyframes, steps=steps, interpolation=interpolation, label=label, to_label=to_label, video_format=video_format, into=into, best=best,
        device=device,
    )  # fmt: skip
    for path in paths:
        typer.echo(path)


@app.command()
def mix(
    run: RunArgument,
    rows: Annotated[str, typer.Option(help="Samples that keep all other layers: 3, or 3,5.")],
    columns: Annotated[str, typer.Option(help="Samples that give these layers' styles: 7,12.")],
    layers: Annotated[str, typer.Option(help="coarse, middle, fine, or a range: 2:5.")] = "coarse",
    seed: SeedOption = 0,
    truncation: Annotated[float, typer.Option(help="1 leaves styles where they are, 0 is the mean style.")] = 1.0,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Mix styles: samples (rows) with some layers' styles of other samples (columns). For recipe stylegan2."""
    from zerosum import api

    conditioning = api.mix(
        run, _parse_indices("--from", rows), _parse_indices("--styles", columns), layers=layers, seed=seed,
        truncation=truncation, label=label, into=into, best=best, device=device,
    )  # fmt: skip
    typer.echo(conditioning)


@app.command()
def edit(
    run: RunArgument,
    direction: Annotated[str, typer.Option(help="sefa:K (closed form), pca:K (principal), or class:NAME (learned).")],
    sample_indices: Annotated[str, typer.Option(help="Which ones, by number.")] = "0,1,2,3",
    max_sigma: Annotated[float, typer.Option(help="How far to both sides, in standard deviations.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Pictures in a row.")] = 7,
    layers: Annotated[str, typer.Option(help="Of styles: all, coarse, middle, fine, or a range: 2:5.")] = "all",
    seed: SeedOption = 0,
    truncation: Annotated[float, typer.Option(help="Of styles: 1 leaves them where they are.")] = 1.0,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Move samples along a direction of the latent space: a row for each."""
    from zerosum import api

    conditioning = api.edit(
        run, direction, sample_indices=_parse_indices("--sample-indices", sample_indices), max_sigma=max_sigma, steps=steps, layers=layers, seed=seed,
        truncation=truncation, label=label, into=into, best=best, device=device, reporter=create_reporter(),
    )  # fmt: skip
    typer.echo(conditioning)


@app.command()
def encode(
    run: RunArgument,
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture to be found again.")],
    steps: Annotated[int, typer.Option(help="Of the search.")] = 500,
    per_layer: Annotated[bool, typer.Option("--per-layer", help="A style of its own for each layer: nearer.")] = False,
    seed: SeedOption = 0,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Find a real picture in the latent space: it and what was found, side by side."""
    from zerosum import api

    conditioning = api.encode(
        run, image, steps=steps, per_layer=per_layer, seed=seed, label=label, into=into, best=best, device=device,
        reporter=create_reporter(),
    )  # fmt: skip
    typer.echo(conditioning)


@app.command()
def apply(
    run: RunArgument,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A picture, or a folder of pictures or frames.")],
    into: IntoOption = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="To fill holes: white where to fill; of a folder, a folder of masks.", show_default=False),
    ] = None,
    degrade: Annotated[bool, typer.Option("--degrade", help="First degrade the pictures, as in training.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way, of a run that learned both.")] = False,
    shorter_side: Annotated[
        int | None, typer.Option(help="Bring the shorter side to so many pixels first.", show_default=False, min=8)
    ] = None,
    network_interpolation: Annotated[
        float, typer.Option(help="Of esrgan and srgan: 0 is faithful and soft, 1 as trained.")
    ] = 1.0,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep what is there, and make the rest.")
    ] = False,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Turn pictures into what a run has learned to make of them; pictures of any size, which keep their names."""
    from zerosum import api

    made = api.apply(
        run, source, into=into, mask=mask, degrade=degrade, reverse=reverse, shorter_side=shorter_side, network_interpolation=network_interpolation, skip_existing=skip_existing,
        best=best, device=device, reporter=create_reporter(),
    )  # fmt: skip
    if made:
        typer.echo(
            made[0] if len(made) == 1 else f"{len(made)} pictures in {os.path.commonpath([p.parent for p in made])}"
        )
    else:
        typer.echo("nothing is left to be made")


def _parse_indices(flag: str, text: str) -> list[int]:
    """Whole numbers, separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{flag} {text}: give whole numbers, separated by commas: 3,7,12") from None
