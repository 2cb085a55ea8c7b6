"""`sample` and `walk` as Python functions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.data.points.kind import PointCodec
from zerosum.errors import BadInput
from zerosum.inference import sample_stream, writers
from zerosum.reporter import TimedProgress
from zerosum.workflows import bounds


def test_points_are_written_as_a_table(ring_run: Path) -> None:
    folder = zerosum.sample(ring_run, 10, seed=7)
    assert folder == ring_run / "outputs/00002048-seed7-n10"
    points = np.loadtxt(folder / "points.csv", delimiter=",")
    expected = zerosum.load(ring_run).sample(10, seed=7).numpy()
    np.testing.assert_allclose(points, expected, rtol=1e-4, atol=1e-5)


def test_images_are_written_as_files_and_grids(digits_run: Path) -> None:
    folder = zerosum.sample(digits_run, 3)
    assert sorted(path.name for path in folder.iterdir()) == [
        "00000.png", "00001.png", "00002.png", "classes.png", "grid.png", "labels.csv", "samples.json",
    ]  # fmt: skip
    with Image.open(folder / "00000.png") as image:
        assert image.size == (32, 32)


def test_samples_of_one_class(digits_run: Path) -> None:
    folder = zerosum.sample(digits_run, 2, label="3")
    assert folder.name == "00000064-seed0-n2-3"
    assert not (folder / "classes.png").exists()
    with pytest.raises(BadInput):
        zerosum.sample(digits_run, 2, label="cat")


def test_the_best_networks_are_used_on_request(ring_run: Path) -> None:
    folder = zerosum.sample(ring_run, 4, best=True, truncation=0.5)
    assert folder.name == "best-seed0-n4-truncation0.5"


def test_nothing_is_overwritten(digits_run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    with pytest.raises(BadInput, match="`into`"):
        zerosum.sample(digits_run, 2, into=tmp_path / "full")
    zerosum.walk(digits_run, keyframes=2, steps=2, into=tmp_path / "walk")
    with pytest.raises(BadInput, match="`into`"):
        zerosum.walk(digits_run, keyframes=2, steps=2, into=tmp_path / "walk")


def test_a_default_name_that_is_taken_gets_a_number(digits_run: Path) -> None:
    folders = [zerosum.sample(digits_run, 2, truncation=0.5) for _ in range(3)]
    assert [folder.name for folder in folders] == [f"00000064-seed0-n2-truncation0.5{end}" for end in ("", "-2", "-3")]
    first, second = (zerosum.walk(digits_run, keyframes=2, steps=2) for _ in range(2))
    assert not set(first) & set(second)
    assert second[0].stem == first[0].stem + "-2"


@pytest.mark.parametrize(
    "arguments",
    [{"num_samples": 0}, {"num_samples": 10**30}, {"seed": -1}, {"seed": 2**64}, {"truncation": float("nan")}],
)
def test_numbers_out_of_range_are_refused(ring_run: Path, arguments: dict) -> None:
    with pytest.raises(BadInput, match=f"`{next(iter(arguments))}`"):
        zerosum.sample(ring_run, **arguments)


def test_frames_that_exceed_memory_are_refused(digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "physical_memory_bytes", lambda: 2**20)
    with pytest.raises(BadInput, match="`steps`: 1,000 samples are too many"):
        zerosum.walk(digits_run, keyframes=2, steps=500)


def test_a_walk_is_a_strip_and_a_video(digits_run: Path) -> None:
    strip, video = zerosum.walk(digits_run, keyframes=2, steps=3, label=0, to_label=1)
    assert strip.name == "00000064-walk-slerp-seed0-2x3-0-1.png"
    with Image.open(video) as film:
        assert film.n_frames > 1
    assert strip.is_file()


def test_spherical_and_linear_walks_differ(digits_run: Path) -> None:
    paths = [zerosum.walk(digits_run, keyframes=2, steps=4, interpolation=name)[0] for name in ("slerp", "lerp")]
    first, second = (np.asarray(Image.open(path)) for path in paths)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    "arguments",
    [
        {"interpolation": "cubic"},
        {"video_format": "avi"},
        {"keyframes": 1},
        {"steps": 1},
        {"keyframes": 10**12},
        {"steps": 1_001, "keyframes": 2},
        {"seed": -3},
    ],
)
def test_wrong_options_of_a_walk_are_refused(digits_run: Path, arguments: dict) -> None:
    with pytest.raises(BadInput, match=f"`{next(iter(arguments))}`"):
        zerosum.walk(digits_run, **arguments)


def test_a_walk_needs_images(trained_ring: Path) -> None:
    with pytest.raises(BadInput, match="points, not images"):
        zerosum.walk(trained_ring)


def interrupt(*arguments: object, **named: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_command_that_has_written_nothing_leaves_nothing(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into a new folder and into an empty one."""
    before = sorted(digits_run.rglob("*"))
    home = tmp_path / "home"
    (home / "empty").mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(sample_stream.SampleWriter, "write", interrupt)
        for into in (None, home / "new", home / "empty"):
            with pytest.raises(KeyboardInterrupt):
                zerosum.sample(digits_run, 3, into=into)
    monkeypatch.setitem(writers.VIDEO_WRITERS, "gif", interrupt)
    with pytest.raises(KeyboardInterrupt):
        zerosum.walk(digits_run, keyframes=2, steps=2, seed=9)
    assert [path for path in sorted(digits_run.rglob("*")) if path not in before and path.name != "outputs"] == []
    assert list(home.rglob("*")) == [home / "empty"]


def test_the_progress_of_many_samples_tells_the_time_that_is_left(
    digits_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TimedProgress, "min_seconds", 0.0)
    monkeypatch.setattr(sample_stream, "WAITING_BATCHES", 0)
    reporter = RecordingReporter()
    zerosum.sample(digits_run, 130, reporter=reporter)
    assert [call[:2] for call in reporter.progress_calls] == [(64, 130), (128, 130), (130, 130), (130, 130)]
    assert all(call[2].startswith("generating samples (") for call in reporter.progress_calls[:2])
    assert all(call[2].endswith(" left)") for call in reporter.progress_calls[:2])


def test_a_condition_needs_a_run_that_takes_numbers(digits_run: Path) -> None:
    with pytest.raises(BadInput, match="`given`: this generator takes no numbers"):
        zerosum.sample(digits_run, 2, condition=[0.5])


def test_how_many_first_draws_are_valid_is_reported_and_recorded(
    trained_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_draws = zerosum.load(trained_ring).sample(40)
    middle = float(first_draws[:, 0].median())  # the lower one of two
    monkeypatch.setattr(PointCodec, "may_be_invalid", True)
    monkeypatch.setattr(PointCodec, "find_invalid", lambda self, items: items[:, 0] <= middle)
    reporter = RecordingReporter()
    zerosum.sample(trained_ring, 40, into=tmp_path / "s", reporter=reporter)
    record = json.loads((tmp_path / "s/samples.json").read_text())
    assert (record["first_draws"], record["valid_first_draws"]) == (40, 20)
    assert "20 of 40 first draws (50.0%) are valid; 20 were drawn again until they were" in reporter.messages
    points = np.loadtxt(tmp_path / "s/points.csv", delimiter=",")
    assert len(points) == 40
    assert points[:, 0].min() > middle
    np.testing.assert_allclose(points, zerosum.load(trained_ring).sample(40).numpy(), rtol=1e-4, atol=1e-5)


def test_a_network_without_a_temperature_is_refused(trained_digits: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^`temperature` 0\.8: this generator draws no tokens"):
        zerosum.sample(trained_digits, 1, temperature=0.8, into=tmp_path / "s")
    assert not (tmp_path / "s").exists()
