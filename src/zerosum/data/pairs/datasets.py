"""Examples that are made from pictures: degraded ones, the partners of theirs, or pictures of another kind.

Values, labels, keys and the split are always those of the pictures that are wanted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.split import content_keys

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.types import Batch


def input_seeds(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """By which pictures (n, H, W, C) are degraded where they must be degraded alike each time: (n,).

    They are hashes of a picture's own pixels, for the tiles of a picture share its content key and should not share
    their holes.
    """
    return content_keys("inputs", images).view(np.int64) if len(images) else np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class DegradedDataset(Dataset):
    """Pictures, each made from a degraded copy of itself."""

    degrade: DegradationPipeline

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the pictures, the split or the degradations change."""
        return _combine_hashes(super().fingerprint, " ".join(self.degrade.names).encode())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(Ci, h, w) of a degraded picture."""
        channels, height, width = self.shape
        return self.degrade.input_shape((channels, height, width))

    @property
    def has_targets(self) -> bool:
        """Yes: the picture before it was degraded."""
        return True

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Pictures (n, C, H, W) in [-1, 1], and what their seeds make of them."""
        return {"inputs": self.degrade(scaled, seed), "real": scaled}

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """The pictures, degraded by a seed that is a hash of each one's pixels: (n, Ci, h, w) float32 in [-1, 1]."""
        import torch

        raw = self.take(indices)
        return self.degrade(self.scale(raw), torch.from_numpy(input_seeds(raw.numpy())))


@dataclass(frozen=True, eq=False)
class PairedDataset(Dataset):
    """Pictures, each made from its partner."""

    input_values: NDArray[np.uint8]
    """(M, H, W, Ci) of the pictures that are given."""
    input_keys: NDArray[np.uint64]
    """(M,) their content keys."""
    input_rows: NDArray[np.int64]
    """(N,) which of the inputs belongs to each value; -1 where there is none, as in neither side of the split."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the pictures on either side, who is whose, or the split change."""
        columns = []
        for side in (self.train, self.held_out):
            keys = self.input_keys[self.input_rows[side]]
            columns.append(keys[np.lexsort((keys, self.labels[side], self.keys[side]))].astype("<u8").tobytes())
        return _combine_hashes(super().fingerprint, *columns)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(Ci, H, W) of an input."""
        _, height, width, channels = self.input_values.shape
        return (channels, height, width)

    @property
    def has_targets(self) -> bool:
        """Yes: the partner."""
        return True

    def fetch(self, indices: NDArray[np.int64]) -> Tensor:
        """Inputs and values at `indices` (n,), channel upon channel: uint8 (n, H, W, Ci + C)."""
        import torch

        both = self.input_values[self.input_rows[indices]], self.values[indices]
        return torch.from_numpy(np.concatenate(both, axis=-1))

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """The two sides of what was fetched and scaled (n, Ci + C, H, W)."""
        inside = self.input_values.shape[-1]
        return {"inputs": scaled[:, :inside], "real": scaled[:, inside:]}

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """The inputs of the examples at `indices`: (n, Ci, H, W) float32 in [-1, 1]."""
        import torch

        return self.scale(torch.from_numpy(np.ascontiguousarray(self.input_values[self.input_rows[indices]])))


@dataclass(frozen=True, eq=False)
class UnpairedDataset(Dataset):
    """Pictures of one kind, to be made from those of another, of whom nobody knows what they should become.

    A stream's index below N is a wanted picture's, and from N on that of one that is given. A sample is a couple of
    indices: of one given, then of one wanted.
    """

    input_values: NDArray[np.uint8]
    """(M, H, W, C) of the pictures that are given."""
    input_keys: NDArray[np.uint64]
    """(M,) their content keys."""
    input_train: NDArray[np.int64]
    """Which of the others training may see, in order of content."""
    input_held_out: NDArray[np.int64]
    """Which of the others it never sees, in order of content."""
    bidirectional: bool = False
    """Whether each kind is given and each is wanted, at once."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the pictures of either kind or the split of either change."""
        sides = (np.sort(self.input_keys[side]) for side in (self.input_train, self.input_held_out))
        return _combine_hashes(super().fingerprint, *(keys.astype("<u8").tobytes() for keys in sides))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W), as of what is wanted."""
        return self.shape

    @property
    def epoch_size(self) -> int:
        """As many couples as there are pictures of the kind that has more."""
        return max(len(self.train), len(self.input_train))

    @property
    def train_indices(self) -> NDArray[np.int64]:
        """The pictures of both kinds that training may see: (n,) indices."""
        return np.concatenate([self.train, self.input_train + len(self.values)])

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """(epoch, 2) couples; who meets whom is chance, and the fewer come as often as each other, or once more."""
        wanted = _shuffle_to_length(self.train, self.epoch_size, rng)
        given = _shuffle_to_length(self.input_train, self.epoch_size, rng)
        return np.stack([given + len(self.values), wanted], axis=1)

    def fetch(self, indices: NDArray[np.int64]) -> Tensor:
        """The pictures at `indices` (n,), or the couples at (n, 2): uint8 (n, H, W, C) or (n, 2, H, W, C)."""
        import torch

        flat, shape = indices.reshape(-1), self.values.shape[1:]
        images = np.empty((len(flat), *shape), np.uint8)
        given = flat >= len(self.values)
        images[~given] = self.values[flat[~given]]
        images[given] = self.input_values[flat[given] - len(self.values)]
        return torch.from_numpy(images.reshape(*indices.shape, *shape))

    def collate(self, scaled: Tensor, seed: Tensor) -> Batch:
        """Couples (n, 2, C, H, W): their sides, or, both ways, the couples and what each should become."""
        if self.bidirectional:
            return {"inputs": scaled, "real": scaled.flip(1)}
        return {"inputs": scaled[:, 0], "real": scaled[:, 1]}

    def input_indices(self, held_out: bool) -> NDArray[np.int64]:
        """Indices of the others, of one side of their split, in order of content."""
        return self.input_held_out if held_out else self.input_train

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """The others at `indices`: (n, C, H, W) float32 in [-1, 1]."""
        import torch

        return self.scale(torch.from_numpy(np.ascontiguousarray(self.input_values[indices])))


def _shuffle_to_length(indices: NDArray[np.int64], length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """So many of these (n,), n at most `length`: all of them in a new order, then in another, and so on."""
    orders = [rng.permutation(indices) for _ in range(-(-length // len(indices)))]
    return np.concatenate(orders)[:length]


def _combine_hashes(base_hash: str, *parts: bytes) -> str:
    digest = hashlib.blake2b(base_hash.encode(), digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()
