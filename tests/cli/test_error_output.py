"""Error messages: on an output that cannot be written, of values that are too long, and where the help is."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("arguments", [["recipes"], ["recipes", "nothing"]])
def test_an_output_on_a_full_disk_ends_with_exit_code_2(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "zerosum", *arguments]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(command, stdout=full, stderr=full, check=False).returncode == 2
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("zerosum: ")
    assert "Exception ignored" not in result.stderr


def test_a_value_of_thousands_of_characters_is_abbreviated(run_cli) -> None:
    code, _, error = run_cli("recipes", "9" * 5_000)
    assert code == 2
    assert "(5,000 characters)" in error
    assert len(error) < 1_000


def test_long_paths_are_printed_whole(run_cli) -> None:
    path = "/".join(["d" * 90] * 10)
    assert path in run_cli("diagnose", path)[2]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["sample", "run", "--out", "x"], "No such option: --out; see `zerosum sample --help`"),
        (
            ["data", "photos", "--data.groups", "folder"],
            "give settings to `zerosum train`, or see `zerosum data --help`",
        ),
        (["smple"], "see `zerosum --help`"),
    ],
)
def test_a_wrong_command_line_names_the_help_of_its_command(run_cli, arguments: list[str], advice: str) -> None:
    code, _, error = run_cli(*arguments)
    assert code == 2
    assert advice in error
