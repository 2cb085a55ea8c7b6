"""`diagnose` as a Python function, and its text and JSON."""

import json
from pathlib import Path

import pytest
from workflow_helpers import train_ring

import zerosum
from zerosum.errors import BadInput
from zerosum.workflows import diagnose


@pytest.fixture(scope="module")
def diverged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a severe finding. Tests must not write into it."""
    run = train_ring(tmp_path_factory.mktemp("diverged") / "run", {"optimizer.lr": 1e30}, examples=6_400)
    assert run.state == "diverged"
    return run.path


def test_a_diverged_run_has_a_severe_finding(diverged_run: Path) -> None:
    findings = zerosum.diagnose(diverged_run)
    assert findings[0].name == "nonfinite-values"
    assert diagnose.has_severe(findings)
    text = "\n".join(diagnose.format_lines(diverged_run, findings))
    assert findings[0].title in text
    assert "report.html" in text


def test_a_healthy_run_has_no_severe_finding(ring_run: Path) -> None:
    report = ring_run / "report.html"
    report.unlink()
    findings = zerosum.diagnose(ring_run)
    assert not diagnose.has_severe(findings)
    assert report.is_file(), "the report is written anew"
    text = "\n".join(diagnose.format_lines(ring_run, findings))
    assert "cannot tell" in text
    assert "no problem" not in text, "a run that was not probed is not called healthy"
    assert "Cannot tell" in report.read_text("utf8")


def test_json_says_whether_a_run_without_findings_is_known_to_have_none(ring_run: Path) -> None:
    record = json.loads(diagnose.format_json(ring_run, []))
    assert (record["num_probes"], record["can_tell"]) == (0, False)


def test_a_log_is_diagnosed_without_its_run(diverged_run: Path, tmp_path: Path) -> None:
    log = tmp_path / "copy.jsonl"
    log.write_bytes((diverged_run / "log.jsonl").read_bytes())
    assert "nonfinite-values" in {finding.name for finding in zerosum.diagnose(log)}
    assert list(tmp_path.iterdir()) == [log]


def test_findings_as_json(diverged_run: Path) -> None:
    findings = zerosum.diagnose(diverged_run)
    record = json.loads(diagnose.format_json(diverged_run, findings))
    assert [finding["name"] for finding in record["findings"]] == [finding.name for finding in findings]
    assert record.keys() == {"findings", "num_probes", "can_tell"}
    assert record["can_tell"], "what was found is known"
    record = json.loads(diagnose.format_json(diverged_run, findings, show_signals=True, first_nonfinite="layer"))
    assert record["first_nonfinite"] == "layer"
    assert "signals" in record


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    for name in ("missing", ".", "empty.jsonl", "binary.jsonl"):
        with pytest.raises(BadInput):
            zerosum.diagnose(tmp_path / name)
