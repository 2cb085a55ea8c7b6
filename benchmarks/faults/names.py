"""Poisoned names of files, classes, folders and runs in everything that is printed or written."""

from __future__ import annotations

import json
import os
import random
import re
import sys
from functools import partial
from pathlib import Path

from benchmarks.faults.checks import clean
from benchmarks.faults.fixtures import Fixtures, make_images, train_command
from benchmarks.faults.harness import Case, Outcome, run_command

NAMES: dict[str, bytes] = {
    "red": b"a\x1b[31mred", "title": b"a\x1b]0;title\x07", "clear screen": b"\x1b[2J\x1b[H", "bell": b"a\x07b",
    "newline": b"a\nINJECTED", "return": b"a\rINJECTED", "tab": b"a\tb", "delete": b"a\x7fb",
    "8-bit CSI": b"a\xc2\x9b31mb",
    "next line": b"a\xc2\x85INJECTED", "line separator": "a\u2028INJECTED".encode(),
    "right to left": "a\u202egnp".encode(),
    "zero width": "a\u200bb".encode(), "isolate": "a\u2066b".encode(), "script": b"<script>alert(1)<!--",
    "image tag": b'"><img src=x onerror=alert(1)>', "single quotes": b"' onload='alert(1)",
    "entity": b"&lt;b&gt;&amp;",
    "template": b"{{7*7}}${7*7}", "format": b"%s%n{0}{name}", "Shift-JIS": "日本".encode("shift_jis"),
    "Latin-1": b"caf\xe9",
    "UTF-16": b"\xff\xfea", "half a character": b"a\xe3\x81", "255 bytes": b"n" * 255,
    "255 bytes of text": "あ".encode() * 85,
    "combining": ("e" + "\u0301" * 100).encode(), "emoji": "👩‍👩‍👧".encode(), "decomposed": "e\u0301".encode(),
    "dash": b"-rf",
    "flag": b"--run", "spaces": b"   ", "trailing dot": b"a.", "markup": b"[bold red]x[blink]", "closing": b"[]",
    "setting": b"`training.seed`", "command": b"$(touch INJECTED)", "semicolon": b";touch INJECTED;", "star": b"*",
    "question": b"[a-z]?", "home": b"~", "comment": b"#x", "comma": b"a,b", "colon": b"C:x", "backslash": b"a\\nb",
    "quotes": b"\"'`", "equals": b"a=b", "hidden": b".x", "two dots": b"..x", "device": b"CON",
    "markdown": b"](x)",
    "TOML": b'"\n[generator]\nwidth = 1', "JSON": b'","x":"',
}  # fmt: skip
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""Characters that control a terminal; carriage returns are counted by their effect."""
RAW_HTML = ("<script>alert", "<img src=x", r"<[^>]*' onload='alert", "{{7\\*7}}<")
"""Regular expressions of what a report must not hold: in text, quotes are harmless, but not within a tag."""


def _shown_problems(outcome: Outcome) -> list[str]:
    """Return what is wrong with the output of a command."""
    problems = [f"{found[0]!r} in the output: {outcome.end!r}"] if (found := FORBIDDEN.search(outcome.output)) else []
    if any(line.startswith("INJECTED") for line in re.split("[\r\n]", outcome.output)):
        problems.append(f"a name begins a line of the output: {outcome.end!r}")
    return problems


def _file_problems(run: Path) -> list[str]:
    """Return what is wrong with the files of a run."""
    problems = []
    for path in [*run.rglob("*.json"), *run.rglob("*.jsonl")]:
        try:
            text = path.read_bytes().decode("utf8")
            for part in text.splitlines() if path.suffix == ".jsonl" else [text]:
                json.loads(part)
        except ValueError as error:
            problems.append(f"{path.name} cannot be read: {error}")
    report = run / "report.html"
    if report.exists():
        html = report.read_bytes().decode("utf8", "replace")
        if "\ufffd" in html:
            problems.append("the report is not UTF-8")
        problems += [f"{raw} in the report" for raw in RAW_HTML if re.search(raw, html)]
        if found := FORBIDDEN.search(html):
            problems.append(f"{found[0]!r} in the report")
    return problems


def _make_source(name: str, where: str, folder: Path) -> Path:
    """Make a training set in which a file, its folder, a class, a bad file or a table of classes has the name."""
    source = folder / (name if where == "folder" else "source")
    if where == "class":
        for number, label in enumerate((name, "other")):
            make_images(source / label, 25, number)
        return source
    images = make_images(source, 40)
    if where == "file":
        (images / "000.png").rename(images / f"{name[: len(name) - 4] if len(os.fsencode(name)) > 250 else name}.png")
    elif where == "bad file":
        (images / f"{name[: len(name) - 4] if len(os.fsencode(name)) > 250 else name}.png").write_bytes(b"no image")
    elif where == "table":
        rows = "".join(f"{number:03d}.png,{'other' if number % 2 else json.dumps(name)}\n" for number in range(40))
        (images / "labels.csv").write_bytes(os.fsencode("file,label\n" + rows))
    return images


def _print_to_terminal() -> None:
    """Make the command believe that its output is a terminal: to a program, paths are printed unchanged."""
    sys.stdout.isatty = lambda: True  # type: ignore[method-assign]


def _try(name: str, where: str, folder: Path) -> list[str]:
    source = _make_source(name, where, folder)
    run = f"runs/{name if where == 'run' else 'new'}"
    train = train_command(source, run, 96)
    if where in {"class", "table"}:
        train = ["train", str(source), "--run", run, "--examples", "96", "--batch-size", "16", "--recipe", "cgan",
                 "--device", "cpu", "--generator.width", "4", "--discriminator.width", "4", "--data.size", "16",
                 "--evaluation.features", "none"]  # fmt: skip
    first = os.path.relpath(next(source.rglob("*.png")), folder)
    commands = [["data", str(source)], ["data", str(source), "--json"], train, ["diagnose", run],
                ["evaluate", run, "--features", "pixels", "-n", "32"], ["sample", run, "-n", "2"],
                ["sample", run, "-n", "2", f"--class={name}"], ["encode", run, first, "--steps", "2"],
                train]  # fmt: skip
    problems = []
    for command in commands:
        outcome = run_command(command, folder, _print_to_terminal, {"TERM": "dumb", "COLUMNS": "10000"})
        problems += [f"{command[0]}: {problem}" for problem in clean(outcome) + _shown_problems(outcome)]
        if "--json" in command and outcome.code == 0:
            json.loads(outcome.output)
    problems += [problem for path in (folder / "runs").glob("*") for problem in _file_problems(path)]
    return problems + (["a command in a name was run"] if (folder / "INJECTED").exists() else [])


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases: each name in two of the places where names occur."""
    places, cases = ("class", "file", "bad file", "folder", "run", "table"), []
    for index, (what, name) in enumerate(NAMES.items()):
        for where in (places[index % 6], places[(index + 2) % 6]):
            cases.append(Case("poisoned names", f"{what} as a {where}", partial(_try, os.fsdecode(name), where)))
    return cases
