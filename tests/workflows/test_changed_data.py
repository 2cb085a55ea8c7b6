"""Runs that go on with data that have grown or shrunk."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import IMAGES, RecordingReporter, have_equal_weights, log_rows, newest_weights

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.former_data import FormerSplit
from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
from zerosum.run_folder import RunFolder
from zerosum.workflows.run_data import read_run_data

SETTINGS = IMAGES | {
    "data.size": 16, "evaluation.features": "pixels", "evaluation.every_examples": 16, "evaluation.samples": 64,
    "diagnostics.probe": False, "training.tick_examples": 16,
}  # fmt: skip


def add_images(folder: Path, first: int, count: int) -> Path:
    """Write images of noise, of which the number decides the content."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        pixels = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def read(run: Path) -> Dataset:
    folder = RunFolder(run)
    return read_run_data(folder, read_recipe(folder), RecordingReporter())


def sides(dataset: Dataset) -> tuple[set[int], set[int]]:
    train, held_out = dataset.split_hashes()
    return set(train.tolist()), set(held_out.tolist())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 80 images in a folder next to it. Tests must not write into it."""
    folder = tmp_path_factory.mktemp("grown")
    data = add_images(folder / "photos", 0, 80)
    zerosum.train(data, run=folder / "run", examples=16, batch_size=16, settings=SETTINGS)
    return folder


@pytest.fixture
def own(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run and of its data, which the run finds."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    data = json.loads((tmp_path / "run/data.json").read_text("utf8"))
    data["sources"] = {"source": str(tmp_path / "photos")}
    (tmp_path / "run/data.json").write_text(json.dumps(data), "utf8")
    return tmp_path


def test_a_run_goes_on_with_grown_data_and_keeps_its_split(own: Path) -> None:
    run, reporter = own / "run", RecordingReporter()
    train, held_out = sides(read(run))
    add_images(own / "photos", 1000, 220)
    for number in (0, 1, 2):
        (own / f"photos/{number}.png").unlink()
    with pytest.raises(BadInput, match=r"has changed since .* go on with them as they are now .*zerosum resume"):
        zerosum.resume(run, examples=48)
    zerosum.resume(run, data=own / "photos", examples=48, reporter=reporter)
    said = next(line for line in reporter.messages if line.startswith("the data are now"))
    assert "220 images were added and 3 removed" in said
    grown = read(run)
    new_train, new_held_out = sides(grown)
    assert len(new_train | new_held_out) == 297
    assert not new_train & held_out
    assert not new_held_out & train
    assert len((train | held_out) & (new_train | new_held_out)) == 77
    assert new_held_out - held_out, "of the new ones some are held out"
    record = RunFolder(run).read_json("data.json")
    changed = {"examples": 16, "source": str(own / "photos"), "added": 220, "removed": 3}
    assert record["changes"] == [changed]
    assert record["count"] == 297
    assert [row["examples"] for row in log_rows(run)] == [16, 32, 48]
    rows = list(RunFolder(run).rows("scores.jsonl"))
    assert rows[0]["protocol"]["real_fingerprint"] != rows[-1]["protocol"]["real_fingerprint"]
    assert RunFolder(run).best_scores()["examples"] > 16, "scores against other held-out images do not compare"
    assert "220 images were added" in (run / "report.html").read_text("utf8")
    row = zerosum.evaluate(run, features="pixels", num_samples=64, copy_candidates=64)
    assert row["protocol"]["num_real"] == len(new_held_out)


def test_what_comes_after_the_change_is_exact_too(own: Path) -> None:
    """Interrupted after the change, or killed before its first checkpoint: the same run comes out."""
    other = own.with_name(f"{own.name}-other")
    shutil.copytree(own, other)
    grown = add_images(own / "more", 1000, 40)
    zerosum.resume(own / "run", data=[own / "photos", grown], examples=64)
    zerosum.resume(other / "run", data=[own / "photos", grown], examples=64)
    for checkpoint in RunFolder(other / "run").checkpoints():
        if int(checkpoint.name) > 16:
            shutil.rmtree(checkpoint)
    zerosum.resume(other / "run")
    assert have_equal_weights(own / "run", other / "run")
    assert log_rows(own / "run") == log_rows(other / "run")
    assert read_recipe(RunFolder(own / "run")).data.sources == {
        "source": str(own / "photos"), "more_sources.0": str(grown),
    }  # fmt: skip


def test_removed_images_come_back_to_their_side(own: Path) -> None:
    run = own / "run"
    train, held_out = sides(read(run))
    shutil.copytree(own / "photos", own / "all")
    for number in range(40):
        (own / f"photos/{number}.png").unlink()
    zerosum.resume(run, data=own / "photos", examples=32)
    few_train, few_held_out = sides(read(run))
    assert (few_train < train, few_held_out < held_out) == (True, True)
    zerosum.resume(run, data=own / "all", examples=48)
    assert sides(read(run)) == (train, held_out)
    changes = RunFolder(run).read_json("data.json")["changes"]
    assert [(change["added"], change["removed"]) for change in changes] == [(0, 40), (40, 0)]


def test_a_change_that_was_killed_half_way_is_made_again(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after any of the files that it writes: data.json decides alone whether the run has its new data."""
    run = own / "run"
    record = (run / "data.json").read_bytes()
    former = sides(read(run))
    shutil.copytree(own / "photos", own / "former")
    grown = add_images(own / "photos", 1000, 20)
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "write_json", kill_at_data_record)
        with pytest.raises(KeyboardInterrupt):
            zerosum.resume(run, data=grown, examples=32)
    assert (run / "data.json").read_bytes() == record
    zerosum.resume(run, data=grown, examples=32)
    changes = RunFolder(run).read_json("data.json")["changes"]
    assert [(change["added"], change["removed"]) for change in changes] == [(20, 0)]
    new = sides(read(run))
    assert (former[0] <= new[0], former[1] <= new[1]) == (True, True)
    zerosum.resume(run, data=own / "former", examples=48)
    assert sides(read(run)) == former
    shutil.move(own / "former", own / "again")
    zerosum.resume(run, data=own / "again", examples=64)
    assert sides(read(run)) == former, "the file of sides is kept where the data are only at another place"


def kill_at_data_record(folder: RunFolder, name: str, content: object) -> None:
    if name == "data.json":
        raise KeyboardInterrupt
    (folder.path / name).write_text(json.dumps(content), "utf8")


def test_held_out_data_of_their_own_are_found_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_images(tmp_path / "photos", 0, 40)
    add_images(tmp_path / "kept", 500, 20)
    monkeypatch.chdir(tmp_path)
    settings = {name: value for name, value in SETTINGS.items() if not name.startswith("evaluation.")}
    settings |= {"data.validation": "kept", "evaluation.features": "none"}
    zerosum.train("photos", run="run", examples=16, batch_size=16, settings=settings)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    grown = add_images(tmp_path / "photos", 1000, 10)
    zerosum.resume(tmp_path / "run", data=grown, examples=32)
    dataset = read(tmp_path / "run")
    assert (len(dataset.train), len(dataset.held_out)) == (50, 20)


def test_a_kind_that_moves_known_data_to_the_other_side_is_refused(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a kind of data does that pays no regard to the former split."""
    run = own / "run"
    for number in (0, 1, 2):
        (own / f"photos/{number}.png").unlink()
    grown = add_images(own / "photos", 1000, 300)
    monkeypatch.setattr(FormerSplit, "keep", lambda split, hashes, train, held_out, groups=None: (held_out, train))
    before = (run / "data.json").read_bytes()
    with pytest.raises(BadInput, match=r"that were held out would be trained on, and .* data images does not keep"):
        zerosum.resume(run, data=grown, examples=32)
    assert (run / "data.json").read_bytes() == before


def test_the_same_data_at_another_place_change_nothing(own: Path) -> None:
    other = own.with_name(f"{own.name}-other")
    shutil.copytree(own, other)
    reporter = RecordingReporter()
    (own / "photos").rename(own / "moved")
    zerosum.resume(own / "run", data=own / "moved", examples=32, reporter=reporter)
    zerosum.resume(other / "run", examples=32)
    assert any("are the same as before" in line for line in reporter.messages)
    assert have_equal_weights(own / "run", other / "run")
    record = RunFolder(own / "run").read_json("data.json")
    assert record["changes"] == []
    assert record["sources"] == {"source": str(own / "moved")}
    assert len(read(own / "run")) == 80


def test_a_run_that_does_not_say_its_split_needs_its_former_data(own: Path) -> None:
    run = own / "run"
    (run / "split.safetensors").unlink()  # as of earlier releases
    grown = add_images(shutil.copytree(own / "photos", own / "grown"), 1000, 20)
    train, held_out = sides(read(run))
    zerosum.resume(run, data=grown, examples=32)
    new_train, new_held_out = sides(read(run))
    assert (train <= new_train, held_out <= new_held_out) == (True, True)
    (run / "split-2.safetensors").unlink()
    with pytest.raises(BadInput, match=r"split-2\.safetensors is missing: it says which examples are held out"):
        zerosum.resume(run, examples=48)


def test_what_cannot_be_continued_is_refused_and_nothing_changes(own: Path, digits_run: Path) -> None:
    files = [path for path in (own / "run").rglob("*") if path.is_file() and path.name != "training.lock"]
    before = {path: path.read_bytes() for path in files}
    grown = add_images(shutil.copytree(own / "photos", own / "grown"), 1000, 20)
    with pytest.raises(BadInput, match="is done: 16 examples"):
        zerosum.resume(own / "run", data=grown)
    with pytest.raises(BadInput, match="nowhere"):
        zerosum.resume(own / "run", data="nowhere", examples=32)
    assert before == {path: path.read_bytes() for path in before}
    classes = [add_images(own / f"classes/{name}", 10 * number, 10) for number, name in enumerate("ab")]
    with pytest.raises(BadInput, match=r"has the classes a, b, and .* was trained on 0, 1, 2, 3, 4, 5 and 4 more"):
        zerosum.resume(digits_run, data=classes[0].parent, examples=96)


def test_a_translation_goes_on_with_more_pairs(trained_pairs: Path, image_pairs: Path, tmp_path: Path) -> None:
    run, grown = shutil.copytree(trained_pairs, tmp_path / "run"), shutil.copytree(image_pairs, tmp_path / "grown")
    for side in "AB":
        add_images(grown / side, 1000, 10)
    train, held_out = sides(read(run))
    zerosum.resume(run, data=grown, examples=24)
    new_train, new_held_out = sides(read(run))
    assert (train <= new_train, held_out <= new_held_out) == (True, True)
    assert RunFolder(run).read_json("data.json")["changes"][0]["added"] == 10
    with pytest.raises(BadInput, match="the run has inputs and targets in one source; give 1"):
        zerosum.resume(run, data=[grown / "A", grown / "B"], examples=32)


def test_conditions_keep_the_scale_of_the_run(own: Path) -> None:
    """New rows of a table are standardized by the mean of the former ones, as the networks know them."""

    def write_table(folder: Path, ages: dict[int, float]) -> None:
        lines = [f"{number}.png,{age}" for number, age in ages.items()]
        (folder / "labels.csv").write_text("\n".join(["file,age", *lines]) + "\n", "utf8")

    ages = {number: 20.0 + number for number in range(80)}
    write_table(own / "photos", ages)
    settings = SETTINGS | {"data.conditions": "age", "evaluation.features": "none"}
    settings = {name: value for name, value in settings.items() if not name.startswith("evaluation.e")}
    del settings["evaluation.samples"]
    run = own / "aged"
    zerosum.train(own / "photos", recipe="cgan-projection", run=run, examples=16, batch_size=16, settings=settings)
    former = read(run)
    add_images(own / "photos", 80, 40)
    write_table(own / "photos", ages | dict.fromkeys(range(80, 120), 900.0))
    zerosum.resume(run, data=own / "photos", examples=32)
    grown = read(run)
    assert isinstance(former.conditions, np.ndarray)
    assert isinstance(grown.conditions, np.ndarray)
    known = {int(hash_): row for hash_, row in zip(former.content_hashes, former.conditions, strict=True)}
    for hash_, row in zip(grown.content_hashes, grown.conditions, strict=True):
        assert np.array_equal(row, known.get(int(hash_), grown.conditions.max(0, keepdims=True)[0]))
    assert newest_weights(run)
