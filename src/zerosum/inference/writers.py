"""What a generator makes, as files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zerosum.inference.generator import Generator, InterpolationFn
from zerosum.media.images import Images, make_grid, save_gif, save_image, to_uint8
from zerosum.media.video import save_mp4
from zerosum.run_folder import write_atomically

FRAMES_PER_SECOND = 12
VIDEO_WRITERS: dict[str, Callable[[Images, Path, float], None]] = {"gif": save_gif, "mp4": save_mp4}
"""How films are written, by the suffix of their files."""
MAX_CLASS_ROWS = 32
"""Classes that have a row each on a sheet."""


def write_samples(samples: Tensor, folder: Path) -> None:
    """Images (N, C, H, W) as 00000.png ... and sheet.png; points (N, F) as points.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    if samples.dim() == 2:
        rows = samples.numpy()
        write_atomically(folder / "points.csv", lambda path: np.savetxt(path, rows, delimiter=",", fmt="%.6g"))
        return
    images = to_uint8(samples)
    for number, image in enumerate(images):
        save_image(make_grid(image[None], columns=1, scale=1, gap=0), folder / f"{number:05d}.png")
    save_image(make_grid(images), folder / "grid.png")


def write_class_grid(generator: Generator, folder: Path, seed: int, truncation: float, columns: int = 8) -> None:
    """A sheet with a row for each class it was trained on, classes.png, of as many classes as a sheet holds."""
    shown = generator.trained_class_indices[:MAX_CLASS_ROWS]
    rows = [generator.sample(columns, seed=seed, truncation=truncation, label=label) for label in shown]
    sheet = make_grid(to_uint8(torch.cat(rows)), columns=columns)
    save_image(sheet, folder / "classes.png")


@dataclass(frozen=True)
class Walk:
    """From stop to stop through latent space, and back to the first."""

    seed: int
    keyframes: int
    steps: int
    interpolation: InterpolationFn
    label: str | int | None = None
    """The class it is in; left out: none, or the first one."""
    to_label: str | int | None = None
    """The first half leads from `label` to this class, the second back."""
    video_format: str = "gif"


def walk_paths(stem: Path, video_format: str = "gif") -> list[Path]:
    """The files of a walk: its strip and its film."""
    return [stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", f".{video_format}")]


def write_walk(generator: Generator, stem: Path, walk: Walk) -> list[Path]:
    """A walk as a sheet (a row for each leg) and a film that comes back to its beginning."""
    latents = generator.draw_latents(walk.keyframes, walk.seed)
    ends = torch.cat([latents[1:], latents[:1]])
    places = torch.arange(walk.steps) / walk.steps  # a leg leaves out its end, which the next begins with
    way = torch.cat([walk.interpolation(first, last, places) for first, last in zip(latents, ends, strict=True)])
    # there and back, so that the film ends where it began
    there = 1 - (2 * torch.arange(len(way)) / len(way) - 1).abs()
    # the details that chance decides stay the same all the way
    images = to_uint8(generator.generate(way, generator.interpolate_labels(walk.label, walk.to_label, there)))
    stem.parent.mkdir(parents=True, exist_ok=True)
    strip, film = walk_paths(stem, walk.video_format)
    save_image(make_grid(images, columns=walk.steps), strip)
    VIDEO_WRITERS[walk.video_format](images, film, 1 / FRAMES_PER_SECOND)
    return [strip, film]
