"""The sample sheets of a run: the same latents every time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum.deliver import pictures
from zerosum.deliver.files import MOST_ROWS
from zerosum.game import noise
from zerosum.game.game import Game

IMAGES, POINTS = 64, 2_000


class Examples(Protocol):
    """The data, as far as a sheet needs them."""

    @property
    def held_out(self) -> np.ndarray:
        """Indices the discriminator never sees."""

    def take(self, indices: np.ndarray) -> Tensor:
        """Raw examples."""


def draw_images(game: Game, path: Path, seed: int, classes: int = 0) -> None:
    """A sheet of pictures; a row for each class, where they are of classes and there are not too many."""
    if 0 < classes <= MOST_ROWS:
        across = max(2, IMAGES // classes)
        label = torch.arange(classes).repeat_interleave(across)
    else:
        across, label = 0, None
    seeds = noise.seeds(seed, 0, IMAGES if label is None else len(label))
    with torch.no_grad():
        samples = game.produce(seeds, label)
    pictures.save_image(pictures.grid(pictures.to_uint8(samples), columns=across), path)


def draw_points(game: Game, path: Path, seed: int, examples: Examples) -> None:
    """A map of points, the held-out real ones in grey."""
    with torch.no_grad():
        samples = game.produce(noise.seeds(seed, 0, POINTS)).float().cpu().numpy()
    real = examples.take(examples.held_out[:POINTS]).numpy()
    pictures.save_image(pictures.scatter(samples, real), path)
