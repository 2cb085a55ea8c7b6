"""Field names in messages become flags of the command that runs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from zerosum.cli.fields import fields_to_flags, long_flags, positional_names, set_command
from zerosum.errors import BadInput

PARAMETERS = [
    SimpleNamespace(name="run", opts=["run"], metavar="[RUN]"),
    SimpleNamespace(name="num_samples", opts=["-n", "--num-samples"], metavar=None),
    SimpleNamespace(name="video_format", opts=["--video"], metavar=None),
    SimpleNamespace(name="to_label", opts=["--to"], metavar=None),
    SimpleNamespace(name="seed", opts=["--seed"], metavar=None),
]
OTHER_PARAMETERS = [
    SimpleNamespace(name="run", opts=["--run"], metavar=None),
    SimpleNamespace(name="size", opts=["--size"], metavar=None),
    SimpleNamespace(name="seed", opts=["--random-seed"], metavar=None),
    SimpleNamespace(name="source", opts=["source"], metavar="DATA"),
    SimpleNamespace(name="source", opts=["source"], metavar="INPUT"),
    SimpleNamespace(name="name", opts=["name"], metavar=None),
]


@pytest.fixture(autouse=True)
def _command() -> None:
    set_command(PARAMETERS, OTHER_PARAMETERS)


def test_long_flags_leave_out_positional_arguments() -> None:
    assert long_flags(PARAMETERS) == {
        "num_samples": "--num-samples", "video_format": "--video", "to_label": "--to", "seed": "--seed",
    }  # fmt: skip


def test_positional_arguments_are_named_as_in_the_help() -> None:
    assert positional_names(OTHER_PARAMETERS) == {"source": "DATA", "name": "NAME"}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("`num_samples` 0: give at least 1", "--num-samples 0: give at least 1"),
        ("`video_format` avi: choose gif", "--video avi: choose gif"),
        ("`to_label` dgo", "--to dgo"),
        ("set `training.batch_size` 8, or `terms.gradient_penalty.weight` 0",
         "set --training.batch_size 8, or --terms.gradient_penalty.weight 0"),
        ("`optimizer.lr_multipliers.discriminator` 4", "--optimizer.lr_multipliers.discriminator 4"),
        ("`run` runs/a: does not exist", "RUN runs/a: does not exist"),
        ("choose `size` nano for `source` photos", "choose --size nano for DATA photos"),
        ("`seed` 1 of the command that runs", "--seed 1 of the command that runs"),
    ],
)  # fmt: skip
def test_fields_become_flags(message: str, expected: str) -> None:
    assert fields_to_flags(message) == expected


@pytest.mark.parametrize(
    "message",
    [
        "`reporter` is not a parameter of this command",
        "continue with `zerosum resume runs/a`",
        "`package.module:factory`",
        "`data.json` and `training.pt` are files",
        "num_samples without backticks, and training.batch_size",
    ],
)
def test_everything_else_is_left_unchanged(message: str) -> None:
    assert fields_to_flags(message) == message


def test_bad_input_is_printed_with_the_flags_of_the_command_that_runs(
    workdir: Path, run_cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise BadInput("`num_samples` 0 and `data.size` 3 and `keyframes` 1 of `source`: see `zerosum --help`")

    monkeypatch.setattr("zerosum.api.sample", fail)
    code, _, err = run_cli("sample", "run", "-n", "0")
    assert code == 2
    assert err == "zerosum: --num-samples 0 and --data.size 3 and --keyframes 1 of DATA: see `zerosum --help`\n"


def test_reporters_print_flags(capfd: pytest.CaptureFixture[str]) -> None:
    from zerosum.cli.console import LineReporter

    LineReporter().message("size  64 px: the images are 64x64 (`data.size` 128)")
    assert capfd.readouterr().out == "size  64 px: the images are 64x64 (--data.size 128)\n"


def test_a_setting_that_does_not_exist_is_still_named_as_a_flag() -> None:
    assert fields_to_flags("`judging.features`: there is no such setting").startswith("--judging.features: ")
    assert fields_to_flags("`data.json`: cannot be read") == "`data.json`: cannot be read", "a file keeps its name"
