"""Generate samples and latent interpolations with a trained generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.inference.load import load
from zerosum.reporter import Reporter, SilentReporter
from zerosum.workflows.bounds import check_latent_truncation, check_memory, check_seed, check_whole_number
from zerosum.workflows.encode_text import walk_between
from zerosum.workflows.output_paths import files_removed_on_error, first_free, make_name, optional_part, outputs_folder
from zerosum.workflows.sample_folder import name_conditions

if TYPE_CHECKING:
    from zerosum.data.codec import GivenValues
    from zerosum.inference.generator import Generator
    from zerosum.inference.sample_stream import SampleSettings

DEFAULT_SAMPLES = 64
MAX_STREAMED = 10_000_000
"""Samples of one command: more files than a folder should hold."""
MAX_FIRST = 10**12
MAX_FRAMES = 2_000
"""Frames of a walk, all keyframes and steps: almost three minutes."""


def sample(
    run: str | Path,
    num_samples: int | None = None,
    *,
    first: int = 0,
    each: int = 0,
    seed: int = 0,
    truncation: float = math.inf,
    label: str | int | None = None,
    given: Sequence[float] | GivenValues = (),
    where: str = "",
    condition: Sequence[float] | GivenValues = (),
    temperature: float | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Path:
    """Write samples of a run as single files, and a sheet of the first few hundred.

    Samples are written while the next ones are generated, and take the same memory whatever their number. Sample i of
    a seed never depends on how many there are, so that more can be added later. A class-conditional run also gets
    labels.csv with the class of each file, which makes the folder a dataset with classes, and, unless `label` is given,
    a grid with a row for each class, classes.png. If it is interrupted, the samples so far stay, in whole files.
    Samples that are none of their kind, such as texts that are no molecule, are drawn again from seeds of their own;
    how many of the first draws are valid is reported, and stands in samples.json.

    Args:
        run: the run folder, a model folder or hf:user/name.
        num_samples: the number of samples; by default 64.
        first: the number of the first sample: the samples of an interrupted command are continued, or increased, with
            the number of samples that are there, the same options and the same folder as `into`.
        each: the number of samples of each class from number 0 on, instead of `num_samples`; the classes take turns.
        seed: the seed of the samples.
        truncation: latent values are truncated to [-truncation, truncation]; by default they are not truncated.
        label: the class of all samples, by name or index; by default classes are as frequent as in the data.
        given: what is given of all samples: values by the columns of a table or of `data.conditions`, such as
            {"age": 40}, of which the others are as in the data; or, of data without such names, the numbers that the
            network takes. By default all are as in the data.
        where: a filter of rows, such as "price<1000 and cut=Ideal": so many samples are drawn that `num_samples` pass.
        condition: another name of `given`.
        temperature: of networks that draw tokens: below 1 likely ones are drawn more often, and at 0 always the most
            likely; by default the network's own.
        into: the output folder, which must be new or empty, or hold other samples of the same options; by default a new
            folder in `outputs/` of the run, whose name holds the options, and a number if it is taken.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.
        reporter: receives the progress, with the time that is left; by default nothing is reported.

    Returns:
        The folder of the samples.

    Raises:
        BadInput: the folder is not a run, there is no such class, a number is out of range, or `into` holds something
            else, or these samples already.

    Example:
        >>> folder = zerosum.sample("runs/ring", 100, seed=7)
        >>> folder.name
        '00002048-seed7-n100'
    """
    _check_numbers(num_samples, first, each, seed, truncation, label)
    _check_filter(where, first, each)
    if given and condition:
        raise BadInput("`given` and `condition` mean the same; give one of them")
    generator = load(run, device, best=best)
    if temperature is not None:
        generator = generator.at_temperature(temperature)
    from zerosum.inference.sample_stream import SampleSettings
    from zerosum.workflows.sample_folder import SampleFolder

    settings = SampleSettings(seed, truncation, label, each > 0, given or condition, where)
    settings.decode(generator, settings.generate(generator, first, 1), first)  # raises if there is no such value
    if where:
        generator.codec.parse_filter(where)
    count = _count(generator, num_samples, first, each)
    default = outputs_folder(run) / _default_name(generator, settings, first, count, each)
    folder = SampleFolder.open(into, default, Path(run), generator, settings)
    folder.fill(first, count, reporter or SilentReporter())
    return folder.path


def _check_numbers(
    num_samples: int | None, first: int, each: int, seed: int, truncation: float, label: str | int | None
) -> None:
    """Check the numbers that `sample` gets.

    Raises:
        BadInput: one is out of range, or two exclude each other.
    """
    if num_samples is not None:
        check_whole_number("num_samples", num_samples, 1, MAX_STREAMED)
    check_whole_number("first", first, 0, MAX_FIRST)
    check_whole_number("each", each, 0, MAX_STREAMED)
    check_seed(seed)
    check_latent_truncation(truncation)
    if each and num_samples is not None:
        raise BadInput(f"`each` {each:,} and `num_samples` {num_samples:,}: give one of them")
    if each and label is not None:
        raise BadInput(f"`each` {each:,} and `label` {label}: for samples of one class give `num_samples`")


def _check_filter(where: str, first: int, each: int) -> None:
    """Raise if a filter is combined with what needs to know which samples pass.

    Raises:
        BadInput: it is.
    """
    if where and first:
        raise BadInput(
            f"`first` {first:,}: which samples pass `where` is known only from the first on; write them all at once, "
            "or choose another `seed` for others"
        )
    if where and each:
        raise BadInput(f"`each` {each:,}: `where` filters samples without classes; leave one of them out")


def _count(generator: Generator, num_samples: int | None, first: int, each: int) -> int:
    """Return the number of samples to write.

    Raises:
        BadInput: there are none left of `each`, or too many.
    """
    if not each:
        return num_samples or DEFAULT_SAMPLES
    num_classes = len(generator.trained_class_indices)
    if first >= each * num_classes:
        raise BadInput(
            f"`first` {first:,}: {each:,} of each of {num_classes:,} classes are samples 0 to "
            f"{each * num_classes - 1:,}; give a smaller number, or a larger one for `each`"
        )
    count = each * num_classes - first
    if count > MAX_STREAMED:
        raise BadInput(
            f"`each` {each:,}: of {num_classes:,} classes these are {count:,} samples, and a command writes at most "
            f"{MAX_STREAMED:,}; give a smaller number first, and go on with `first` and a larger one"
        )
    return count


def _default_name(generator: Generator, settings: SampleSettings, first: int, count: int, each: int) -> str:
    """Return the name of the folder of samples in `outputs/` of the run."""
    given = name_conditions(settings.given)
    number = f"each{each}" if each else f"n{count}"
    options = (
        optional_part("truncation", settings.truncation, math.inf),
        class_part(generator, settings.label),
        given and f"c{given}",
        settings.where and f"where_{settings.where}",
        "" if generator.temperature is None else f"temperature{generator.temperature:g}",
    )
    return make_name(generator.checkpoint, f"seed{settings.seed}", optional_part("first", first, 0), number, *options)


WALK_KEYFRAMES = 5
"""By default, the number of latents of a walk."""


def walk(
    run: str | Path,
    *,
    seed: int = 0,
    keyframes: int = WALK_KEYFRAMES,
    steps: int = 10,
    interpolation: str = "slerp",
    label: str | int | None = None,
    to_label: str | int | None = None,
    between: tuple[str, str] | None = None,
    video_format: str = "gif",
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> list[Path]:
    """Interpolate in latent space between random keyframes, and back to the first one.

    Args:
        run: the run folder, a model folder or hf:user/name; its generator must generate images or sounds.
        seed: the seed of the keyframes.
        keyframes: the number of latents to interpolate between, at least 2.
        steps: the number of images from one keyframe to the next, at least 2.
        interpolation: slerp (spherical) or lerp (linear).
        label: the class of all images, by name or index.
        to_label: interpolate from the class `label` to this class and back.
        between: of a run on molecules, the SMILES texts of two molecules: `steps` molecules on the way from the code of
            one to that of the other are written, as an image and as a text file.
        video_format: gif or mp4; sounds are written as one WAV file.
        into: the path of the files without suffix; by default inside `outputs/` of the run.
        best: use the networks with the best online evaluation instead of the newest checkpoint.
        device: auto, cpu, cuda, cuda:1 or mps.

    Returns:
        The paths of a strip of the keyframes (PNG) and of the video or the WAV file, or of the image and the text file.

    Raises:
        BadInput: the folder is not a run, the run does not generate images or sounds, there is no such class, a number
            is out of range, or a file exists already.

    Example:
        >>> strip, video = zerosum.walk("runs/digits", keyframes=2, steps=3)
    """
    if between is not None:
        unread = {"seed": seed != 0, "keyframes": keyframes != WALK_KEYFRAMES, "label": label is not None,
                  "to_label": to_label is not None, "video_format": video_format != "gif"}  # fmt: skip
        if given := next((name for name, is_given in unread.items() if is_given), ""):
            raise BadInput(f"`{given}`: has no effect on a walk `between` two texts; leave one of them out")
        return walk_between(run, between, steps=steps, interpolation=interpolation, into=into, best=best, device=device)
    from zerosum.inference.interpolation import INTERPOLATIONS
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
    generator, suffix = _load_walking_generator(run, device, best, video_format)
    check_memory("steps", keyframes * steps, generator)
    options = (f"seed{seed}", f"{keyframes}x{steps}", class_part(generator, label, to_label))
    default = outputs_folder(run) / make_name(generator.checkpoint, "walk", interpolation, *options)
    stem = Path(into) if into else first_free(default, lambda candidate: walk_paths(candidate, suffix))
    existing = [path for path in walk_paths(stem, suffix) if into and path.exists()]
    if existing:
        raise BadInput(f"`into` {into}: {existing[0]} exists; choose another name, since nothing is overwritten")
    path = Walk(seed, keyframes, steps, INTERPOLATIONS[interpolation], label, to_label, video_format)
    with files_removed_on_error(walk_paths(stem, suffix)):
        return write_walk(generator, stem, path)


def _load_walking_generator(run: str | Path, device: str, best: bool, video_format: str) -> tuple[Generator, str]:
    """Load the generator of a run whose samples are written one after the other, and return the suffix of that file.

    Raises:
        BadInput: there is no such file of its samples, or it is no video.
    """
    from zerosum.media.kind import MEDIA_KINDS

    generator = load(run, device, best=best)
    suffix = MEDIA_KINDS.find(generator.kind).sequence_suffix
    if not suffix:
        _require_images(
            run, generator, "a latent interpolation needs images or sounds, or two texts `between` which it is"
        )
        return generator, f".{video_format}"
    if video_format != "gif":  # what it is by default
        raise BadInput(
            f"`video_format` {video_format}: samples of {run} are written as {suffix.removeprefix('.').upper()}; leave "
            "it out"
        )
    return generator, suffix


def load_image_generator(run: str | Path, device: str, best: bool, reason: str) -> Generator:
    """Load the generator of a run.

    Raises:
        BadInput: the folder is not a run, or its generator does not generate images, with `reason` in the message.
    """
    generator = load(run, device, best=best)
    _require_images(run, generator, reason)
    return generator


def _require_images(run: str | Path, generator: Generator, reason: str) -> None:
    """Raise if a generator does not generate images."""
    from zerosum.data.kind import DATA_KINDS
    from zerosum.media.kind import MEDIA_KINDS

    if not MEDIA_KINDS.find(generator.kind).is_image:
        noun = DATA_KINDS.find(generator.kind).noun
        raise BadInput(f"{run} generates {noun}s, not images: {reason}; use a run that was trained on images")


def class_part(generator: Generator, label: str | int | None, to_label: str | int | None = None) -> str:
    """Return the part of a file name that names the requested classes; "" if there are none."""
    labels = [requested for requested in (label, to_label) if requested is not None]
    return "-".join(generator.classes[generator.class_index(requested)] for requested in labels)
