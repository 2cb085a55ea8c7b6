"""What a generator makes, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from zerosum.deliver import pictures
from zerosum.deliver.generator import Between, Generator
from zerosum.run import write_atomically

FRAMES_PER_SECOND = 12


def write_samples(samples: Tensor, folder: Path) -> None:
    """Images (N, C, H, W) as 00000.png ... and sheet.png; points (N, F) as points.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    if samples.dim() == 2:
        rows = samples.numpy()
        write_atomically(folder / "points.csv", lambda path: np.savetxt(path, rows, delimiter=",", fmt="%.6g"))
        return
    images = pictures.to_uint8(samples)
    for number, image in enumerate(images):
        pictures.save_image(pictures.grid(image[None], columns=1, scale=1, gap=0), folder / f"{number:05d}.png")
    pictures.save_image(pictures.grid(images), folder / "sheet.png")


def walk_paths(stem: Path) -> list[Path]:
    """The files of a walk: its strip and its film."""
    return [stem.with_name(f"{stem.name}{suffix}") for suffix in (".png", ".gif")]


def write_walk(generator: Generator, stem: Path, seed: int, stops: int, steps: int, between: Between) -> list[Path]:
    """A walk from stop to stop as a sheet (a row for each leg) and a GIF that comes back to its beginning."""
    latents = generator.latents(stops, seed)
    ends = torch.cat([latents[1:], latents[:1]])
    places = torch.arange(steps) / steps  # a leg leaves out its end, which the next begins with
    ways = [between(first, last, places) for first, last in zip(latents, ends, strict=True)]
    images = pictures.to_uint8(generator.show(torch.cat(ways)))
    stem.parent.mkdir(parents=True, exist_ok=True)
    strip, film = walk_paths(stem)
    pictures.save_image(pictures.grid(images, columns=steps), strip)
    pictures.save_gif(images, film, 1 / FRAMES_PER_SECOND)
    return [strip, film]
