"""Fine-tuning and grown data on the command line: flags, and messages that name them."""

import tomllib
from pathlib import Path

import pytest

SMALL = ["--generator.widths", "[16]", "--discriminator.widths", "[16]", "--diagnostics.probe", "false"]


def test_a_run_is_fine_tuned_and_goes_on_with_data(workdir: Path, run_cli) -> None:
    code, out, err = run_cli("train", "ring", "--recipe", "vanilla", "--examples", "512", "--run", "a", *SMALL)
    assert code == 0, err
    assert "too few to learn" in out
    code, out, err = run_cli(
        "train", "grid", "--from", "a", "--freeze", "discriminator:1", "--examples", "512", "--run", "b"
    )
    assert code == 0, err
    assert "from a after 512 examples; all fit" in out
    assert "1 stage of the discriminator" in out
    assert "too few to learn" not in out, "its networks have learned from other data"
    assert tomllib.loads((workdir / "b/recipe.toml").read_text("utf8"))["training"]["freeze"] == {"discriminator": 1}
    code, out, err = run_cli("resume", "b", "--data", "grid", "--examples", "1024")
    assert code == 0, err
    assert "the data of grid are the same as before" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--freeze", "discriminator"], "--freeze discriminator: name a player and a number of stages"),
        (["--freeze", "discriminator:x"], "--freeze discriminator:x: name a player and a number of stages"),
        (["--freeze", "discriminator:4", "--freeze", "discriminator:2"], "discriminator:4 is given too; give one"),
        (["--freeze", "discriminator:0"], "--training.freeze.discriminator 0: input should be greater than 0"),
        (["--freeze", "discriminator:1"], "name it as --from, or leave the setting out"),
        (["--from", "nowhere"], "nowhere does not exist"),
        (["--from", "nowhere", "--profile"], "leave --from out"),
        (["--from", ""], "--from is empty: name a run"),
        (["--profile", "--freeze", "discriminator:1"], "leave --freeze out"),
        (["more", "--from", "nowhere"], "nowhere does not exist"),
    ],
)
def test_mistakes_are_named_by_their_flags(arguments: list[str], message: str, workdir: Path, run_cli) -> None:
    code, _, err = run_cli("train", "ring", *arguments)
    assert code == 2
    assert message in err
    assert not (workdir / "runs").exists()


def test_data_that_a_run_cannot_go_on_with_are_refused(workdir: Path, run_cli) -> None:
    code, _, err = run_cli("train", "ring", "--recipe", "vanilla", "--examples", "256", "--run", "a", *SMALL)
    assert code == 0, err
    code, _, err = run_cli("resume", "a", "--data", "ring", "--data", "grid", "--examples", "512")
    assert code == 2
    assert "--data ring, grid: these are 2 sources; give one" in err
