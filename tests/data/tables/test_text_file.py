import csv
import gzip
import io
from pathlib import Path

import pandas as pd
import pytest

from zerosum.data.tables.table_file import read_table
from zerosum.data.tables.text_file import detect_dialect
from zerosum.data.tables.text_table import TextTable
from zerosum.errors import BadInput

NAMES = ["name", "größe", "note"]
ROWS = [[f"n{i}", f"{i / 4:.2f}", 'says "é"\nand, more; yes' if i % 3 else ""] for i in range(30)]


def write(path: Path, rows: list[list[str]], separator: str = ",", end: str = "\n") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=end).writerows(rows)
    path.write_text(text.getvalue(), "utf-8", newline="")
    return path.read_bytes()


def cells_of(table: TextTable) -> list[list[str]]:
    return [list(row) for row in zip(*(column.texts.tolist() for column in table.columns.values()), strict=True)]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_separators_encodings_and_ends_of_lines_are_found(
    tmp_path: Path, separator: str, encoding: str, end: str
) -> None:
    path = tmp_path / "t.csv"
    content = write(path, [NAMES, *ROWS], separator, end)
    path.write_bytes(content.decode().encode(encoding))
    table = read_table(path)
    assert table.dialect.separator == separator
    assert table.dialect.encoding == encoding
    assert list(table.columns) == NAMES
    assert cells_of(table) == ROWS


@pytest.mark.parametrize("name", ["t.tsv", "t.txt", "T.CSV", "t.csv.gz", "t.tsv.gz"])
def test_endings_of_names(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = write(path, [NAMES, *ROWS], "\t" if "tsv" in name else ",", "\r" if name == "t.txt" else "\n")
    if name.endswith("gz"):
        path.write_bytes(gzip.compress(content))
    assert cells_of(read_table(path)) == ROWS


def test_blank_lines_spaces_and_columns_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(', a, "b ""x, y"""\n\n0, 1.5, "p, q"\n  \n1, 2.5, r\n\n')
    table = read_table(path)
    assert list(table.columns) == ["Unnamed: 0", "a", 'b "x, y"']
    assert cells_of(table) == [["0", "1.5", "p, q"], ["1", "2.5", "r"]]
    assert list(table.columns) == list(pd.read_csv(path, skipinitialspace=True).columns)


def test_a_cell_of_a_million_characters_and_a_long_one_in_a_message(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, [["a", "b"], ["x" * 10**6, "1"], *[["y", "2"]] * 3])
    assert len(cells_of(read_table(path))[0][0]) == 10**6


@pytest.mark.parametrize("names", [["[id]", "[v]"], ["<id>", "v"], ["{a b}", "{c}"]])
def test_names_in_brackets_are_names(tmp_path: Path, names: list[str]) -> None:
    write(tmp_path / "t.csv", [names, ["1", "x"]])
    assert list(read_table(tmp_path / "t.csv").columns) == names


@pytest.mark.parametrize("separator", [",", "\t"])
def test_a_long_first_row_is_read(tmp_path: Path, separator: str) -> None:
    names = [f"measurement number {number} of all" for number in range(3_000)]
    write(tmp_path / "t.csv", [["x" * 200_000, *names], ["1"] * 3_001], separator)
    assert list(read_table(tmp_path / "t.csv").columns) == ["x" * 200_000, *names]


def test_links_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", [NAMES, *ROWS])
    (tmp_path / "link.csv").symlink_to("t.csv")
    assert cells_of(read_table(tmp_path / "link.csv")) == ROWS
    (tmp_path / "gone.csv").symlink_to("nowhere.csv")
    with pytest.raises(BadInput, match="there is no such file"):
        read_table(tmp_path / "gone.csv")


BAD = {
    "": "is empty",
    " \n\n": "is empty",
    "a\n1\n2\n": "has only one column",
    "a,b,a\n1,2,3\n": "two columns have the name 'a'",
    "1,2.5\n3,4\n": "its first row holds numbers",
    "39,Private\n40,Public\n41,Private\n": "first row holds values such as 'Private', which is found again below",
    "a,b,c\n1,2,3\n\n1,2\n": "line 4: has 2 cells, and the first row names 3 columns",
    "a,b,c\n1,2,3,4\n": "line 2: has 4 cells",
    'a,b\n"x\ny",1\n2,3,4\n': "line 4: has 3 cells",
    'a,b\n1,2\n3,"open\n4,5\n': "line 3: a quote is not closed",
    'a,b\n1,2\n"open,3\n4,5\n': "line 3: a quote is not closed",
    "sep=;\na;b\n": "first line is 'sep=;'",
    "<!DOCTYPE html>\n<p>not found, sorry</p>": "holds HTML or XML",
    '{"a": 1, "b": 2}': "holds JSON",
    '[{"a": 1}, {"a": 2}]': "holds JSON",
    "[[1, 2],\n[3, 4]]": "holds JSON",
    'a,"b\n1,2\n': "line 1: a quote is not closed",
    "a,b\n" + "1,2\n" * 40_000 + "\0,1\n": "holds zero bytes",
    "a,b\n\x01\x02,3\n": "holds no text",
}


@pytest.mark.parametrize("text", BAD, ids=list(BAD.values()))
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    with pytest.raises(BadInput) as error:
        read_table(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert BAD[text] in message
    assert "\n" not in message
    assert len(message) - len(str(path)) < 300


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.csv", bytes(range(256)) * 20, "holds no text"),
        ("t.csv", "é,b\n1,2\n".encode() + b"\xc3,3\n", "is not valid UTF-8"),
        ("t.csv", b"\xe9,b\n1,2\n\x81,3\n", "cannot be read"),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot be read"),
        ("t.csv.gz", gzip.compress(b"a,b\n" + b"1,2\n" * 100, mtime=0)[:-12], "cannot be read"),
        ("t.parquet", b"PAR1 and more", "cannot be read"),
        ("t.xlsx", b"PK\3\4 and more", "cannot be read"),
        ("t.doc", b"a,b\n1,2\n", "is no table"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=expected) as error:
        read_table(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_folder_with_the_name_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    for read in (read_table, detect_dialect):
        with pytest.raises(BadInput, match="there is no such file"):
            read(tmp_path / "t.csv")


FRAME = pd.DataFrame(
    {
        "i": pd.array([1, None, 3], "Int64"),
        "f": [0.1, None, 3.0],
        "half": pd.array([0.1, 0.2, 0.3], "float32"),
        "flag": [True, False, True],
        "text": ["a", None, "c"],
        "kind": pd.Categorical(["x", "y", "x"]),
        "day": pd.to_datetime(["2020-01-31", None, "2021-02-28"]),
        "time": pd.to_datetime(["2020-01-31 10:30:00", None, "2021-02-28 00:00:00"]),
    }
)
EXPECTED = {
    "i": ["1", "", "3"],
    "f": ["0.1", "", "3"],
    "half": ["0.1", "0.2", "0.3"],
    "flag": ["True", "False", "True"],
    "text": ["a", "", "c"],
    "kind": ["x", "y", "x"],
    "day": ["2020-01-31", "", "2021-02-28"],
    "time": ["2020-01-31 10:30:00", "", "2021-02-28 00:00:00"],
}


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    zone = pd.to_datetime(["2020-01-31 10:00:00.250"] * 3, utc=True).tz_convert("Europe/Berlin")
    FRAME.assign(zone=zone).to_parquet(path)
    found = {name: column.texts.tolist() for name, column in read_table(path).columns.items()}
    assert found == EXPECTED | {"zone": ["2020-01-31 10:00:00.250000"] * 3}


def test_excel(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    frame = FRAME.drop(columns="half")
    frame.loc[[0, 1, 2], "empty"] = None
    frame.rename(columns={"empty": ""}).to_excel(path, index=False, startrow=2)
    expected = {name: texts for name, texts in EXPECTED.items() if name != "half"}
    assert {name: column.texts.tolist() for name, column in read_table(path).columns.items()} == expected
    pd.DataFrame({"a": [1], "b": [2]}).set_axis(["a", "a"], axis=1).to_excel(path, index=False)
    with pytest.raises(BadInput, match="two columns have the name 'a'"):
        read_table(path)
    pd.DataFrame().to_excel(path, index=False)
    with pytest.raises(BadInput, match="sheet is empty"):
        read_table(path)
