"""Write samples, class grids and latent walks to files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zerosum.data.generated_files import CLASS_GRID_FILE
from zerosum.game.sample_tree import leaves
from zerosum.game.types import Sample
from zerosum.inference.generator import Generator
from zerosum.inference.interpolation import InterpolationFn
from zerosum.media.kind import MEDIA_KINDS
from zerosum.media.raster import Images, make_grid, save_gif, save_image
from zerosum.media.video import save_mp4

FRAMES_PER_SECOND = 12
VIDEO_WRITERS: dict[str, Callable[[Images, Path, float], None]] = {"gif": save_gif, "mp4": save_mp4}
"""Functions that write a video from frames, a path and seconds per frame, by file suffix."""
MAX_CLASS_ROWS = 32
"""Maximum number of class rows in a grid."""


def write_class_grid(generator: Generator, folder: Path, seed: int, truncation: float, columns: int = 8) -> None:
    """Write classes.png, a grid with a row for each trained class, up to `MAX_CLASS_ROWS`."""
    labels = generator.trained_class_indices[:MAX_CLASS_ROWS]
    rows = [
        generator.preview(generator.draw_samples(columns, seed=seed, truncation=truncation, label=label), seed)
        for label in labels
    ]
    grid = MEDIA_KINDS.find(generator.kind).draw(np.concatenate(rows), columns=columns)
    save_image(grid, folder / CLASS_GRID_FILE)


def draw_frames(generator: Generator, samples: Sample) -> Images:
    """Return an image of each sample, uint8 (N, H, W, C), all decoded with the same seed.

    Raises:
        BadInput: samples of this kind of data are not drawn one by one.
    """
    images = generator.codec.preview_samples(samples, _equal_seeds(samples))
    return MEDIA_KINDS.find(generator.kind).frames(images)


def _equal_seeds(samples: Sample) -> Tensor:
    """Return seeds (N,) by which samples (N, ...) are decoded alike."""
    return torch.zeros(len(leaves(samples)[0]), dtype=torch.int64)


@dataclass(frozen=True)
class Walk:
    """A closed path through latent space: from keyframe to keyframe and back to the first."""

    seed: int
    """Seed of the keyframes' latents."""
    keyframes: int
    """Number of keyframes."""
    steps: int
    """Frames from one keyframe to the next."""
    interpolation: InterpolationFn
    label: str | int | None = None
    """Class of the samples, by name or index; None: the first class, if any."""
    to_label: str | int | None = None
    """The first half of the walk moves from `label` to this class, the second half back."""
    video_format: str = "gif"


def walk_paths(stem: Path, suffix: str = ".gif") -> list[Path]:
    """Return the paths of a walk: its grid and its video, or the file of its items one after the other."""
    return [stem.with_name(f"{stem.name}{each}") for each in (".png", suffix)]


def write_walk(generator: Generator, stem: Path, walk: Walk) -> list[Path]:
    """Write a walk as a grid (a row for each segment between keyframes) and as a looping video; return both paths.

    Items of a kind that has a file for them, such as sounds, are written one after the other in place of a video.
    """
    latents = generator.draw_latents(walk.keyframes, walk.seed)
    ends = torch.cat([latents[1:], latents[:1]])
    fractions = torch.arange(walk.steps) / walk.steps  # without 1, since the next segment starts there
    path = torch.cat([walk.interpolation(first, last, fractions) for first, last in zip(latents, ends, strict=True)])
    # to the other class and back, so that the video ends where it starts
    class_fractions = 1 - (2 * torch.arange(len(path)) / len(path) - 1).abs()
    labels = generator.interpolate_labels(walk.label, walk.to_label, class_fractions)
    samples = generator.generate(path, labels)  # without seeds: the same noise in every frame
    media, codec = MEDIA_KINDS.find(generator.kind), generator.codec
    items = codec.decode(samples, _equal_seeds(samples))
    images = media.frames(codec.preview(items))
    stem.parent.mkdir(parents=True, exist_ok=True)
    grid_path, path_of_all = walk_paths(stem, media.sequence_suffix or f".{walk.video_format}")
    save_image(make_grid(images, columns=walk.steps), grid_path)
    if media.sequence_suffix:
        media.write_sequence(items, codec, path_of_all)
    else:
        VIDEO_WRITERS[walk.video_format](images, path_of_all, 1 / FRAMES_PER_SECOND)
    return [grid_path, path_of_all]
