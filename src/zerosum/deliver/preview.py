"""The sample sheets of a run: the same latents every time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum.deliver import pictures
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


def draw_images(game: Game, path: Path, seed: int) -> None:
    """A sheet of pictures."""
    with torch.no_grad():
        samples = game.produce(noise.seeds(seed, 0, IMAGES))
    pictures.save_image(pictures.grid(pictures.to_uint8(samples)), path)


def draw_points(game: Game, path: Path, seed: int, examples: Examples) -> None:
    """A map of points, the held-out real ones in grey."""
    with torch.no_grad():
        samples = game.produce(noise.seeds(seed, 0, POINTS)).float().cpu().numpy()
    real = examples.take(examples.held_out[:POINTS]).numpy()
    pictures.save_image(pictures.scatter(samples, real), path)
