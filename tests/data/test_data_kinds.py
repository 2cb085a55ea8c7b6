"""Kinds of data: their registry, which settings each claims, and how each is found, loaded and compared."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from zerosum.data.config import DataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.kind import (
    DATA_KINDS,
    DataKind,
    Inspection,
    LoadOptions,
    builtin_datasets,
    claimed_kind,
    load_dataset,
    selected_kind,
)
from zerosum.data.points.config import PointDataConfig
from zerosum.data.points.kind import POINTS
from zerosum.data.registry import KindRegistry
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.media.kind import MEDIA_KINDS
from zerosum.run_folder import Json

MakeImages = Callable[..., list[Path]]
DIGITS = ImageDataConfig(source="digits", size=32, channels=1, fit="pad")
RING = PointDataConfig(source="ring")


class Tables(DataKind):
    """A kind of data with as little as a kind must have."""

    name, noun, builtin = "tables", "row", ("adult",)
    config = DataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        return 0.9 if str(table.get("source", "")).endswith(".csv") else 0.0

    def inspect(self, data: DataConfig) -> Inspection:
        return Inspection(data.source, 3)

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        raise BadInput(f"loaded {data.source} with {options.held_out_fraction}")

    def restore_codec(self, settings: Mapping[str, Json], tensors: object) -> None:
        raise AssertionError


@pytest.fixture
def with_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DATA_KINDS, "_loaded", {"tables": Tables()})


def test_a_registry_imports_what_is_looked_up() -> None:
    registry = KindRegistry[object]({"numbers": "math:pi", "letters": "no_such_module:letters"})
    assert list(registry) == ["numbers", "letters"]
    assert "letters" in registry
    assert registry.find("numbers") == pytest.approx(3.14159)
    with pytest.raises(ModuleNotFoundError):
        registry.find("letters")


def test_an_implementation_may_be_added_under_a_name_of_its_own() -> None:
    registry = KindRegistry[object]({"numbers": "math:pi"})
    registry.register("words", "first")
    registry.register("words", "second")  # a notebook cell that is run again
    assert (list(registry), registry.find("words")) == (["numbers", "words"], "second")
    for name in ("numbers", "words"):
        with pytest.raises(BadInput, match=f"`name` {name}: there is a kind of data of this name already"):
            registry.register(name, 3)
    assert (registry.find("numbers"), registry.find("words")) == (pytest.approx(3.14159), "second")


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    registry = KindRegistry[object]({"numbers": "math:pi"})
    registry.register("words", "first")
    assert "sounds" not in registry
    with pytest.raises(BadInput, match=r"`data.kind` sounds: .*choose one of numbers, words"):
        registry.find("sounds")


def test_each_kind_is_on_all_three_floors_under_its_name() -> None:
    assert list(DATA_KINDS) == list(EVALUATION_KINDS) == list(MEDIA_KINDS)
    for name in DATA_KINDS:
        kind = DATA_KINDS.find(name)
        assert kind.name == name
        assert kind.config.model_fields["kind"].default == name
        assert EVALUATION_KINDS.find(name)
        assert MEDIA_KINDS.find(name)
    assert builtin_datasets() == ["digits", "ring", "grid", "spiral"]


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ({}, "images"),
        ({"source": "folder"}, "images"),
        ({"source": "foldr"}, "images"),
        ({"source": "digits"}, "images"),
        ({"source": "ring"}, "points"),
        ({"source": "rnig"}, "images"),
        ({"source": "folder", "size": 32}, "images"),
        ({"source": "folder", "pairs": "paired"}, "image-pairs"),
        ({"source": "folder", "target_source": "other"}, "image-pairs"),
        ({"source": "foldr", "degrade": "gray"}, "image-pairs"),
        ({"source": "ring", "input": "A"}, "image-pairs"),
    ],
)
def test_settings_are_claimed_by_their_kind(
    table: dict[str, object], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert claimed_kind(table) == selected_kind(table) == kind
    assert selected_kind(table | {"kind": "points"}) == "points", "the user decides"


def test_a_folder_has_precedence_over_the_built_in_dataset_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ring").mkdir()
    monkeypatch.chdir(tmp_path)
    assert claimed_kind({"source": "ring"}) == "images"


def test_a_new_kind_claims_its_own_settings_only(with_tables: None) -> None:
    assert claimed_kind({"source": "people.csv"}) == "tables"
    assert claimed_kind({"source": "people"}) == "images"
    assert claimed_kind({"source": "people.csv", "pairs": "paired"}) == "image-pairs"
    assert builtin_datasets()[-1] == "adult"


def test_what_a_minimal_kind_leaves_out_is_refused_in_its_own_words(with_tables: None, tmp_path: Path) -> None:
    kind, data = DATA_KINDS.find("tables"), DataConfig(kind="tables", source="people.csv")
    with pytest.raises(BadInput, match=r"loaded people.csv with 0.1"):
        load_dataset(data, LoadOptions())
    with pytest.raises(BadInput, match=r"loaded people.csv with 0.0"):
        kind.load_like(data, None, LoadOptions(held_out_fraction=0.0, for_evaluation=True))
    with pytest.raises(BadInput, match=r"`real` people.csv: rows are not compared by their files"):
        kind.choose_common_settings({"real": "people.csv"}, {})
    with pytest.raises(BadInput, match=r"one.csv: a row is not a file of its own"):
        kind.load_file(data, tmp_path / "one.csv", None)
    assert kind.choose_settings({}, kind.inspect(data), True) == []


def test_images_are_loaded_with_the_symmetries_of_their_settings() -> None:
    assert load_dataset(DIGITS, LoadOptions()).symmetries == ()
    both = DIGITS.model_copy(update={"hflip": True, "rotate90": True})
    names = [symmetry.__name__ for symmetry in load_dataset(both, LoadOptions()).symmetries]
    assert names == ["random_hflip", "random_rotate90"]


def test_an_inspection_is_not_repeated_when_its_data_are_loaded(
    tmp_path: Path, make_images: MakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_images(tmp_path / "d", 20)
    kind, data = DATA_KINDS.find("images"), ImageDataConfig(source=str(tmp_path / "d"), size=8, channels=3, fit="crop")
    inspection = kind.inspect(data)
    monkeypatch.setattr("zerosum.data.images.load.resolve_source", lambda source: pytest.fail("listed again"))
    assert len(kind.load(data, LoadOptions(), inspection)) == 20


def test_other_images_are_loaded_in_the_format_of_a_run(tmp_path: Path, make_images: MakeImages) -> None:
    for name in ("a", "b"):
        make_images(tmp_path / name, 20, seed=ord(name))
    data = ImageDataConfig(source=str(tmp_path / "a"), size=8, channels=3, fit="crop")
    kind, dataset = DATA_KINDS.find("images"), load_dataset(data, LoadOptions())
    evaluated = LoadOptions(held_out_fraction=0.0, for_evaluation=True)
    other = kind.load_like(data.with_source(str(tmp_path / "b")), dataset, evaluated)
    assert (other.spec, len(other.train), len(other.held_out)) == (dataset.spec, 20, 0)
    with pytest.raises(BadInput, match="do not have the form of those that the run was trained on"):
        kind.load_like(data.model_copy(update={"size": 16}), dataset, evaluated)


def test_points_are_the_same_every_time_and_compared_with_their_own_only() -> None:
    ring = POINTS.load(RING, LoadOptions())
    assert ring.fingerprint == POINTS.load(RING, LoadOptions()).fingerprint
    assert len(POINTS.load(RING, LoadOptions(held_out_fraction=0.0)).held_out) == 0
    assert POINTS.inspect(RING).count == len(ring)
    with pytest.raises(BadInput, match="compared with its own"):
        POINTS.load_like(RING, ring, LoadOptions())
    for action in (POINTS.inspect, lambda data: POINTS.load(data, LoadOptions())):
        with pytest.raises(BadInput, match=r"`data.source` rnig: .*choose one of ring, grid, spiral"):
            action(RING.with_source("rnig"))


def test_an_image_file_is_loaded_as_a_sample_of_a_run(tmp_path: Path, make_images: MakeImages) -> None:
    (file,) = make_images(tmp_path, 1, size=(8, 8))
    kind, dataset = DATA_KINDS.find("images"), load_dataset(DIGITS, LoadOptions())
    sample = kind.load_file(DIGITS, file, dataset.codec)
    assert tuple(sample.shape) == (1, 1, 32, 32)
    assert -1 <= float(sample.min()) < float(sample.max()) <= 1
    with pytest.raises(BadInput, match="a point is not a file of its own"):
        POINTS.load_file(RING, file, POINTS.load(RING, LoadOptions()).codec)


def test_the_sources_of_settings_are_replaced_together() -> None:
    pairs = ImagePairDataConfig(source="a", target_source="b", channels=3, input_channels=1, pairs="unpaired")
    assert pairs.sources == {"source": "a", "target_source": "b"}
    assert pairs.with_source("c").sources == {"source": "c"}
    assert ImageDataConfig().sources == {}
    backward = pairs.reversed()
    assert (backward.sources, backward.channels, backward.input_channels) == (
        {"source": "b", "target_source": "a"}, 1, 3,
    )  # fmt: skip
    assert backward.reversed() == pairs
    assert pairs.as_paired().has_targets
    folders = ImagePairDataConfig(source="a", input="X", target="Y").reversed()
    assert (folders.source, folders.input, folders.target) == ("a", "Y", "X")
    assert RING.reversed() == RING.as_paired() == RING
    assert not RING.has_inputs
    assert not RING.has_targets


def test_the_settings_of_pairs_that_exclude_each_other_are_refused() -> None:
    for settings, message in (
        ({"degrade": "gray", "pairs": "unpaired"}, "`data.degrade`: makes pairs, and this game is unpaired"),
        ({"degrade": "gray", "target_source": "b"}, "leave out the second folder b"),
        ({"degrade": "gray", "input_channels": 1}, "`data.input_channels`: the degradations decide it"),
        ({"degrade": "graay"}, "graay"),
        ({"target_source": "b", "input": "X"}, "`data.input` and `data.target` name subfolders of one folder"),
        ({"pairs": "none"}, "'paired' or 'unpaired'"),
    ):
        with pytest.raises(ValueError, match=message):
            ImagePairDataConfig.model_validate({"source": "a"} | settings)
    assert ImagePairDataConfig.model_validate({"degrade": " gray,down2 "}).degrade == ("gray", "down2")


def test_the_example_of_a_summary_is_read_back() -> None:
    for dataset in (load_dataset(DIGITS, LoadOptions()), load_dataset(RING, LoadOptions())):
        summary = dataset.summary
        assert type(summary).from_dict(summary.as_dict()) == summary
        assert summary.as_dict()["count"] == len(dataset) == summary.count
        assert summary.kind in DATA_KINDS
        assert np.isclose(summary.held_out / summary.count, 0.1, atol=0.01)
