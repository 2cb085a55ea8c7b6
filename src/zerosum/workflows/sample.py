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
    n: int = 64,
    *,
    seed: int = 0,
    truncation: float = math.inf,
    label: str | int | None = None,
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> Path:
    """Write `n` samples of a run as single files and one sheet; returns the folder they are in.

    `label` asks for samples of one class. Where the run has classes and none is asked for, they are as common as in the
    data, and a second sheet, classes.png, has a row for each. `best` takes the networks judged best during training
    instead of the newest.

    Raises:
        BadInput: it is no run, it has no such class, or `into` holds something.
    """
    generator = load(run, device, best=best)
    suffix = "" if math.isinf(truncation) else f"-truncation{truncation:g}"
    suffix += of_class(generator, label)
    folder = Path(into) if into else Path(run) / "made" / f"{generator.checkpoint}-seed{seed}-n{n}{suffix}"
    if into and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"--into {folder}: is there and not empty; name a new folder, nothing is overwritten")
    from zerosum.inference.writers import write_classes, write_samples

    write_samples(generator.sample(n, seed=seed, truncation=truncation, label=label), folder)
    if generator.classes and label is None and len(generator.shape) == 3:
        write_classes(generator, folder, seed, truncation)
    return folder


def walk(
    run: str | Path,
    *,
    seed: int = 0,
    stops: int = 5,
    steps: int = 10,
    way: str = "slerp",
    label: str | int | None = None,
    to: str | int | None = None,
    film: str = "gif",
    into: str | Path | None = None,
    best: bool = False,
    device: str = "auto",
) -> list[Path]:
    """Walk through latent space: from stop to stop and back to the first; returns a strip (PNG) and a film.

    All of it in the class `label`; with `to`, it leads from that class to this one and back. `film` is gif or mp4.
    `best` takes the networks judged best during training instead of the newest.

    Raises:
        BadInput: it is no run, it has no such class, or a number is out of range.
    """
    from zerosum.inference.generator import WAYS
    from zerosum.inference.writers import FILMS, Walk, walk_paths, write_walk
    from zerosum.media.video import check_mp4

    if way not in WAYS:
        raise BadInput(f"--way {way}: there are {', '.join(WAYS)}")
    if film not in FILMS:
        raise BadInput(f"--film {film}: there are {', '.join(FILMS)}")
    if stops < 2 or steps < 2:
        raise BadInput(f"--stops {stops} --steps {steps}: a walk has at least 2 of each")
    if film == "mp4":
        check_mp4()  # before a picture is written
    generator = painter(run, device, best, "a walk has nothing to show")
    name = f"{generator.checkpoint}-walk-{way}-seed{seed}-{stops}x{steps}{of_class(generator, label, to)}"
    stem = Path(into) if into else Path(run) / "made" / name
    there = [path for path in walk_paths(stem, film) if into and path.exists()]
    if there:
        raise BadInput(f"--into {into}: {there[0]} is there; choose another name, nothing is overwritten")
    return write_walk(generator, stem, Walk(seed, stops, steps, WAYS[way], label, to, film))


def painter(run: str | Path, device: str, best: bool, why: str) -> Generator:
    """A run's generator, which must make pictures."""
    generator = load(run, device, best=best)
    if len(generator.shape) != 3:
        raise BadInput(f"{run} makes points, not pictures: {why}")
    return generator


def of_class(generator: Generator, label: str | int | None, to: str | int | None = None) -> str:
    """What a file's name says of the classes asked for."""
    names = [generator.classes[generator.number(each)] for each in (label, to) if each is not None]
    return "".join("-" + re.sub(r"[^\w.+-]+", "_", name) for name in names)
