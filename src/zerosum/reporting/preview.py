"""Draw the sample grids of a run, from the same latents or inputs every time."""

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
"""Maximum number of held-out inputs in a grid of translations, and of images in a row of it."""


class HeldOutExamples(Protocol):
    """The part of a dataset that a sample grid uses."""

    @property
    def held_out(self) -> np.ndarray:
        """Indices of the examples that the discriminator never sees."""

    def take(self, indices: np.ndarray) -> Tensor:
        """Return raw examples."""


class HeldOutInputs(HeldOutExamples, Protocol):
    """The part of an image translation dataset that a sample grid uses."""

    @property
    def has_targets(self) -> bool:
        """Whether inputs and targets are paired: the example of the same index is the target."""

    def input_indices(self, held_out: bool) -> np.ndarray:
        """Return the indices of the held-out or of the training inputs."""

    def inputs(self, indices: np.ndarray) -> Tensor:
        """Return input images (n, Ci, h, w) in [-1, 1]."""

    def scale(self, raw: Tensor) -> Tensor:
        """Scale raw examples to images (n, C, H, W) in [-1, 1]."""


def draw_images(game: Game, path: Path, seed: int, num_classes: int = 0) -> None:
    """Draw a grid of samples, with a row for each class if there are 1 to `MAX_CLASS_ROWS` classes."""
    if 0 < num_classes <= MAX_CLASS_ROWS:
        columns = max(2, GRID_IMAGES // num_classes)
        label = torch.arange(num_classes).repeat_interleave(columns)
    else:
        columns, label = 0, None
    seeds = seeded_rng.derive_seeds(seed, 0, GRID_IMAGES if label is None else len(label))
    with torch.no_grad():
        samples = game.sample(seeds, label)
    images.save_image(images.make_grid(images.to_uint8(samples), columns=columns), path)


def draw_translation(game: TranslationGame, path: Path, dataset: HeldOutInputs) -> None:
    """Draw a grid of input, output and, for paired data, target, always of the same held-out images.

    A bidirectional game adds the reverse direction below.
    """
    indices = subsample_evenly(dataset.input_indices(True), MAX_GRID_INPUTS)
    inputs = dataset.inputs(indices)
    columns = [inputs, game.translate(inputs).cpu()]
    if dataset.has_targets:
        columns.append(dataset.scale(dataset.take(indices)))
    rows = _interleave_columns(columns)
    if game.bidirectional:
        reverse_inputs = dataset.scale(dataset.take(subsample_evenly(dataset.held_out, MAX_GRID_INPUTS)))
        reverse_outputs = game.translate(reverse_inputs, reverse=True).cpu()
        rows = torch.cat([rows, _interleave_columns([reverse_inputs, reverse_outputs])])
    grid_columns = len(columns) * max(1, MAX_COLUMNS // len(columns))
    images.save_image(images.make_grid(images.to_uint8(rows), columns=grid_columns), path)


def _interleave_columns(columns: list[Tensor]) -> Tensor:
    """Resize the images of K columns (N, ...) to one shape, and return them row by row: (N K, C, H, W)."""
    shape = tuple(columns[-1].shape[1:])
    return torch.stack([bicubic_baseline(column, shape) for column in columns], 1).flatten(0, 1)


def draw_points(game: Game, path: Path, seed: int, dataset: HeldOutExamples) -> None:
    """Draw a scatter plot of generated points over held-out real points."""
    with torch.no_grad():
        samples = game.sample(seeded_rng.derive_seeds(seed, 0, SCATTER_POINTS)).float().cpu().numpy()
    real = dataset.take(dataset.held_out[:SCATTER_POINTS]).numpy()
    images.save_image(images.scatter_plot(samples, real), path)
