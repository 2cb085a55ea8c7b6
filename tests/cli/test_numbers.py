"""Numbers that nobody means: each command refuses them with one line, or takes them; none gives a traceback."""

from pathlib import Path

import pytest
from PIL import Image

import zerosum

NUMBERS = ("0", "-1", "7.5", "1e400", "nan", "-inf", "1e-300", "2147483648", "4294967296", "9" * 5000, "", "1,2")
BAD_NUMBERS = ("-1", "nan", "9" * 30, "9" * 5000, "")
"""Numbers for commands that take seconds with good ones."""
COMMANDS = {
    "sample": (["-n", "2"], ["--num-samples", "--seed", "--truncation", "--class"]),
    "walk": (["--keyframes", "2", "--steps", "2"], ["--keyframes", "--steps", "--seed"]),
    "edit": (
        ["--direction", "sefa:0", "--sample-indices", "0", "--steps", "2"],
        ["--direction", "--sample-indices", "--max-sigma", "--steps", "--layers", "--seed", "--truncation"],
    ),
    "mix": (["--rows", "0", "--columns", "1"], ["--rows", "--columns", "--layers", "--seed", "--truncation"]),
    "encode": (["gray.png", "--steps", "2"], ["--steps", "--seed"]),
    "evaluate": (
        ["-n", "50", "--features", "pixels"],
        ["--num-samples", "--seed", "--copy-candidates", "--neighbors", "--network-interpolation"],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run on digits."""
    settings = {"generator.width": 4, "discriminator.width": 4, "evaluation.features": "none"}
    run = tmp_path_factory.mktemp("numbers") / "run"
    return zerosum.train("digits", recipe="cgan", run=run, examples=32, batch_size=16, settings=settings).path


@pytest.mark.parametrize("command", COMMANDS)
def test_numbers_give_no_traceback(workdir: Path, run_cli, digits: Path, command: str) -> None:
    Image.new("L", (20, 20), 90).save(workdir / "gray.png")
    arguments, flags = COMMANDS[command]
    for flag in flags:
        for number in BAD_NUMBERS if command == "evaluate" else NUMBERS:
            code, _, err = run_cli(command, str(digits), *arguments, f"{flag}={number}")
            assert code in (0, 2), f"{flag}={number}"
            assert code == 0 or len(err.splitlines()) == 1, err
            assert len(err) < 6000


@pytest.mark.parametrize(
    "setting", ["seed", "examples", "budget", "batch-size", "data.size", "optimizer.lr", "generator.widths"]
)
@pytest.mark.parametrize("number", ["-1", "nan", "1e400", "9" * 30, "9" * 5000, "0"])
def test_training_refuses_numbers_out_of_range(workdir: Path, run_cli, setting: str, number: str) -> None:
    """Exit code 0 or 3 is right where a number is one that can be trained with: a seed of 0."""
    arguments = {"recipe": "vanilla", "examples": "32", "run": "run", "batch-size": "16"} | {setting: number}
    code, _, err = run_cli("train", "ring", *(f"--{name}={value}" for name, value in arguments.items()))
    assert code in (0, 2, 3), err
    assert code != 2 or len(err.splitlines()) == 1, err
