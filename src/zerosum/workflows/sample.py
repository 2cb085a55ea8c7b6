"""Generate samples and latent interpolations with a trained generator."""

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
    """Write samples of a run as single files and as one grid.

    A class-conditional run also gets a grid with a row for each class, classes.png, unless `label` is given.

    Args:
        run: the run folder.
        num_samples: the number of samples.
        seed: the seed of the samples.
        truncation: latent values are truncated to [-truncation, truncation]; by default they are not truncated.
        label: the class of all samples, by name or index; by default classes are as frequent as in the data.
        into: the output folder, which must be new or empty; by default a folder in `outputs/` of the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The folder of the samples.

    Raises:
        BadInput: the folder is not a run, there is no such class, or `into` is not empty.

    Example:
        >>> folder = zerosum.sample("runs/ring", 100, seed=7)
        >>> folder.name
        '00002048-seed7-n100'
    """
    generator = load(run, device, best=best)
    suffix = "" if math.isinf(truncation) else f"-truncation{truncation:g}"
    suffix += class_suffix(generator, label)
    folder = Path(into) if into else Path(run) / "outputs" / f"{generator.checkpoint}-seed{seed}-n{num_samples}{suffix}"
    if into and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"`into` {folder}: exists and is not empty; name a new folder, since nothing is overwritten")
    from zerosum.inference.writers import write_class_grid, write_samples
    from zerosum.media.kind import MEDIA_KINDS

    samples = generator.sample(num_samples, seed=seed, truncation=truncation, label=label)
    write_samples(generator, samples, folder, seed)
    if generator.classes and label is None and MEDIA_KINDS.find(generator.kind).has_frames:
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
    """Interpolate in latent space between random keyframes, and back to the first one.

    Args:
        run: the run folder; its generator must generate images.
        seed: the seed of the keyframes.
        keyframes: the number of latents to interpolate between, at least 2.
        steps: the number of images from one keyframe to the next, at least 2.
        interpolation: slerp (spherical) or lerp (linear).
        label: the class of all images, by name or index.
        to_label: interpolate from the class `label` to this class and back.
        video_format: gif or mp4.
        into: the path of the files without suffix; by default inside `outputs/` of the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The paths of a strip of the keyframes (PNG) and of the video.

    Raises:
        BadInput: the folder is not a run, the run does not generate images, there is no such class, a number is out
            of range, or a file exists already.

    Example:
        >>> strip, video = zerosum.walk("runs/digits", keyframes=2, steps=3)
    """
    from zerosum.inference.generator import INTERPOLATIONS
    from zerosum.inference.writers import VIDEO_WRITERS, Walk, walk_paths, write_walk
    from zerosum.media.video import check_mp4_support

    if interpolation not in INTERPOLATIONS:
        raise BadInput(f"`interpolation` {interpolation}: choose one of {', '.join(INTERPOLATIONS)}")
    if video_format not in VIDEO_WRITERS:
        raise BadInput(f"`video_format` {video_format}: choose one of {', '.join(VIDEO_WRITERS)}")
    if keyframes < 2 or steps < 2:
        raise BadInput(f"`keyframes` {keyframes}, `steps` {steps}: an interpolation needs at least 2 of each")
    if video_format == "mp4":
        check_mp4_support()  # before the strip is written
    generator = load_image_generator(run, device, best, "a latent interpolation needs images")
    name = f"{generator.checkpoint}-walk-{interpolation}-seed{seed}-{keyframes}x{steps}"
    name += class_suffix(generator, label, to_label)
    stem = Path(into) if into else Path(run) / "outputs" / name
    existing = [path for path in walk_paths(stem, video_format) if into and path.exists()]
    if existing:
        raise BadInput(f"`into` {into}: {existing[0]} exists; choose another name, since nothing is overwritten")
    return write_walk(
        generator, stem, Walk(seed, keyframes, steps, INTERPOLATIONS[interpolation], label, to_label, video_format)
    )


def load_image_generator(run: str | Path, device: str, best: bool, reason: str) -> Generator:
    """Load the generator of a run.

    Raises:
        BadInput: the folder is not a run, or its generator does not generate images, with `reason` in the message.
    """
    from zerosum.data.kind import DATA_KINDS
    from zerosum.media.kind import MEDIA_KINDS

    generator = load(run, device, best=best)
    if not MEDIA_KINDS.find(generator.kind).has_frames:
        noun = DATA_KINDS.find(generator.kind).noun
        raise BadInput(f"{run} generates {noun}s, not images: {reason}; use a run that was trained on images")
    return generator


def class_suffix(generator: Generator, label: str | int | None, to_label: str | int | None = None) -> str:
    """Return the part of a file name that names the requested classes; "" if there are none."""
    labels = [requested for requested in (label, to_label) if requested is not None]
    names = [generator.classes[generator.class_index(requested)] for requested in labels]
    return "".join("-" + re.sub(r"[^\w.+-]+", "_", name) for name in names)
