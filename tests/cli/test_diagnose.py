"""The command `zerosum diagnose`."""

import json
from pathlib import Path

TINY = ["--recipe", "vanilla", "--examples", "6400", "--training.batch_size", "64", "--training.tick_examples", "128",
        "--diagnostics.every_examples", "256", "--diagnostics.samples", "64", "--generator.widths", "[16]"]  # fmt: skip
FROZEN_GENERATOR = ["--optimizer.lr_multipliers", "{ generator = 1e-12 }"]


def test_a_generator_that_is_not_updated(workdir: Path, run_cli) -> None:
    code, out, err = run_cli("train", "ring", *TINY, *FROZEN_GENERATOR, "--run", "frozen")
    assert code == 3, err
    assert "severe: " in out
    code, out, _ = run_cli("diagnose", "frozen")
    assert code == 3
    assert "generator-not-updating" in out
    assert "--optimizer.lr_multipliers" in out
    code, out, _ = run_cli("diagnose", "frozen", "--json")
    assert code == 3
    first = json.loads(out)["findings"][0]
    assert first["name"] == "generator-not-updating"
    assert len(first["evidence"]) >= 2
    assert first["severity"] == "severe"
    assert first["title"] in (workdir / "frozen/report.html").read_text()
    # a log.jsonl alone can be diagnosed too
    (workdir / "elsewhere.jsonl").write_text((workdir / "frozen/log.jsonl").read_text())
    code, out, _ = run_cli("diagnose", "elsewhere.jsonl")
    assert code == 3
    assert "generator-not-updating" in out


def test_signals_are_printed_with_descriptions(workdir: Path, run_cli) -> None:
    code, _, err = run_cli("train", "ring", *TINY, "--run", "run")
    assert code == 0, err
    _, out, _ = run_cli("diagnose", "run", "--signals")
    lines = out.splitlines()
    for name in ("auc_train", "diversity", "coverage", "duality_gap", "update_ratio/generator"):
        (line,) = [line for line in lines if line.split(" ")[0] == name]
        assert len(line.split("  ")[-1]) > 10, f"{name} has no description"
    _, out, _ = run_cli("diagnose", "run", "--signals", "--json")
    signals = json.loads(out)["signals"]
    assert {"monitor/auc_train", "monitor/diversity", "monitor/energy_distance"} <= signals.keys()
    assert "first_nonfinite" not in json.loads(out)


def test_runs_and_logs_without_a_line_are_refused(workdir: Path, run_cli) -> None:
    code, _, err = run_cli("diagnose", "nowhere")
    assert code == 2
    assert "does not exist" in err
    (workdir / "empty.jsonl").write_text("hello\n")
    code, _, err = run_cli("diagnose", "empty.jsonl")
    assert code == 2
    assert "empty.jsonl" in err
    assert "Traceback" not in err
