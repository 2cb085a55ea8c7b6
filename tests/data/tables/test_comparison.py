"""Tables of any origin are compared: categories that only one of them has count as such."""

from pathlib import Path

import numpy as np
import pytest

from zerosum.data.kind import DATA_KINDS, LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.tables import column_facts
from zerosum.evaluation.metrics.tables import c2st, shape

TABLES = DATA_KINDS.find("tables")
COUNT = 400


def write(path: Path, cities: tuple[str, ...], seed: int) -> Path:
    rng = np.random.default_rng(seed)
    rows = zip(rng.choice(cities, COUNT), rng.integers(18, 90, COUNT), rng.choice(["y", "n"], COUNT), strict=True)
    path.write_text("\n".join(["city,age,flag", *(f"{city},{age},{flag}" for city, age, flag in rows)]) + "\n", "utf8")
    return path


def compare(*paths: Path) -> list[TableDataset]:
    """Load tables, each like the one before."""
    options = LoadOptions(held_out_fraction=0.0, for_evaluation=True)
    configs = [TableDataConfig(source=str(path)) for path in paths]
    loaded = [TABLES.load(configs[0], options)]
    for config in configs[1:]:
        loaded.append(TABLES.load_comparable(config, loaded[-1], options))
    return list(TABLES.align({str(place): dataset for place, dataset in enumerate(loaded)}).values())


def rows(dataset: TableDataset) -> np.ndarray:
    return np.asarray(dataset.items(np.arange(len(dataset))), np.float64)


def test_invented_categories_count(tmp_path: Path) -> None:
    train, real, fake = compare(
        write(tmp_path / "train.csv", ("A", "B"), 0),
        write(tmp_path / "real.csv", ("A", "B"), 1),
        write(tmp_path / "fake.csv", ("A", "B", "X", "Y"), 2),
    )
    facts = column_facts(real)
    assert [column.num_values for column in facts] == [4, 0, 2]
    assert not np.isnan(rows(fake)).any()
    similarities = shape.column_similarities(rows(real), rows(fake), facts)
    assert similarities[0] == pytest.approx(0.5, abs=0.06)
    assert similarities[1:].min() > 0.88
    assert shape.category_coverage(rows(real), rows(fake), facts)[0] == 1
    assert c2st.two_sample_auc(rows(real), rows(fake)).value > 0.7
    assert c2st.two_sample_auc(rows(real), rows(train)).value < 0.6
    note = f"column city: 2 values that {tmp_path / 'real.csv'} does not have, such as 'X'; each counts as a category"
    assert note in fake.summary.notes


def test_categories_are_the_same_ones_in_all_tables(tmp_path: Path) -> None:
    """Real rows and samples both have a city that the training rows lack."""
    train, real, fake = compare(
        write(tmp_path / "train.csv", ("B", "C"), 0),
        write(tmp_path / "real.csv", ("A", "B", "C"), 1),
        write(tmp_path / "fake.csv", ("D", "A", "B", "C"), 2),
    )
    for dataset, cities in ((train, "BC"), (real, "ABC"), (fake, "ABCD")):
        texts = dataset.table_codec.texts(rows(dataset))
        assert set(texts["city"]) == set(cities)
    facts = column_facts(real)
    assert shape.column_similarities(rows(real), rows(fake), facts)[0] == pytest.approx(0.75, abs=0.07)
    assert shape.category_coverage(rows(real), rows(train), facts)[0] == pytest.approx(2 / 3)


def test_invented_categories_are_none_of_the_real_ones_as_features(tmp_path: Path) -> None:
    real, fake = compare(write(tmp_path / "real.csv", ("A", "B"), 0), write(tmp_path / "fake.csv", ("A", "X"), 1))
    assert real.spec == fake.spec
    ones = real.table_codec.encode_rows(rows(fake))[:, :3].sum(0).tolist()
    texts = fake.table_codec.texts(rows(fake))["city"].tolist()
    assert ones == [texts.count("A"), 0, texts.count("X")] or ones == [0, texts.count("A"), texts.count("X")]
    again = compare(tmp_path / "real.csv", tmp_path / "real.csv")[0]
    assert again.spec == real.spec, "whatever a table is compared with"


def test_messages_name_the_other_table_and_no_run(tmp_path: Path) -> None:
    real, fake = write(tmp_path / "real.csv", ("A", "B"), 0), write(tmp_path / "fake.csv", ("A", "B"), 1)
    fake.write_text(fake.read_text("utf8").replace(",4", ",about 4"), "utf8")
    notes = compare(real, fake)[1].summary.notes
    assert any(f"with a value of another form than those of {real}, taken as missing" in note for note in notes)
    fake.write_text(fake.read_text("utf8").replace("age", "years"), "utf8")
    with pytest.raises(BadInput, match=r"has no column 'age', which .*real.csv has; add it"):
        compare(real, fake)
    fake.write_text("city,age,flag\n", "utf8")
    with pytest.raises(BadInput, match="has 0 rows; give at least 1"):
        compare(real, fake)
