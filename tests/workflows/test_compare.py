"""`compare` as a Python function, and its table and JSON."""

import json
import shutil
from pathlib import Path

import pytest

import zerosum
from zerosum.errors import BadInput
from zerosum.run_folder import RunFolder
from zerosum.workflows import compare


@pytest.fixture(scope="module")
def evaluated_runs(tmp_path_factory: pytest.TempPathFactory, trained_images: Path) -> list[Path]:
    """Two evaluated runs: the second has a worse score. Tests must not write into them."""
    home = tmp_path_factory.mktemp("evaluated")
    better, worse = (Path(shutil.copytree(trained_images, home / name)) for name in ("better", "worse"))
    row = zerosum.evaluate(better, features="pixels", num_samples=50)
    scores = row["scores"] | {"kid_pixels": row["scores"]["kid_pixels"] | {"value": 10.0}}
    RunFolder(worse).append("scores.jsonl", row | {"scores": scores})
    return [better, worse]


def test_runs_of_one_protocol_are_ranked(evaluated_runs: list[Path]) -> None:
    better, worse = evaluated_runs
    groups, notes = zerosum.compare([worse, better])
    assert notes == []
    (group,) = groups
    assert [(ranked.rank, ranked.run.name) for ranked in group.runs] == [(1, str(better)), (2, str(worse))]


def test_runs_of_other_protocols_are_not_ranked_together(evaluated_runs: list[Path], tmp_path: Path) -> None:
    better, worse = evaluated_runs
    other = Path(shutil.copytree(worse, tmp_path / "other"))
    zerosum.evaluate(other, features="pixels", num_samples=40)
    groups, notes = zerosum.compare([better, other])
    assert len(groups) == 2
    assert len(notes) == 0, "the run is in the first group too"
    (other / "scores.jsonl").unlink()
    zerosum.evaluate(other, features="pixels", num_samples=40)
    _, notes = zerosum.compare([better, other])
    assert str(other) in notes[0]


def test_a_run_without_evaluation_is_noted(evaluated_runs: list[Path], digits_run: Path) -> None:
    _, notes = zerosum.compare([*evaluated_runs, digits_run])
    assert notes == [f"{digits_run} has not been evaluated; run `zerosum evaluate {digits_run}` first"]
    for runs in ([digits_run], [], ["no/such/run"]):
        with pytest.raises(BadInput):
            zerosum.compare(runs)


def test_an_online_evaluation_counts_where_there_is_no_other(trained_ring: Path) -> None:
    groups, _ = zerosum.compare([trained_ring])
    assert [ranked.run.examples for ranked in groups[0].runs] == [2_048]


def test_a_damaged_row_is_named(evaluated_runs: list[Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(evaluated_runs[0], tmp_path / "run"))
    RunFolder(run).append("scores.jsonl", {"examples": 1, "mode": "offline"})
    with pytest.raises(BadInput, match=r"scores\.jsonl: a row lacks 'protocol'"):
        zerosum.compare([run])


def test_a_row_with_a_wrong_value_is_named(evaluated_runs: list[Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(evaluated_runs[0], tmp_path / "run"))
    row = list(RunFolder(run).rows("scores.jsonl"))[-1]
    RunFolder(run).append("scores.jsonl", row | {"protocol": "none"})
    with pytest.raises(BadInput, match=r"scores\.jsonl: a row cannot be read"):
        zerosum.compare([run])


def test_scores_of_copies_and_the_direction_of_a_translation_are_told(
    evaluated_runs: list[Path], tmp_path: Path
) -> None:
    other = Path(shutil.copytree(evaluated_runs[1], tmp_path / "other"))
    (row,) = [row for row in RunFolder(other).rows("scores.jsonl") if row.get("mode") == "offline"]
    overlaps = [overlap | {"copies": 3, "text": "3 of 50 samples are real"} for overlap in row["overlaps"][:1]]
    (other / "scores.jsonl").unlink()
    RunFolder(other).append("scores.jsonl", row | {"overlaps": overlaps, "direction": "reverse"})
    groups, notes = zerosum.compare([evaluated_runs[0], other])
    assert notes == [f"{other} (reverse): 3 of 50 samples are real"]
    assert f"{other} (reverse)" in "\n".join(compare.format_table(groups, notes))


def test_the_table_has_scores_floor_and_protocol(evaluated_runs: list[Path]) -> None:
    groups, notes = zerosum.compare(evaluated_runs)
    lines = compare.format_table(groups, [*notes, "a note"])
    assert lines[0].split()[:3] == ["run", "examples", "kid_pixels"]
    assert lines[1].startswith("1")
    assert "better" in lines[1]
    assert lines[3].split()[:3] == ["real", "against", "real"]
    assert lines[4].startswith("protocol pixels")
    assert lines[-1] == "a note"


def test_a_comparison_as_json(evaluated_runs: list[Path]) -> None:
    record = json.loads(compare.format_json(*zerosum.compare(evaluated_runs)))
    assert [entry["rank"] for entry in record["groups"][0]["entries"]] == [1, 2]
    assert record["groups"][0]["protocol"]["features"] == "pixels"
    assert record["notes"] == []
