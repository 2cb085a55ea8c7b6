"""Several sources, a source for validation and groups, from the command line to a resumed run."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zerosum

RunCli = Callable[..., tuple[int, str, str]]
QUICK = ("--examples", "32", "--batch-size", "8", "--data.size", "16", "--evaluation.features", "none")


def write_images(folder: str, count: int, seed: int) -> None:
    Path(folder).mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
            Path(folder, f"p{number // 4}_{number}.png")
        )


@pytest.fixture
def folders(workdir: Path) -> Path:
    for seed, name in enumerate(("a/cat", "a/dog", "b/dog", "b/owl", "v/dog", "v/cat")):
        write_images(name, 12, seed)
    return workdir


def test_several_folders_are_one_set_that_resumes_from_elsewhere(
    run_cli: RunCli, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = run_cli("train", "a", "b", *QUICK, "--recipe", "cgan", "--data.validation", "v")
    assert code == 0, err
    assert "joined 48 images: 24 of a, 24 of b" in out + err
    table = tomllib.loads(Path("runs/a-and-b/recipe.toml").read_text())["data"]
    assert (table["source"], table["more_sources"], table["validation"]) == ("a", ["b"], "v")
    record = json.loads(Path("runs/a-and-b/data.json").read_text())
    assert (record["train"], record["held_out"], list(record["classes"])) == (48, 24, ["cat", "dog", "owl"])
    (folders / "elsewhere").mkdir()
    monkeypatch.chdir(folders / "elsewhere")
    code, _, err = run_cli("resume", "../runs/a-and-b", "--examples", "40")
    assert code == 0, err
    (folders / "b" / "owl" / "p0_0.png").unlink()
    code, _, err = run_cli("resume", "../runs/a-and-b", "--examples", "48")
    assert (code, "has changed" in err, "Traceback" in err) == (2, True, False)


def test_the_same_set_from_python_and_from_a_recipe(run_cli: RunCli, folders: Path) -> None:
    settings = {"data.size": 16, "evaluation.features": "none", "data.groups": "(p[0-9]+)_"}
    run = zerosum.train(["a", Path("b")], run="python", examples=16, batch_size=8, settings=settings)
    assert run.state == "done"
    settings_alone = Path("python/recipe.toml").read_text().partition("[metadata]")[0]
    Path("same.toml").write_text(settings_alone)
    code, _, err = run_cli("train", "--recipe", "same.toml", "--run", "again")
    assert code == 0, err
    assert tomllib.loads(Path("again/recipe.toml").read_text())["data"]["groups"] == "(p[0-9]+)_"
    prints = [json.loads(Path(name, "data.json").read_text())["fingerprint"] for name in ("python", "again")]
    assert prints[0] == prints[1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("a", "a"),
        ("a", "a/cat"),
        ("a", "missing"),
        ("ring", "grid"),
        ("a", "b", "v", "--recipe", "pix2pix"),
        ("a", "--data.groups", "("),
        ("a", "--data.groups", "folder"),
        ("a", "--data.validation", "missing"),
        ("a", "--data.validation", "v", "--data.held_out", "0.2"),
    ],
)
def test_sources_that_cannot_be_used_are_refused(run_cli: RunCli, folders: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = run_cli("train", *arguments, "--run", "run")
    assert (code, len(err.strip().splitlines()), "Traceback" in err) == (2, 1, False), err
    assert not Path("run").exists()


@pytest.mark.parametrize("more", [("b",), ("--data.validation", "v")])
def test_an_evaluation_on_other_images_reads_these_alone(run_cli: RunCli, folders: Path, more: tuple[str, ...]) -> None:
    write_images("other", 20, 9)
    code, _, err = run_cli("train", "a", *more, *QUICK, "--run", "run")
    assert code == 0, err
    code, out, err = run_cli("evaluate", "run", "--data", "other", "--features", "pixels", "-n", "16")
    assert code == 0, err
    assert "against 20 real" in out + err


def test_the_same_command_with_several_sources_continues_the_run(run_cli: RunCli, folders: Path) -> None:
    command = ("train", "a", "b", *QUICK, "--run", "run", "--or-resume")
    assert run_cli(*command)[0] == 0
    assert run_cli(*command)[0] == 0
    code, _, err = run_cli("train", "a", "v", *QUICK, "--run", "run", "--or-resume")
    assert (code, "more_sources" in err) == (2, True)
