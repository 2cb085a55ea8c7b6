"""The column of `data.group` splits the rows, and is not learned."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from zerosum.data.former_data import FormerData, FormerSplit
from zerosum.data.kind import LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.load import load_table
from zerosum.data.tables.table_file import read_table
from zerosum.errors import BadInput

PATIENTS = 80


def write_visits(path: Path, names: list[str]) -> Path:
    """Write 3 to 15 visits of each patient, of 12 different contents, so that many rows of different patients equal."""
    rng = np.random.default_rng(0)
    lines = ["patient,sex,dose,arm"]
    for name in names:
        for _ in range(int(rng.integers(3, 15))):
            lines.append(
                f"{name},{rng.choice(['f', 'm'])},{rng.choice(['low', 'mid', 'high'])},{rng.choice(['a', 'b'])}"
            )
    path.write_text("\n".join(lines) + "\n", "utf8")
    return path


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_visits(tmp_path_factory.mktemp("visits") / "visits.csv", [f"P{n:03d}" for n in range(PATIENTS)])


def load(path: Path, options: LoadOptions | None = None, **settings: object) -> TableDataset:
    data = TableDataConfig.model_validate({"source": str(path), "group": "patient", **settings})
    return load_table(data, options or LoadOptions())


def patients(path: Path, rows: np.ndarray) -> set[str]:
    return set(read_table(path).columns["patient"].texts[rows].tolist())


def test_groups_are_on_one_side_though_their_rows_equal(visits: Path) -> None:
    dataset = load(visits)
    train, held_out = patients(visits, dataset.train), patients(visits, dataset.held_out)
    assert not train & held_out
    assert len(train) + len(held_out) == PATIENTS
    assert len(held_out) >= 3, "groups that share the content of a row are not joined"
    rows = np.asarray(dataset.items(np.arange(len(dataset))))
    sides = [{tuple(row) for row in rows[side].tolist()} for side in (dataset.train, dataset.held_out)]
    assert sides[1] <= sides[0], "and they do share it"


def test_groups_are_not_learned_and_new_ones_are_made(visits: Path) -> None:
    dataset = load(visits)
    codec = dataset.table_codec
    assert [column.name for column in codec.columns] == ["sex", "dose", "arm"]
    assert not any("stand for them in the evaluation" in note for note in dataset.summary.notes)
    assert dataset.summary.columns["patient"] == "groups: not learned; each sample has a new key"
    texts = codec.texts(np.asarray(dataset.items(dataset.train[:3])))
    assert texts["patient"].tolist() == ["P080", "P081", "P082"]


@pytest.mark.parametrize("kind", ["key", "text"])
def test_what_the_user_says_of_the_groups_changes_samples_alone(visits: Path, kind: str) -> None:
    dataset, other = load(visits), load(visits, column={"patient": kind})
    assert np.array_equal(dataset.held_out, other.held_out)
    assert ("patient" in other.table_codec.layout.written_names) == (kind == "key")


def test_groups_that_cannot_be_numbered_are_left_out(tmp_path: Path) -> None:
    names = [first + last for first in ("Ann", "Bo", "Cy", "Di") for last in "aeiouy"]
    dataset = load(write_visits(tmp_path / "names.csv", names))
    assert dataset.table_codec.layout.written_names == ["sex", "dose", "arm"]
    assert any(note.startswith("column patient: groups: not learned, and left out") for note in dataset.summary.notes)


def test_groups_may_be_a_mixture_of_numbers_and_texts(tmp_path: Path) -> None:
    """In a column that is learned, some texts among numbers are an error of the data."""
    path = write_visits(tmp_path / "mixed.csv", [*map(str, range(60)), "unclear"])
    with pytest.raises(BadInput, match="column 'patient' holds numbers, but"):
        load(path, group="")
    assert "patient" not in load(path).table_codec.condition_names


def test_groups_stay_on_their_side_when_the_table_grows(visits: Path, tmp_path: Path) -> None:
    first = load(visits)
    lines = visits.read_text("utf8").splitlines()
    grown = tmp_path / "grown.csv"
    grown.write_text("\n".join([*lines, *(line.replace("P", "Q", 1) for line in lines[1:])]) + "\n", "utf8")
    later = load(grown, LoadOptions(former=FormerData(FormerSplit.of(first), first.codec)))
    train, held_out = patients(grown, later.train), patients(grown, later.held_out)
    assert patients(visits, first.held_out) <= held_out
    assert patients(visits, first.train) <= train
    assert not train & held_out


def test_tables_without_the_groups_are_evaluated_and_not_trained_on(visits: Path, tmp_path: Path) -> None:
    first, path = load(visits), tmp_path / "other.csv"
    path.write_text("\n".join(line.partition(",")[2] for line in visits.read_text("utf8").splitlines()) + "\n", "utf8")
    assert len(load(path, LoadOptions(for_evaluation=True, codec=first.codec))) == len(first)
    with pytest.raises(BadInput, match=r"has no column 'patient', which `data.group` names; add it"):
        load(path, LoadOptions(codec=first.codec))


def test_groups_cannot_be_a_category() -> None:
    with pytest.raises(ValidationError, match=r"`data.column.patient` category: is the column of `data.group`"):
        TableDataConfig.model_validate({"group": "patient", "column": {"patient": "category"}})
