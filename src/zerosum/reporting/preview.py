"""The sample sheets of a run: the same latents every time."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.game import Game
from zerosum.game.translation import TranslationGame
from zerosum.inference.translator import bicubic_baseline, subsample_evenly
from zerosum.inference.writers import MAX_CLASS_ROWS
from zerosum.media import images

GRID_IMAGES, SCATTER_POINTS = 64, 2_000
MAX_GRID_INPUTS, MAX_COLUMNS = 12, 9
"""Held-out pictures on a sheet of what is made of them, and pictures in a row of it at most."""


class HeldOutExamples(Protocol):
    """The data, as far as a sheet needs them."""

    @property
    def held_out(self) -> np.ndarray:
        """Indices the discriminator never sees."""

    def take(self, indices: np.ndarray) -> Tensor:
        """Raw examples."""


class HeldOutInputs(HeldOutExamples, Protocol):
    """The data of a game that turns pictures into others, as far as a sheet needs them."""

    @property
    def has_targets(self) -> bool:
        """What is wanted of a picture that is given is the example of the same index."""

    def input_indices(self, held_out: bool) -> np.ndarray:
        """Indices of what may be given."""

    def inputs(self, indices: np.ndarray) -> Tensor:
        """Pictures that are given, (n, Ci, h, w) in [-1, 1]."""

    def scale(self, raw: Tensor) -> Tensor:
        """Raw examples as pictures (n, C, H, W) in [-1, 1]."""


def draw_images(game: Game, path: Path, seed: int, num_classes: int = 0) -> None:
    """A sheet of pictures; a row for each class, where they are of classes and there are not too many."""
    if 0 < num_classes <= MAX_CLASS_ROWS:
        across = max(2, GRID_IMAGES // num_classes)
        label = torch.arange(num_classes).repeat_interleave(across)
    else:
        across, label = 0, None
    seeds = seeded_rng.derive_seeds(seed, 0, GRID_IMAGES if label is None else len(label))
    with torch.no_grad():
        samples = game.sample(seeds, label)
    images.save_image(images.make_grid(images.to_uint8(samples), columns=across), path)


def draw_translation(game: TranslationGame, path: Path, dataset: HeldOutInputs) -> None:
    """What is given, what is made of it, and what was wanted where that is known: always of the same held-out pictures.

    Of a game both ways, the way there, then the way back.
    """
    asked = subsample_evenly(dataset.input_indices(True), MAX_GRID_INPUTS)
    given = dataset.inputs(asked)
    columns = [given, game.translate(given).cpu()]
    if dataset.has_targets:
        columns.append(dataset.scale(dataset.take(asked)))
    rows = _interleave_columns(columns)
    if game.bidirectional:
        others = dataset.scale(dataset.take(subsample_evenly(dataset.held_out, MAX_GRID_INPUTS)))
        rows = torch.cat([rows, _interleave_columns([others, game.translate(others, reverse=True).cpu()])])
    across = len(columns) * max(1, MAX_COLUMNS // len(columns))
    images.save_image(images.make_grid(images.to_uint8(rows), columns=across), path)


def _interleave_columns(columns: list[Tensor]) -> Tensor:
    """Pictures of each column, brought to one shape, row by row: (N K, C, H, W)."""
    shape = tuple(columns[-1].shape[1:])
    return torch.stack([bicubic_baseline(column, shape) for column in columns], 1).flatten(0, 1)


def draw_points(game: Game, path: Path, seed: int, dataset: HeldOutExamples) -> None:
    """A map of points, the held-out real ones in grey."""
    with torch.no_grad():
        samples = game.sample(seeded_rng.derive_seeds(seed, 0, SCATTER_POINTS)).float().cpu().numpy()
    real = dataset.take(dataset.held_out[:SCATTER_POINTS]).numpy()
    images.save_image(images.scatter_plot(samples, real), path)
