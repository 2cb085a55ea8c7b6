"""How each kind of data is evaluated: its features, its networks' inputs, and scores of its own."""

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.data.codec import Codec, Items
from zerosum.data.config import DataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.data.kind import DATA_KINDS, DataKind, Inspection, LoadOptions, load_dataset
from zerosum.data.points.config import PointDataConfig
from zerosum.data.points.kind import PointCodec
from zerosum.data.registry import KindRegistry
from zerosum.data.summary import DatasetSummary
from zerosum.errors import BadInput
from zerosum.evaluation.evaluator import feature_network, open_feature_extractor, run_evaluation, train_classifier
from zerosum.evaluation.features.values import ValueFeatures
from zerosum.evaluation.kinds import images
from zerosum.evaluation.kinds.base import EVALUATION_KINDS, EvaluationKind
from zerosum.evaluation.metrics.base import ItemMetric
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet, decode_finite
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import Sample
from zerosum.reporter import SilentReporter

CPU = torch.device("cpu")
IMAGES, PAIRS, POINTS = (EVALUATION_KINDS.find(name) for name in ("images", "image-pairs", "points"))
OPTIONS = EvaluationOptions("values", None, 0, float("inf"), "held-out", 100, 5, "ema")


class CircleCodec(Codec):
    """Angles are unit vectors to networks."""

    @property
    def spec(self) -> SampleSpec:
        return TensorSpec((2,), bounded=True)

    def encode(self, raw: Tensor) -> Tensor:
        return torch.stack([raw.cos(), raw.sin()], 1)

    def decode(self, sample: Tensor, seed: Tensor) -> Items:
        return np.asarray(torch.atan2(sample[:, 1], sample[:, 0]).numpy())

    def embed(self, sample: Tensor) -> Tensor:
        return sample.float().cpu()


class Circle(DataKind):
    """Angles, a kind of data of these tests."""

    name, noun = "angles", "angle"

    @property
    def config(self) -> type[DataConfig]:
        return DataConfig

    def claims(self, table: object) -> float:
        return 0.0

    def inspect(self, data: DataConfig) -> Inspection:
        return Inspection(data.source, 400)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        angles = np.random.default_rng(0).uniform(-3, 3, 400).astype(np.float32)
        keys, indices = np.arange(400, dtype=np.uint64), np.arange(400)
        summary = DatasetSummary("circle", self.name, 400)
        labels = np.zeros(400, np.int64)
        return Dataset(angles, labels, (), keys, indices[:200], indices[200:], summary, CircleCodec())

    def restore_codec(self, settings: object, tensors: object) -> CircleCodec:
        return CircleCodec()


class CircleEvaluation(EvaluationKind):
    """Angles are compared as unit vectors, and by the fraction of negative ones."""

    metrics = (
        ItemMetric(
            "sign",
            "difference of the fraction of negative {noun}s",
            lambda c: Score(float(abs((c.generated < 0).mean() - (c.real < 0).mean()))),
            lower_is_better=True,
        ),
    )

    def network_input(self, items: Items, device: torch.device, codec: Codec) -> Tensor:
        return CircleCodec().encode(torch.from_numpy(items).to(device))


@pytest.fixture
def angles(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset of a kind that is registered for one test."""
    for registry, implementation in ((DATA_KINDS, Circle()), (EVALUATION_KINDS, CircleEvaluation())):
        monkeypatch.setattr(registry, "_loaded", {**vars(registry)["_loaded"]})
        registry.register("angles", implementation)
    return load_dataset(DataConfig(kind="angles"), LoadOptions())


def make_images(size: int = 4, classes: tuple[str, ...] = ()) -> Dataset:
    values = np.random.default_rng(0).integers(0, 256, (6, size, size, 3), dtype=np.uint8)
    indices, summary = np.arange(6), ImageSummary("photos", "images", 6, fit="crop")
    labels = np.zeros(6, np.int64)
    codec = ImageCodec((3, size, size))
    return Dataset(values, labels, classes, indices.astype(np.uint64), indices, indices[:0], summary, codec)


def test_every_kind_of_data_has_an_evaluation() -> None:
    assert list(EVALUATION_KINDS) == list(DATA_KINDS)
    assert isinstance(EVALUATION_KINDS, KindRegistry)
    with pytest.raises(BadInput, match=r"`data.kind` sounds: there is no such kind"):
        EVALUATION_KINDS.find("sounds")


def test_default_features(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [kind.default_features() for kind in (IMAGES, PAIRS, POINTS, EvaluationKind())] == [
        "lite0", "lite0", "pixels", "values",
    ]  # fmt: skip
    assert [kind.online_features("") for kind in (IMAGES, POINTS, EvaluationKind())] == ["lite0", "none", "none"]
    assert IMAGES.online_features("lite0") == "pixels", "the generator is trained on features of lite0"
    assert IMAGES.unbiased_features(make_images(classes=("a", "b"))) == "classifier"
    assert IMAGES.unbiased_features(make_images()) == "pixels"
    monkeypatch.setattr(images, "is_lite0_installed", lambda: False)
    assert IMAGES.online_features("") == "none"
    with pytest.raises(BadInput, match="the default feature network lite0 is not installed"):
        IMAGES.default_features()


def test_bytes_of_images_become_values_of_networks() -> None:
    dataset = make_images()
    items = dataset.items(np.arange(6))
    assert items.dtype == np.uint8
    assert torch.equal(IMAGES.network_input(items, CPU, dataset.codec), dataset.samples(np.arange(6)))
    assert IMAGES.describe(dataset) == "4x4 RGB, fit by crop"


def test_points_are_compared_as_they_are() -> None:
    dataset = load_dataset(PointDataConfig(source="ring"), LoadOptions())
    items = dataset.items(np.arange(6))
    assert torch.equal(POINTS.network_input(items, CPU, dataset.codec), torch.from_numpy(items))
    assert POINTS.describe(dataset) == "points"
    network = feature_network("pixels", dataset, CPU, SilentReporter())
    assert torch.equal(network(torch.from_numpy(items)).features, torch.from_numpy(items))
    assert isinstance(dataset.codec, PointCodec)


def test_networks_for_images_are_refused_for_points() -> None:
    dataset = load_dataset(PointDataConfig(source="ring"), LoadOptions())
    with pytest.raises(BadInput, match=r"`evaluation.features` lite0: .* for the points of ring; choose one of pixels"):
        feature_network("lite0", dataset, CPU, SilentReporter(), "evaluation.features")
    with pytest.raises(BadInput, match="there is no classifier of the points of ring"):
        feature_network("classifier", dataset, CPU, SilentReporter())
    assert train_classifier(dataset, CPU, SilentReporter()) is None


def test_a_new_kind_is_evaluated_by_its_values_and_its_own_scores(angles: Dataset) -> None:
    """A perfect generator scores like the floor; one that generates only positive angles misses half of them."""
    kind = EVALUATION_KINDS.find("angles")
    assert kind.default_features() == "values"
    assert kind.describe(angles) == "angles"
    network = kind.load_features("values", angles, CPU, "features")
    assert isinstance(network, ValueFeatures)
    real, train = (RealSet.from_dataset(angles, part, "angles") for part in (angles.held_out, angles.train))
    scores = {}
    for name, items in (("perfect", train.take(np.arange(200))), ("positive", np.abs(train.take(np.arange(200))))):
        generated = GeneratedSet(lambda start, count, items=items: items[start : start + count], 200, "the samples")
        task = EvaluationTask(generated, real, train, None, None, "held-out")
        with open_feature_extractor(network, angles, CPU) as extractor:
            result, features = run_evaluation(task, OPTIONS, extractor, None, SilentReporter())
        assert features["generated"].features.num_columns == 2
        scores[name] = result.scores
    assert scores["perfect"]["sign"].score.value == scores["perfect"]["sign"].floor.value
    assert scores["positive"]["sign"].score.value > 0.4
    assert scores["positive"]["sign"].metric.lower_is_better
    assert scores["positive"]["kid"].score.value > 5 * abs(scores["positive"]["kid"].floor.value)


@pytest.mark.parametrize("is_tree", [False, True])
def test_samples_that_are_not_finite_are_not_evaluated(is_tree: bool) -> None:
    """In no tensor of a tree."""
    broken = torch.tensor([[0.0, torch.nan]])
    sample: Sample = {"first": torch.zeros(1, 2), "second": {"inner": broken}} if is_tree else broken
    with pytest.raises(BadInput, match="some samples are not finite"):
        decode_finite(CircleCodec(), sample, torch.zeros(1, dtype=torch.int64))
