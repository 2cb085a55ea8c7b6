"""Batches from the device cache equal batches from memory."""

import numpy as np
import pytest
import torch

from zerosum.data import device_cache
from zerosum.data.dataset import Dataset
from zerosum.data.device_cache import DeviceCache, cache_on_device
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.symmetries import random_hflip
from zerosum.data.loader import BatchLoader, copy_to_device, pin_for_device
from zerosum.data.points.kind import PointCodec
from zerosum.data.summary import DatasetSummary

CPU = torch.device("cpu")


IMAGE_TYPES: dict[str, PixelType] = {"images": "uint8", "deep images": "uint16", "float images": "float32"}


def make_dataset(kind: str = "images", n: int = 50) -> Dataset:
    rng = np.random.default_rng(0)
    if kind in IMAGE_TYPES:
        dtype = IMAGE_TYPES[kind]
        values = rng.uniform(0, 255, (n, 8, 8, 3)).astype(dtype)
        codec, symmetries = ImageCodec((3, 8, 8), dtype, (0, 255)), (random_hflip,)
    else:
        values = rng.normal(size=(n, 2)).astype(np.float32)
        codec, symmetries = PointCodec(2), ()
    order = rng.permutation(n)
    labels, keys = np.zeros(n, np.int64), np.arange(n, dtype=np.uint64)
    split = order[: n - 9], order[n - 9 :]
    return Dataset(values, labels, (), keys, *split, DatasetSummary("here", kind, n), codec, symmetries)


@pytest.mark.parametrize("kind", [*IMAGE_TYPES, "points"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("rank", [0, 1])
def test_cached_batches_equal_those_of_the_source(monkeypatch, kind: str, workers: int, rank: int) -> None:
    """Over more than two epochs, copied in chunks that do not divide the dataset."""
    monkeypatch.setattr(device_cache, "CHUNK_BYTES", 7 * (8 * 8 * 3 if kind == "images" else 2 * 4))
    source = make_dataset(kind)
    cached = DeviceCache(source, CPU)
    settings = {"workers": workers, "rank": rank, "world_size": 2, "position": 6}
    cached_loader, source_loader = (BatchLoader(dataset, 6, 3, **settings) for dataset in (cached, source))
    for _ in range(20):
        cached_batch, source_batch = next(cached_loader), next(source_loader)
        assert torch.equal(cached_batch["real"], source_batch["real"])
        assert torch.equal(cached_batch["seed"], source_batch["seed"])
    assert cached_batch["real"].stride() == source_batch["real"].stride()
    cached_loader.close()
    source_loader.close()


def test_bytes_stay_bytes_and_held_out_examples_are_not_cached() -> None:
    source = make_dataset()
    (part,) = DeviceCache(source, CPU).parts
    assert part.keys() == {"raw"}
    assert part["raw"].dtype == torch.uint8
    assert part["raw"].shape == (41, 8, 8, 3)
    assert device_cache.stored_bytes(source) == part["raw"].nbytes
    assert torch.equal(part["raw"], source.take(source.train))


def test_only_gpus_with_free_memory_cache_the_examples(monkeypatch) -> None:
    source, gpu = make_dataset(), torch.device("cuda")
    assert cache_on_device(source, CPU) is source
    devices = []
    monkeypatch.setattr(device_cache, "DeviceCache", lambda source, device: devices.append(device) or "cached")
    for free, expected in (
        (4 * device_cache.stored_bytes(source), "cached"),
        (4 * device_cache.stored_bytes(source) - 1, source),
    ):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 10 * free))
        assert cache_on_device(source, gpu) is expected
    assert devices == [gpu]


def test_tensors_for_a_gpu_are_pinned(monkeypatch) -> None:
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    tensor = torch.ones(3)
    assert pin_for_device(tensor, torch.device("cuda")) is tensor
    assert len(pinned) == 1
    assert copy_to_device(tensor, CPU) is tensor
    assert pin_for_device(tensor.to("meta"), torch.device("cuda")).is_meta
    assert len(pinned) == 1, "neither tensors for a CPU nor tensors on a device"
