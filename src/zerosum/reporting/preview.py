"""Draw the previews of a run, from the same latents or inputs every time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zerosum.data.dataset import as_tensor
from zerosum.game import seeded_rng
from zerosum.game.cycle import CycleGame
from zerosum.game.game import Game
from zerosum.game.translation import TranslationGame
from zerosum.inference.translator import subsample_evenly
from zerosum.inference.writers import MAX_CLASS_ROWS
from zerosum.media.kind import MEDIA_KINDS
from zerosum.media.raster import save_image

if TYPE_CHECKING:
    from zerosum.data.codec import Items
    from zerosum.data.dataset import Dataset

MAX_GRID_INPUTS, MAX_COLUMNS = 12, 9
"""Maximum number of held-out inputs in a grid of translations, and of images in a row of it."""


@dataclass(frozen=True)
class SamplePreview:
    """Draws samples, with a row for each class if there are 1 to `MAX_CLASS_ROWS` classes."""

    dataset: Dataset
    seed: int
    num_classes: int = 0
    """Number of classes of a class-conditional generator; 0 for an unconditional one."""

    def __call__(self, game: Game, path: Path) -> None:
        """Draw the samples of the game into an image file."""
        media, codec = MEDIA_KINDS.find(self.dataset.summary.kind), self.dataset.codec
        columns, label = 0, None
        if 0 < self.num_classes <= MAX_CLASS_ROWS:
            columns = max(2, media.preview_count // self.num_classes)
            label = torch.arange(self.num_classes).repeat_interleave(columns)
        seeds = seeded_rng.derive_seeds(self.seed, 0, media.preview_count if label is None else len(label))
        with torch.no_grad():
            drawn = codec.preview_samples(game.sample(seeds, label), seeds)
        real = self.dataset.items(subsample_evenly(self.dataset.held_out, media.preview_count))  # data may be sorted
        save_image(media.draw(drawn, codec.preview(real), columns), path)


@dataclass(frozen=True)
class TranslationPreview:
    """Draws input, output and, for paired data, target, always of the same held-out inputs.

    A game with both directions adds the reverse direction below.
    """

    dataset: Dataset

    def __call__(self, game: Game, path: Path) -> None:
        """Draw the translations of the game into an image file."""
        assert isinstance(game, TranslationGame), "checked when the recipe is validated"
        dataset = self.dataset
        indices = subsample_evenly(dataset.input_indices(True), MAX_GRID_INPUTS)
        inputs = as_tensor(dataset.inputs(indices))
        outputs = game.translate(inputs).cpu()
        columns = [dataset.baseline(inputs, tuple(outputs.shape[1:])), outputs]
        if dataset.has_targets:
            columns.append(as_tensor(dataset.samples(indices)))
        rows = [self._interleave(columns)]
        if isinstance(game, CycleGame):
            reverse_inputs = as_tensor(dataset.samples(subsample_evenly(dataset.held_out, MAX_GRID_INPUTS)))
            rows.append(self._interleave([reverse_inputs, game.translate(reverse_inputs, reverse=True).cpu()]))
        grid_columns = len(columns) * max(1, MAX_COLUMNS // len(columns))
        save_image(MEDIA_KINDS.find(dataset.summary.kind).draw(self._decode(rows), columns=grid_columns), path)

    def _interleave(self, columns: list[Tensor]) -> Tensor:
        """Resize the images of K columns (N, ...) to one shape, and return them row by row: (N K, C, H, W)."""
        shape = tuple(columns[-1].shape[1:])
        codec = self.dataset.codec
        return torch.stack([codec.baseline(column, shape) for column in columns], 1).flatten(0, 1)

    def _decode(self, rows: list[Tensor]) -> Items:
        """Decode images; those of a domain with fewer channels are brought to the channels of the other."""
        widest = max((tuple(images.shape[1:]) for images in rows), key=lambda shape: shape[0])
        codec = self.dataset.codec
        images = torch.cat([codec.baseline(images, widest) for images in rows])
        return codec.preview_samples(images, torch.zeros(len(images), dtype=torch.int64))
