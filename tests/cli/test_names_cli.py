"""Names with control characters, markup and bytes that are no UTF-8, from the command line to the report."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RunCli = Callable[..., tuple[int, str, str]]
QUICK = [
    "--recipe", "dcgan", "--examples", "64", "--data.size", "16", "--generator.width", "4",
    "--discriminator.width", "4",
    "--generator.condition", "concat", "--discriminator.condition", "concat", "--evaluation.features", "none",
]  # fmt: skip
ESCAPE, NEWLINE, BIDI = "\x1b[2J\x1b[31m", "two\nlines", "\u202egnp.exe"
LATIN_1 = os.fsdecode("été".encode("latin-1"))
CLASSES = (f"{ESCAPE}<script>alert(1)</script>".replace("/", "_"), f"{NEWLINE}{LATIN_1}")

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS refuses names that are no UTF-8")


@pytest.fixture
def poisoned(workdir: Path) -> Path:
    """Two classes of 20 images and a damaged one, all with names of the worst kind."""
    for label, name in enumerate(CLASSES):
        folder = workdir / "set" / name
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = np.random.default_rng([label, number]).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}{ESCAPE}{NEWLINE}{BIDI}{LATIN_1}.png")
        (folder / f"damaged{ESCAPE}{NEWLINE}{BIDI}{LATIN_1}.png").write_bytes(b"x")
    (workdir / "set" / f"gone{NEWLINE}{LATIN_1}.png").symlink_to("nowhere")
    return workdir / "set"


def assert_safe(text: str) -> None:
    """Fail if text would move the cursor, change the direction of text, or hold a name as it is."""
    assert text.replace("\n", "").replace("\t", "").isprintable()
    assert "two\nlines" not in text
    assert "<script>alert" not in text or "&lt;" not in text


def test_poisoned_names_are_escaped_in_the_terminal_json_and_the_report(run_cli: RunCli, poisoned: Path) -> None:
    code, out, err = run_cli("data", "set")
    assert code == 0, err
    assert_safe(out)
    assert "unreadable: 2 files" in out
    assert "broken link" in out
    code, out, _ = run_cli("data", "set", "--json")
    record = json.loads(out)
    assert set(record["classes"]) == {"\\x1b[2J\\x1b[31m<script>alert(1)<_script>", "two\\nlines\\xe9t\\xe9"}
    code, out, err = run_cli("train", "set", "--run", "run", *QUICK)
    assert code == 0, out + err
    assert_safe(out)
    report = Path("run/report.html").read_text("utf8")
    assert_safe(report)
    assert "<script>alert" not in report
    assert_safe(Path("run/data.json").read_text("utf8"))
    code, out, err = run_cli("sample", "run", "-n", "4", "--class", "two\\nlines\\xe9t\\xe9")
    assert code == 0, err
    assert len(out.splitlines()) == 1


def test_names_of_the_largest_length_are_used(run_cli: RunCli, workdir: Path) -> None:
    for label in ("a", "b"):
        folder = workdir / "set" / (label * 255)
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = np.random.default_rng(number + 20 * (label == "a")).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:0251}.png")
    code, out, err = run_cli("train", "set", "--run", "r" * 255, *QUICK)
    assert code == 0, out + err
    code, out, err = run_cli("sample", "r" * 255, "-n", "4", "--class", "a" * 255)
    assert code == 0, err
    assert Path(out.strip()).exists()


def test_a_source_whose_path_is_no_utf8_is_read_or_refused_in_one_sentence(run_cli: RunCli, poisoned: Path) -> None:
    poisoned.rename(f"set{LATIN_1}")
    code, out, err = run_cli("train", f"set{LATIN_1}", "--run", "run", *QUICK)
    assert (code, len(err.splitlines())) == (2, 1), out + err
    assert "is not valid UTF-8" in err
    assert_safe(out + err)
    code, out, err = run_cli("train", "missing\x1b[2J\nfolder", "--run", "run", *QUICK)
    assert code == 2
    assert_safe(err)
    assert not Path("run").exists()


def test_a_newline_in_the_name_of_a_run_begins_no_line(run_cli: RunCli, workdir: Path) -> None:
    run = f"run{NEWLINE}"
    small = ["--generator.widths", "[8]", "--discriminator.widths", "[8]", "--device", "cpu"]
    assert run_cli("train", "ring", "--recipe", "vanilla", "--run", run, "--examples", "256", *small)[0] == 0
    code, out, err = run_cli("diagnose", run)
    assert code in {0, 3}, err
    assert_safe(out)
    assert "two\\nlines" in out
