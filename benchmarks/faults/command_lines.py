"""Generated command lines: all commands and options, with values of all sorts."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer
from benchmarks.faults.checks import CLEAN_CODES, changed, clean, file_hashes
from benchmarks.faults.fixtures import TRAIN, Fixtures, train_command
from benchmarks.faults.harness import Case, run_command
from benchmarks.faults.option_values import NUMBERS, SETTINGS, WORDS, any_value, make_paths
from typer.core import TyperGroup, TyperOption

COUNT = 900
SECONDS = 60.0
"""Limit of the computing of a command; all of them are asked for next to nothing."""
MAY_CHANGE = {
    "evaluate": ("scores.jsonl", "report.html"),
    "diagnose": ("report.html",),
    "resume": ("log.jsonl", "scores.jsonl", "findings.jsonl", "status.json", "report.html", "training.lock",
               "best/networks.safetensors", "best/score.json", "best/checksums.json", "plan.json", "recipe.toml"),
}  # fmt: skip
"""Files of a run that a command may change."""
BASE = {
    "resume": ["--examples", "960"],
    "evaluate": ["--features", "pixels", "-n", "64"],
    "sample": ["-n", "2"],
    "walk": ["--keyframes", "2", "--steps", "2"],
    "mix": ["--rows", "0", "--columns", "1"],
    "edit": ["--direction", "pca:0", "--steps", "3", "--sample-indices", "0"],
    "encode": ["--steps", "2"],
}
"""The options with which a command takes a moment; the ones under test follow, and the last one counts."""

COMMAND_WEIGHTS = {
    "train": 8, "resume": 3, "data": 2, "recipes": 1, "evaluate": 4, "diagnose": 1, "compare": 1, "sample": 3,
    "walk": 3, "mix": 2, "edit": 3, "encode": 2, "apply": 3,
}  # fmt: skip
"""How often each command is generated."""


def _try(fixtures: Fixtures, command: str, arguments: Sequence[str], folder: Path) -> list[str]:
    """Run a command line in a folder with a run and other files, and check that nothing is lost."""
    source = {"mix": fixtures.stylegan2, "apply": fixtures.pix2pix}.get(command, fixtures.run)
    shutil.copytree(source, folder / "run")
    make_paths(folder / "paths")
    inputs = {path: file_hashes(path) for path in (fixtures.images, fixtures.pairs, folder / "paths")}
    before = file_hashes(folder / "run")
    outcome = run_command([command, *arguments], folder, seconds=SECONDS)
    problems = clean(outcome, CLEAN_CODES)
    pruned = [name for name in before if command == "resume" and name.startswith("checkpoints")]
    problems += changed(before, folder / "run", [*MAY_CHANGE.get(command, ()), *pruned])
    for path, hashes in inputs.items():
        problems += changed(hashes, path)
    return problems


def _options(command: str) -> dict[str, bool]:
    """Return the long flags of a command, and whether each takes a value."""
    from zerosum.cli import app

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    options = [parameter for parameter in group.commands[command].params if isinstance(parameter, TyperOption)]
    names = {name: not option.is_flag for option in options for name in option.opts if name.startswith("--")}
    return {name: takes_value for name, takes_value in names.items() if name != "--help"}


def _positional(fixtures: Fixtures, command: str, paths: list[str], rng: random.Random) -> list[str]:
    """Return the positional arguments of a command: mostly valid ones."""
    run = "run" if rng.random() < 0.9 else rng.choice(paths)
    image = str(fixtures.pairs / "A" / "000.png") if rng.random() < 0.8 else rng.choice(paths)
    valid = {"train": [], "data": [str(fixtures.images)], "recipes": ["vanilla"], "encode": [run, image],
             "apply": [run, image], "compare": [run, run]}.get(command, [run])  # fmt: skip
    if rng.random() < 0.03:
        valid = valid[1:]
    if rng.random() < 0.03:
        valid = [*valid, any_value(rng, paths)]
    return valid


def _value_for(option: str, rng: random.Random, paths: list[str]) -> str:
    """Return a value for an option, mostly of its own sort."""
    if rng.random() < 0.3:
        return any_value(rng, paths)
    if option in {"--into", "--run", "--data", "--fake", "--real", "--train", "--mask", "--recipe"}:
        return rng.choice(paths)
    if option in {"--class", "--to", "--interpolation", "--video", "--direction", "--device", "--logger", "--layers"}:
        return rng.choice(WORDS)
    return rng.choice(NUMBERS)


def _command_line(fixtures: Fixtures, command: str, paths: list[str], rng: random.Random) -> list[str]:
    """Return the arguments of a command with one to three options under test."""
    arguments = _positional(fixtures, command, paths, rng) + BASE.get(command, [])
    if command == "train":
        source = rng.choice([str(fixtures.images), str(fixtures.images), "ring", "digits", any_value(rng, paths)])
        arguments += [*train_command(fixtures.images, "new", 96)[2:], "--data", source, "--budget", "4s"]
    options = _options(command)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if command == "train" and rng.random() < 0.5:
            arguments += [f"--{rng.choice(SETTINGS)}", any_value(rng, paths)]
        elif options:
            option = rng.choice(list(options))
            value = _value_for(option, rng, paths)
            with_value = [f"{option}={value}"] if rng.random() < 0.3 else [option, value]
            arguments += with_value if options[option] else [option]
    return arguments


def make_cases(fixtures: Fixtures, scratch: Path, rng: random.Random) -> list[Case]:
    """Return the cases."""
    commands = [*COMMAND_WEIGHTS]
    relative = [path.replace(f"{scratch}/", "") for path in make_paths(scratch / "paths")]
    cases = []
    for _ in range(COUNT):
        command = rng.choices(commands, [*COMMAND_WEIGHTS.values()])[0]
        arguments = _command_line(fixtures, command, relative, rng)
        tested = arguments[len(TRAIN) + 5 :] if command == "train" else arguments
        shown = " ".join(repr(argument)[1:-1][:80] for argument in tested).replace(
            str(fixtures.images.parent), "inputs"
        )
        run = partial(_try, fixtures, command, arguments)
        cases.append(Case("generated command lines", f"{command} {shown}", run))
    return cases
