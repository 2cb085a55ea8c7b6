"""`inspect_dataset` as a Python function."""

from pathlib import Path

import pytest
from PIL import Image
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.errors import BadInput


def test_a_folder_of_images_is_summarized(tmp_path: Path) -> None:
    for name, brightness in (("dark", 20), ("bright", 200)):
        (tmp_path / name).mkdir()
        for number in range(20):
            Image.new("L", (16, 16), brightness + number).save(tmp_path / name / f"{number}.png")
    (tmp_path / "dark/broken.png").write_text("not an image")
    reporter = RecordingReporter()
    summary = zerosum.inspect_dataset(tmp_path, reporter=reporter).as_dict()
    text = "\n".join(zerosum.inspect_dataset(tmp_path).lines())
    assert summary["kind"] == "images"
    assert "bright 20" in text
    assert "dark 20" in text
    assert "broken.png" in text
    assert reporter.progress_calls


def test_a_built_in_dataset_is_summarized() -> None:
    assert zerosum.inspect_dataset("ring").kind == "points"


def test_what_holds_no_images_is_refused(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadInput):
            zerosum.inspect_dataset(source)


def test_a_folder_may_be_said_to_hold_pairs(tmp_path: Path) -> None:
    """By itself, it is a folder of two classes."""
    for side, offset in (("A", 0), ("B", 100)):
        (tmp_path / side).mkdir()
        for number in range(20):
            Image.new("L", (16, 16), offset + number).save(tmp_path / side / f"{number}.png")
    assert zerosum.inspect_dataset(tmp_path).classes == {"A": 20, "B": 20}
    for summary in (
        zerosum.inspect_dataset(tmp_path, pairs="paired"), zerosum.inspect_dataset(tmp_path / "A", tmp_path / "B")
    ):  # fmt: skip
        assert (summary.kind, summary.count, summary.train + summary.held_out) == ("image-pairs", 20, 20)
    assert "20 unpaired inputs" in "\n".join(zerosum.inspect_dataset(tmp_path, pairs="unpaired").notes)
    with pytest.raises(BadInput, match="`pairs` twins"):
        zerosum.inspect_dataset(tmp_path, pairs="twins")
