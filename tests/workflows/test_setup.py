"""`TrainingSetup`: what it refuses, and the records that it writes about a run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data.codec_files import load_codec
from zerosum.data.dataset import Dataset
from zerosum.data.image_pairs.config import ImagePairDataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.load import read_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import SilentReporter
from zerosum.run_folder import FORMAT_VERSION, RunFolder
from zerosum.workflows.data_record import build_data_record
from zerosum.workflows.setup import TrainingSetup, build_recipe_record, reload_dataset


def setup_of(recipe: Recipe, **training: object) -> TrainingSetup:
    changed = recipe.model_copy(update={"training": recipe.training.model_copy(update=training)})
    return TrainingSetup.create(changed, torch.device("cpu"), (), SilentReporter())


@pytest.fixture(scope="module")
def recipe(trained_ring: Path) -> Recipe:
    return read_recipe(RunFolder(trained_ring))


@pytest.fixture(scope="module")
def dataset(recipe: Recipe) -> Dataset:
    return setup_of(recipe).load_dataset_on_ranks(recipe.data)


def test_a_batch_that_cannot_be_divided_is_refused(recipe: Recipe) -> None:
    assert setup_of(recipe, batch_size=8, accumulate=4).accelerator.accumulate == 4
    with pytest.raises(BadInput, match=r"`training\.batch_size` 10: 1 processes.*multiple of 4, at least 8"):
        setup_of(recipe, batch_size=10, accumulate=4)
    with pytest.raises(BadInput):  # a micro-batch of one example
        setup_of(recipe, batch_size=4, accumulate=4)


def test_a_batch_far_larger_than_the_dataset_is_refused(recipe: Recipe) -> None:
    with pytest.raises(BadInput, match=r"`training\.batch_size`"):
        setup_of(recipe, batch_size=1_000_000).load_dataset_on_ranks(recipe.data)


def test_a_conditional_recipe_needs_classes(recipe: Recipe, trained_digits: Path) -> None:
    conditional = read_recipe(RunFolder(trained_digits))
    with pytest.raises(BadInput, match="has no classes"):
        setup_of(conditional.model_copy(update={"data": recipe.data})).load_dataset_on_ranks(recipe.data)


def test_another_precision_changes_only_the_precision(recipe: Recipe) -> None:
    setup = setup_of(recipe)
    changed = setup.with_precision("bfloat16")
    assert (changed.accelerator.dtype, setup.accelerator.dtype) == (torch.bfloat16, torch.float32)
    training = changed.recipe.training
    assert (training.precision, training.compile) == ("bfloat16", "never")
    assert training.model_copy(update={"precision": "float32"}) == recipe.training


def test_the_records_describe_the_run(recipe: Recipe, dataset: Dataset) -> None:
    record = build_recipe_record(recipe, torch.device("cpu"), dataset)
    metadata = record.pop("metadata")
    assert Recipe.model_validate(record) == recipe
    assert metadata["format"] == FORMAT_VERSION
    assert metadata["device"] == "cpu"
    data = build_data_record(recipe, dataset)
    assert (data["fingerprint"], data["sources"]) == (dataset.fingerprint, {"source": "ring"})
    assert (data["kind"], data["has_inputs"], data["bounded"], data["augmentation"]) == ("points", False, False, "none")


def test_the_records_of_images_and_of_pairs(trained_digits: Path, trained_pairs: Path) -> None:
    """What the report and the rules of the diagnosis know of the data."""
    digits, pairs = (RunFolder(run).read_json("data.json") for run in (trained_digits, trained_pairs))
    assert (digits["kind"], digits["has_inputs"], digits["bounded"], digits["augmentation"]) == (
        "images", False, True, "ada",
    )  # fmt: skip
    assert (pairs["kind"], pairs["has_inputs"], pairs["bounded"], pairs["augmentation"]) == (
        "image-pairs", True, True, "none",
    )  # fmt: skip


def test_a_run_keeps_the_codec_of_its_data(trained_ring: Path, trained_digits: Path, trained_pairs: Path) -> None:
    points, digits, pairs = (load_codec(run) for run in (trained_ring, trained_digits, trained_pairs))
    assert (points.kind, points.codec.spec, points.input_spec) == ("points", TensorSpec((2,)), None)
    assert (digits.kind, digits.codec.spec, digits.input_spec) == (
        "images",
        TensorSpec((1, 32, 32), bounded=True),
        None,
    )
    image = TensorSpec((3, 16, 16), bounded=True)
    assert (pairs.kind, pairs.codec.spec, pairs.input_spec) == ("image-pairs", image, image)


def test_sources_are_absolute_paths_or_names_of_built_in_datasets(
    recipe: Recipe, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for source, target_source in (("photos", "ring"), ("ring", "photos"), ("photos", "")):
        settings = ImagePairDataConfig(source=source, target_source=target_source)
        record = build_data_record(recipe.model_copy(update={"data": settings}), dataset)
        absolute = {"photos": str(tmp_path.resolve() / "photos"), "ring": "ring"}
        given = {"source": source, "target_source": target_source}
        assert record["sources"] == {name: absolute[path] for name, path in given.items() if path}


def test_the_record_of_a_conditional_run_has_its_classes(trained_digits: Path) -> None:
    metadata = RunFolder(trained_digits).read_toml("recipe.toml")["metadata"]
    assert metadata["classes"] == list("0123456789")
    assert sum(metadata["class_priors"]) == pytest.approx(1)


def test_the_loader_serves_batches_of_the_training_set(recipe: Recipe, dataset: Dataset) -> None:
    loader = setup_of(recipe, batch_size=12, accumulate=2).build_loader(dataset)
    real = next(loader)["real"]
    loader.close()
    assert real.shape == (6, 2)
    held_out = dataset.values[dataset.held_out]
    assert not any(np.array_equal(row, other) for row in real.numpy() for other in held_out)


def test_data_that_have_changed_are_refused(recipe: Recipe, dataset: Dataset, ring_run: Path) -> None:
    setup, folder = setup_of(recipe), RunFolder(ring_run)
    assert reload_dataset(setup, folder, recipe).fingerprint == dataset.fingerprint
    folder.write_json("data.json", folder.read_json("data.json") | {"fingerprint": "0" * 32})
    with pytest.raises(BadInput, match="has changed"):
        reload_dataset(setup, folder, recipe)
    missing = recipe.model_copy(update={"data": ImageDataConfig(source="no/such/folder")})
    folder.write_json("data.json", folder.read_json("data.json") | {"sources": {"source": "no/such/folder"}})
    with pytest.raises(BadInput, match="needs the data"):
        reload_dataset(replace(setup, recipe=missing), folder, missing)
