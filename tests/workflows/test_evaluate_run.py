"""`evaluate` of a run, and `evaluate_folders`."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import IMAGES, RecordingReporter

import zerosum
from zerosum.errors import BadInput
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate_task import choose_unbiased_features


def write_images(folder: Path, count: int, seed: int, side: int = 16, mode: str = "L") -> Path:
    """Write images of noise."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    shape = (side, side) if mode == "L" else (side, side, 3)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number:03d}.png")
    return folder


# ---------------------------------------------------------------------- a run


def test_points_are_evaluated_by_their_coordinates(ring_run: Path) -> None:
    reporter = RecordingReporter()
    row = zerosum.evaluate(ring_run, num_samples=200, copy_candidates=200, reporter=reporter)
    assert (row["mode"], row["examples"], row["checkpoint"]) == ("offline", 2_048, "00002048")
    assert row["protocol"]["num_generated"] == 200
    assert row["protocol"]["features"] == "pixels", "points have no other features"
    assert all(score["floor"] is not None for score in row["scores"].values())
    assert list(RunFolder(ring_run).rows("scores.jsonl"))[-1] == row
    assert any("kid_pixels" in message for message in reporter.messages)
    assert "kid_pixels" in (ring_run / "report.html").read_text()


def test_points_are_not_called_images(ring_run: Path) -> None:
    """In no message and in no sentence of the report."""
    reporter = RecordingReporter()
    row = zerosum.evaluate(ring_run, num_samples=100, copy_candidates=100, reporter=reporter)
    descriptions = [description for _, _, description in reporter.progress_calls]
    texts = [*reporter.messages, *descriptions, *row["warnings"], row["protocol_description"]]
    assert any("points" in text for text in texts)
    assert not [text for text in texts if "image" in text]
    body = (ring_run / "report.html").read_text().partition("<body")[2]
    assert "image" not in re.sub(r"data:image/\w+;base64,[\w+/=]+|<[^>]*>|zerosum \w+ [^<]*", "", body)


def test_evaluation_is_reproducible(images_run: Path) -> None:
    first = zerosum.evaluate(images_run, features="pixels", num_samples=50)
    assert zerosum.evaluate(images_run, features="pixels", num_samples=50) == first
    assert zerosum.evaluate(images_run, features="pixels", num_samples=50, seed=1)["scores"] != first["scores"]
    assert all(score["floor"] is not None for score in first["scores"].values())
    assert all((images_run / name).is_file() for name in first["image_files"])


def test_options_are_part_of_the_protocol(images_run: Path) -> None:
    protocol = zerosum.evaluate(
        images_run, features="pixels", num_samples=30, truncation=0.5, raw_weights=True, neighbors=3,
        reference_split="train", seed=2,
    )["protocol"]  # fmt: skip
    assert (protocol["truncation"], protocol["sample_source"], protocol["neighbors"]) == (0.5, "raw", 3)
    assert (protocol["reference_split"], protocol["seed"]) == ("train", 2)


def test_the_best_networks_are_evaluated_on_request(images_run: Path) -> None:
    row = zerosum.evaluate(images_run, features="pixels", num_samples=50, best=True)
    assert (row["checkpoint"], row["examples"]) == ("best", RunFolder(images_run).best_scores()["examples"])


def test_a_conditional_run_is_evaluated_per_class(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, brightness in (("dark", 60), ("bright", 190)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(60):
            pixels = brightness + rng.integers(-50, 50, (16, 16))
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "data" / name / f"{number}.png")
    settings = IMAGES | {"data.size": 16}
    run = zerosum.train(
        tmp_path / "data", recipe="cgan", run=tmp_path / "run", examples=32, batch_size=16, settings=settings
    )
    row = zerosum.evaluate(run.path, features="pixels", num_samples=40)
    assert row["per_class"]["class_names"] == ["bright", "dark"]
    assert sum(row["per_class"]["generated_counts"]) == 40


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_samples": 3}, {"neighbors": 0}, {"reference_split": "test"}, {"copy_candidates": 5}, {"truncation": -1.0},
        {"features": "lite0"}, {"paired": True}, {"reverse": True}, {"data": "no/such/folder"}, {"device": "abacus"},
    ],
)  # fmt: skip
def test_wrong_options_are_refused_and_nothing_is_recorded(ring_run: Path, arguments: dict) -> None:
    before = (ring_run / "scores.jsonl").read_bytes()
    with pytest.raises(BadInput):
        zerosum.evaluate(ring_run, **arguments)
    assert (ring_run / "scores.jsonl").read_bytes() == before


def test_changed_data_are_refused(ring_run: Path) -> None:
    folder = RunFolder(ring_run)
    folder.write_json("data.json", folder.read_json("data.json") | {"fingerprint": "0" * 32})
    with pytest.raises(BadInput, match="held-out part"):
        zerosum.evaluate(ring_run, num_samples=100)


def test_external_data_must_have_the_shape_of_the_samples(images_run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'ring' holds no images"):
        zerosum.evaluate(images_run, data="ring", features="pixels")
    test_images = write_images(tmp_path / "test", 20, 99, mode="RGB")
    same = zerosum.evaluate(images_run, data=test_images, features="pixels", num_samples=50)
    assert (same["protocol"]["num_real"], same["protocol"]["reference_split"]) == (20, "all")


def test_features_that_the_generator_was_trained_on_are_avoided(trained_digits: Path) -> None:
    from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
    from zerosum.inference.load import read_recipe
    from zerosum.reporter import SilentReporter
    from zerosum.workflows.run_data import read_run_data

    folder = RunFolder(trained_digits)
    digits = read_run_data(folder, read_recipe(folder), SilentReporter())
    task = EvaluationTask(None, None, None, None, None, "held-out")

    def choose(features: str, pretrained_features: str) -> tuple[str, int]:
        options = EvaluationOptions(features, None, 0, 1.0, "held-out", 100, 5, "ema")
        options, warned = choose_unbiased_features(options, task, pretrained_features, digits)
        return options.features, len(warned.warnings)

    assert choose("", "") == ("", 0)
    assert choose("", "lite0") == ("classifier", 0)
    assert choose("lite0", "lite0") == ("lite0", 1)
    assert choose("inception", "lite0") == ("inception", 0)


# ---------------------------------------------------------------------- folders of images


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of noise: fake and real, and training images."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("fake", "real", "train")):
        write_images(tmp_path / name, 60, seed)
    return tmp_path


def test_folders_are_evaluated_without_a_run(folders: Path) -> None:
    row = zerosum.evaluate_folders(folders / "fake", folders / "real", features="pixels")
    assert row["protocol"]["num_generated"] == 60
    assert row["protocol"]["reference_split"] == "half"
    assert row["memorization"] is None, "the training images are not known"
    assert list(RunFolder(folders / "evaluations/fake").rows("scores.jsonl")) == [row]


def test_training_images_add_memorization(folders: Path) -> None:
    row = zerosum.evaluate_folders(
        folders / "fake", folders / "real", train=folders / "train", features="pixels", num_samples=40, into="scores"
    )
    assert (row["protocol"]["num_generated"], row["protocol"]["reference_split"]) == (40, "all")
    assert row["memorization"] is not None
    assert (folders / "scores/scores.jsonl").is_file()


def overlap_counts(row: dict) -> dict[tuple[str, str], int]:
    return {(overlap["first"], overlap["second"]): overlap["copies"] for overlap in row["overlaps"]}


def test_images_in_two_sets_are_counted_and_reported(folders: Path) -> None:
    """Samples among real images, among training images, and real images among training images."""
    assert overlap_counts(zerosum.evaluate_folders("fake", "real", features="pixels")) == {("generated", "real"): 0}
    for number in range(20):
        shutil.copy(folders / f"real/{number:03d}.png", folders / f"fake/real{number}.png")
        shutil.copy(folders / f"real/{number + 20:03d}.png", folders / f"train/real{number}.png")
    for number in range(5):
        shutil.copy(folders / f"train/{number:03d}.png", folders / f"fake/train{number}.png")
    reporter = RecordingReporter()
    row = zerosum.evaluate_folders("fake", "real", train="train", features="pixels", into="scores", reporter=reporter)
    assert overlap_counts(row) == {("generated", "real"): 20, ("generated", "train"): 5, ("real", "train"): 20}
    assert row["memorization"] is None
    lines = [message for message in reporter.messages if "overlap:" in message]
    assert [line.split()[1] for line in lines] == ["20", "5", "20"]
    assert all(" too good" in line or "repeats its training data" in line for line in lines)


@pytest.mark.parametrize("other", ["link", "fake/../fake"])
def test_one_folder_given_twice_is_noticed(folders: Path, other: str) -> None:
    """Also by a link or by another spelling; the score of near 0 is not silent."""
    (folders / "link").symlink_to("fake")
    row = zerosum.evaluate_folders("fake", other, features="pixels")
    assert overlap_counts(row) == {("generated", "real"): 60}
    assert [warning for warning in row["warnings"] if "`fake` and `real` are the same" in warning]
    row = zerosum.evaluate_folders("fake", "real", train=other, features="pixels", into="scores")
    assert overlap_counts(row)["generated", "train"] == 60
    assert [warning for warning in row["warnings"] if "`fake` and `train` are the same" in warning]


def test_how_folders_were_read_is_reported_and_recorded(folders: Path) -> None:
    """Files that are ignored, equal or unreadable, values that are clipped, and the part of a split that is read."""
    (folders / "fake/notes.txt").write_text("notes")
    (folders / "fake/damaged.png").write_bytes(b"no image")
    shutil.copy(folders / "fake/000.png", folders / "fake/copy.png")
    (folders / "set").mkdir()
    for source, part in (("real", "test"), ("train", "train")):
        shutil.copytree(folders / source, folders / "set" / part)
    reporter = RecordingReporter()
    row = zerosum.evaluate_folders("fake", "set", train="set", features="pixels", reporter=reporter)
    assert (row["protocol"]["num_real"], row["overlaps"][2]["searched"]) == (60, 60)
    assert row["intake"]["real"] == ["used test/ and ignored train/"]
    assert row["intake"]["train"] == ["used train/ and ignored test/"]
    text = "\n".join(row["intake"]["fake"])
    for word in ("ignored: 1 file", "duplicates: 1 exact", "unreadable: 1 file", "damaged.png"):
        assert word in text
        assert any(word in message for message in reporter.messages)


def test_a_run_is_searched_for_copies_and_its_report_tells(images_run: Path, tmp_path: Path) -> None:
    row = zerosum.evaluate(images_run, features="pixels", num_samples=50)
    assert set(overlap_counts(row)) == {("generated", "real"), ("generated", "train"), ("real", "train")}
    (tmp_path / "test").mkdir()
    training_images = sorted(Path(RunFolder(images_run).read_json("data.json")["source"]).rglob("*.png"))[:30]
    for path in training_images:
        shutil.copy(path, tmp_path / "test" / path.name)
    row = zerosum.evaluate(images_run, data=tmp_path / "test", features="pixels", num_samples=50)
    assert 0 < overlap_counts(row)["real", "train"] <= 30, "those that were not held out"
    assert row["overlaps"][2]["text"] in (images_run / "report.html").read_text()
    row = zerosum.evaluate(images_run, features="pixels", num_samples=50, reference_split="train")
    assert set(overlap_counts(row)) == {("generated", "train")}, "the training images serve as the real ones"


def test_images_of_several_formats_need_a_common_one(folders: Path) -> None:
    write_images(folders / "larger", 20, 5, side=20)
    write_images(folders / "mixed", 10, 6).joinpath("large.png").write_bytes((folders / "larger/000.png").read_bytes())
    write_images(folders / "color", 60, 7, mode="RGB")
    with pytest.raises(BadInput, match="`size`"):
        zerosum.evaluate_folders("mixed", "real", features="pixels")
    with pytest.raises(BadInput, match="`channels`"):
        zerosum.evaluate_folders("fake", "color", features="pixels")
    with pytest.raises(BadInput, match="`target`: images have no such setting; leave it out"):
        zerosum.evaluate_folders("fake", "color", target="species", features="pixels")
    row = zerosum.evaluate_folders("fake", "color", channels=1, size=8, features="pixels")
    assert row["protocol"]["image_format"].startswith("8x8 gray")


def test_scores_of_different_images_are_not_mixed(folders: Path, trained_ring: Path) -> None:
    zerosum.evaluate_folders("fake", "real", features="pixels", into="scores")
    zerosum.evaluate_folders("fake", "real", features="pixels", into="scores")  # the same images again
    for into in ("scores", trained_ring):
        with pytest.raises(BadInput, match="`into`"):
            zerosum.evaluate_folders("train", "real", features="pixels", into=into)


def test_points_are_no_images(folders: Path) -> None:
    with pytest.raises(BadInput, match="`fake` ring"):
        zerosum.evaluate_folders("ring", "real", features="pixels")


# ---------------------------------------------------------------------- tables of any origin


def write_table(path: Path, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = rng.normal(size=count).round(3)
    kind = np.where(rng.random(count) < 0.2, "c", np.where(size > 0, "b", "a"))
    path.write_text("\n".join(["size,kind", *(f"{a},{b}" for a, b in zip(size, kind, strict=True))]) + "\n", "utf8")


def test_tables_are_evaluated_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns of the training rows decide what those of the others hold; a missing column is named."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("fake", "real", "train")):
        write_table(tmp_path / f"{name}.csv", 200, seed)
    row = zerosum.evaluate_folders("fake.csv", "real.csv", train="train.csv")
    assert {"kid_rows", "tstr", "shape", "c2st", "dcr", "exact_copies"} <= set(row["scores"])
    assert row["scores"]["shape"]["value"] > 0.85
    assert row["scores"]["dcr"]["floor"] > 0
    assert "no guarantee" in row["warnings"][-1]
    (tmp_path / "fake.csv").write_text((tmp_path / "fake.csv").read_text().replace(",c", ",invented"))
    row = zerosum.evaluate_folders("fake.csv", "real.csv", target="kind", into="scores")
    assert row["scores"]["worst_column"]["value"] == pytest.approx(0.8, abs=0.1)
    assert "dcr" not in row["scores"]
    assert "models of kind fitted" in row["protocol_description"]
    (tmp_path / "fake.csv").write_text("size,other\n1,a\n2,b\n3,c\n")
    with pytest.raises(BadInput, match=r"has no column '?kind"):
        zerosum.evaluate_folders("fake.csv", "real.csv", into="other")
    with pytest.raises(BadInput, match="`size`: rows have no such setting; leave it out"):
        zerosum.evaluate_folders("fake.csv", "real.csv", size=32)
    with pytest.raises(BadInput, match=r"real.csv: `data.target` nope: there is no such column; choose of size, kind"):
        zerosum.evaluate_folders("fake.csv", "real.csv", target="nope", into="more")
