"""Columns of labels.csv as conditions, on the command line."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICK = ["--examples", "64", "--batch-size", "16", "--evaluation.features", "none", "--training.precision", "float32"]
CONDITIONED = ["--generator.condition", "concat", "--discriminator.condition", "concat"]
TINY = ["--data.size", "16", "--generator.width", "4", "--discriminator.width", "4"]


@pytest.fixture
def people(workdir: Path) -> Path:
    folder, rng = workdir / "people", np.random.default_rng(0)
    folder.mkdir()
    rows = []
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(folder / f"{number}.png")
        rows.append((f"{number}.png", 20 + number, 1.5 + number % 7 / 20))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "age", "height"), *rows])
    return folder


def test_conditions_are_trained_on_and_asked_for(people: Path, run_cli) -> None:
    train = ["train", str(people), "--recipe", "dcgan", "--run", "r", "--data.conditions", "age,height", *QUICK, *TINY]
    code, _, err = run_cli(*train)
    assert code == 2
    assert "set --generator.condition to concat and --discriminator.condition to projection" in err
    assert not Path("r").exists()
    code, out, err = run_cli(*train, *CONDITIONED)
    assert code == 0, err
    assert "note: the conditions are age (2" in out
    code, out, err = run_cli("sample", "r", "-n", "4", "--condition", "age=40,height=1.7")
    assert code == 0, err
    assert Path(out.strip()).name == "00000064-seed0-n4-cage_40+height_1.7"
    code, out, err = run_cli("sample", "r", "-n", "4")
    assert code == 0, err
    for condition, expected in (
        ("40,1.7", "--given: name what each value is, such as age=VALUE (age, height)"),
        ("ago=40", "--given ago: no such column; did you mean age?"),
        ("age=young", "--given age=young: give a number"),
        ("age=40,height", "--given age=40,height: give each name once, with a value"),
        ("age=40,age=41", "give each name once"),
        ("age=", "--given age=: has no value"),
    ):
        code, out, err = run_cli("sample", "r", "-n", "4", "--condition", condition)
        assert (code, out) == (2, "")
        assert expected in err
        assert len(err.strip().splitlines()) == 1
