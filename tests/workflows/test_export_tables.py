"""An exported table runs without us: its script writes the rows of `zerosum sample`, with given columns, too."""

import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import zerosum
from zerosum.errors import BadInput
from zerosum.inference.export.graph import BATCH, generator_graph
from zerosum.inference.export.onnx_model import OnnxRunner
from zerosum.inference.export.parity import measure_parity

GIVEN = {"city": "Linz, Nord", "start": "04.02.2022"}
MAX_DIFFERENT = 1e-3
"""Fraction of the cells whose last decimal may differ, since float32 is rounded differently."""


@pytest.fixture(scope="module")
def exported(trained_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zerosum.export(trained_table, "onnx", into=tmp_path_factory.mktemp("to") / "onnx")


def read(folder: Path) -> list[list[str]]:
    with (folder / "samples.csv").open(encoding="cp1252", newline="") as file:
        return list(csv.reader(file, delimiter=";"))


def assert_same(ours: list[list[str]], theirs: list[list[str]]) -> None:
    """Assert that two tables are equal, but for the last decimals of very few numbers."""
    assert theirs[0] == ours[0]
    assert len(theirs) == len(ours)
    pairs = [pair for rows in zip(ours, theirs, strict=True) for pair in zip(*rows, strict=True)]
    different = [pair for pair in pairs if len(set(pair)) > 1]
    assert len(different) <= MAX_DIFFERENT * len(pairs), different
    for texts in different:
        first, second = (round(100 * float(text.replace(",", "."))) for text in texts)
        assert abs(first - second) <= 1, texts


def test_the_script_writes_the_rows_of_the_run(trained_table: Path, exported: Path, tmp_path: Path) -> None:
    ours = read(zerosum.sample(trained_table, 2_000, first=3, seed=7, into=tmp_path / "ours"))
    words = ["infer.py", "--seed", "7", "-n", "2000", "--first", "3", "--into", str(tmp_path / "theirs")]
    missing = "import sys; sys.modules.update(dict.fromkeys(['zerosum', 'torch', 'pandas', 'sklearn']));"
    run = f"sys.argv = {words!r}; import runpy; runpy.run_path({str(exported / 'infer.py')!r}, run_name='__main__')"
    subprocess.run([sys.executable, "-c", missing + run], check=True, capture_output=True)
    theirs = read(tmp_path / "theirs")
    assert len(theirs) == 2_001
    assert_same(ours, theirs)
    assert len({row[0] for row in theirs}) == 2_001, "keys are unique"


def test_given_columns(trained_table: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = read(zerosum.sample(trained_table, 300, seed=2, given=GIVEN, into=tmp_path / "ours"))
    words = ["-n", "300", "--seed", "2", "--given", 'city="Linz, Nord",start=04.02.2022']
    monkeypatch.setattr(sys, "argv", ["infer.py", *words, "--into", str(tmp_path / "theirs")])
    runpy.run_path(str(exported / "infer.py"), run_name="__main__")
    theirs = read(tmp_path / "theirs")
    assert_same(ours, theirs)
    columns = dict(zip(theirs[0], zip(*theirs[1:], strict=True), strict=True))
    assert set(columns["city"]) == {"Linz, Nord"}
    assert set(columns["country"]) == {"Österreich"}
    assert set(columns["start"]) == {"04.02.2022"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("price=3", "--given price: there is no such column; choose one of city, country"),
        ("city=Rom", "--given city=Rom: the data have no such value"),
        ("age=a", "--given age=a: the data have no such value"),
        ("age=200", "--given age=200: the data have values from 18 to 89"),
        ("age=20,age=30", "give each column once"),
        ("age", "give each column once, with a value"),
        ("start=2022-02-04", "--given start=2022-02-04: the data have no such value"),
        ("start=05.02.2022,end=04.02.2022", "start is never above end"),
        ("city=Wien,country=Deutschland", "never occur together"),
        ("net=1.5", "--given net=1.5: the data have no such value"),
        ('total="10,00"', "give all but one of these too"),
    ],
)
def test_what_the_script_refuses(
    exported: Path, given: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["infer.py", "--given", given, "--into", str(tmp_path / "new")])
    with pytest.raises(SystemExit, match=message):
        runpy.run_path(str(exported / "infer.py"), run_name="__main__")
    assert not (tmp_path / "new").exists()


def test_the_files_and_the_facts(exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {"model.onnx", "config.json", "infer.py", "README.md"}
    facts = json.loads((exported / "config.json").read_text())
    assert [column["name"] for column in facts["sample"]["columns"]][:3] == ["id", "city", "country"]
    assert facts["inputs"].keys() == {"latent", "values", "known", "seed"}
    readme = (exported / "README.md").read_text()
    assert "guarantee of privacy" in readme
    assert 'python infer.py --seed 7 -n 1000 --given "' in readme


def test_parity_at_other_batches(trained_table: Path, exported: Path) -> None:
    graph = generator_graph(zerosum.load(trained_table, "cpu"))
    runner = OnnxRunner((exported / "model.onnx").read_bytes())
    assert measure_parity(graph, runner, [{BATCH: 1}, {BATCH: 3}, {BATCH: 7}]).error <= 1e-5


def test_forms_that_are_refused(trained_table: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="generates rows, and a web page shows images or texts"):
        zerosum.export(trained_table, "web", into=tmp_path / "page.html")
    with pytest.raises(BadInput, match="`half`: this network draws categories or tokens"):
        zerosum.export(trained_table, "onnx", half=True, into=tmp_path / "half")
    assert not any(tmp_path.iterdir())


def test_a_model_folder_is_read_back(trained_table: Path, tmp_path: Path) -> None:
    folder = zerosum.export(trained_table, "hub", into=tmp_path / "model")
    first, second = (zerosum.load(path, "cpu").sample(200, seed=3, given=GIVEN) for path in (trained_table, folder))
    assert isinstance(first, pd.DataFrame)
    assert isinstance(second, pd.DataFrame)
    assert first.equals(second)
    card = (folder / "README.md").read_text()
    for text in ("guarantee of privacy", "| city | category", 'pip install "zerosum[hub,tables]"', "samples.png"):
        assert text in card
    assert "pipeline_tag" not in card
