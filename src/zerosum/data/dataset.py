"""The dataset of a run: raw examples, labels, and the split into training and held-out examples."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import Codec, Items
from zerosum.data.mapped_files import require_unchanged
from zerosum.data.summary import DatasetSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from zerosum.data.loader import FetchedPart
    from zerosum.game.sample_spec import SampleSpec
    from zerosum.game.types import Batch, Sample

    Symmetry: TypeAlias = Callable[[Sample, Tensor], Sample]
    """Changes each of the samples (N, ...) in a way that its seed (N,) determines and that keeps it a real sample."""

Arrays: TypeAlias = "NDArray[np.generic] | Mapping[str, Arrays]"
"""An array, or a tree of arrays, with first axis N."""
_HASH_BLOCK_EXAMPLES = 2**20  # examples hashed at a time, so that memory holds no second copy of their hashes


@dataclass(frozen=True, eq=False)
class Dataset:
    """A dataset, ready for training. It never changes, so reading it is thread-safe.

    It is also the `zerosum.data.loader.BatchSource` of its training examples.
    """

    values: Arrays
    """The raw examples, in memory or memory-mapped; a memory-mapped array may be a transposed view."""
    labels: NDArray[np.int64]
    """(N,) class indices; zeros if there are no classes."""
    classes: tuple[str, ...]
    """Class names in natural order; () if there are none."""
    content_hashes: NDArray[np.uint64]
    """(N,) hashes of the items as the user gave them, such as of the upright pixels of an image at its own size."""
    train: NDArray[np.int64]
    """Indices of the training examples."""
    held_out: NDArray[np.int64]
    """Indices of the held-out examples, which the discriminator never sees."""
    summary: DatasetSummary
    """Counts and notes of the ingest."""
    codec: Codec
    """Encodes the raw examples as samples."""
    symmetries: tuple[Symmetry, ...] = ()
    """Changes of the training samples under which they stay real, such as a flip."""
    conditions: Arrays | None = None
    """Numeric conditions, float32 with first axis N: what the generator is asked for besides a class."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def spec(self) -> SampleSpec:
        """What a sample is."""
        return self.codec.spec

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change exactly when contents, classes, conditions or the split change, not with names."""
        from torch.utils._pytree import tree_leaves

        digest = hashlib.blake2b(digest_size=16)
        for indices in (self.train, self.held_out):
            digest.update(len(indices).to_bytes(8, "little"))
            order = self._sort_by_content(indices)
            for column, dtype in ((self.content_hashes, "<u8"), (self.labels, "<i8")):
                for first in range(0, len(order), _HASH_BLOCK_EXAMPLES):
                    digest.update(column[order[first : first + _HASH_BLOCK_EXAMPLES]].astype(dtype).data)
            if self.conditions is not None:
                for leaf in tree_leaves(take_rows(self.conditions, order)):
                    digest.update(leaf.numpy().tobytes())
        digest.update("\0".join(self.classes).encode(errors="surrogateescape"))
        return digest.hexdigest()

    def _sort_by_content(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sort these indices by content hash, then by label; without duplicates `split_by_content` has sorted them."""
        content_hashes = self.content_hashes[indices]
        if bool((content_hashes[1:] > content_hashes[:-1]).all()):
            return indices
        return indices[np.lexsort((self.labels[indices], content_hashes))]

    @property
    def class_priors(self) -> tuple[float, ...]:
        """The fraction of the training examples in each class; () if there are no classes."""
        if not self.classes:
            return ()
        counts = np.bincount(self.labels[self.train], minlength=len(self.classes))
        return tuple((counts / max(1, counts.sum())).tolist())

    def split_hashes(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Return the content hashes of the training and of the held-out examples, in any order."""
        return self.content_hashes[self.train], self.content_hashes[self.held_out]

    # ------------------------------------------------------------------ examples

    def take(self, indices: NDArray[np.int64]) -> Sample:
        """Return the raw examples at `indices` (n,) in new CPU tensors.

        Raises:
            IndexError: if an index is out of range.
        """
        return take_rows(self.values, indices)

    def items(self, indices: NDArray[np.int64]) -> Items:
        """Return the items at `indices` (n,), such as images uint8 (n, H, W, C)."""
        return self.codec.items(self.take(indices))

    def samples(self, indices: NDArray[np.int64]) -> Sample:
        """Return the examples at `indices` (n,) as samples (n, ...) on the CPU."""
        return self.codec.encode(self.take(indices))

    def label(self, indices: NDArray[np.int64]) -> Tensor | None:
        """Return the class labels (n,) int64 of the examples at `indices`, or None if there are no classes."""
        import torch

        return torch.from_numpy(self.labels[indices]) if self.classes else None

    def condition(self, indices: NDArray[np.int64]) -> Sample | None:
        """Return the numeric conditions (n, ...) of the examples at `indices`, or None if there are none."""
        return None if self.conditions is None else take_rows(self.conditions, indices)

    # ------------------------------------------------------------------ what a loader needs: `BatchSource`

    @property
    def epoch_size(self) -> int:
        """The number of samples in an epoch."""
        return len(self.train)

    @property
    def train_rows(self) -> tuple[NDArray[np.int64], ...]:
        """The rows of the training examples, for each part of a sample."""
        return (self.train,)

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return the rows of an epoch: (epoch_size, number of parts)."""
        return rng.permutation(self.train)[:, None]

    def fetch(self, part: int, rows: NDArray[np.int64]) -> FetchedPart:
        """Return the raw examples at `rows` (n,) with labels and conditions; called from several threads."""
        fetched: FetchedPart = {"raw": self.take(rows)}
        if (label := self.label(rows)) is not None:
            fetched["label"] = label
        if (condition := self.condition(rows)) is not None:
            fetched["condition"] = condition
        return fetched

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        """Return the batch of fetched parts, on their device; `seed` (n,) int64 determines all randomness."""
        (part,) = parts
        batch: Batch = {"real": self.apply_symmetries(self.codec.encode(part["raw"]), seed), "seed": seed}
        return add_conditions(batch, part)

    def apply_symmetries(self, samples: Sample, seed: Tensor) -> Sample:
        """Change samples (n, ...), or a tree of them that belong together, by the symmetries of the data."""
        return reduce(lambda changed, symmetry: symmetry(changed, seed), self.symmetries, samples)

    # ------------------------------------------------------------------ inputs of translation

    @property
    def input_spec(self) -> SampleSpec | None:
        """What an input is; None if samples have no inputs."""
        return None

    @property
    def has_targets(self) -> bool:
        """True if example i is the target of input i."""
        return False

    @property
    def baseline_name(self) -> str:
        """What `baseline` makes of inputs, in a word."""
        return "input"

    def baseline(self, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Return inputs (N, ...) as samples of a shape, without a network: what a translator must beat.

        By default they are samples of any shape: see `Codec.baseline`.

        Args:
            inputs: (N, ...), on the CPU.
            shape: the shape of a sample.
        """
        return self.codec.baseline(inputs, shape)

    def compared_inputs(self, inputs: Tensor) -> Tensor:
        """Return inputs (N, ...) as images (N, C, H, W), to compare with those that `Codec.compared` makes of samples.

        By default they are compared as samples are.
        """
        return self.codec.compared(inputs)

    def input_indices(self, held_out: bool) -> NDArray[np.int64]:
        """Return the indices of the held-out or of the training inputs, in order of content, as `inputs` takes them."""
        return self.held_out if held_out else self.train

    def inputs(self, indices: NDArray[np.int64]) -> Sample:
        """Return the inputs at `indices` (n,) on the CPU; if samples have no inputs, the samples themselves."""
        return self.samples(indices)


def add_conditions(batch: Batch, part: FetchedPart) -> Batch:
    """Return the batch with the labels and the numeric conditions of a part, where there are any."""
    complete = batch.copy()
    if "label" in part:
        complete["label"] = part["label"]
    if "condition" in part:
        complete["condition"] = part["condition"]
    return complete


def as_tensor(sample: Sample) -> Tensor:
    """Return a sample that is one tensor."""
    assert not isinstance(sample, Mapping), "this kind of data has samples of one tensor"
    return sample


def take_rows(arrays: Arrays, rows: NDArray[np.int64]) -> Sample:
    """Return rows (n,) of a tree of arrays in new CPU tensors.

    Raises:
        BadInput: an array is memory-mapped, and its file has changed.
    """
    import torch

    if isinstance(arrays, np.ndarray):
        require_unchanged(arrays)
        # np.take would first copy all of a transposed memory map
        return torch.from_numpy(np.ascontiguousarray(arrays[rows]))
    return {name: take_rows(inner, rows) for name, inner in arrays.items()}
