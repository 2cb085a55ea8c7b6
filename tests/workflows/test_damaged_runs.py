"""A run with damaged files is reported, diagnosed and resumed, or refused with one sentence."""

import shutil
from pathlib import Path

import pytest
from workflow_helpers import RecordingReporter, have_equal_weights, log_rows, train_ring

import zerosum
from zerosum.errors import BadInput
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder

DAMAGES = {"empty": b"", "truncated": b'{"decisions": [{"na', "not UTF-8": b"\xff\xfe{}", "list": b"[]"}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_ring(tmp_path_factory.mktemp("reference") / "run", {"training.preview_examples": 512}).path


@pytest.fixture
def stopped(tmp_path: Path, reference: Path) -> Path:
    """The reference as it would be after a kill."""
    run = tmp_path / "run"
    shutil.copytree(reference, run)
    shutil.rmtree(RunFolder(run).checkpoints()[-1])
    RunFolder(run).write_json("status.json", {"state": "running"})
    return run


@pytest.mark.parametrize("name", ["plan.json", "status.json", "codec.json", "best/score.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_small_file_costs_neither_the_report_nor_the_run(
    stopped: Path, reference: Path, name: str, damage: str
) -> None:
    (stopped / name).parent.mkdir(exist_ok=True)
    (stopped / name).write_bytes(DAMAGES[damage])
    page = write_report(stopped).read_text()
    assert (f"passed over {name}" in page) == (name in {"plan.json", "status.json"} and damage != "list")
    zerosum.diagnose(stopped)
    assert zerosum.resume(stopped).state == "done"
    assert have_equal_weights(stopped, reference)


@pytest.mark.parametrize("name", ["log.jsonl", "scores.jsonl", "findings.jsonl", "recoveries.jsonl"])
def test_damaged_lines_are_passed_over_and_said_once(stopped: Path, reference: Path, name: str) -> None:
    with (stopped / name).open("ab") as file:
        file.write(b'\xff\xfe\x00\n{"examples": 99999, "los\n{"examples": "many"}\n')
    page = write_report(stopped).read_text()
    assert (f"passed over 2 damaged lines in {name}" in page) == (name in {"log.jsonl", "scores.jsonl"})
    reporter = RecordingReporter()
    assert zerosum.resume(stopped, reporter=reporter).state == "done"
    assert sum("damaged lines in" in message for message in reporter.messages) == 1
    assert have_equal_weights(stopped, reference)
    assert log_rows(stopped) == log_rows(reference)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"half"], ids=["empty", "only a header", "cut"])
def test_a_damaged_sample_grid_is_not_shown(stopped: Path, content: bytes) -> None:
    grid = RunFolder(stopped).sample_grids()[0]
    grid.write_bytes(grid.read_bytes()[:900] if content == b"half" else content)
    page = write_report(stopped).read_text()
    assert f"which are not shown: {grid.name}" in page
    for grid in RunFolder(stopped).sample_grids():
        grid.write_bytes(content)
    write_report(stopped)


@pytest.mark.parametrize("damage", ["empty", "truncated", "not UTF-8"])
def test_damaged_data_and_recipes_are_refused_with_one_sentence(stopped: Path, damage: str) -> None:
    for name in ("data.json", "recipe.toml"):
        (stopped / name).write_bytes(DAMAGES[damage])
        with pytest.raises(BadInput, match=name) as caught:
            zerosum.resume(stopped)
        assert "\n" not in str(caught.value)


def test_a_damaged_codec_of_a_finished_run_is_one_sentence(stopped: Path) -> None:
    (stopped / "codec.json").write_bytes(b"")
    with pytest.raises(BadInput, match=r"codec\.json cannot be read"):
        zerosum.load(stopped)
