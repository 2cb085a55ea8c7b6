"""Datasets of translation: degraded images, paired images, and unpaired images of two domains.

Values, labels, content hashes and the split are always those of the targets.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.split import hash_contents

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.types import Batch

_SEED_HEADER = "given"  # part of the hash: another header would change every degraded input of an evaluation


def input_seeds(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the seeds (n,) with which images (n, H, W, C) are degraded when the result must be the same every time.

    They are hashes of each image's own pixels, because the tiles of an image share its content hash and should not
    share a mask.
    """
    return hash_contents(_SEED_HEADER, images).view(np.int64) if len(images) else np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class DegradedDataset(Dataset):
    """Targets, and inputs that are degraded copies of them."""

    degrade: DegradationPipeline

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the images, the split or the degradations change."""
        return _combine_hashes(super().fingerprint, " ".join(self.degrade.names).encode())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (Ci, h, w) of a degraded image."""
        channels, height, width = self.shape
        return self.degrade.input_shape((channels, height, width))

    @property
    def has_targets(self) -> bool:
        """True: the target is the image before its degradation."""
        return True

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Return targets (n, C, H, W) in [-1, 1] as `real`, and their degraded copies by `seed` as `inputs`."""
        return {"inputs": self.degrade(scaled, seed), "real": scaled}

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return degraded images, with a hash of each image's pixels as seed: (n, Ci, h, w) float32 in [-1, 1]."""
        import torch

        raw = self.take(indices)
        return self.degrade(self.scale(raw), torch.from_numpy(input_seeds(raw.numpy())))


@dataclass(frozen=True, eq=False)
class PairedDataset(Dataset):
    """Targets, each with its own input."""

    input_values: NDArray[np.uint8]
    """(M, H, W, Ci) input images."""
    input_hashes: NDArray[np.uint64]
    """(M,) their content hashes."""
    input_rows: NDArray[np.int64]
    """(N,) the row of the input of each target; -1 if it has none, in which case the target is on no side of the
    split."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the inputs, the targets, their pairing or the split change."""
        columns = []
        for indices in (self.train, self.held_out):
            hashes = self.input_hashes[self.input_rows[indices]]
            columns.append(
                hashes[np.lexsort((hashes, self.labels[indices], self.content_hashes[indices]))].astype("<u8").tobytes()
            )
        return _combine_hashes(super().fingerprint, *columns)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (Ci, H, W) of an input."""
        _, height, width, channels = self.input_values.shape
        return (channels, height, width)

    @property
    def has_targets(self) -> bool:
        """True: every input has a target."""
        return True

    def fetch(self, indices: NDArray[np.int64]) -> Tensor:
        """Return inputs and targets at `indices` (n,), concatenated along the channels: uint8 (n, H, W, Ci + C)."""
        import torch

        pairs = self.input_values[self.input_rows[indices]], self.values[indices]
        return torch.from_numpy(np.concatenate(pairs, axis=-1))

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Split fetched and scaled pairs (n, Ci + C, H, W) into `inputs` and `real`."""
        input_channels = self.input_values.shape[-1]
        return {"inputs": scaled[:, :input_channels], "real": scaled[:, input_channels:]}

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the inputs of the targets at `indices` (n,): (n, Ci, H, W) float32 in [-1, 1]."""
        import torch

        return self.scale(torch.from_numpy(np.ascontiguousarray(self.input_values[self.input_rows[indices]])))


@dataclass(frozen=True, eq=False)
class UnpairedDataset(Dataset):
    """Targets of one domain and inputs of another, without pairs.

    For the loader, an index below N is that of a target, and N + i is that of input i. A sample is a pair of indices:
    of an input, then of a target.
    """

    input_values: NDArray[np.uint8]
    """(M, H, W, C) input images."""
    input_hashes: NDArray[np.uint64]
    """(M,) their content hashes."""
    input_train: NDArray[np.int64]
    """Indices of the training inputs, in order of content."""
    input_held_out: NDArray[np.int64]
    """Indices of the held-out inputs, in order of content."""
    bidirectional: bool = False
    """Whether images are translated in both directions at once."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the images or the split of either domain change."""
        sorted_hashes = (np.sort(self.input_hashes[indices]) for indices in (self.input_train, self.input_held_out))
        return _combine_hashes(super().fingerprint, *(hashes.astype("<u8").tobytes() for hashes in sorted_hashes))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape (C, H, W) of an input, which is that of a target."""
        return self.shape

    @property
    def epoch_size(self) -> int:
        """The number of pairs in an epoch: the number of training images of the larger domain."""
        return max(len(self.train), len(self.input_train))

    @property
    def train_indices(self) -> NDArray[np.int64]:
        """The indices (n,) of the training images of both domains."""
        return np.concatenate([self.train, self.input_train + len(self.values)])

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return (epoch_size, 2) random pairs; counts of the smaller domain's images differ by at most one."""
        targets = _shuffle_to_length(self.train, self.epoch_size, rng)
        inputs = _shuffle_to_length(self.input_train, self.epoch_size, rng)
        return np.stack([inputs + len(self.values), targets], axis=1)

    def fetch(self, indices: NDArray[np.int64]) -> Tensor:
        """Return images at `indices` (n,), or pairs at (n, 2): uint8 (n, H, W, C) or (n, 2, H, W, C)."""
        import torch

        flat, shape = indices.reshape(-1), self.values.shape[1:]
        images = np.empty((len(flat), *shape), np.uint8)
        is_input = flat >= len(self.values)
        images[~is_input] = self.values[flat[~is_input]]
        images[is_input] = self.input_values[flat[is_input] - len(self.values)]
        return torch.from_numpy(images.reshape(*indices.shape, *shape))

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Split pairs (n, 2, C, H, W) into `inputs` and `real`, (n, C, H, W) each.

        If `bidirectional`, `inputs` are the pairs and `real` are the pairs in the opposite order.
        """
        if self.bidirectional:
            return {"inputs": scaled, "real": scaled.flip(1)}
        return {"inputs": scaled[:, 0], "real": scaled[:, 1]}

    def input_indices(self, held_out: bool) -> NDArray[np.int64]:
        """Return the indices of the held-out or of the training inputs, in order of content, as `inputs` takes them."""
        return self.input_held_out if held_out else self.input_train

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the inputs at `indices` (n,): (n, C, H, W) float32 in [-1, 1]."""
        import torch

        return self.scale(torch.from_numpy(np.ascontiguousarray(self.input_values[indices])))


def _shuffle_to_length(indices: NDArray[np.int64], length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Concatenate random permutations of `indices` (n,), with n at most `length`, and cut them to `length`."""
    orders = [rng.permutation(indices) for _ in range(-(-length // len(indices)))]
    return np.concatenate(orders)[:length]


def _combine_hashes(base_hash: str, *parts: bytes) -> str:
    digest = hashlib.blake2b(base_hash.encode(), digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
