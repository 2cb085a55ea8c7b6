"""From images to features: neither the order of images, the blocks, the cache nor ranks change a number."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data import cache
from zerosum.data.dataset import Dataset
from zerosum.data.images.summary import DatasetSummary
from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.extract import FeatureExtractor
from zerosum.evaluation.features.table import BLOCK_ROWS
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet

WORKER = Path(__file__).parent / "extract_worker.py"


class Net:
    """A small convolution with a head, which counts what it is shown."""

    name, version, resize, steady = "net", "0badf00d", "as they are", True

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = torch.nn.Conv2d(1, 24, 3, 2, 1)
        self.shown = 0

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> FeatureOutput:
        self.shown += len(images)
        features = self.body(images).relu().mean((2, 3))
        return FeatureOutput(features, features.softmax(1))


def examples(n: int = 2 * BLOCK_ROWS + 100, seed: int = 0) -> Dataset:
    dice = np.random.default_rng(seed)
    values = dice.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    keys = dice.permutation(np.arange(n, dtype=np.uint64) * 7919)
    everything = np.arange(n)
    summary = DatasetSummary("noise", "images", images=n)
    return Dataset(values, np.zeros(n, np.int64), (), keys, everything, everything[:0], summary)


def see(items, folder: Path, keep: bool = False, net: Net | None = None):
    return FeatureExtractor(net or Net(), torch.device("cpu"), folder).extract(items, keep)


def whole(table) -> torch.Tensor:
    return torch.cat(list(table.blocks()))


def test_features_are_the_networks_own(tmp_path: Path) -> None:
    data = examples()
    seen = see(RealSet.from_dataset(data, data.train, "noise"), tmp_path)
    order = np.argsort(data.keys)
    straight = Net()(data.scale(data.take(order)))
    assert len(seen) == len(data)
    torch.testing.assert_close(whole(seen.features), straight.features, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(whole(seen.probabilities), straight.probabilities, rtol=1e-5, atol=1e-6)


def test_the_order_of_the_images_changes_no_bit(tmp_path: Path) -> None:
    data = examples()
    shuffled = np.random.default_rng(1).permutation(data.train)
    one, other = (see(RealSet.from_dataset(data, chosen, "noise"), tmp_path) for chosen in (data.train, shuffled))
    assert torch.equal(whole(one.features), whole(other.features))


def test_what_is_kept_is_not_seen_again_and_is_the_same(tmp_path: Path) -> None:
    data, net = examples(seed=2), Net()
    real = RealSet.from_dataset(data, data.train, "noise")
    fresh = see(real, tmp_path, keep=True, net=net)
    shown = net.shown
    again = see(real, tmp_path, keep=True, net=net)
    assert net.shown == shown
    assert torch.equal(whole(fresh.features), whole(again.features))
    assert torch.equal(whole(fresh.probabilities), whole(again.probabilities))
    more = RealSet.from_dataset(data, data.train[::-1], "noise").head(BLOCK_ROWS)
    assert torch.equal(whole(see(more, tmp_path, keep=True, net=net).features), whole(fresh.features.head(BLOCK_ROWS)))
    assert net.shown == shown
    changed = Net()
    changed.version = "other"
    see(real, tmp_path, keep=True, net=changed)
    assert changed.shown > 0


def test_a_cache_that_cannot_be_written_costs_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file" / "cache"))
    data = examples(100)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert len(see(RealSet.from_dataset(data, data.train, "noise"), scratch, keep=True)) == 100


def test_kept_features_make_room_like_decoded_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    data = examples(BLOCK_ROWS, seed=3)
    see(RealSet.from_dataset(data, data.train, "noise"), tmp_path, keep=True)
    assert len(list(cache.root().iterdir())) == 1
    cache.prune(0.0, keep_key="another")
    assert not list(cache.root().iterdir())


def test_samples_are_brought_to_bytes_and_must_be_numbers(tmp_path: Path) -> None:
    made = GeneratedSet(
        lambda first, n: torch.linspace(-1, 1, 64).view(1, 1, 8, 8).expand(n, 1, 8, 8) + first * 0, 70, "them"
    )
    assert made.take(np.arange(3)).dtype == np.uint8
    assert len(see(made, tmp_path)) == 70
    broken = GeneratedSet(lambda first, n: torch.full((n, 1, 8, 8), torch.nan), 70, "the samples of it")
    with pytest.raises(BadInput, match="the samples of it: some are not finite"):
        see(broken, tmp_path)


def test_two_ranks_see_what_one_process_sees(tmp_path: Path) -> None:
    def run(*start: str) -> torch.Tensor:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "ZEROSUM_CACHE": str(tmp_path / "cache")}
        out = tmp_path / f"seen{len(start)}.pt"
        command = [sys.executable, *start, str(WORKER), str(out)]
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=120)
        return torch.load(out, weights_only=True)

    one = run()
    two = run("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29617")
    assert one["scores"] == two["scores"]
    assert torch.equal(one["features"], two["features"])
