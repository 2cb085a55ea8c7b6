"""Examples that are made from pictures: what a stream makes of them, and what is asked of them later."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from zerosum.data import device_cache
from zerosum.data.dataset import Dataset
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.device_cache import DeviceCache
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.loader import BatchLoader
from zerosum.data.pairs.datasets import DegradedDataset, PairedDataset, UnpairedDataset
from zerosum.data.split import split_by_content
from zerosum.game import seeded_rng

N, OTHERS = 40, 23


def pictures(count: int, seed: int, side: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def plain(count: int = N) -> Dataset:
    keys = np.random.default_rng(9).integers(0, 2**64, count, dtype=np.uint64)
    summary = DatasetSummary("here", "images", count)
    return Dataset(pictures(count, 0), np.zeros(count, np.int64), (), keys, *split_by_content(keys, 0.2), summary)


def known(examples: Dataset) -> dict:
    return {field.name: getattr(examples, field.name) for field in fields(Dataset)}


def degraded(*names: str) -> DegradedDataset:
    return DegradedDataset(**known(plain()), degrade=DegradationPipeline(names))


def paired() -> PairedDataset:
    """Each input is its partner's negative, in another order."""
    base = plain()
    partners = np.random.default_rng(3).permutation(N)
    inputs = np.empty_like(base.values)
    inputs[partners] = 255 - base.values
    keys = np.empty_like(base.keys)
    keys[partners] = base.keys ^ np.uint64(5)
    return PairedDataset(**known(base), input_values=inputs, input_keys=keys, input_rows=partners)


def unpaired(both: bool = False, others: int = OTHERS) -> UnpairedDataset:
    keys = np.random.default_rng(8).integers(0, 2**64, others, dtype=np.uint64)
    train, held = split_by_content(keys, 0.2)
    return UnpairedDataset(
        **known(plain()),
        input_values=pictures(others, 1),
        input_keys=keys,
        input_train=train,
        input_held_out=held,
        bidirectional=both,
    )


MADE = {
    "degraded": lambda: degraded("masks"),
    "paired": paired,
    "unpaired": unpaired,
    "more given": lambda: unpaired(others=70),
    "both": lambda: unpaired(both=True),
}


def test_both_sides_of_a_pair_are_mirrored_alike() -> None:
    loader = BatchLoader(paired(), 64, 1, hflip=True)
    batch = next(loader)
    assert torch.allclose(batch["given"], -batch["real"], atol=1e-6)
    straight = next(BatchLoader(paired(), 64, 1))
    flipped = (batch["real"] != straight["real"]).flatten(1).any(1)
    assert 10 < int(flipped.sum()) < 54
    assert torch.equal(batch["real"][flipped], straight["real"][flipped].flip(-1))


def test_both_sides_of_a_pair_are_turned_alike() -> None:
    """By each number of quarters about as often: less than 32 or more than 96 of 256 is one seed in 50,000."""
    turned, straight = (next(BatchLoader(paired(), 256, 1, rotate90=turn)) for turn in (True, False))
    assert torch.allclose(turned["given"], -turned["real"], atol=1e-6)
    quarters = torch.stack([
        (turned["real"] == straight["real"].rot90(times, (-2, -1))).flatten(1).all(1) for times in range(4)
    ])  # fmt: skip
    assert torch.equal(quarters.sum(0), torch.ones(256)), "each by one"
    assert 32 <= int(quarters.sum(1).min()) <= int(quarters.sum(1).max()) <= 96


def test_couples_are_mirrored_alike() -> None:
    source = unpaired(both=True)
    straight, turned = next(BatchLoader(source, 64, 1)), next(BatchLoader(source, 64, 1, hflip=True))
    flipped = seeded_rng.uniform(straight["seed"], 1, seeded_rng.RandomStream.HFLIP)[:, 0] < 0.5
    assert torch.equal(turned["given"][flipped], straight["given"][flipped].flip(-1))
    assert torch.equal(turned["given"][~flipped], straight["given"][~flipped])


def test_couples_are_turned_alike() -> None:
    source = unpaired(both=True)
    straight, turned = next(BatchLoader(source, 64, 1)), next(BatchLoader(source, 64, 1, rotate90=True))
    quarters = (4 * seeded_rng.uniform(straight["seed"], 1, seeded_rng.RandomStream.ROTATE90)[:, 0]).long()
    assert set(quarters.tolist()) == {0, 1, 2, 3}
    for name in ("given", "real"):
        expected = torch.stack([p.rot90(int(k), (-2, -1)) for p, k in zip(straight[name], quarters, strict=True)])
        assert torch.equal(turned[name], expected)


def test_a_degraded_batch_is_its_pictures_degraded_by_their_seeds() -> None:
    source = degraded("down4")
    batch = next(BatchLoader(source, 8, 1, hflip=True))
    assert batch["given"].shape == (8, *source.input_shape) == (8, 3, 4, 4)
    assert torch.equal(batch["given"], source.degrade(batch["real"], batch["seed"]))


def test_couples_say_what_is_given_and_what_is_wanted() -> None:
    source = unpaired()
    one, other = next(BatchLoader(source, 6, 1)), next(BatchLoader(replace(source, both=True), 6, 1))
    wanted = {tuple(source.take(np.array([i])).flatten().tolist()) for i in source.train}
    given = {tuple(source.input_values[i].flatten().tolist()) for i in source.input_train}
    for sample, of in ((one["real"], wanted), (one["given"], given)):
        raw = (sample * 127.5 + 127.5).round().permute(0, 2, 3, 1).reshape(6, -1)
        assert all(tuple(row) in of for row in raw.int().tolist())
    assert torch.equal(other["given"], torch.stack([one["given"], one["real"]], 1))
    assert torch.equal(other["real"], other["given"].flip(1))


@pytest.mark.parametrize("others", [1, OTHERS, 70])
def test_an_epoch_of_couples_covers_both_sides(others: int) -> None:
    source = unpaired(others=others)
    source = replace(source, given_train=np.arange(others), given_held_out=np.arange(0))
    assert source.epoch_size == max(len(source.train), others)
    couples = source.epoch_order(np.random.default_rng(4))
    assert couples.shape == (source.epoch_size, 2)
    given, wanted = couples[:, 0] - len(source), couples[:, 1]
    for column, side in ((given, source.input_train), (wanted, source.train)):
        counts = np.unique(column, return_counts=True)
        assert sorted(counts[0]) == sorted(side)
        assert np.ptp(counts[1]) <= 1, "none comes two times more often than another"
    again = source.epoch_order(np.random.default_rng(4))
    assert (again == couples).all()
    later = source.epoch_order(np.random.default_rng(5))
    assert {tuple(row) for row in later} != {tuple(row) for row in couples} or others == 1


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stream_goes_on_where_it_was(kind: str, workers: int) -> None:
    """Over more than two epochs; two halves of a batch are the whole."""
    source = MADE[kind]()
    whole = BatchLoader(source, 12, 5, hflip=True)
    batches = [next(whole) for _ in range(2 * source.epoch // 12 + 3)]
    for start in (1, len(batches) - 2):
        again = BatchLoader(source, 12, 5, hflip=True, workers=workers, position=12 * start)
        halves = [BatchLoader(source, 12, 5, hflip=True, rank=r, world_size=2, position=12 * start) for r in range(2)]
        for batch in batches[start:]:
            late, parts = next(again), [next(half) for half in halves]
            assert late.keys() == batch.keys() == {"given", "real", "seed"}
            for name in batch:
                assert torch.equal(late[name], batch[name])
                assert torch.equal(torch.cat([part[name] for part in parts]), batch[name])
        again.close()


@pytest.mark.parametrize("kind", MADE)
def test_on_a_device_the_batches_are_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_cache, "BLOCK", 7)
    source = MADE[kind]()
    held = DeviceCache(source, torch.device("cpu"))
    assert device_cache.stored_bytes(source) == held.values.nbytes
    ours, theirs = (BatchLoader(each, 6, 3, hflip=True) for each in (held, source))
    for _ in range(2 * source.epoch // 6 + 2):
        one, other = next(ours), next(theirs)
        for name in one:
            assert torch.equal(one[name], other[name])


def test_what_is_given_is_the_same_whenever_it_is_asked_for() -> None:
    source = degraded("noise", "masks")
    asked = source.input_indices(True)
    assert (asked == source.held_out).all()
    assert (source.input_indices(False) == source.train).all()
    assert source.has_targets
    given = source.inputs(asked)
    assert given.shape == (len(asked), *source.input_shape)
    assert given.dtype == torch.float32
    assert torch.equal(torch.cat([source.inputs(asked[i : i + 1]) for i in range(len(asked))]), given)
    order = np.random.default_rng(0).permutation(N)
    moved = replace(source, values=source.values[order], keys=source.keys[order])
    assert torch.equal(moved.inputs(np.argsort(order)[asked]), given), "wherever it stands"
    masks = given[:, -1].flatten(1)
    assert len({tuple(mask) for mask in masks.tolist()}) == len(asked), "each has its own hole"
    assert source.inputs(asked[:0]).shape == (0, *source.input_shape)


def test_tiles_of_one_picture_have_holes_of_their_own() -> None:
    source = degraded("masks")
    same = replace(source, keys=np.full(N, 7, np.uint64))
    masks = same.inputs(np.arange(5))[:, -1].flatten(1)
    assert len({tuple(mask) for mask in masks.tolist()}) == 5


def test_a_pair_knows_its_truth() -> None:
    source = paired()
    asked = source.input_indices(True)
    assert source.has_targets
    assert torch.allclose(source.inputs(asked), -source.scale(source.take(asked)), atol=1e-6)
    assert source.input_shape == (3, 16, 16)
    gray = replace(source, inputs=source.input_values[..., :1])
    batch = next(BatchLoader(gray, 4, 0))
    assert gray.input_shape == tuple(batch["given"].shape[1:]) == (1, 16, 16)
    assert batch["real"].shape == (4, 3, 16, 16)


def test_without_pairs_there_is_no_truth() -> None:
    source = unpaired()
    assert not source.has_targets
    assert (source.input_indices(False) == source.input_train).all()
    assert (source.input_indices(True) == source.input_held_out).all()
    keys = source.input_keys[source.input_indices(True)]
    assert (np.sort(keys) == keys).all()
    assert torch.equal(source.inputs(np.array([2, 0])), source.scale(torch.from_numpy(source.input_values[[2, 0]])))


def test_examples_alone_are_given_nothing() -> None:
    source = plain()
    assert (source.input_shape, source.has_targets) == ((), False)
    assert (source.input_indices(True) == source.held_out).all()
    assert torch.equal(source.inputs(np.arange(3)), source.scale(source.take(np.arange(3))))
    assert next(BatchLoader(source, 4, 0)).keys() == {"real", "seed"}


def test_fingerprints_see_both_sides() -> None:
    base, source = plain(), paired()
    seen = {base.fingerprint, source.fingerprint, degraded("grey").fingerprint, degraded("grey", "noise").fingerprint}
    other = source.input_keys.copy()
    other[source.input_rows[source.train[3]]] += np.uint64(1)
    seen.add(replace(source, input_keys=other).fingerprint)
    swapped = source.input_rows.copy()
    swapped[source.train[:2]] = swapped[source.train[1::-1]]
    seen.add(replace(source, partners=swapped).fingerprint)
    loose = unpaired()
    seen.add(loose.fingerprint)
    seen.add(replace(loose, other_keys=loose.input_keys + np.uint64(1)).fingerprint)
    seen.add(replace(loose, given_train=loose.input_held_out, given_held_out=loose.input_train).fingerprint)
    assert len(seen) == 9
    order = np.random.default_rng(1).permutation(N)
    moved = replace(source, inputs=source.input_values[order], input_keys=source.input_keys[order])
    assert replace(moved, partners=np.argsort(order)[source.input_rows]).fingerprint == source.fingerprint
    assert replace(loose, given_train=loose.input_train[::-1]).fingerprint == loose.fingerprint
