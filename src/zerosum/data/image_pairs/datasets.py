"""Datasets of translation: degraded images, paired images, and unpaired images of two domains.

Values, labels, content hashes and the split are always those of the targets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.dataset import Dataset, add_conditions, as_tensor, take_rows
from zerosum.data.degradations.degrade import DegradationPipeline, input_seeds
from zerosum.data.images.codec import BYTE_RANGE, ImageCodec
from zerosum.data.images.value_range import Range
from zerosum.game.sample_spec import TensorSpec, require_single_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.loader import FetchedPart
    from zerosum.game.types import Batch


@dataclass(frozen=True, eq=False, kw_only=True)
class DegradedDataset(Dataset):
    """Targets, and inputs that are degraded copies of them."""

    degrade: DegradationPipeline

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the images, the split or the degradations change."""
        return _combine_hashes(super().fingerprint, " ".join(self.degrade.names).encode())

    @property
    def input_spec(self) -> TensorSpec:
        """A degraded image (Ci, h, w)."""
        channels, height, width = require_single_tensor(self.spec, "a degradation").shape
        return TensorSpec(self.degrade.input_shape((channels, height, width)), bounded=True)

    @property
    def has_targets(self) -> bool:
        """True: the target is the image before its degradation."""
        return True

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return targets (n, C, H, W) in [-1, 1] as `real`, and their degraded copies by `seed` as `inputs`."""
        batch = super().make_batch(parts, seed)
        batch["inputs"] = self.degrade(as_tensor(batch["real"]), seed)
        return batch

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return degraded images, with a hash of each image's pixels as seed: (n, Ci, h, w) float32 in [-1, 1]."""
        import torch

        raw = as_tensor(self.take(indices))
        return self.degrade(as_tensor(self.codec.encode(raw)), torch.from_numpy(input_seeds(raw.numpy())))


@dataclass(frozen=True, eq=False, kw_only=True)
class GivenInputsDataset(Dataset):
    """Targets, and input images that are given, not made from the targets."""

    input_values: NDArray[np.generic]
    """(M, H, W, Ci) input images."""
    input_hashes: NDArray[np.uint64]
    """(M,) their content hashes."""
    input_range: Range = BYTE_RANGE
    """The values of inputs that are -1 and 1."""

    @property
    def input_codec(self) -> ImageCodec:
        """Encodes the inputs."""
        return ImageCodec.of_images(self.input_values, self.input_range)

    @property
    def input_spec(self) -> TensorSpec:
        """An input (Ci, H, W)."""
        return self.input_codec.spec


@dataclass(frozen=True, eq=False, kw_only=True)
class PairedDataset(GivenInputsDataset):
    """Targets, each with its own input."""

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
    def has_targets(self) -> bool:
        """True: every input has a target."""
        return True

    def fetch(self, part: int, rows: NDArray[np.int64]) -> FetchedPart:
        """Return the targets at `rows` (n,) with their inputs and labels."""
        fetched = super().fetch(part, rows)
        fetched["raw_inputs"] = self._take_inputs(rows)
        return fetched

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return `inputs` (n, Ci, H, W) and `real` (n, C, H, W) in [-1, 1], flipped and rotated alike."""
        (part,) = parts
        return _make_pair_batch(self, self.input_codec.encode(as_tensor(part["raw_inputs"])), part, seed)

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the inputs of the targets at `indices` (n,): (n, Ci, H, W) float32 in [-1, 1]."""
        return self.input_codec.encode(self._take_inputs(indices))

    def _take_inputs(self, rows: NDArray[np.int64]) -> Tensor:
        return as_tensor(take_rows(self.input_values, self.input_rows[rows]))


@dataclass(frozen=True, eq=False, kw_only=True)
class UnpairedDataset(GivenInputsDataset):
    """Targets of one domain and inputs of another, without pairs. A sample has two parts: an input, then a target."""

    input_train: NDArray[np.int64]
    """Indices of the training inputs, in order of content."""
    input_held_out: NDArray[np.int64]
    """Indices of the held-out inputs, in order of content."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the images or the split of either domain change."""
        sorted_hashes = (np.sort(self.input_hashes[indices]) for indices in (self.input_train, self.input_held_out))
        return _combine_hashes(super().fingerprint, *(hashes.astype("<u8").tobytes() for hashes in sorted_hashes))

    def split_hashes(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the content hashes of both domains, of the training and of the held-out images."""
        train, held_out = super().split_hashes()
        inputs = (self.input_hashes[indices] for indices in (self.input_train, self.input_held_out))
        return np.concatenate([train, next(inputs)]), np.concatenate([held_out, next(inputs)])

    @property
    def epoch_size(self) -> int:
        """The number of samples in an epoch: the number of training images of the larger domain."""
        return max(len(self.train), len(self.input_train))

    @property
    def train_rows(self) -> tuple[NDArray[np.int64], ...]:
        """The rows of the training inputs, and those of the training targets."""
        return (self.input_train, self.train)

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return (epoch_size, 2) random pairs; counts of the smaller domain's images differ by at most one."""
        targets = _shuffle_to_length(self.train, self.epoch_size, rng)
        inputs = _shuffle_to_length(self.input_train, self.epoch_size, rng)
        return np.stack([inputs, targets], axis=1)

    def fetch(self, part: int, rows: NDArray[np.int64]) -> FetchedPart:
        """Return the inputs (part 0) or the targets (part 1) at `rows` (n,)."""
        return {"raw": take_rows(self.values if part else self.input_values, rows)}

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return `inputs` (n, Ci, H, W) and `real` (n, C, H, W) in [-1, 1]."""
        inputs, targets = parts
        return _make_pair_batch(self, self.input_codec.encode(as_tensor(inputs["raw"])), targets, seed)

    def input_indices(self, held_out: bool) -> NDArray[np.int64]:
        """Return the indices of the held-out or of the training inputs, in order of content, as `inputs` takes them."""
        return self.input_held_out if held_out else self.input_train

    def inputs(self, indices: NDArray[np.int64]) -> Tensor:
        """Return the inputs at `indices` (n,): (n, Ci, H, W) float32 in [-1, 1]."""
        return self.input_codec.encode(as_tensor(take_rows(self.input_values, indices)))


def _make_pair_batch(dataset: Dataset, inputs: Tensor, targets: FetchedPart, seed: Tensor) -> Batch:
    """Return the batch of inputs and targets, changed alike by the symmetries of the dataset."""
    pairs = dataset.apply_symmetries({"inputs": inputs, "real": dataset.codec.encode(targets["raw"])}, seed)
    assert isinstance(pairs, Mapping), "symmetries keep the tree"
    return add_conditions({"inputs": pairs["inputs"], "real": pairs["real"], "seed": seed}, targets)


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
