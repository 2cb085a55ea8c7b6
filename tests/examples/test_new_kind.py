"""The proof of the seam: a kind of data in one file of its own trains, previews, samples, is evaluated and reported."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/new_kind.py"
MAX_LINES = 60
DRIVER = """
import runpy, sys, zerosum
runpy.run_path(sys.argv.pop(1))
zerosum.train("sines", run=sys.argv[3], examples="8k", settings={"diagnostics.every_examples": 2048})
"""
"""Runs the example as it is, then trains again with probes: a run of seconds has no time for them."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new_kind") / "run"
    command = [sys.executable, "-c", DRIVER, EXAMPLE, folder, "30k", folder.with_name("probed")]
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert result.returncode == 0, result.stderr
    return folder


def test_the_example_is_short_and_changes_nothing_else() -> None:
    text = EXAMPLE.read_text("utf8")
    assert len(text.splitlines()) <= MAX_LINES
    for node in ast.walk(ast.parse(text)):
        assert not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store), "nothing of ours is replaced"


def test_it_is_trained_and_previewed(run: Path) -> None:
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert json.loads((run / "codec.json").read_text())["kind"] == "waves"
    assert len(list((run / "samples").glob("*.png"))) > 1


def test_it_is_sampled_as_its_own_files(run: Path) -> None:
    (file,) = run.glob("outputs/*/waves0.csv")
    rows = file.read_text().splitlines()
    assert len(rows) == 16
    assert all(len(row.split(",")) == 32 for row in rows)


def test_it_is_evaluated_with_a_score_of_its_own_and_its_floor(run: Path) -> None:
    (line,) = [
        row for row in map(json.loads, (run / "scores.jsonl").read_text().splitlines()) if row["mode"] == "offline"
    ]
    assert line["protocol"]["features"] == "values"
    assert line["scores"]["kid_values"]["value"] > line["scores"]["kid_values"]["floor"]
    assert line["scores"]["roughness"]["value"] >= line["scores"]["roughness"]["floor"] >= 0


def test_it_is_monitored_with_the_distances_of_its_codec(run: Path) -> None:
    log = [json.loads(line) for line in (run.with_name("probed") / "log.jsonl").read_text().splitlines()]
    assert not [row["probe_error"] for row in log if "probe_error" in row]
    probed = [row for row in log if "monitor/coverage" in row]
    assert probed
    assert all(0 <= row["monitor/coverage"] <= 1 and row["monitor/energy_distance"] >= 0 for row in probed)


def test_it_is_reported_in_its_own_words(run: Path) -> None:
    page = (run / "report.html").read_text()
    assert "2,000 waves" in page
    assert "image" not in page.partition("<body")[2].partition("data:image")[0].lower().replace("image/png", "")
