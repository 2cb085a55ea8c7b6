"""Data on the device make the batches that data in memory make."""

import numpy as np
import pytest
import torch

from zerosum.data import device_cache
from zerosum.data.dataset import Dataset
from zerosum.data.device_cache import DeviceCache, cache_on_device
from zerosum.data.images.summary import DatasetSummary
from zerosum.data.loader import BatchLoader, copy_to_device, pin_for_device

CPU = torch.device("cpu")


def examples(kind: str = "images", n: int = 50) -> Dataset:
    dice = np.random.default_rng(0)
    if kind == "images":
        values = dice.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    else:
        values = dice.normal(size=(n, 2)).astype(np.float32)
    order = dice.permutation(n)
    summary = DatasetSummary("here", kind, n)
    labels, keys = np.zeros(n, np.int64), np.arange(n, dtype=np.uint64)
    return Dataset(values, labels, (), keys, order[: n - 9], order[n - 9 :], summary)


@pytest.mark.parametrize("kind", ["images", "points"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("rank", [0, 1])
def test_batches_are_the_streams(monkeypatch, kind: str, workers: int, rank: int) -> None:
    """Over more than two epochs, brought in blocks that do not divide the data."""
    monkeypatch.setattr(device_cache, "BLOCK", 7)
    source = examples(kind)
    held = DeviceCache(source, CPU)
    settings = {"mirror": kind == "images", "workers": workers, "rank": rank, "world": 2, "position": 6}
    ours, theirs = (BatchLoader(each, 6, 3, **settings) for each in (held, source))
    for _ in range(20):
        one, other = next(ours), next(theirs)
        assert torch.equal(one["real"], other["real"])
        assert torch.equal(one["seed"], other["seed"])
    assert one["real"].stride() == other["real"].stride()
    ours.close()
    theirs.close()


def test_bytes_stay_bytes_and_held_out_data_stay_away() -> None:
    source = examples()
    held = DeviceCache(source, CPU)
    assert held.values.dtype == torch.uint8
    assert held.values.shape == (41, 8, 8, 3)
    assert device_cache.stored_bytes(source) == held.values.nbytes
    assert torch.equal(held.values, source.take(source.train))


def test_only_gpus_with_room_hold_the_data(monkeypatch) -> None:
    source, gpu = examples(), torch.device("cuda")
    assert cache_on_device(source, CPU) is source
    asked = []
    monkeypatch.setattr(device_cache, "Resident", lambda source, device: asked.append(device) or "resident")
    for free, wanted in (
        (4 * device_cache.stored_bytes(source), "resident"),
        (4 * device_cache.stored_bytes(source) - 1, source),
    ):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10 * free))
        assert cache_on_device(source, gpu) is wanted
    assert asked == [gpu]


def test_what_a_gpu_fetches_is_pinned(monkeypatch) -> None:
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    tensor = torch.ones(3)
    assert pin_for_device(tensor, torch.device("cuda")) is tensor
    assert len(pinned) == 1
    assert copy_to_device(tensor, CPU) is tensor
    assert pin_for_device(tensor.to("meta"), torch.device("cuda")).is_meta
    assert len(pinned) == 1, "neither for a CPU, nor what is on a device"
