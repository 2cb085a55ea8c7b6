"""Taking, scaling and hashing examples, and the bundled digits."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from zerosum.data.dataset import Dataset
from zerosum.data.images.load import load_source
from zerosum.data.images.sources import BUNDLED_DATASETS
from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.data.points.config import PointDataConfig
from zerosum.game.sample_spec import TensorSpec


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSUM_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_source("digits", 32, 1, "pad")


def test_the_bundled_digits_are_mnist(digits: Dataset) -> None:
    assert digits.values.shape == (10_000, 32, 32, 1)
    assert digits.spec == TensorSpec((1, 32, 32), bounded=True)
    assert digits.classes == tuple("0123456789")
    assert np.bincount(digits.labels).tolist() == [1_000] * 10
    assert digits.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # as in the original file
    assert digits.summary.duplicates == 0
    # MNIST's mean is 0.1307 of 255; a tenth of the std 0.3081 over 7.84e6 pixels is far beyond chance.
    assert abs(digits.values[:, 2:-2, 2:-2].mean() / 255 - 0.1307) < 0.003
    assert (len(digits.train), len(digits.held_out)) == (9_042, 958)


def test_the_bundled_file_is_small_and_has_a_notice() -> None:
    path = BUNDLED_DATASETS["digits"]
    assert path.stat().st_size < 3e6
    assert (path.parent / "NOTICE.md").is_file()
    with np.load(path, allow_pickle=False) as archive:
        assert archive["images"].shape == (10_000, 28, 28)


def test_scaled_images_are_in_minus_one_to_one_and_channels_last(digits: Dataset) -> None:
    color = replace(digits, values=np.arange(256, dtype=np.uint8).reshape(1, 8, 8, 4)[..., :3].repeat(5, 0))
    raw = color.take(np.arange(5))
    scaled = color.codec.encode(raw)
    assert scaled.shape == (5, 3, 8, 8)
    assert scaled.dtype == torch.float32
    assert scaled.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(scaled.permute(0, 2, 3, 1) * 127.5 + 127.5, raw.float(), atol=1e-4)
    assert digits.codec.encode(torch.tensor([[[[0]], [[255]]]], dtype=torch.uint8)).flatten().tolist() == [-1.0, 1.0]
    assert (raw == color.take(np.arange(5))).all()


def test_take_copies_and_is_thread_safe(digits: Dataset) -> None:
    batches = [np.random.default_rng(seed).integers(0, len(digits), 64) for seed in range(40)]
    with ThreadPoolExecutor(4) as executor:
        taken = list(executor.map(digits.take, batches))
    assert all((batch.numpy() == digits.values[indices]).all() for batch, indices in zip(taken, batches, strict=True))
    before = digits.values[0].copy()
    digits.take(np.array([0])).fill_(7)
    assert (digits.values[0] == before).all()
    with pytest.raises(IndexError):
        digits.take(np.array([10_000]))


def test_the_fingerprint_depends_on_data_and_split_but_not_on_order(digits: Dataset) -> None:
    assert replace(digits, train=digits.train[::-1]).fingerprint == digits.fingerprint
    assert replace(digits, train=digits.train[1:]).fingerprint != digits.fingerprint
    swapped = replace(digits, train=digits.held_out, held_out=digits.train)
    assert swapped.fingerprint != digits.fingerprint
    assert replace(digits, content_hashes=digits.content_hashes + np.uint64(1)).fingerprint != digits.fingerprint


def test_points_are_not_scaled() -> None:
    ring = load_dataset(PointDataConfig(source="ring"), LoadOptions())
    assert ring.spec == TensorSpec((2,), bounded=False)
    raw = ring.take(np.array([3, 1]))
    assert raw.dtype == torch.float32
    assert (ring.samples(np.array([3, 1])) == torch.from_numpy(ring.values[[3, 1]])).all()
    assert len(ring.train) + len(ring.held_out) == 50_000
    assert 4_700 < len(ring.held_out) <= 5_000
    assert ring.summary.lines()[0] == "ring: 50,000 points"
