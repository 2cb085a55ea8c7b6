"""How rows are drawn, written and described."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from zerosum.data.codec import Items
from zerosum.data.kind import LoadOptions
from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.load import load_table
from zerosum.data.tables.preview import MAX_COLUMNS
from zerosum.data.tables.table_file import read_table
from zerosum.errors import BadInput
from zerosum.media.incomplete import FillOptions
from zerosum.media.kind import MEDIA_KINDS
from zerosum.media.tables_preview import FAKE_COLOR, REAL_COLOR, draw_rows

MEDIA = MEDIA_KINDS.find("tables")


def load(path: Path) -> TableDataset:
    return load_table(TableDataConfig(source=str(path)), LoadOptions())


def all_rows(dataset: TableDataset) -> Items:
    return dataset.items(np.arange(len(dataset.labels)))


def count_color(image: Image.Image, color: tuple[int, int, int]) -> int:
    return int((np.asarray(image) == color).all(-1).sum())


@pytest.fixture(scope="module")
def customers(table_file: Path) -> TableDataset:
    return load(table_file)


def test_a_preview_holds_values_and_texts(customers: TableDataset) -> None:
    rows = all_rows(customers)
    drawn = customers.codec.preview(rows)
    assert drawn.dtype.names == tuple(column.name for column in customers.table_codec.columns)
    assert drawn["start"].dtype.names == ("value", "text")
    assert (drawn["net"]["value"] == rows[:, 2]).all()
    assert drawn["net"]["text"][0] == read_table(Path(customers.summary.source)).columns["net"].texts[0]
    missing = np.isnan(rows[:, 7])
    assert np.isnan(drawn["age"]["value"][missing]).all()
    joined = np.concatenate([drawn[:3], drawn[3:]])
    assert (joined["city"]["code"] == drawn["city"]["code"]).all()


def test_rows_are_drawn_over_real_ones(customers: TableDataset) -> None:
    drawn = customers.codec.preview(all_rows(customers))
    fakes, others, real = drawn[:100], drawn[100:200], drawn[200:]
    over_real = draw_rows(fakes, real)
    assert count_color(over_real, REAL_COLOR) > 1000
    assert count_color(over_real, FAKE_COLOR) > 1000
    assert over_real.size == draw_rows(others, real).size, "images of a run are a film"
    assert over_real.tobytes() == MEDIA.draw(fakes, real).tobytes()
    assert over_real.tobytes() != draw_rows(others, real).tobytes()
    assert count_color(draw_rows(fakes), REAL_COLOR) == 0
    assert draw_rows(fakes[:1], real[:1]).width > 0, "one row"


def test_missing_and_constant_columns_are_drawn(customers: TableDataset) -> None:
    rows = np.array(all_rows(customers), np.float64)
    rows[:, 7] = np.nan
    rows[:, 2] = 5.0
    rows[:, 0] = np.nan
    drawn = customers.codec.preview(rows)
    full = customers.codec.preview(all_rows(customers))
    for items, real in ((drawn, full), (full, drawn), (drawn, drawn)):
        assert draw_rows(items[:50], real[:50]).height > 100


def test_of_many_columns_some_are_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 5, (100, 40)), columns=[f"c{index}" for index in range(40)])
    frame["same"] = 1
    frame.to_csv(tmp_path / "wide.csv", index=False)
    wide = load(tmp_path / "wide.csv")
    drawn = wide.codec.preview(all_rows(wide))
    assert drawn.dtype.names == tuple(f"c{index}" for index in range(MAX_COLUMNS))
    assert draw_rows(drawn[:50], drawn[50:]).width < 1_000


@pytest.mark.parametrize(
    ("separator", "encoding", "suffix"),
    [(";", "cp1252", ".csv"), (",", "utf-16", ".csv"), ("\t", "utf-8-sig", ".tsv"), ("|", "utf-8", ".txt")],
)
def test_rows_are_written_as_the_data_are(tmp_path: Path, separator: str, encoding: str, suffix: str) -> None:
    rng = np.random.default_rng(0)
    texts = ["Köln", 'a "b"', "x,y;z|t\tu", "=1+1", " led", "two\nlines"]
    frame = pd.DataFrame(
        {"a b": rng.choice(texts, 60), "price": rng.choice([0.5, 0.25, -3.75], 60), "day": "", "n": ""}
    )
    frame["day"] = [f"{1 + index % 28:02d}/{1 + index % 12:02d}/2024" for index in range(60)]
    frame["n"] = rng.choice(["NA", "1", "2"], 60)
    path = tmp_path / f"data{suffix}"
    path.write_bytes(frame.to_csv(index=False, sep=separator, quoting=1).encode(encoding))
    dataset = load(path)
    rows, folder = all_rows(dataset), tmp_path / "out"
    folder.mkdir()
    MEDIA.write(rows[:25], dataset.codec, folder)
    MEDIA.write(rows[25:], dataset.codec, folder, first=25)
    (written,) = folder.iterdir()
    assert written.name == "samples.csv"
    read, original = read_table(written), read_table(path)
    assert (read.dialect.separator, read.dialect.encoding) == (separator, encoding)
    assert list(read.columns) == list(original.columns)
    assert all((read.columns[name].texts == original.columns[name].texts).all() for name in read.columns), "and cells"
    assert MEDIA.file_name(dataset.codec, 0) == "", "all rows share a file"


@pytest.mark.parametrize("name", ["sep=;", "<p>", '[{"a": 1}]', "[id]", "plain"])
def test_any_name_of_the_first_column_is_read_again(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({name: ["x", "y"] * 15, "b": range(30)})
    frame.to_parquet(tmp_path / "data.parquet")
    dataset = load(tmp_path / "data.parquet")
    MEDIA.write(all_rows(dataset), dataset.codec, tmp_path)
    assert list(read_table(tmp_path / "samples.csv").columns) == [name, "b"]
    facts = MEDIA.sample_script(dataset.codec).facts["sample"]
    assert isinstance(facts, dict)
    assert (tmp_path / "samples.csv").read_text().startswith(str(facts["header"]))


def test_a_table_of_which_one_column_would_be_written_is_refused(tmp_path: Path) -> None:
    texts = [f"these are all the words of row number {number}" for number in range(40)]
    pd.DataFrame({"n": np.arange(40) % 7, "note": texts}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(BadInput, match="samples would have the column 'n' only, since text is left out"):
        load(tmp_path / "t.csv")


def test_files_with_missing_cells_are_read_as_the_data_are(customers: TableDataset, tmp_path: Path) -> None:
    """Blank lines and long cells stay; an open quote is refused before anything is written."""
    codec = customers.table_codec
    sample = codec.encode_rows(np.asarray(all_rows(customers)[:1], np.float64))
    names, *lines = Path(customers.summary.source).read_bytes().decode("cp1252").splitlines()[:6]
    cells = lines[0].split(";")
    place = names.split(";").index("net")
    holes = ";".join([*cells[:place], "", *cells[place + 1 :]])
    long = "x" * 200_000
    text = f"\n \n{names};more\n\n{holes};{long}\n   \n{lines[1]};\n\n"
    path, into = tmp_path / "holes.csv", tmp_path / "filled.csv"
    path.write_bytes(text.encode("cp1252"))
    table = MEDIA.open_incomplete(codec, path)
    assert table.check()[-1] == "1 missing cell of 2 rows"
    table.write(into, lambda condition, seeds: sample.repeat(len(seeds), 1), FillOptions(1, 0))
    filled = into.read_bytes().decode("cp1252")
    assert filled == text.replace(holes, lines[0])
    path.write_bytes(f'{names}\n{lines[0]}\n"{lines[1]}\n{lines[2]}\n'.encode("cp1252"))
    with pytest.raises(BadInput, match="line 3: a quote is not closed"):
        MEDIA.open_incomplete(codec, path).check()


def test_keys_are_new(customers: TableDataset, tmp_path: Path) -> None:
    assert isinstance(customers.codec, TableCodec)
    rows = all_rows(customers)
    MEDIA.write(rows[:3], customers.codec, tmp_path)
    MEDIA.write(rows[:3], customers.codec, tmp_path, first=3)
    keys = read_table(tmp_path / "samples.csv").columns["id"].texts.tolist()
    assert keys == [f"A-{number:04d}" for number in range(500, 506)]


def test_rows_are_described_by_their_columns() -> None:
    record = {"columns": {"a": "integer: 3 different", "b": "key"}, "missing": {"a": 4}, "copies": 2, "target": "a"}
    assert MEDIA.describe(record) == "They have 2 columns: a, b."
    assert MEDIA.describe({"columns": {f"c{index}": "" for index in range(11)}}).endswith("c7 and 3 more.")
    facts = dict(MEDIA.facts(record))
    assert facts["columns"] == "a: integer: 3 different; b: key"
    assert facts["missing cells"] == {"a": 4}
    assert facts["rows that equal an earlier one"] == 2
    assert (MEDIA.describe({}), dict(MEDIA.facts({}))["columns"]) == ("", "")
