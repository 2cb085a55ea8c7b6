"""The dataset of a run: values, labels, and the split into training and held-out examples."""

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

_HASH_BLOCK_EXAMPLES = 2**20  # examples hashed at a time, so that memory holds no second copy of their hashes


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset, ready for training. It never changes, so reading it is thread-safe."""

    values: NDArray[Any]
    """Images: uint8 (N, H, W, C), in memory or memory-mapped; a memory-mapped array may be a transposed view. Points:
    float32 (N, F)."""
    labels: NDArray[np.int64]
    """(N,) class indices; zeros if there are no classes."""
    classes: tuple[str, ...]
    """Class names in natural order; () if there are none."""
    content_hashes: NDArray[np.uint64]
    """(N,) hashes: of the upright decoded pixels at their original size, or of the point."""
    train: NDArray[np.int64]
    """Indices of the training examples."""
    held_out: NDArray[np.int64]
    """Indices of the held-out examples, which the discriminator never sees."""
    summary: DatasetSummary
    """Counts and notes of the ingest."""

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
        """32 hex digits that change exactly when the contents, the classes or the split change; names do not matter."""
        digest = hashlib.blake2b(digest_size=16)
        for indices in (self.train, self.held_out):
            digest.update(len(indices).to_bytes(8, "little"))
            order = self._sort_by_content(indices)
            for column, dtype in ((self.content_hashes, "<u8"), (self.labels, "<i8")):
                for first in range(0, len(order), _HASH_BLOCK_EXAMPLES):
                    digest.update(column[order[first : first + _HASH_BLOCK_EXAMPLES]].astype(dtype).data)
        digest.update("\0".join(self.classes).encode(errors="surrogateescape"))
        return digest.hexdigest()

    def _sort_by_content(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort these indices by content hash, then by label; without duplicates `split_by_content` has sorted them."""
        content_hashes = self.content_hashes[indices]
        if bool((content_hashes[1:] > content_hashes[:-1]).all()):
            return indices
        return indices[np.lexsort((self.labels[indices], content_hashes))]

    def take(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the examples at `indices` (n,), as stored, in a new CPU tensor.

        Returns:
            Images: uint8 (n, H, W, C). Points: float32 (n, F).

        Raises:
            IndexError: if an index is out of range.
        """
        import torch

        # np.take would first copy all of a transposed memory map
        return torch.from_numpy(np.ascontiguousarray(self.values[indices]))

    def label(self, indices: NDArray[np.int64]) -> Tensor | None:
        """Return the class labels (n,) int64 of the examples at `indices`, or None if there are no classes."""
        import torch

        return torch.from_numpy(self.labels[indices]) if self.classes else None

    @property
    def class_priors(self) -> tuple[float, ...]:
        """The fraction of the training examples in each class; () if there are no classes."""
        if not self.classes:
            return ()
        counts = np.bincount(self.labels[self.train], minlength=len(self.classes))
        return tuple((counts / max(1, counts.sum())).tolist())

    def scale(self, raw: Tensor) -> Tensor:
        """Scale stored examples, on any device, to the range of the networks.

        Returns:
            Images: uint8 (n, ..., H, W, C) becomes float32 (n, ..., C, H, W), 0 becoming -1 and 255 becoming 1; a
            permuted view, so in channels_last memory format without a copy. Points are returned unchanged.
        """
        if not self.bounded:
            return raw
        return raw.movedim(-1, -3).float().div_(127.5).sub_(1.0)

    # ------------------------------------------------------------------ what a loader needs: `BatchSource`

    @property
    def epoch_size(self) -> int:
        """The number of samples in an epoch."""
        return len(self.train)

    @property
    def train_indices(self) -> NDArray[np.int64]:
        """The indices (n,) of all training examples, each once, as `fetch` takes them."""
        return self.train

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the order of an epoch: (epoch_size,) indices, or (epoch_size, 2) if a sample is a pair."""
        return rng.permutation(self.train)

    def fetch(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the raw samples at `indices`, which `epoch_order` gives, in a new CPU tensor."""
        return self.take(indices)

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Return a batch of fetched and scaled samples (n, ...) on their device; `seed` (n,) int64 determines it."""
        return {"real": scaled}

    # ------------------------------------------------------------------ inputs of translation

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of an input; () if samples have no inputs."""
        return ()

    @property
    def has_targets(self) -> bool:
        """True if example i is the target of input i."""
        return False

    def input_indices(self, held_out: bool) -> NDArray[np.int64]:
        """Return the indices of the held-out or of the training inputs, in order of content, as `inputs` takes them."""
        return self.held_out if held_out else self.train

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the inputs at `indices` (n,): (n, C, H, W) float32 in [-1, 1] on the CPU, with the values of 8 bits.

        If samples have no inputs, return the examples themselves.
        """
        return self.scale(self.take(indices))


def images_to_uint8(images: Tensor) -> NDArray[np.uint8]:
    """Convert images from networks to bytes, the inverse of `Dataset.scale`.

    Args:
        images: float (N, C, H, W) in [-1, 1] on any device; values outside are clipped, NaN becomes mid gray.

    Returns:
        uint8 (N, H, W, C), C-contiguous.
    """
    levels = images.detach().float().nan_to_num(nan=0.0).clamp(-1, 1).add(1).mul(127.5).round()
    array: NDArray[np.uint8] = np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8))
    return array
