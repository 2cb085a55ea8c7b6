"""`zerosum diagnose`, as a user meets it."""

import json
from pathlib import Path

TINY = ["--recipe", "vanilla", "--examples", "6400", "--training.batch_size", "64", "--training.tick_examples", "128",
        "--diagnostics.every_examples", "256", "--diagnostics.samples", "64", "--generator.widths", "[16]"]  # fmt: skip
STILL = ["--optimizer.lr_multipliers", "{ generator = 1e-12 }"]
"""A generator that hardly moves."""


def test_a_generator_that_stands_still(here: Path, say) -> None:
    code, out, err = say("train", "ring", *TINY, *STILL, "--run", "still")
    assert code == 3, err
    assert "severe: The generator does not move" in out
    code, out, _ = say("diagnose", "still")
    assert code == 3
    assert "generator-not-updating" in out
    assert "--optimizer.lr_multipliers" in out
    page = (here / "still/report.html").read_text()
    assert "The generator does not move" in page
    code, out, _ = say("diagnose", "still", "--json")
    assert code == 3
    first = json.loads(out)["findings"][0]
    assert first["name"] == "generator-not-updating"
    assert len(first["evidence"]) >= 2
    assert first["severity"] == "severe"
    # any log will do, wherever it is
    (here / "elsewhere.jsonl").write_text((here / "still/log.jsonl").read_text())
    code, out, _ = say("diagnose", "elsewhere.jsonl")
    assert code == 3
    assert "generator-not-updating" in out


def test_signals_are_explained(here: Path, say) -> None:
    code, _, err = say("train", "ring", *TINY, "--run", "run")
    assert code == 0, err
    _, out, _ = say("diagnose", "run", "--signals")
    lines = out.splitlines()
    for name in ("auc", "spread", "coverage", "gap", "stride/generator"):
        (line,) = [line for line in lines if line.split(" ")[0] == name]
        assert len(line.split("  ")[-1]) > 10, f"{name} is not explained"
    _, out, _ = say("diagnose", "run", "--signals", "--json")
    signals = json.loads(out)["signals"]
    assert {"monitor/auc_train", "monitor/diversity", "monitor/energy_distance"} <= signals.keys()
    assert "lost" not in json.loads(out)


def test_nothing_logged_yet(here: Path, say) -> None:
    code, _, err = say("diagnose", "nowhere")
    assert code == 2
    assert "does not exist" in err
    (here / "empty.jsonl").write_text("hello\n")
    code, _, err = say("diagnose", "empty.jsonl")
    assert code == 2
    assert "no line of a log" in err
    assert "Traceback" not in err
