"""The data of a run, read again, and the codec that a run keeps of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import IMAGES, RecordingReporter

import zerosum
from zerosum.errors import BadInput
from zerosum.inference.load import located_recipe, read_recipe, with_sources
from zerosum.run_folder import RunFolder
from zerosum.workflows.run_data import load_other_data, read_run_data


@pytest.fixture
def own_images_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose data were named relative to the folder in which it was started."""
    rng = np.random.default_rng(0)
    (tmp_path / "start/photos").mkdir(parents=True)
    for number in range(40):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"start/photos/{number}.png")
    monkeypatch.chdir(tmp_path / "start")
    settings = IMAGES | {"data.size": 16}
    zerosum.train("photos", run="run", examples=16, batch_size=8, settings=settings)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "start/run"


def test_data_are_found_from_any_folder(own_images_run: Path) -> None:
    folder = RunFolder(own_images_run)
    recipe = read_recipe(folder)
    photos = own_images_run.parent / "photos"
    assert recipe.data.source == "photos"
    assert located_recipe(folder, recipe).data.source == str(photos)
    reporter = RecordingReporter()
    dataset = read_run_data(folder, recipe, reporter)
    assert dataset.fingerprint == folder.read_json("data.json")["fingerprint"]
    photos.rename(photos.with_name("moved"))
    assert located_recipe(folder, recipe).data.source == "photos", "what was given, for the message"
    with pytest.raises(BadInput, match=r"needs the data it was trained on: .*photos"):
        read_run_data(folder, recipe, reporter)
    moved = with_sources(recipe, {"source": str(photos.with_name("moved"))})
    folder.write_json("data.json", folder.read_json("data.json") | {"sources": moved.data.sources})
    assert read_run_data(folder, moved, reporter).fingerprint == dataset.fingerprint


def test_other_data_have_the_form_of_the_run(own_images_run: Path, tmp_path: Path) -> None:
    """All of them are compared with, even a single one, at the size of the run."""
    folder = RunFolder(own_images_run)
    recipe = read_recipe(folder)
    dataset = read_run_data(folder, recipe, RecordingReporter())
    (tmp_path / "one").mkdir()
    Image.new("RGB", (24, 20), (9, 9, 9)).save(tmp_path / "one/large.png")
    data = with_sources(recipe, {"source": str(tmp_path / "one")}).data
    other = load_other_data(data, dataset, RecordingReporter())
    assert (len(other), len(other.train), len(other.held_out)) == (1, 1, 0)
    assert other.spec == dataset.spec


def test_points_are_compared_with_their_own_distribution_only(trained_ring: Path) -> None:
    folder = RunFolder(trained_ring)
    recipe = read_recipe(folder)
    dataset = read_run_data(folder, recipe, RecordingReporter())
    with pytest.raises(BadInput, match="`data` grid: this run generates points"):
        load_other_data(with_sources(recipe, {"source": "grid"}).data, dataset, RecordingReporter())


@pytest.mark.parametrize("damage", ["missing", "no JSON", "another kind", "other settings"])
def test_a_damaged_codec_is_refused(ring_run: Path, damage: str) -> None:
    path = ring_run / "codec.json"
    content = json.loads(path.read_text())
    if damage == "missing":
        path.unlink()
    elif damage == "no JSON":
        path.write_text("{")
    elif damage == "another kind":
        path.write_text(json.dumps(content | {"kind": "sounds"}))
    else:
        path.write_text(json.dumps(content | {"settings": {}}))
    message = "there is no such kind of data" if damage == "another kind" else r"codec\.json cannot be read"
    with pytest.raises(BadInput, match=message):
        zerosum.load(ring_run)


def test_a_generator_needs_no_data(own_images_run: Path) -> None:
    """What it needs of them is in the run folder."""
    for path in (own_images_run.parent / "photos").iterdir():
        path.unlink()
    generator = zerosum.load(own_images_run)
    assert generator.kind == "images"
    items = generator.decode(generator.sample(3))
    assert (items.shape, items.dtype) == ((3, 16, 16, 3), np.uint8)
