"""What is made with a trained generator: samples, walks, mixtures, edits, codes of real pictures."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.inference.load import load

if TYPE_CHECKING:
    from zerosum.inference.generator import Generator


def sample(
    run: str | Path,
    num_samples: int = 64,
    *,
    seed: int = 0,
    truncation: float = math.inf,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> Path:
    """Write `num_samples` samples of a run as single files and one sheet; returns the folder they are in.

    `label` asks for samples of one class. Where the run has classes and none is asked for, they are as common as in the
    data, and a second sheet, classes.png, has a row for each. `best` takes the networks judged best during training
    instead of the newest.

    Raises:
        BadInput: it is no run, it has no such class, or `into` holds something.
    """
    generator = load(run, device, best=best)
    suffix = "" if math.isinf(truncation) else f"-truncation{truncation:g}"
    suffix += class_suffix(generator, label)
    folder = Path(into) if into else Path(run) / "outputs" / f"{generator.checkpoint}-seed{seed}-n{num_samples}{suffix}"
    if into and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"--into {folder}: is there and not empty; name a new folder, nothing is overwritten")
    from zerosum.inference.writers import write_class_grid, write_samples

    write_samples(generator.sample(num_samples, seed=seed, truncation=truncation, label=label), folder)
    if generator.classes and label is None and len(generator.shape) == 3:
        write_class_grid(generator, folder, seed, truncation)
    return folder


def walk(
    run: str | Path,
    *,
    seed: int = 0,
    keyframes: int = 5,
    steps: int = 10,
    interpolation: str = "slerp",
    label: str | int | None = None,
    to_label: str | int | None = None,
    video_format: str = "gif",
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> list[Path]:
    """Walk through latent space: from stop to stop and back to the first; returns a strip (PNG) and a film.

    All of it in the class `label`; with `to_label`, it leads from that class to this one and back. `video_format` is gif or mp4.
    `best` takes the networks judged best during training instead of the newest.

    Raises:
        BadInput: it is no run, it has no such class, or a number is out of range.
    """
    from zerosum.inference.generator import INTERPOLATIONS
    from zerosum.inference.writers import VIDEO_WRITERS, Walk, walk_paths, write_walk
    from zerosum.media.video import check_mp4_support

    if interpolation not in INTERPOLATIONS:
        raise BadInput(f"--interpolation {interpolation}: there are {', '.join(INTERPOLATIONS)}")
    if video_format not in VIDEO_WRITERS:
        raise BadInput(f"--video {video_format}: there are {', '.join(VIDEO_WRITERS)}")
    if keyframes < 2 or steps < 2:
        raise BadInput(f"--keyframes {keyframes} --steps {steps}: a walk has at least 2 of each")
    if video_format == "mp4":
        check_mp4_support()  # before a picture is written
    generator = load_image_generator(run, device, best, "a walk has nothing to show")
    name = f"{generator.checkpoint}-walk-{interpolation}-seed{seed}-{keyframes}x{steps}{class_suffix(generator, label, to_label)}"
    stem = Path(into) if into else Path(run) / "outputs" / name
    there = [path for path in walk_paths(stem, video_format) if into and path.exists()]
    if there:
        raise BadInput(f"--into {into}: {there[0]} is there; choose another name, nothing is overwritten")
    return write_walk(
        generator, stem, Walk(seed, keyframes, steps, INTERPOLATIONS[interpolation], label, to_label, video_format)
    )


def load_image_generator(run: str | Path, device: str, best: bool, reason: str) -> Generator:
    """A run's generator, which must make pictures."""
    generator = load(run, device, best=best)
    if len(generator.shape) != 3:
        raise BadInput(f"{run} makes points, not pictures: {reason}")
    return generator


def class_suffix(generator: Generator, label: str | int | None, to_label: str | int | None = None) -> str:
    """What a file's name says of the classes asked for."""
    names = [generator.classes[generator.class_index(each)] for each in (label, to_label) if each is not None]
    return "".join("-" + re.sub(r"[^\w.+-]+", "_", name) for name in names)
