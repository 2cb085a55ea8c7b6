"""Commands that make something with a trained generator."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import Best, Class, Device, Into, RunArgument, Seed, app, voice
from zerosum.errors import BadInput


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
        truncation=truncation, label=label, into=into, best=best, device=device, voice=voice(),
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
        voice=voice(),
    )  # fmt: skip
    typer.echo(told)


@app.command()
def apply(
    run: RunArgument,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A picture, or a folder of pictures or frames.")],
    into: Into = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="To fill holes: white where to fill; of a folder, a folder of masks.", show_default=False),
    ] = None,
    degrade: Annotated[bool, typer.Option("--degrade", help="First degrade the pictures, as in training.")] = False,
    back: Annotated[bool, typer.Option("--back", help="The other way, of a run that learned both.")] = False,
    side: Annotated[
        int | None, typer.Option(help="Bring the shorter side to so many pixels first.", show_default=False, min=8)
    ] = None,
    realism: Annotated[float, typer.Option(help="Of esrgan and srgan: 0 is faithful and soft, 1 as trained.")] = 1.0,
    go_on: Annotated[bool, typer.Option("--continue", help="Keep what is there, and make the rest.")] = False,
    best: Best = False,
    device: Device = "auto",
) -> None:
    """Turn pictures into what a run has learned to make of them; pictures of any size, which keep their names."""
    from zerosum import api

    made = api.apply(
        run, source, into=into, mask=mask, degrade=degrade, back=back, side=side, realism=realism, go_on=go_on,
        best=best, device=device, voice=voice(),
    )  # fmt: skip
    if made:
        typer.echo(
            made[0] if len(made) == 1 else f"{len(made)} pictures in {os.path.commonpath([p.parent for p in made])}"
        )
    else:
        typer.echo("nothing is left to be made")


def _numbers(flag: str, text: str) -> list[int]:
    """Whole numbers, separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{flag} {text}: give whole numbers, separated by commas: 3,7,12") from None
