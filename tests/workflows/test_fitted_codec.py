"""What a kind of data has fitted is kept in the run folder, and every later step uses it instead of fitting again."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import zerosum
from zerosum.data.codec import Codec, Items
from zerosum.data.codec_files import load_codec
from zerosum.data.config import DataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.kind import DATA_KINDS, DataKind, Inspection, LoadOptions
from zerosum.data.split import split_by_content
from zerosum.data.summary import DatasetSummary
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.base import EVALUATION_KINDS, EvaluationKind
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.load import read_recipe
from zerosum.media.kind import MEDIA_KINDS
from zerosum.media.points import PointMedia
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Json, RunFolder
from zerosum.workflows.run_data import read_run_data


@dataclass(frozen=True)
class ScaleCodec(Codec):
    """Divides pairs of numbers by a scale that is fitted."""

    scale: Tensor

    @property
    def spec(self) -> TensorSpec:
        return TensorSpec((2,))

    def encode(self, raw: Tensor) -> Tensor:
        return raw / self.scale.to(raw.device)

    def decode(self, sample: Tensor, seed: Tensor) -> Items:
        return (sample.cpu() * self.scale).numpy()

    def embed(self, sample: Tensor) -> Tensor:
        return sample.detach().float().cpu()

    def tensors(self) -> Mapping[str, Tensor]:
        return {"scale": self.scale}


class Unsteady(DataKind):
    """Data whose codec is fitted to another scale each time, as that of an encoder on a GPU is in its last digits."""

    name, noun, builtin, variants, config = "unsteady", "pair", ("unsteady",), ("points",), DataConfig
    fits, shift = 0, 0.0
    known: Codec | None = None

    def claims(self, table: Mapping[str, object]) -> float:
        return float(table.get("source") == "unsteady")

    def inspect(self, data: DataConfig) -> Inspection:
        return Inspection(data.source, 400)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        type(self).fits += 1
        type(self).known = options.codec
        values = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
        hashes = np.arange(400, dtype=np.uint64) << np.uint64(55)
        train, held_out = split_by_content(hashes, options.held_out_fraction)
        summary = DatasetSummary(data.source, self.name, 400, {}, len(train), len(held_out))
        codec = ScaleCodec(torch.tensor([1.0 + self.fits]))
        conditions = values + np.float32(self.shift)
        return Dataset(
            values, np.zeros(400, np.int64), (), hashes, train, held_out, summary, codec, conditions=conditions
        )

    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> ScaleCodec:
        return ScaleCodec(tensors["scale"])


@pytest.fixture(autouse=True)
def unsteady(monkeypatch: pytest.MonkeyPatch) -> None:
    Unsteady.fits, Unsteady.shift, Unsteady.known = 0, 0.0, None
    for registry, kind in (
        (DATA_KINDS, Unsteady()), (EVALUATION_KINDS, EvaluationKind()), (MEDIA_KINDS, PointMedia()),
    ):  # fmt: skip
        monkeypatch.setitem(registry._loaded, "unsteady", kind)


def train(path: Path) -> zerosum.Run:
    return zerosum.train("unsteady", recipe="vanilla", examples=2_048, run=path, settings={"diagnostics.probe": False})


def test_a_run_keeps_its_codec_when_it_is_resumed_and_evaluated(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    fitted = load_codec(run.path).codec.tensors()["scale"]
    assert Unsteady.known is None
    zerosum.resume(run.path, examples=4_096)
    assert torch.equal(load_codec(run.path).codec.tensors()["scale"], fitted)
    folder = RunFolder.open(run.path)
    dataset = read_run_data(folder, read_recipe(folder), SilentReporter())
    assert Unsteady.fits > 1, "the data were read again"
    assert Unsteady.known is not None, "with the codec, by which tables are read"
    assert torch.equal(dataset.codec.tensors()["scale"], fitted)
    assert zerosum.evaluate(run.path, num_samples=40, copy_candidates=40)["scores"]


def test_samples_are_decoded_by_the_codec_of_the_run(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    generator = zerosum.load(run.path)
    samples = generator.sample(5, seed=1)
    np.testing.assert_allclose(
        generator.decode(samples, 1), samples.numpy() * generator.codec.tensors()["scale"].numpy()
    )


def test_other_conditions_are_other_data(tmp_path: Path) -> None:
    run = train(tmp_path / "run")
    Unsteady.shift = 3.0
    with pytest.raises(BadInput, match="has changed since"):
        zerosum.resume(run.path, examples=4_096)
