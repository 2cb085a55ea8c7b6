"""Everything that training reads: values, labels, and which of them it may see."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zerosum.data.images.summary import DatasetSummary

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.types import Batch

_HASH_BLOCK_EXAMPLES = 2**20  # examples hashed at a time, so that memory holds no second copy of their keys


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, ready for training. Reading it is thread-safe, since nothing in it changes."""

    values: NDArray[Any]
    """Images: uint8 (N, H, W, C), in memory or memory-mapped, in the latter case maybe a transposed view. Points:
    float32 (N, F)."""
    labels: NDArray[np.int64]
    """(N,) class indices; zeros where there are no classes."""
    classes: tuple[str, ...]
    """The classes' names in natural order; () if there are none."""
    keys: NDArray[np.uint64]
    """(N,) content hashes: of the upright decoded pixels at their original size, or of the point."""
    train: NDArray[np.int64]
    """Indices of the examples that training may see."""
    held_out: NDArray[np.int64]
    """Indices of the examples that the discriminator never sees."""
    summary: DatasetSummary
    """What the intake saw."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def bounded(self) -> bool:
        """True for images, whose scaled values lie in [-1, 1]; False for points."""
        return self.values.ndim == 4

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one scaled example: (C, H, W), or (F,)."""
        if self.bounded:
            _, height, width, channels = self.values.shape
            return (channels, height, width)
        return tuple(self.values.shape[1:])

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change exactly when the data, their classes or the split change, whatever the names."""
        digest = hashlib.blake2b(digest_size=16)
        for side in (self.train, self.held_out):
            digest.update(len(side).to_bytes(8, "little"))
            order = self._sort_by_content(side)
            for column, kind in ((self.keys, "<u8"), (self.labels, "<i8")):
                for first in range(0, len(order), _HASH_BLOCK_EXAMPLES):
                    digest.update(column[order[first : first + _HASH_BLOCK_EXAMPLES]].astype(kind).data)
        digest.update("\0".join(self.classes).encode(errors="surrogateescape"))
        return digest.hexdigest()

    def _sort_by_content(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """These indices in order of key, then label: as `split` leaves them, where no content comes twice."""
        keys = self.keys[indices]
        if bool((keys[1:] > keys[:-1]).all()):
            return indices
        return indices[np.lexsort((self.labels[indices], keys))]

    def take(self, indices: NDArray[np.int64]) -> Tensor:
        """The examples at `indices` (n,), as stored, in a new CPU tensor.

        Returns:
            Images: uint8 (n, H, W, C). Points: float32 (n, F).

        Raises:
            IndexError: if an index lies outside the data.
        """
        import torch

        # np.take would first copy the whole of a transposed map
        return torch.from_numpy(np.ascontiguousarray(self.values[indices]))

    def label(self, indices: NDArray[np.int64]) -> Tensor | None:
        """The classes of the examples at `indices` (n,): (n,) int64 on the CPU; None where there are no classes."""
        import torch

        return torch.from_numpy(self.labels[indices]) if self.classes else None

    @property
    def class_priors(self) -> tuple[float, ...]:
        """How large a part of the training examples each class is; () if there are none."""
        if not self.classes:
            return ()
        counts = np.bincount(self.labels[self.train], minlength=len(self.classes))
        return tuple((counts / max(1, counts.sum())).tolist())

    def scale(self, raw: Tensor) -> Tensor:
        """What the networks see of taken examples, on whichever device they are.

        Returns:
            Images: uint8 (n, ..., H, W, C) becomes float32 (n, ..., C, H, W), 0 becoming -1 and 255 becoming 1; a
            permuted view, so channels_last for free. Points pass unchanged.
        """
        if not self.bounded:
            return raw
        return raw.movedim(-1, -3).float().div_(127.5).sub_(1.0)

    # ------------------------------------------------------------------ what a stream asks for

    @property
    def epoch_size(self) -> int:
        """How many samples an epoch has."""
        return len(self.train)

    @property
    def train_indices(self) -> NDArray[np.int64]:
        """All that training may draw, each once: (n,) indices that `fetch` takes."""
        return self.train

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """An epoch's order: (epoch,) indices, or (epoch, 2) couples of them."""
        return rng.permutation(self.train)

    def fetch(self, indices: NDArray[np.int64]) -> Tensor:
        """The raw makings of the samples at `indices`, as `shuffled` gives them, in a new CPU tensor."""
        return self.take(indices)

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """A batch of what was fetched and scaled (n, ...), on its device; `seed` (n,) int64 draws what is random."""
        return {"real": scaled}

    # ------------------------------------------------------------------ what is given, where samples are made of it

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of what a sample is made from; () where it is made from nothing."""
        return ()

    @property
    def has_targets(self) -> bool:
        """Whether example i is what is wanted where `given` is asked for i."""
        return False

    def input_indices(self, held_out: bool) -> NDArray[np.int64]:
        """The indices that `given` takes, of one side of the split, in order of content."""
        return self.held_out if held_out else self.train

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """What is given at `indices` (n,), as a file would hold it: (n, C, H, W) float32 in [-1, 1] on the CPU.

        Where samples are made from nothing, the examples themselves.
        """
        return self.scale(self.take(indices))


def images_to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Networks' images as bytes, the inverse of `Examples.scale`.

    Args:
        images: float (N, C, H, W) in [-1, 1] on any device; values beyond are clipped, NaN becomes mid grey.

    Returns:
        uint8 (N, H, W, C), C-contiguous.
    """
    steps = images.detach().float().nan_to_num(nan=0.0).clamp(-1, 1).add(1).mul(127.5).round()
    array: NDArray[np.uint8] = np.ascontiguousarray(steps.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8))
    return array
