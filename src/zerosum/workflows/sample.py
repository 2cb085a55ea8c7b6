"""Generate samples and latent interpolations with a trained generator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.inference.load import load
from zerosum.reporter import Reporter, SilentReporter, TimedProgress
from zerosum.workflows.bounds import MAX_SAMPLES, check_latent_truncation, check_memory, check_seed, check_whole_number
from zerosum.workflows.output_paths import (
    complete_folder,
    files_removed_on_error,
    first_free,
    make_name,
    optional_part,
)

if TYPE_CHECKING:
    from zerosum.game.types import Sample
    from zerosum.inference.generator import Generator

MAX_FRAMES = 2_000
"""Frames of a walk, all keyframes and steps: almost three minutes."""


def sample(
    run: str | Path,
    num_samples: int = 64,
    *,
    seed: int = 0,
    truncation: float = math.inf,
    label: str | int | None = None,
    condition: Sequence[float] | Mapping[str, str | float] = (),
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Write samples of a run as single files and as one grid.

    A class-conditional run also gets a grid with a row for each class, classes.png, unless `label` is given. If it is
    interrupted, nothing is left.

    Args:
        run: the run folder.
        num_samples: the number of samples.
        seed: the seed of the samples.
        truncation: latent values are truncated to [-truncation, truncation]; by default they are not truncated.
        label: the class of all samples, by name or index; by default classes are as frequent as in the data.
        condition: the condition of all samples: values by the columns of `data.conditions`, such as {"age": 40}, of
            which the others are as in the data; or, of data without such names, the numbers that the network takes. By
            default all are as in the data.
        into: the output folder, which must be new or empty; by default a new folder in `outputs/` of the run, whose
            name holds the options, and a number if it is taken.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the progress, with the time that is left; by default nothing is reported.

    Returns:
        The folder of the samples.

    Raises:
        BadInput: the folder is not a run, there is no such class, a number is out of range, or `into` is not empty.

    Example:
        >>> folder = zerosum.sample("runs/ring", 100, seed=7)
        >>> folder.name
        '00002048-seed7-n100'
    """
    check_whole_number("num_samples", num_samples, 1, MAX_SAMPLES)
    check_seed(seed)
    check_latent_truncation(truncation)
    generator = load(run, device, best=best)
    check_memory("num_samples", num_samples, generator)
    conditions = _choose_conditions(generator, condition, num_samples, seed, label)
    values = _name_conditions(condition)
    options = (optional_part("truncation", truncation, math.inf), class_part(generator, label), values and f"c{values}")
    name = make_name(generator.checkpoint, f"seed{seed}", f"n{num_samples}", *options)
    folder = Path(into) if into else first_free(Path(run) / "outputs" / name, lambda candidate: [candidate])
    if into and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"`into` {folder}: exists and is not empty; name a new folder, since nothing is overwritten")
    from zerosum.inference.writers import write_class_grid, write_samples
    from zerosum.media.kind import MEDIA_KINDS

    reporter = reporter or SilentReporter()
    progress = TimedProgress(reporter, "generating samples")
    samples = generator.sample(
        num_samples, seed=seed, truncation=truncation, label=label, condition=conditions, progress=progress
    )
    with complete_folder(folder) as new:
        write_samples(generator, samples, new, seed, TimedProgress(reporter, "writing samples"))
        if description := MEDIA_KINDS.find(generator.kind).describe_files(generator.codec):
            reporter.message(f"samples are written as {description}")
        if generator.classes and label is None and not condition and MEDIA_KINDS.find(generator.kind).has_frames:
            write_class_grid(generator, new, seed, truncation)
    return folder


def _choose_conditions(
    generator: Generator,
    condition: Sequence[float] | Mapping[str, str | float],
    num_samples: int,
    seed: int,
    label: str | int | None,
) -> Sample | None:
    """Return the conditions of samples; None: as in the data."""
    if not condition:
        return None
    if isinstance(condition, Mapping):
        return generator.choose_conditions(condition, num_samples, seed, label)
    return generator.repeat_condition(condition, num_samples)


def _name_conditions(condition: Sequence[float] | Mapping[str, str | float]) -> str:
    """Return the part of a file name that names conditions: "0.5+-1", "age=40+height=1.7"; "" for none."""
    if isinstance(condition, Mapping):
        return "+".join(f"{name}={value}" for name, value in condition.items())
    return "+".join(f"{value:g}" for value in condition)


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
    check_whole_number("keyframes", keyframes, 2, MAX_FRAMES)
    check_whole_number("steps", steps, 2, MAX_FRAMES)
    if keyframes * steps > MAX_FRAMES:
        raise BadInput(f"`steps` {steps} from each of {keyframes} keyframes: a walk has at most {MAX_FRAMES:,} frames")
    check_seed(seed)
    if video_format == "mp4":
        check_mp4_support()  # before the strip is written
    generator = load_image_generator(run, device, best, "a latent interpolation needs images")
    check_memory("steps", keyframes * steps, generator)
    options = (f"seed{seed}", f"{keyframes}x{steps}", class_part(generator, label, to_label))
    default = Path(run) / "outputs" / make_name(generator.checkpoint, "walk", interpolation, *options)
    stem = Path(into) if into else first_free(default, lambda candidate: walk_paths(candidate, video_format))
    existing = [path for path in walk_paths(stem, video_format) if into and path.exists()]
    if existing:
        raise BadInput(f"`into` {into}: {existing[0]} exists; choose another name, since nothing is overwritten")
    path = Walk(seed, keyframes, steps, INTERPOLATIONS[interpolation], label, to_label, video_format)
    with files_removed_on_error(walk_paths(stem, video_format)):
        return write_walk(generator, stem, path)


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


def class_part(generator: Generator, label: str | int | None, to_label: str | int | None = None) -> str:
    """Return the part of a file name that names the requested classes; "" if there are none."""
    labels = [requested for requested in (label, to_label) if requested is not None]
    return "-".join(generator.classes[generator.class_index(requested)] for requested in labels)
