"""The sample sheets of a run: the same latents every time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.game import Game
from zerosum.game.translation import Translation
from zerosum.inference.translator import brought, spread_over
from zerosum.inference.writers import MOST_ROWS
from zerosum.media import images

IMAGES, POINTS = 64, 2_000
SHOWN, ACROSS = 12, 9
"""Held-out pictures on a sheet of what is made of them, and pictures in a row of it at most."""


class Examples(Protocol):
    """The data, as far as a sheet needs them."""

    @property
    def held_out(self) -> np.ndarray:
        """Indices the discriminator never sees."""

    def take(self, indices: np.ndarray) -> Tensor:
        """Raw examples."""


class Questions(Examples, Protocol):
    """The data of a game that turns pictures into others, as far as a sheet needs them."""

    @property
    def truth(self) -> bool:
        """What is wanted of a picture that is given is the example of the same index."""

    def asked(self, held_out: bool) -> np.ndarray:
        """Indices of what may be given."""

    def given(self, indices: np.ndarray) -> Tensor:
        """Pictures that are given, (n, Ci, h, w) in [-1, 1]."""

    def scale(self, raw: Tensor) -> Tensor:
        """Raw examples as pictures (n, C, H, W) in [-1, 1]."""


def draw_images(game: Game, path: Path, seed: int, classes: int = 0) -> None:
    """A sheet of pictures; a row for each class, where they are of classes and there are not too many."""
    if 0 < classes <= MOST_ROWS:
        across = max(2, IMAGES // classes)
        label = torch.arange(classes).repeat_interleave(across)
    else:
        across, label = 0, None
    seeds = seeded_rng.seeds(seed, 0, IMAGES if label is None else len(label))
    with torch.no_grad():
        samples = game.produce(seeds, label)
    images.save_image(images.grid(images.to_uint8(samples), columns=across), path)


def draw_translation(game: Translation, path: Path, examples: Questions) -> None:
    """What is given, what is made of it, and what was wanted where that is known: always of the same held-out pictures.

    Of a game both ways, the way there, then the way back.
    """
    asked = spread_over(examples.asked(True), SHOWN)
    given = examples.given(asked)
    columns = [given, game.translate(given).cpu()]
    if examples.truth:
        columns.append(examples.scale(examples.take(asked)))
    rows = _in_rows(columns)
    if game.both:
        others = examples.scale(examples.take(spread_over(examples.held_out, SHOWN)))
        rows = torch.cat([rows, _in_rows([others, game.translate(others, back=True).cpu()])])
    across = len(columns) * max(1, ACROSS // len(columns))
    images.save_image(images.grid(images.to_uint8(rows), columns=across), path)


def _in_rows(columns: list[Tensor]) -> Tensor:
    """Pictures of each column, brought to one shape, row by row: (N K, C, H, W)."""
    shape = tuple(columns[-1].shape[1:])
    return torch.stack([brought(column, shape) for column in columns], 1).flatten(0, 1)


def draw_points(game: Game, path: Path, seed: int, examples: Examples) -> None:
    """A map of points, the held-out real ones in grey."""
    with torch.no_grad():
        samples = game.produce(seeded_rng.seeds(seed, 0, POINTS)).float().cpu().numpy()
    real = examples.take(examples.held_out[:POINTS]).numpy()
    images.save_image(images.scatter(samples, real), path)
