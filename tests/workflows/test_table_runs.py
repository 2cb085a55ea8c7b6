"""Runs on tables: samples with given columns and filters, DataFrames, and missing cells that are filled."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.data.tables.table_file import read_table
from zerosum.diagnosis.block_probe import BlockProbe
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.errors import BadInput
from zerosum.game.schedule import Progress
from zerosum.inference import sample_stream
from zerosum.media.tables import TableMedia
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.run_data import read_training_data


@pytest.fixture
def table_run(trained_table: Path, tmp_path: Path) -> Path:
    """A copy of the run on a table."""
    return Path(shutil.copytree(trained_table, tmp_path / "run"))


def read(folder: Path) -> pd.DataFrame:
    columns = read_table(folder / "samples.csv").columns
    return pd.DataFrame({name: column.texts for name, column in columns.items()}, dtype=object)


def holes_of(table_file: Path, into: Path, rows: int = 40) -> list[list[str]]:
    """Write the first rows with a column more and without some cells, in odd quotes; return the cells."""
    lines = [line.split(";") for line in table_file.read_text("cp1252").splitlines()[: rows + 1]]
    for number, cells in enumerate(lines[1:]):
        for place in range(1, len(cells)):
            if (number * 7 + place * 5) % 4 == 0:
                cells[place] = ""
        cells[1] = f'"{cells[1]}"' if number % 3 == 0 and cells[1] else cells[1]
    lines = [[*cells, "note" if not number else " as it is "] for number, cells in enumerate(lines)]
    into.write_bytes("".join(";".join(cells) + "\r\n" for cells in lines).encode("cp1252"))
    return lines


def test_samples_are_a_table_like_the_data(table_run: Path, table_file: Path, tmp_path: Path) -> None:
    folder = zerosum.sample(table_run, 30, seed=3, into=tmp_path / "out")
    assert {path.name for path in folder.iterdir()} == {"samples.csv", "samples.json"}
    frame = read(folder)
    assert list(frame.columns) == table_file.read_text("cp1252").splitlines()[0].split(";")
    assert len(frame) == 30
    assert frame["id"].tolist()[:2] == ["A-0500", "A-0501"]
    later = read(zerosum.sample(table_run, 10, seed=3, first=20, into=tmp_path / "later"))
    assert later.equals(frame[20:].reset_index(drop=True)), "row i of a seed is always the same, with its key"


def test_given_columns_are_exact_in_the_file(table_run: Path, tmp_path: Path) -> None:
    given = {"city": "Linz, Nord", "net": "12,34", "end": "05.03.2021", "start": "01.02.2021"}
    frame = read(zerosum.sample(table_run, 20, given=given, into=tmp_path / "out"))
    assert all(set(frame[name]) == {value} for name, value in given.items())
    assert set(frame["country"]) == {"Österreich"}, "follows from the city"
    assert frame["tax"].nunique() > 5
    assert zerosum.sample(table_run, 2, given={"member": "no"}).name.endswith("-n2-cmember_no")
    with pytest.raises(BadInput, match="`given` end: start must be given too"):
        zerosum.sample(table_run, 20, given={"end": "05.03.2021"}, into=tmp_path / "no")
    with pytest.raises(BadInput, match="`given` and `condition` mean the same"):
        zerosum.sample(table_run, 20, given={"member": "no"}, condition={"member": "no"})
    assert not (tmp_path / "no").exists()


def test_rows_that_pass_a_filter(table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TableMedia, "batch_size", 16)
    every = read(zerosum.sample(table_run, 200, seed=1, into=tmp_path / "all"))
    few = read(zerosum.sample(table_run, 12, seed=1, where="member=no", into=tmp_path / "few"))
    expected = every[every["member"] == "no"][:12].drop(columns="id").reset_index(drop=True)
    assert few.drop(columns="id").equals(expected), "those that pass, in the order of the seed"
    assert few["id"].tolist() == [f"A-{number:04d}" for number in range(500, 512)], "numbered one by one"
    both = zerosum.sample(table_run, 5, where="net<1000", given={"member": "no"}, into=tmp_path / "both")
    assert set(read(both)["member"]) == {"no"}


def test_filters_that_cannot_be_met_are_refused(
    table_run: Path, ring_samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_stream, "MIN_DRAWN", 3_000)
    into = tmp_path / "none"
    with pytest.raises(
        BadInput, match="`where` net<0: of 4,096 samples, 0 pass, and fewer than 1 in 1,000 are too few"
    ):
        zerosum.sample(table_run, 5, where="net<0", into=into)
    assert not into.exists()
    with pytest.raises(BadInput, match="`first` 3: which samples pass `where`"):
        zerosum.sample(table_run, 5, where="net<50", first=3, into=into)
    with pytest.raises(BadInput, match="`each` 3: `where` filters samples without classes"):
        zerosum.sample(table_run, each=3, where="net<50", into=into)
    with pytest.raises(BadInput, match="`where` price: there is no such column"):
        zerosum.sample(table_run, 5, where="price<50", into=into)
    with pytest.raises(BadInput, match="`where`: these samples have no columns"):
        zerosum.sample(ring_samples, 5, where="price<50", into=into)
    assert not into.exists()


@pytest.fixture(scope="module")
def ring_samples(trained_ring: Path) -> Path:
    return trained_ring


def test_samples_in_python_are_a_frame(trained_table: Path) -> None:
    generator = zerosum.load(trained_table, device="cpu")
    frame = generator.sample(50, seed=3)
    assert isinstance(frame, pd.DataFrame)
    kinds = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    text = str(pd.Series(["a"]).dtype)
    assert kinds["city"] == kinds["id"] == kinds["member"] == text
    assert kinds["net"] == "float64"
    assert kinds["age"] == str(generator.sample(1).dtypes["age"]) == "Int64", "whether or not some are missing"
    assert kinds["start"].startswith("datetime64")
    assert frame.iloc[20:30].reset_index(drop=True).equals(generator.sample(10, seed=3, first=20))
    given = generator.sample(20, given={"net": 12.34, "city": "Graz"})
    assert isinstance(given, pd.DataFrame)
    assert set(given["net"]) == {12.34}
    assert set(given["city"]) == {"Graz"}
    assert generator.draw_samples(3).shape == (3, *generator.codec.spec.shape)


def test_editing_of_rows_is_refused(trained_table: Path, tmp_path: Path) -> None:
    for command in (
        lambda: zerosum.walk(trained_table, into=tmp_path / "x"),
        lambda: zerosum.edit(trained_table, "pca:0", into=tmp_path / "x.png"),
        lambda: zerosum.encode(trained_table, tmp_path / "x.png", into=tmp_path / "y.png"),
        lambda: zerosum.mix(trained_table, [0], [1], into=tmp_path / "x.png"),
    ):
        with pytest.raises(BadInput, match=r"generates rows, not images|its generator has no encoder"):
            command()


def test_frames_are_data(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(60), "b": pd.Series(["x", "y", None] * 20, dtype="category")})
    frame = frame.assign(a=frame["a"].astype("int32") % 7, c=[index / 4 for index in range(60)])
    frame["c"] = frame["c"].astype("float32")
    settings = {"evaluation.features": "none", "diagnostics.samples": 64, "training.precision": "float32"}
    run = zerosum.train(frame, recipe="table", run=tmp_path / "run", examples=64, batch_size=32, settings=settings)
    samples = run.generator("cpu").sample(30)
    assert isinstance(samples, pd.DataFrame)
    assert samples.dtypes.astype(str).to_dict() == frame.dtypes.astype(str).to_dict()
    assert set(samples["a"]) <= set(range(7))


@pytest.mark.parametrize("draws", [None, 1])
def test_missing_cells_are_filled_and_all_else_stays(
    table_run: Path, table_file: Path, tmp_path: Path, draws: int | None
) -> None:
    lines = holes_of(table_file, tmp_path / "holes.csv")
    reporter = RecordingReporter()
    (path,) = zerosum.apply(table_run, tmp_path / "holes.csv", into=tmp_path / "out", draws=draws, reporter=reporter)
    assert path == tmp_path / "out" / "holes.csv"
    filled = path.read_bytes().decode("cp1252").split("\r\n")
    assert filled[-1] == ""
    assert filled[0] == ";".join(lines[0])
    num_filled = 0
    for cells, line in zip(lines[1:], filled[1:-1], strict=True):
        (row,) = csv.reader([line], delimiter=";")
        given = dict(zip(lines[0], cells, strict=True))
        got = dict(zip(lines[0], row, strict=True))
        assert all(got[name] for name in got), "nothing is missing"
        assert line.startswith(f"{cells[0]};")
        assert all(got[name] == text.strip('"') for name, text in given.items() if text)
        assert all(f'"{given["city"].strip(chr(34))}"' in line for _ in range(1) if given["city"].startswith('"'))
        money = [float(got[name].replace(",", ".")) for name in ("net", "tax", "total")]
        if not all(given[name] for name in ("net", "tax", "total")):
            assert money[0] + money[1] == pytest.approx(money[2], abs=1e-6)
        num_filled += sum(not text for text in cells)
    assert f"{num_filled} missing cells of 40 rows" in "\n".join(reporter.messages)
    assert "column note is none of the run, and stays as it is" in "\n".join(reporter.messages)
    assert reporter.progress_calls[-1][:2] == (40, 40)
    again = zerosum.apply(table_run, tmp_path / "holes.csv", into=tmp_path / "again.csv", draws=draws)[0]
    assert again.read_bytes() == path.read_bytes()


def test_what_cannot_be_filled_is_refused(table_run: Path, table_file: Path, tmp_path: Path) -> None:
    lines = holes_of(table_file, tmp_path / "holes.csv", rows=8)

    def write(name: str, rows: list[list[str]]) -> Path:
        path = tmp_path / name
        path.write_text("\n".join(";".join(row) for row in rows) + "\n", "cp1252")
        return path

    lost = write("lost.csv", [row[:2] + row[3:] for row in lines])
    ragged = write("ragged.csv", [*lines[:4], lines[4][:-1]])
    points = write("points.csv", [lines[0], *([cell.replace(",", " €") for cell in row] for row in lines[1:])])
    (tmp_path / "taken.csv").touch()
    (tmp_path / "rows.parquet").touch()
    for source, arguments, match in (
        (lost, {}, "has no column country, which the run was trained on; add it, with empty cells"),
        (ragged, {}, "line 5: has 10 cells, and the first row names 11 columns"),
        (points, {}, "no cell of the column net is written as in the data of the run, such as"),
        (tmp_path / "no.csv", {}, "there is no such file"),
        (tmp_path, {}, "missing cells are filled in files of text"),
        (tmp_path / "rows.parquet", {}, "missing cells are filled in files of text"),
        (tmp_path / "holes.csv", {"into": tmp_path / "taken.csv"}, "taken.csv exists"),
        (tmp_path / "holes.csv", {"into": tmp_path / "x.tsv"}, "name a .csv file or a folder"),
        (tmp_path / "holes.csv", {"draws": 0}, "`draws` 0"),
        (tmp_path / "holes.csv", {"mask": "m.png"}, "`mask`: is for images, and this run fills missing cells"),
        (tmp_path / "holes.csv", {"reverse": True}, "`reverse`: is for images"),
    ):
        with pytest.raises(BadInput, match=match) as raised:
            zerosum.apply(table_run, source, **{"into": tmp_path / "out", **arguments})
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "taken.csv").read_bytes() == b""


def test_unknown_values_are_kept_and_not_used(table_run: Path, table_file: Path, tmp_path: Path) -> None:
    lines = holes_of(table_file, tmp_path / "holes.csv", rows=8)
    lines[2][1], lines[2][8] = "Paris", ""
    path = tmp_path / "odd.csv"
    path.write_text("\n".join(";".join(row) for row in lines), "cp1252")
    reporter = RecordingReporter()
    (filled,) = zerosum.apply(table_run, path, reporter=reporter)
    assert filled.parent.parent == table_run / "outputs"
    text = "\n".join(reporter.messages)
    assert "column city: 1 cell with a value that the run does not know, such as 'Paris', kept and not used" in text
    row = filled.read_text("cp1252").splitlines()[2].split(";")
    assert row[1] == "Paris"
    assert row[8]
    assert not filled.read_text("cp1252").endswith("\n"), "as in the file"


def test_runs_that_were_trained_with_nothing_given_refuse_it(table_run: Path, table_file: Path, tmp_path: Path) -> None:
    recipe = table_run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("[data]", "[data]\ngiven = 0.0", 1).replace("given = 0.4\n", ""))
    for command in (
        lambda: zerosum.sample(table_run, 3, given={"member": "no"}),
        lambda: zerosum.apply(table_run, table_file),
    ):
        with pytest.raises(BadInput, match="this generator was trained with nothing given; train with"):
            command()
    assert len(read(zerosum.sample(table_run, 3, into=tmp_path / "out"))) == 3


def test_other_runs_fill_nothing(trained_ring: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="generates samples from latents and takes no inputs"):
        zerosum.apply(trained_ring, tmp_path)
    with pytest.raises(BadInput, match="`draws`: is for missing cells, and this run has none"):
        zerosum.apply(trained_ring, tmp_path, draws=3)


class RealRows:
    """A game whose generator draws training rows, and whose EMA draws only some of these."""

    def __init__(self, rows: torch.Tensor, rows_of_ema: torch.Tensor) -> None:
        self.rows, self.rows_of_ema = rows, rows_of_ema

    def generate(self, batch: dict[str, torch.Tensor], progress: Progress) -> torch.Tensor:
        return self.rows[batch["seed"].abs() % len(self.rows)]

    def decode(self, generated: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return generated

    def sample(self, seed: torch.Tensor, condition: object) -> torch.Tensor:
        return self.rows_of_ema[seed.abs() % len(self.rows_of_ema)]


def test_a_run_on_a_table_is_probed_for_missing_categories(trained_table: Path) -> None:
    rows = RunFolder(trained_table).rows()
    probes = [row for row in rows if "monitor/finite" in row]
    assert probes, "it was probed"
    assert not any("probe_error" in row for row in rows)
    for row in probes:
        for prefix in ("", "ema_"):
            assert {f"monitor/{prefix}missing_categories", f"monitor/{prefix}least_column_variation"} <= row.keys()
        assert bool(row["monitor/names_of_missing_categories"]) == (row["monitor/ema_missing_categories"] > 0)


def test_a_missing_category_is_counted_and_named(trained_table: Path) -> None:
    dataset = read_training_data(trained_table, SilentReporter())
    cells = np.asarray(dataset.items(dataset.train), np.float64)
    cities = dataset.codec.texts(cells)["city"].to_numpy()
    encoded = dataset.codec.encode_rows(cells)
    game = RealRows(encoded, encoded[torch.from_numpy(cities != "Graz")])
    reference = ReferenceSet(dataset, num_samples=64, batch_size=64, device=torch.device("cpu"))
    signals = BlockProbe(reference)(game, Progress(0, 0))
    assert (signals["monitor/missing_categories"], signals["monitor/ema_missing_categories"]) == (0, 1)
    share = signals["monitor/ema_missing_category_share"]
    assert share == pytest.approx((cities == "Graz").mean(), abs=0.03)
    expected = f"city and country = Graz, Österreich ({share:.1%} of real, 0.0% of samples)"
    assert signals["monitor/names_of_missing_categories"] == expected
