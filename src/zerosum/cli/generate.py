"""The commands that use a trained generator."""

from __future__ import annotations

import math
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from zerosum.cli.app import (
    BestOption,
    ClassOption,
    DeviceOption,
    IntoOption,
    ModelArgument,
    SeedOption,
    app,
    create_reporter,
    echo,
    echo_path,
)
from zerosum.cli.given import add_wishes, parse_given
from zerosum.errors import BadInput


@app.command()
def sample(
    run: ModelArgument,
    num_samples: Annotated[
        int | None, typer.Option("--num-samples", "-n", help="Number of samples; by default 64.", show_default=False)
    ] = None,
    first: Annotated[int, typer.Option(help="Number of the first sample, to go on where a folder ends.")] = 0,
    each: Annotated[int, typer.Option(help="Number of samples of each class, instead of -n.", show_default=False)] = 0,
    seed: SeedOption = 0,
    truncation: Annotated[
        float,
        typer.Option(
            help="Truncate latents at this value; about 0.7 trades diversity for quality. By default they are not.",
            show_default=False,
        ),
    ] = math.inf,
    label: ClassOption = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            "--given",
            "--condition",
            help="Given values of all samples: cut=Ideal,color=E by columns (may be repeated); of other data numbers, "
            "0.5,-1.",
            show_default=False,
        ),
    ] = None,
    wishes: Annotated[
        list[str] | None,
        typer.Option("--want", help="A given value, such as qed=0.9; may be repeated.", show_default=False),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(help="Of drawn tokens: below 1 likely ones are drawn more often, 0: always.", show_default=False),
    ] = None,
    where: Annotated[
        str,
        typer.Option(help='Keep rows that pass: "price<1000 and cut=Ideal".', show_default=False),
    ] = "",
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Write any number of samples as single files, with a sheet; of a class-conditional run also their classes."""
    from zerosum import api

    with redirect_stdout(sys.stderr):  # standard output is the path alone, for scripts
        folder = api.sample(
            run, num_samples, first=first, each=each, seed=seed, truncation=truncation, label=label,
            given=add_wishes(parse_given(",".join(given or [])), wishes or []), where=where,
            temperature=temperature, into=into, best=best, device=device, reporter=create_reporter(),
        )  # fmt: skip
    echo_path(folder)


@app.command()
def walk(
    run: ModelArgument,
    seed: SeedOption = 0,
    keyframes: Annotated[int, typer.Option(help="Number of samples that the walk passes through.")] = 5,
    steps: Annotated[int, typer.Option(help="Frames from one keyframe to the next.")] = 10,
    interpolation: Annotated[str, typer.Option(help="slerp (spherical) or lerp (linear).")] = "slerp",
    label: ClassOption = None,
    to_label: Annotated[
        str | None, typer.Option("--to", help="Interpolate from --class to this class.", show_default=False)
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Of molecules: from one SMILES text to another.", show_default=False),
    ] = None,
    video_format: Annotated[str, typer.Option("--video", help="gif, or mp4 (pip install zerosum[video]).")] = "gif",
    into: Annotated[
        Path | None, typer.Option(help="Output path of image and video, without suffix.", show_default=False)
    ] = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Interpolate through latent space and back; writes an image strip (PNG) and a video (GIF or MP4)."""
    from zerosum import api

    paths = api.walk(
        run, seed=seed, keyframes=keyframes, steps=steps, interpolation=interpolation, label=label, to_label=to_label,
        between=between, video_format=video_format, into=into, best=best, device=device,
    )  # fmt: skip
    for path in paths:
        echo_path(path)


@app.command()
def mix(
    run: ModelArgument,
    rows: Annotated[str, typer.Option(help="Indices of the samples that keep all other layers: 3, or 3,5.")],
    columns: Annotated[str, typer.Option(help="Indices of the samples whose styles replace these layers: 7,12.")],
    layers: Annotated[str, typer.Option(help="coarse, middle, fine, or a range: 2:5.")] = "coarse",
    seed: SeedOption = 0,
    truncation: Annotated[float, typer.Option(help="Truncation of styles: 1 is none, 0 is the mean style.")] = 1.0,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Mix styles: samples (rows) with some layers' styles taken from others (columns). For recipe stylegan2."""
    from zerosum import api

    path = api.mix(
        run, _parse_indices("--rows", rows), _parse_indices("--columns", columns), layers=layers, seed=seed,
        truncation=truncation, label=label, into=into, best=best, device=device,
    )  # fmt: skip
    echo_path(path)


@app.command()
def edit(
    run: ModelArgument,
    direction: Annotated[
        str, typer.Option(help="sefa:K (closed form), pca:K (principal component) or class:NAME (learned).")
    ],
    sample_indices: Annotated[str, typer.Option(help="Indices of the samples.")] = "0,1,2,3",
    max_sigma: Annotated[float, typer.Option(help="Largest distance to both sides, in standard deviations.")] = 3.0,
    steps: Annotated[int, typer.Option(help="Images in a row.")] = 7,
    layers: Annotated[str, typer.Option(help="Layers to edit: all, coarse, middle, fine, or a range: 2:5.")] = "all",
    seed: SeedOption = 0,
    truncation: Annotated[
        float | None,
        typer.Option(
            help="Truncate latents at this value, or pull styles to the mean style; by default neither is truncated.",
            show_default=False,
        ),
    ] = None,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Move samples along a direction of the latent space; writes an image with a row for each sample."""
    from zerosum import api

    path = api.edit(
        run, direction, sample_indices=_parse_indices("--sample-indices", sample_indices), max_sigma=max_sigma,
        steps=steps, layers=layers, seed=seed, truncation=truncation, label=label, into=into, best=best, device=device,
        reporter=create_reporter(),
    )  # fmt: skip
    echo_path(path)


@app.command()
def encode(
    run: ModelArgument,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An image file, or the SMILES text of a molecule.")],
    steps: Annotated[int, typer.Option(help="Optimization steps.")] = 500,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Optimize one style per layer: a smaller error, but worse to edit.")
    ] = False,
    neighbors: Annotated[int, typer.Option(help="Molecules to show around the code of a molecule.")] = 16,
    seed: SeedOption = 0,
    label: ClassOption = None,
    into: IntoOption = None,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Find the latent code of a real image (GAN inversion) or molecule; writes it next to its reconstruction."""
    from zerosum import api

    path = api.encode(
        run, item, steps=steps, per_layer=per_layer, neighbors=neighbors, seed=seed, label=label, into=into,
        best=best, device=device, reporter=create_reporter(),
    )  # fmt: skip
    echo_path(path)


@app.command()
def apply(
    run: ModelArgument,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="An image or a sound, a folder of them, or a table.")],
    into: IntoOption = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="For inpainting: white where to fill; for a folder, a folder of masks.", show_default=False),
    ] = None,
    degrade: Annotated[bool, typer.Option("--degrade", help="First degrade the inputs, as in training.")] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Translate from B to A (cyclegan, season).")] = False,
    shorter_side: Annotated[
        int | None, typer.Option(help="First resize the shorter side to this many pixels.", show_default=False, min=8)
    ] = None,
    network_interpolation: Annotated[
        float, typer.Option(help="Of esrgan and srgan: 0 before adversarial training (soft), 1 as trained.")
    ] = 1.0,
    draws: Annotated[
        int | None,
        typer.Option(
            help="Of a table: samples whose mean or most frequent value fills a missing cell, by default 32; 1 for a "
            "random draw.",
            show_default=False,
        ),
    ] = None,
    seed: SeedOption = 0,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Keep existing output files, and write the missing ones.")
    ] = False,
    best: BestOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Translate images of any size or sounds of any length, or fill the missing cells of a table."""
    from zerosum import api

    paths = api.apply(
        run, source, into=into, mask=mask, degrade=degrade, reverse=reverse, shorter_side=shorter_side,
        network_interpolation=network_interpolation, draws=draws, seed=seed, skip_existing=skip_existing, best=best,
        device=device, reporter=create_reporter(),
    )  # fmt: skip
    if not paths:
        echo("all output files exist already")
    elif len(paths) == 1:
        echo_path(paths[0])
    else:
        echo(f"{len(paths)} files in {os.path.commonpath([path.parent for path in paths])}")


def _parse_indices(flag: str, text: str) -> list[int]:
    """Return the integers of a list that is separated by commas."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"{flag} {text}: give whole numbers, separated by commas: 3,7,12") from None
