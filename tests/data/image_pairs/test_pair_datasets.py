"""Degraded, paired and unpaired datasets: their batches, inputs, targets and fingerprints."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

from zerosum.data import device_cache
from zerosum.data.content_hash import hash_contents
from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline, input_seeds
from zerosum.data.device_cache import DeviceCache
from zerosum.data.image_pairs.datasets import DegradedDataset, PairedDataset, UnpairedDataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.data.images.symmetries import choose_symmetries
from zerosum.data.loader import BatchLoader
from zerosum.data.split import split_by_content
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.types import Batch

N, NUM_INPUTS = 40, 23


def random_images(count: int, seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def plain_dataset(count: int = N) -> Dataset:
    hashes = np.random.default_rng(9).integers(0, 2**64, count, dtype=np.uint64)
    summary, codec = ImageSummary("here", "image-pairs", count), ImageCodec((3, 16, 16))
    return Dataset(
        random_images(count, 0), np.zeros(count, np.int64), (), hashes, *split_by_content(hashes, 0.2), summary, codec
    )


def dataset_fields(dataset: Dataset) -> dict:
    return {field.name: getattr(dataset, field.name) for field in fields(Dataset)}


def degraded_dataset(*names: str) -> DegradedDataset:
    return DegradedDataset(**dataset_fields(plain_dataset()), degrade=DegradationPipeline(names))


def paired_dataset() -> PairedDataset:
    """Return targets with their negatives as inputs, in another order."""
    base = plain_dataset()
    partners = np.random.default_rng(3).permutation(N)
    inputs = np.empty_like(base.values)
    inputs[partners] = 255 - base.values
    hashes = np.empty_like(base.content_hashes)
    hashes[partners] = base.content_hashes ^ np.uint64(5)
    return PairedDataset(**dataset_fields(base), input_values=inputs, input_hashes=hashes, input_rows=partners)


def unpaired_dataset(num_inputs: int = NUM_INPUTS) -> UnpairedDataset:
    hashes = np.random.default_rng(8).integers(0, 2**64, num_inputs, dtype=np.uint64)
    train, held_out = split_by_content(hashes, 0.2)
    return UnpairedDataset(
        **dataset_fields(plain_dataset()),
        input_values=random_images(num_inputs, 1),
        input_hashes=hashes,
        input_train=train,
        input_held_out=held_out,
    )


def gray_inputs(dataset: UnpairedDataset) -> UnpairedDataset:
    return replace(dataset, input_values=dataset.input_values[..., :1])


def next_batch(
    dataset: Dataset, batch_size: int, seed: int = 1, *, hflip: bool = False, rotate90: bool = False
) -> Batch:
    """Return the first batch of a dataset with these symmetries."""
    return next(BatchLoader(replace(dataset, symmetries=choose_symmetries(hflip, rotate90)), batch_size, seed))


DATASETS = {
    "degraded": lambda: degraded_dataset("masks"),
    "paired": paired_dataset,
    "unpaired": unpaired_dataset,
    "more inputs": lambda: unpaired_dataset(num_inputs=70),
    "gray inputs": lambda: gray_inputs(unpaired_dataset()),
}


def test_input_and_target_are_flipped_together() -> None:
    batch, unflipped = next_batch(paired_dataset(), 64, hflip=True), next_batch(paired_dataset(), 64)
    assert torch.allclose(batch["inputs"], -batch["real"], atol=1e-6)
    is_flipped = (batch["real"] != unflipped["real"]).flatten(1).any(1)
    assert 10 < int(is_flipped.sum()) < 54
    assert torch.equal(batch["real"][is_flipped], unflipped["real"][is_flipped].flip(-1))


def test_input_and_target_are_rotated_together() -> None:
    """Each of the four rotations is about as frequent: less than 32 or more than 96 of 256 is one seed in 50,000."""
    rotated, unrotated = (next_batch(paired_dataset(), 256, rotate90=rotate) for rotate in (True, False))
    assert torch.allclose(rotated["inputs"], -rotated["real"], atol=1e-6)
    matches = torch.stack([
        (rotated["real"] == unrotated["real"].rot90(k, (-2, -1))).flatten(1).all(1) for k in range(4)
    ])  # fmt: skip
    assert torch.equal(matches.sum(0), torch.ones(256)), "each image matches one rotation"
    assert 32 <= int(matches.sum(1).min()) <= int(matches.sum(1).max()) <= 96


def test_both_images_of_a_pair_are_flipped_together() -> None:
    dataset = unpaired_dataset()
    unflipped, flipped = next_batch(dataset, 64), next_batch(dataset, 64, hflip=True)
    is_flipped = seeded_rng.uniform(unflipped["seed"], 1, seeded_rng.RandomStream.HFLIP)[:, 0] < 0.5
    for name in ("inputs", "real"):
        assert torch.equal(flipped[name][is_flipped], unflipped[name][is_flipped].flip(-1))
        assert torch.equal(flipped[name][~is_flipped], unflipped[name][~is_flipped])


def test_both_images_of_a_pair_are_rotated_together() -> None:
    dataset = unpaired_dataset()
    unrotated, rotated = next_batch(dataset, 64), next_batch(dataset, 64, rotate90=True)
    quarter_turns = (4 * seeded_rng.uniform(unrotated["seed"], 1, seeded_rng.RandomStream.ROTATE90)[:, 0]).long()
    assert set(quarter_turns.tolist()) == {0, 1, 2, 3}
    for name in ("inputs", "real"):
        expected = torch.stack([
            image.rot90(int(k), (-2, -1)) for image, k in zip(unrotated[name], quarter_turns, strict=True)
        ])  # fmt: skip
        assert torch.equal(rotated[name], expected)


def test_a_degraded_batch_is_its_targets_degraded_by_their_seeds() -> None:
    source = degraded_dataset("down4")
    batch = next_batch(source, 8, hflip=True)
    assert source.input_spec == TensorSpec((3, 4, 4), bounded=True)
    assert batch["inputs"].shape == (8, 3, 4, 4)
    assert torch.equal(batch["inputs"], source.degrade(batch["real"], batch["seed"]))


def test_pairs_hold_an_input_and_a_target() -> None:
    source = unpaired_dataset()
    batch = next_batch(source, 6)
    targets = {tuple(source.take(np.array([i])).flatten().tolist()) for i in source.train}
    inputs = {tuple(source.input_values[i].flatten().tolist()) for i in source.input_train}
    for images, expected in ((batch["real"], targets), (batch["inputs"], inputs)):
        raw = (images * 127.5 + 127.5).round().permute(0, 2, 3, 1).reshape(6, -1)
        assert all(tuple(row) in expected for row in raw.int().tolist())


def test_unpaired_domains_may_have_different_channels() -> None:
    source = gray_inputs(unpaired_dataset())
    assert (source.input_spec, source.spec) == (TensorSpec((1, 16, 16), True), TensorSpec((3, 16, 16), True))
    batch, of_color = next_batch(source, 6, hflip=True), next_batch(unpaired_dataset(), 6, hflip=True)
    assert torch.equal(batch["inputs"], of_color["inputs"][:, :1])
    assert torch.equal(batch["real"], of_color["real"])
    assert torch.equal(source.inputs(np.array([3])), unpaired_dataset().inputs(np.array([3]))[:, :1])


@pytest.mark.parametrize("num_inputs", [1, NUM_INPUTS, 70])
def test_an_epoch_of_pairs_covers_inputs_and_targets(num_inputs: int) -> None:
    source = unpaired_dataset(num_inputs=num_inputs)
    source = replace(source, input_train=np.arange(num_inputs), input_held_out=np.arange(0))
    assert source.epoch_size == max(len(source.train), num_inputs)
    pairs = source.epoch_order(np.random.default_rng(4))
    assert pairs.shape == (source.epoch_size, 2)
    for column, train in zip(pairs.T, source.train_rows, strict=True):
        indices, counts = np.unique(column, return_counts=True)
        assert sorted(indices) == sorted(train)
        assert np.ptp(counts) <= 1, "the counts of two images differ by at most one"
    again = source.epoch_order(np.random.default_rng(4))
    assert (again == pairs).all()
    later = source.epoch_order(np.random.default_rng(5))
    assert {tuple(row) for row in later} != {tuple(row) for row in pairs} or num_inputs == 1


@pytest.mark.parametrize("kind", DATASETS)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_resumes_at_its_position(kind: str, workers: int) -> None:
    """Over more than two epochs; the parts of two ranks are the batch of one process."""
    source = replace(DATASETS[kind](), symmetries=choose_symmetries(hflip=True, rotate90=False))
    loader = BatchLoader(source, 12, 5)
    batches = [next(loader) for _ in range(2 * source.epoch_size // 12 + 3)]
    for start in (1, len(batches) - 2):
        resumed = BatchLoader(source, 12, 5, workers=workers, position=12 * start)
        ranks = [BatchLoader(source, 12, 5, rank=r, world_size=2, position=12 * start) for r in range(2)]
        for batch in batches[start:]:
            resumed_batch, parts = next(resumed), [next(rank) for rank in ranks]
            assert resumed_batch.keys() == batch.keys() == {"inputs", "real", "seed"}
            for name in batch:
                assert torch.equal(resumed_batch[name], batch[name])
                assert torch.equal(torch.stack([part[name] for part in parts], 1).flatten(0, 1), batch[name])
        resumed.close()


@pytest.mark.parametrize("kind", DATASETS)
def test_cached_batches_equal_those_of_the_source(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "CHUNK_BYTES", 7 * 16 * 16 * 3)
    source = replace(DATASETS[kind](), symmetries=choose_symmetries(hflip=True, rotate90=False))
    cached = DeviceCache(source, torch.device("cpu"))
    assert device_cache.stored_bytes(source) == sum(leaf.nbytes for leaf in tree_leaves(cached.parts))
    cached_loader, source_loader = (BatchLoader(dataset, 6, 3) for dataset in (cached, source))
    for _ in range(2 * source.epoch_size // 6 + 2):
        cached_batch, source_batch = next(cached_loader), next(source_loader)
        assert cached_batch.keys() == source_batch.keys()
        for name in cached_batch:
            assert torch.equal(cached_batch[name], source_batch[name])


def test_degraded_inputs_are_the_same_every_time() -> None:
    source = degraded_dataset("noise", "masks")
    indices = source.input_indices(True)
    assert (indices == source.held_out).all()
    assert (source.input_indices(False) == source.train).all()
    assert source.has_targets
    inputs = source.inputs(indices)
    assert inputs.shape == (len(indices), *source.input_spec.shape)
    assert inputs.dtype == torch.float32
    assert torch.equal(torch.cat([source.inputs(indices[i : i + 1]) for i in range(len(indices))]), inputs)
    order = np.random.default_rng(0).permutation(N)
    moved = replace(source, values=source.values[order], content_hashes=source.content_hashes[order])
    assert torch.equal(moved.inputs(np.argsort(order)[indices]), inputs), "independent of the index"
    masks = inputs[:, -1].flatten(1)
    assert len({tuple(mask) for mask in masks.tolist()}) == len(indices), "each input has a hole of its own"
    assert source.inputs(indices[:0]).shape == (0, *source.input_spec.shape)


def test_input_seeds_are_hashes_of_the_pixels() -> None:
    """The header of the hash is part of it: a change would change every degraded input of an evaluation."""
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    assert input_seeds(images).tolist() == hash_contents("given", images).view(np.int64).tolist()


def test_tiles_of_one_image_have_holes_of_their_own() -> None:
    source = degraded_dataset("masks")
    tiles = replace(source, content_hashes=np.full(N, 7, np.uint64))
    masks = tiles.inputs(np.arange(5))[:, -1].flatten(1)
    assert len({tuple(mask) for mask in masks.tolist()}) == 5


def test_paired_datasets_have_targets() -> None:
    source = paired_dataset()
    indices = source.input_indices(True)
    assert source.has_targets
    assert torch.allclose(source.inputs(indices), -source.samples(indices), atol=1e-6)
    assert source.input_spec == TensorSpec((3, 16, 16), bounded=True)
    gray = replace(source, input_values=source.input_values[..., :1])
    batch = next(BatchLoader(gray, 4, 0))
    assert gray.input_spec.shape == tuple(batch["inputs"].shape[1:]) == (1, 16, 16)
    assert batch["real"].shape == (4, 3, 16, 16)


def test_unpaired_datasets_have_no_targets() -> None:
    source = unpaired_dataset()
    assert not source.has_targets
    assert (source.input_indices(False) == source.input_train).all()
    assert (source.input_indices(True) == source.input_held_out).all()
    hashes = source.input_hashes[source.input_indices(True)]
    assert (np.sort(hashes) == hashes).all()
    expected = source.codec.encode(torch.from_numpy(source.input_values[[2, 0]]))
    assert torch.equal(source.inputs(np.array([2, 0])), expected)


def test_plain_datasets_have_no_inputs() -> None:
    source = plain_dataset()
    assert (source.input_spec, source.has_targets) == (None, False)
    assert (source.input_indices(True) == source.held_out).all()
    assert torch.equal(source.inputs(np.arange(3)), source.samples(np.arange(3)))
    assert next(BatchLoader(source, 4, 0)).keys() == {"real", "seed"}


def test_fingerprints_depend_on_inputs_and_targets() -> None:
    base, source = plain_dataset(), paired_dataset()
    fingerprints = {
        base.fingerprint,
        source.fingerprint,
        degraded_dataset("gray").fingerprint,
        degraded_dataset("gray", "noise").fingerprint,
    }
    changed_hashes = source.input_hashes.copy()
    changed_hashes[source.input_rows[source.train[3]]] += np.uint64(1)
    fingerprints.add(replace(source, input_hashes=changed_hashes).fingerprint)
    swapped = source.input_rows.copy()
    swapped[source.train[:2]] = swapped[source.train[1::-1]]
    fingerprints.add(replace(source, input_rows=swapped).fingerprint)
    unpaired = unpaired_dataset()
    fingerprints.add(unpaired.fingerprint)
    fingerprints.add(replace(unpaired, input_hashes=unpaired.input_hashes + np.uint64(1)).fingerprint)
    fingerprints.add(
        replace(unpaired, input_train=unpaired.input_held_out, input_held_out=unpaired.input_train).fingerprint
    )
    assert len(fingerprints) == 9
    order = np.random.default_rng(1).permutation(N)
    moved = replace(source, input_values=source.input_values[order], input_hashes=source.input_hashes[order])
    assert replace(moved, input_rows=np.argsort(order)[source.input_rows]).fingerprint == source.fingerprint
    assert replace(unpaired, input_train=unpaired.input_train[::-1]).fingerprint == unpaired.fingerprint
