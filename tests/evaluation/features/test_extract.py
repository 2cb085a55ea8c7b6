"""Feature extraction: the order of images, blocks, the cache and the number of ranks change no value."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from fork_server import RunOn
from zerosum.data import cache
from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.extract import FeatureExtractor, FeatureSet
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable
from zerosum.evaluation.kinds.images import IMAGE_EVALUATION
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet, SampleSet, decode_finite

WORKER = Path(__file__).parent / "extract_worker.py"
CODEC = ImageCodec((1, 8, 8))


class CountingNetwork:
    """A small convolution with a head that counts the images it gets."""

    name, version, resize_mode, is_cacheable = "net", "0badf00d", "unchanged", True

    def __init__(self) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.body = torch.nn.Conv2d(1, 24, 3, 2, 1)
        self.num_images = 0

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> FeatureOutput:
        self.num_images += len(images)
        features = self.body(images).relu().mean((2, 3))
        return FeatureOutput(features, features.softmax(1))


def make_dataset(n: int = 2 * BLOCK_ROWS + 100, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    keys = rng.permutation(np.arange(n, dtype=np.uint64) * 7919)
    indices = np.arange(n)
    summary = ImageSummary("noise", "images", n)
    return Dataset(values, np.zeros(n, np.int64), (), keys, indices, indices[:0], summary, CODEC)


def extract(
    sample_set: SampleSet, folder: Path, use_cache: bool = False, network: CountingNetwork | None = None
) -> FeatureSet:
    extractor = FeatureExtractor(
        network or CountingNetwork(), partial(IMAGE_EVALUATION.network_input, codec=CODEC), torch.device("cpu"), folder
    )
    return extractor.extract(sample_set, use_cache)


def to_tensor(table: FeatureTable) -> torch.Tensor:
    return torch.cat(list(table.blocks()))


def test_features_equal_the_output_of_the_network(tmp_path: Path) -> None:
    dataset = make_dataset()
    feature_set = extract(RealSet.from_dataset(dataset, dataset.train, "noise"), tmp_path)
    order = np.argsort(dataset.content_hashes)
    expected = CountingNetwork()(dataset.samples(order))
    assert len(feature_set) == len(dataset)
    torch.testing.assert_close(to_tensor(feature_set.features), expected.features, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(to_tensor(feature_set.probabilities), expected.probabilities, rtol=1e-5, atol=1e-6)


def test_order_of_images_changes_no_bit(tmp_path: Path) -> None:
    dataset = make_dataset()
    shuffled = np.random.default_rng(1).permutation(dataset.train)
    first, second = (
        extract(RealSet.from_dataset(dataset, indices, "noise"), tmp_path) for indices in (dataset.train, shuffled)
    )
    assert torch.equal(to_tensor(first.features), to_tensor(second.features))


def test_cached_features_are_not_computed_again_and_are_the_same(tmp_path: Path) -> None:
    dataset, network = make_dataset(seed=2), CountingNetwork()
    real = RealSet.from_dataset(dataset, dataset.train, "noise")
    computed = extract(real, tmp_path, use_cache=True, network=network)
    num_images = network.num_images
    cached = extract(real, tmp_path, use_cache=True, network=network)
    assert network.num_images == num_images
    assert torch.equal(to_tensor(computed.features), to_tensor(cached.features))
    assert torch.equal(to_tensor(computed.probabilities), to_tensor(cached.probabilities))
    first_block = RealSet.from_dataset(dataset, dataset.train[::-1], "noise").head(BLOCK_ROWS)
    cached = extract(first_block, tmp_path, use_cache=True, network=network)
    assert torch.equal(to_tensor(cached.features), to_tensor(computed.features.head(BLOCK_ROWS)))
    assert network.num_images == num_images
    other_network = CountingNetwork()
    other_network.version = "other"
    extract(real, tmp_path, use_cache=True, network=other_network)
    assert other_network.num_images > 0


@pytest.mark.parametrize("name", ["features.npy", "probabilities.npy", "features.json"])
def test_cached_features_that_are_cut_or_missing_are_computed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    dataset, network = make_dataset(BLOCK_ROWS, seed=4), CountingNetwork()
    real = RealSet.from_dataset(dataset, dataset.train, "noise")
    computed = extract(real, tmp_path, use_cache=True, network=network)
    [entry] = cache.root().iterdir()
    whole = (entry / name).read_bytes()
    for content in (b"", b"[]", whole[: len(whole) // 2], None):
        (entry / name).unlink()
        if content is not None:
            (entry / name).write_bytes(content)
        num_images = network.num_images
        again = extract(real, tmp_path, use_cache=True, network=network)
        assert network.num_images == num_images + BLOCK_ROWS
        assert (entry / name).read_bytes() == whole
        assert torch.equal(to_tensor(again.features), to_tensor(computed.features))
        assert torch.equal(to_tensor(again.probabilities), to_tensor(computed.probabilities))


def test_an_unwritable_cache_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file" / "cache"))
    dataset = make_dataset(100)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert len(extract(RealSet.from_dataset(dataset, dataset.train, "noise"), scratch, use_cache=True)) == 100


def test_cached_features_are_pruned_like_other_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    dataset = make_dataset(BLOCK_ROWS, seed=3)
    extract(RealSet.from_dataset(dataset, dataset.train, "noise"), tmp_path, use_cache=True)
    assert len(list(cache.root().iterdir())) == 1
    cache.prune(0.0, keep_key="another")
    assert not list(cache.root().iterdir())


def test_samples_are_rounded_to_bytes_and_must_be_finite(tmp_path: Path) -> None:
    ramp = torch.linspace(-1, 1, 64).view(1, 1, 8, 8)
    seeds = torch.arange(70)

    def make_set(images: torch.Tensor) -> GeneratedSet:
        return GeneratedSet(
            lambda start, count: decode_finite(CODEC, images.expand(count, 1, 8, 8), seeds[start : start + count]),
            70, "the samples",
        )  # fmt: skip

    generated = make_set(ramp)
    assert generated.take(np.arange(3)).dtype == np.uint8
    assert len(extract(generated, tmp_path)) == 70
    with pytest.raises(BadInput, match="some samples are not finite"):
        extract(make_set(ramp * torch.nan), tmp_path)


def test_two_ranks_extract_the_same_features_as_one_process(tmp_path: Path, run_on: RunOn) -> None:
    outputs, environment = {}, {"ZEROSUM_CACHE": str(tmp_path / "cache")}
    for ranks in (1, 2):
        result = run_on(ranks, WORKER, tmp_path / f"{ranks}.pt", cwd=tmp_path, environment=environment)
        assert result.returncode == 0, result.stderr
        outputs[ranks] = torch.load(tmp_path / f"{ranks}.pt", weights_only=True)
    one_process, two_ranks = outputs[1], outputs[2]
    assert one_process["scores"] == two_ranks["scores"]
    assert torch.equal(one_process["features"], two_ranks["features"])
