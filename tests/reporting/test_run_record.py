"""The record of a run, and what the sections of a report take from it."""

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w

from zerosum.data.registry import KindRegistry
from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.reporting import commands_section, data_section, header_section, run_record
from zerosum.reporting.commands_section import render_commands
from zerosum.reporting.data_section import render_data
from zerosum.reporting.header_section import render_header
from zerosum.reporting.report import SECTIONS, render_report
from zerosum.reporting.run_record import RunRecord
from zerosum.reporting.samples_section import render_samples
from zerosum.reporting.scores_section import render_scores
from zerosum.run_folder import RunFolder, RunState

SIGNALS = {"evaluation/coverage": 0.1, "evaluation/coverage_floor": 0.9}
ONLINE = {"mode": "online", "examples": 200, "signals": SIGNALS, "scores": {"kid": {"value": 1.0, "floor": 0.1}}}
LOG = [{"round": n, "examples": 100 * n, "seconds": 2.0 * n, "generator/objective": 0.7} for n in (1, 2)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = RunFolder(tmp_path)
    run.write_toml("recipe.toml", {"name": "auto", "data": {"source": "table.csv"}, "objective": {"kind": "hinge"}})
    run.write_json("data.json", {"kind": "rows", "source": "table.csv", "count": 300, "train": 200, "held_out": 100})
    run.write_json("plan.json", {"recipe_settings": {"name": "auto"}})
    run.write_json("status.json", {"state": "running", "round": 3, "examples": 250, "seconds": 5.0})
    for row in LOG:
        run.append("log.jsonl", row)
    run.append("scores.jsonl", ONLINE)
    (tmp_path / "samples").mkdir()
    for name in ("00000200.png", "00000100.png", "1000 copy.png", ".00000300.part.png"):
        (tmp_path / "samples" / name).touch()
    return tmp_path


@pytest.fixture
def row_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind of data that the program does not know."""
    data_kinds, media_kinds = KindRegistry({}), KindRegistry({})
    data_kinds.register("rows", SimpleNamespace(noun="row"))
    facts = [("columns", ["age", "income"]), ("missing values", 1234), ("unknown", "")]
    media = SimpleNamespace(
        facts=lambda record: facts,
        describe=lambda record: "They have 2 columns.",
        has_frames=False,
        fills_files=False,
    )
    media_kinds.register("rows", media)
    monkeypatch.setattr(run_record, "DATA_KINDS", data_kinds)
    for module in (header_section, data_section, commands_section):
        monkeypatch.setattr(module, "MEDIA_KINDS", media_kinds)


def test_every_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch, row_kind: None) -> None:
    read_text, read_bytes, reads = Path.read_text, Path.read_bytes, Counter[str]()

    def count_reads(path: Path, *arguments: str, **options: str) -> str:
        reads[path.name] += 1
        return read_text(path, *arguments, **options)

    def count_reads_of_bytes(path: Path) -> bytes:
        reads[path.name] += 1
        return read_bytes(path)

    # opening a run checks its format version
    monkeypatch.setattr(RunFolder, "open", staticmethod(RunFolder))
    monkeypatch.setattr(Path, "read_text", count_reads)
    monkeypatch.setattr(Path, "read_bytes", count_reads_of_bytes)
    record = RunRecord.read(folder)
    assert reads == dict.fromkeys(
        ("recipe.toml", "data.json", "plan.json", "status.json", "log.jsonl", "scores.jsonl"), 1
    )
    for section in SECTIONS:
        if section is not render_samples:
            section(record)
    assert sum(reads.values()) == 6, "sections are functions of the record"


def test_the_record_holds_what_the_folder_does(folder: Path) -> None:
    record = RunRecord.read(folder)
    assert (record.name, record.kind, record.is_translation) == (folder.name, "rows", False)
    assert (record.state, record.round, record.examples, record.seconds) == ("running", 3, 250, 5.0)
    assert (record.log_rows, record.score_rows) == (LOG, [ONLINE])
    assert [(grid.examples, grid.path.name) for grid in record.sample_grids] == [
        (100, "00000100.png"), (200, "00000200.png"),
    ]  # fmt: skip
    history, findings = diagnose_run(RunFolder(folder))
    assert record.findings == findings
    assert record.history.facts == history.facts
    assert record.history["evaluation/coverage"].last == history["evaluation/coverage"].last == 0.1


def test_the_log_tells_the_position_where_there_is_no_status(folder: Path) -> None:
    (folder / "status.json").unlink()
    record = RunRecord.read(folder)
    assert (record.state, record.round, record.examples, record.seconds) == ("", 2, 200, 4.0)


def test_the_words_of_a_kind_come_from_its_implementation(folder: Path, row_kind: None) -> None:
    record = RunRecord.read(folder)
    header, data = render_header(record), render_data(record)
    assert "learns to generate rows like the <b>300 rows</b> of <code>table.csv</code>" in header
    assert "They have 2 columns. So far it has trained" in header
    assert "on <b>250 rows</b>: 1.2 epochs of the training set" in header
    for name, value in (("rows", "300"), ("columns", "age, income"), ("missing values", "1,234")):
        assert f'<th scope="row">{name}</th><td>{value}</td>' in data
    assert "unknown" not in data
    scores = render_scores(record)
    assert "held-out real rows" in scores


def test_the_score_of_each_part_is_a_table(folder: Path) -> None:
    (folder / "data.json").unlink()
    score = {
        "value": 0.5,
        "error": None,
        "floor": 0.9,
        "floor_error": None,
        "ratio": 0.55,
        "ratio_is_lower_bound": False,
    }
    parts = {"shape": {"<price>": 0.25, "age": 0.75}}
    RunFolder(folder).append(
        "scores.jsonl",
        {"mode": "offline", "examples": 5, "scores": {"shape": score}, "protocol_description": "v1", "parts": parts},
    )
    html = render_scores(RunRecord.read(folder))
    assert "shape of each part, the worst first (2)" in html
    assert html.index("&lt;price&gt;") < html.index("0.25") < html.index("age</th>") < html.index("0.75")


def test_no_data_json_and_no_kind(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps({"name": "auto"}))
    report = render_report(RunRecord.read(tmp_path))
    assert "generate examples like those of <code>its data</code>" in report
    assert "zerosum walk" not in report


@pytest.mark.parametrize("state", ["", *RunState])
def test_a_run_that_is_done_is_not_resumed(folder: Path, state: str, row_kind: None) -> None:
    (folder / "status.json").write_text(json.dumps({"state": state, "examples": 200}))
    commands = render_commands(RunRecord.read(folder))
    assert ("zerosum resume" in commands) == (state != RunState.DONE)
    assert "zerosum sample" in commands
    assert "zerosum walk" not in commands, "rows are not drawn one by one"


def test_a_translation_is_applied_to_its_kind_of_data(folder: Path, row_kind: None) -> None:
    (folder / "data.json").write_text(json.dumps({"kind": "rows", "count": 300, "has_inputs": True}))
    record = RunRecord.read(folder)
    assert "learns to translate rows, trained on the <b>300 rows</b>" in render_header(record)
    commands = render_commands(record)
    assert f"zerosum apply {folder.name} ROWS" in commands
    assert "zerosum sample" not in commands
