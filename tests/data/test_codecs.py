"""Codecs: samples to items and back, and the codec of a run on disk."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.data.codec import Codec, Items
from zerosum.data.codec_files import SETTINGS_FILE, TENSORS_FILE, load_codec, save_codec
from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.thumbnails import make_thumbnails
from zerosum.data.kind import DATA_KINDS
from zerosum.data.points.kind import PointCodec
from zerosum.data.summary import DatasetSummary
from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import Sample
from zerosum.run_folder import Json

SEED = torch.arange(4)


@dataclass(frozen=True)
class StandardizingCodec(Codec):
    """A codec that is fitted to its data, and whose samples are trees."""

    mean: Tensor
    name: str

    @property
    def spec(self) -> SampleSpec:
        return {"row": TensorSpec((3,)), "extra": {"bit": TensorSpec((1,), bounded=True)}}

    def encode(self, raw: Tensor) -> Sample:
        return {"row": raw - self.mean, "extra": {"bit": torch.ones(len(raw), 1)}}

    def decode(self, sample: Mapping[str, Tensor], seed: Tensor) -> Items:
        return (sample["row"] + self.mean).numpy()

    def embed(self, sample: Mapping[str, Tensor]) -> Tensor:
        return sample["row"]

    def settings(self) -> Mapping[str, Json]:
        return {"name": self.name}

    def tensors(self) -> Mapping[str, Tensor]:
        return {"mean": self.mean}


@pytest.fixture
def rows_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of data with a fitted codec."""
    kind = SimpleNamespace(
        restore_codec=lambda settings, tensors: StandardizingCodec(tensors["mean"], settings["name"])
    )
    monkeypatch.setattr(DATA_KINDS, "_loaded", {"rows": kind})


@dataclass(frozen=True, eq=False)
class DatasetWithInputs(Dataset):
    """A dataset whose inputs are trees."""

    @property
    def input_spec(self) -> SampleSpec:
        return {"mask": TensorSpec((3,), bounded=True), "known": {"row": TensorSpec((2, 5))}}


def dataset_of(codec: Codec, kind: str, cls: type[Dataset] = Dataset) -> Dataset:
    none = np.zeros(0, np.int64)
    return cls(none, none, (), none.astype(np.uint64), none, none, DatasetSummary("here", kind), codec)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_images_survive_a_round_trip(channels: int) -> None:
    codec = ImageCodec((channels, 8, 6))
    raw = torch.randint(0, 256, (4, 8, 6, channels), dtype=torch.uint8)
    sample = codec.encode(raw)
    assert codec.spec == TensorSpec((channels, 8, 6), bounded=True)
    assert tuple(sample.shape[1:]) == codec.spec.shape
    assert float(sample.abs().max()) <= 1
    assert (codec.decode(sample, SEED) == raw.numpy()).all()
    assert (codec.items(raw) == raw.numpy()).all()


def test_images_outside_their_range_are_clipped() -> None:
    decoded = ImageCodec((1, 1, 4)).decode(torch.tensor([[[[-3.0, 2.0, float("nan"), float("inf")]]]]), SEED[:1])
    assert decoded.flatten().tolist() == [0, 255, 128, 255]


def test_images_are_embedded_as_their_thumbnails() -> None:
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    embedded = ImageCodec((3, 32, 32)).embed(images)
    assert torch.equal(embedded, make_thumbnails(images).flatten(1))
    assert embedded.shape == (4, 3 * 16 * 16)


def test_points_survive_a_round_trip() -> None:
    codec, raw = PointCodec(2), torch.randn(4, 2)
    assert codec.spec == TensorSpec((2,), bounded=False)
    assert (codec.decode(codec.encode(raw), SEED) == raw.numpy()).all()
    assert (codec.items(raw) == raw.numpy()).all()
    assert torch.equal(codec.embed(raw.half()), raw.half().float())


def test_a_codec_has_no_conditions_and_nothing_fitted_by_default() -> None:
    codec = PointCodec(2)
    assert codec.condition_spec is None
    assert codec.draw_conditions(SEED, None) is None
    assert codec.tensors() == {}


@pytest.mark.parametrize(
    ("codec", "kind"), [(ImageCodec((3, 8, 8)), "images"), (ImageCodec((1, 8, 4)), "image-pairs"),
                        (PointCodec(5), "points")],
)  # fmt: skip
def test_a_codec_is_restored_from_its_file(tmp_path: Path, codec: Codec, kind: str) -> None:
    save_codec(dataset_of(codec, kind), tmp_path)
    assert load_codec(tmp_path) == (kind, codec, None)
    assert not (tmp_path / TENSORS_FILE).exists(), "nothing is fitted"


def test_a_fitted_codec_is_restored_with_its_tensors_and_trees(tmp_path: Path, rows_kind: None) -> None:
    codec = StandardizingCodec(torch.tensor([1.0, 2.0, 3.0]), "people")
    save_codec(dataset_of(codec, "rows", DatasetWithInputs), tmp_path)
    kind, restored, input_spec = load_codec(tmp_path)
    assert (kind, restored.name) == ("rows", "people")
    assert torch.equal(restored.mean, codec.mean)
    assert input_spec == dataset_of(codec, "rows", DatasetWithInputs).input_spec
    raw = torch.randn(4, 3)
    assert np.allclose(restored.decode(codec.encode(raw), SEED), raw, atol=1e-6)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "3", "{}", '{"kind": "images"}', '{"kind": "images", "settings": {}, "input_spec": null}',
     '{"kind": "images", "settings": {"shape": [3]}, "input_spec": null}',
     '{"kind": "images", "settings": {"shape": "abc"}, "input_spec": null}',
     '{"kind": "images", "settings": {"shape": [3, 8, 8]}, "input_spec": 5}',
     '{"kind": "images", "settings": {"shape": [3, 8, 8]}, "input_spec": [3]}',
     '{"kind": "images", "settings": 7, "input_spec": null}',
     '{"kind": "points", "settings": {"dimensions": null}, "input_spec": null}'],
)  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / SETTINGS_FILE).write_text(text)
    with pytest.raises(BadInput, match=rf"{SETTINGS_FILE} cannot be read .*restore it"):
        load_codec(tmp_path)


def test_missing_files_and_kinds_and_damaged_tensors_are_named(tmp_path: Path, rows_kind: None) -> None:
    with pytest.raises(BadInput, match=f"{SETTINGS_FILE} cannot be read"):
        load_codec(tmp_path)
    save_codec(dataset_of(StandardizingCodec(torch.ones(3), "people"), "rows"), tmp_path)
    (tmp_path / TENSORS_FILE).write_bytes(b"damaged")
    with pytest.raises(BadInput, match="cannot be read"):
        load_codec(tmp_path)
    (tmp_path / TENSORS_FILE).unlink()
    with pytest.raises(BadInput, match=f"{SETTINGS_FILE} cannot be read .*mean"):
        load_codec(tmp_path)
    content = json.loads((tmp_path / SETTINGS_FILE).read_text())
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(content | {"kind": "sounds"}))
    with pytest.raises(BadInput, match="there is no such kind of data"):
        load_codec(tmp_path)
