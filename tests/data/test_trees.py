"""Samples that are trees of tensors: taking, loading, caching and changing them, with numeric conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from zerosum.data import device_cache
from zerosum.data.codec import Codec, Items
from zerosum.data.dataset import Dataset
from zerosum.data.device_cache import DeviceCache
from zerosum.data.images.symmetries import random_hflip, random_rotate90
from zerosum.data.loader import BatchLoader, FetchedPart
from zerosum.data.split import split_by_content
from zerosum.data.summary import DatasetSummary
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import Batch, Sample

N = 40
SPEC: SampleSpec = {"atoms": TensorSpec((5,)), "bonds": {"kind": TensorSpec((1, 4, 4)), "length": TensorSpec((4, 4))}}


class MoleculeCodec(Codec):
    """Bytes of a tree, halved."""

    spec = SPEC

    def encode(self, raw: Sample) -> Sample:
        return tree_map(lambda leaf: leaf.float() / 2, raw)

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        return np.concatenate([leaf.flatten(1).numpy() for leaf in tree_leaves(sample)], axis=1)

    def items(self, raw: Sample) -> Items:
        return self.decode(self.encode(raw), torch.zeros(1))

    def embed(self, sample: Sample) -> Tensor:
        return sample["atoms"]


def molecules(count: int = N, seed: int = 0) -> dict[str, object]:
    rng = np.random.default_rng(seed)

    def random_bytes(*shape: int) -> NDArray[np.uint8]:
        return rng.integers(0, 256, (count, *shape), dtype=np.uint8)

    return {"atoms": random_bytes(5), "bonds": {"kind": random_bytes(1, 4, 4), "length": random_bytes(4, 4)}}


def molecule_dataset() -> Dataset:
    """Molecules of two classes, asked for by a wanted property and a tree of known columns."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, N, dtype=np.uint64)
    conditions = {
        "property": rng.normal(size=(N, 2)).astype(np.float32),
        "known": {"mask": rng.integers(0, 2, (N, 3)).astype(np.float32)},
    }
    summary = DatasetSummary("here", "molecules", N)
    return Dataset(
        molecules(), np.arange(N) % 2, ("a", "b"), hashes, *split_by_content(hashes, 0.2), summary, MoleculeCodec(),
        conditions=conditions,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class TwoPartDataset(Dataset):
    """A molecule, and an unrelated one as its input: two parts, each with rows of its own."""

    @property
    def train_rows(self) -> tuple[NDArray[np.int64], ...]:
        return (np.arange(7), self.train)

    def epoch_order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        return np.stack([rng.integers(0, 7, self.epoch_size), rng.permutation(self.train)], axis=1)

    def make_batch(self, parts: Sequence[FetchedPart], seed: Tensor) -> Batch:
        inputs, targets = parts
        return super().make_batch([targets], seed) | {"inputs": self.codec.encode(inputs["raw"])}


def two_part_dataset() -> TwoPartDataset:
    source = molecule_dataset()
    return TwoPartDataset(
        source.values, source.labels, source.classes, source.content_hashes, source.train, source.held_out,
        source.summary, source.codec, conditions=source.conditions,
    )  # fmt: skip


DATASETS = {"one part": molecule_dataset, "two parts": two_part_dataset}


def assert_equal(first: Sample, second: Sample) -> None:
    """Check that two trees have equal structures and equal tensors."""
    tree_map(lambda x, y: torch.testing.assert_close(x, y, rtol=0, atol=0), first, second)


def rows_of(batch: Batch, dataset: Dataset) -> list[int]:
    """Return the rows of the molecules of a batch, which are distinct."""
    atoms = {tuple(row): index for index, row in enumerate(dataset.values["atoms"].tolist())}
    return [atoms[tuple(row)] for row in (batch["real"]["atoms"] * 2).int().tolist()]


def test_examples_are_taken_as_trees() -> None:
    source, indices = molecule_dataset(), np.array([3, 1, 3])
    raw, samples = source.take(indices), source.samples(indices)
    assert raw["bonds"]["kind"].dtype == torch.uint8
    assert (raw["bonds"]["kind"].numpy() == source.values["bonds"]["kind"][indices]).all()
    assert_equal(samples, MoleculeCodec().encode(raw))
    assert source.items(indices).shape == (3, 5 + 16 + 16)
    assert source.spec == SPEC
    raw["atoms"].fill_(7)
    assert not (source.values["atoms"][3] == 7).all(), "a copy"


@pytest.mark.parametrize("kind", DATASETS)
def test_labels_and_conditions_travel_with_their_samples(kind: str) -> None:
    source = DATASETS[kind]()
    batch = next(BatchLoader(source, 12, 3))
    assert batch.keys() - {"inputs"} == {"real", "seed", "label", "condition"}
    rows = rows_of(batch, source)
    assert set(rows) <= set(source.train.tolist())
    assert batch["label"].tolist() == source.labels[rows].tolist()
    assert_equal(batch["condition"], source.condition(np.array(rows)))


def test_datasets_without_classes_and_conditions_have_neither_in_their_batches() -> None:
    source = replace(molecule_dataset(), classes=(), conditions=None)
    assert next(BatchLoader(source, 4, 3)).keys() == {"real", "seed"}
    assert source.condition(np.arange(3)) is None


@pytest.mark.parametrize("kind", DATASETS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_of_trees_resumes_and_is_divided_among_ranks(kind: str, workers: int) -> None:
    source = DATASETS[kind]()
    batches = BatchLoader(source, 12, 5)
    expected = [next(batches) for _ in range(8)]
    resumed = BatchLoader(source, 12, 5, workers=workers, position=24)
    ranks = [BatchLoader(source, 12, 5, rank=rank, world_size=2, position=24) for rank in range(2)]
    for batch in expected[2:]:
        assert_equal(next(resumed), batch)
        assert_equal(
            tree_map(lambda *parts: torch.stack(parts, 1).flatten(0, 1), *(next(rank) for rank in ranks)), batch
        )
    resumed.close()


@pytest.mark.parametrize("kind", DATASETS)
def test_cached_batches_of_trees_equal_those_of_the_source(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "CHUNK_BYTES", 7 * 37)
    source = DATASETS[kind]()
    cached = DeviceCache(source, torch.device("cpu"))
    assert [len(part["label"]) for part in cached.parts] == [len(rows) for rows in source.train_rows]
    assert cached.parts[-1]["raw"]["bonds"]["kind"].dtype == torch.uint8
    assert device_cache.stored_bytes(source) == sum(leaf.nbytes for leaf in tree_leaves(cached.parts))
    cached_loader, source_loader = (BatchLoader(dataset, 6, 3) for dataset in (cached, source))
    for _ in range(2 * source.epoch_size // 6 + 2):
        assert_equal(next(cached_loader), next(source_loader))


def test_the_symmetries_change_all_images_of_a_tree_alike() -> None:
    """Images of one sample may differ in channels; those of different samples change independently."""
    image, seed = torch.randn(64, 3, 4, 4), torch.arange(64) * 7919
    for symmetry, num_changes in ((random_hflip, 2), (random_rotate90, 4)):
        tree = symmetry({"image": image, "mask": {"first": image[:, 0]}}, seed)
        assert torch.equal(tree["image"], symmetry(image, seed)), "a tree changes as its images do alone"
        assert torch.equal(tree["mask"]["first"], tree["image"][:, 0])
        variants = {
            next(k for k in range(8) if torch.equal(_dihedral(before, k), after))
            for before, after in zip(image, tree["image"], strict=True)
        }
        assert len(variants) == num_changes


def _dihedral(image: Tensor, k: int) -> Tensor:
    return (image.flip(-1) if k >= 4 else image).rot90(k % 4, (-2, -1))


def test_symmetries_of_a_dataset_are_applied_in_order_with_the_seeds_of_the_batch() -> None:
    source = molecule_dataset()
    symmetries = (
        lambda sample, seed: sample | {"atoms": sample["atoms"] + seed[:, None] % 100},
        lambda sample, seed: sample | {"atoms": 2 * sample["atoms"]},
    )
    plain, changed = next(BatchLoader(source, 8, 3)), next(BatchLoader(replace(source, symmetries=symmetries), 8, 3))
    assert torch.equal(changed["real"]["atoms"], 2 * (plain["real"]["atoms"] + plain["seed"][:, None] % 100))
    assert torch.equal(changed["real"]["bonds"]["length"], plain["real"]["bonds"]["length"])
