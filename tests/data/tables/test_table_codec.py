import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.constraints import Combination, restore_constraint
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.layout import TableLayout
from zerosum.data.tables.load import load_table, load_table_like
from zerosum.data.tables.table_file import read_table
from zerosum.data.tables.text_table import TextColumn

SEEDS = torch.arange(400)


def all_rows(dataset: TableDataset) -> np.ndarray:
    return np.asarray(dataset.items(np.arange(len(dataset.labels))), np.float64)


def random_samples(codec: TableCodec, seed: int, count: int = 400) -> torch.Tensor:
    return 3 * torch.randn(count, codec.spec.shape[0], generator=torch.Generator().manual_seed(seed))


def test_rows_are_encoded_decoded_and_written_exactly(customers: TableDataset, table_file: Path) -> None:
    codec, rows = customers.table_codec, all_rows(customers)
    decoded = codec.decode(codec.encode_rows(rows), torch.arange(len(rows)))
    training = customers.train
    assert np.array_equal(np.asarray(decoded)[training], rows[training], equal_nan=True)
    columns = read_table(table_file).columns
    texts = codec.texts(rows)
    assert texts.columns.tolist() == list(columns)
    for name in texts.columns:
        if name != "id":
            assert texts[name].tolist() == columns[name].texts.tolist(), name
    assert not set(texts["id"]) & set(columns["id"].texts.tolist())
    assert texts["id"].is_unique
    assert codec.texts(rows[:3], first=7)["id"].tolist() == ["A-0507", "A-0508", "A-0509"]


def test_types_of_the_columns(customers: TableDataset) -> None:
    frame = customers.table_codec.frame(all_rows(customers))
    kinds = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert kinds["net"] == "float64"
    assert kinds["age"] == "Int64"
    assert kinds["start"].startswith("datetime64")
    assert frame["start"].le(frame["end"]).all()
    assert set(frame["member"]) == {"yes", "no"}


@pytest.mark.parametrize("seed", range(4))
def test_constraints_hold_in_every_sample(customers: TableDataset, seed: int) -> None:
    codec = customers.table_codec
    names = list(codec.condition_names)
    rows = np.asarray(codec.decode(random_samples(codec, seed), SEEDS))
    start, end, net, tax, total = (rows[:, names.index(name)] for name in ("start", "end", "net", "tax", "total"))
    assert (start <= end).all()
    assert np.array_equal(np.round(net + tax, 2), total)
    pairs = {tuple(pair) for pair in all_rows(customers)[:, [names.index("city"), names.index("country")]].tolist()}
    assert {tuple(pair) for pair in rows[:, [names.index("city"), names.index("country")]].tolist()} <= pairs
    texts = codec.texts(rows)
    again = codec.layout.parse({name: TextColumn.of(texts[name].tolist()) for name in texts.columns})
    assert np.array_equal(again, rows, equal_nan=True)


def test_decoding_depends_on_the_seed_of_the_sample_only(customers: TableDataset) -> None:
    codec = customers.table_codec
    samples = random_samples(codec, 1)
    rows = np.asarray(codec.decode(samples, SEEDS))
    assert np.array_equal(np.asarray(codec.decode(samples[100:200], SEEDS[100:200])), rows[100:200], equal_nan=True)


def test_samples_are_one_category_of_each_block(customers: TableDataset) -> None:
    codec = customers.table_codec
    sample = codec.encode_rows(all_rows(customers))
    start = 0
    for block in codec.spec.blocks:
        if block.categories:
            assert torch.equal(sample[:, start : start + block.categories].sum(1), torch.ones(len(sample)))
        start += block.size
    assert start == sample.shape[1]
    assert torch.equal(codec.round(sample)[customers.train], sample[customers.train])


def test_loading_is_deterministic_and_the_codec_is_restored(customers: TableDataset, table_file: Path) -> None:
    codec, rows = customers.table_codec, all_rows(customers)
    data = TableDataConfig(
        source=str(table_file), combinations="city,country", ordered="start,end", sums="total,net,tax"
    )  # type: ignore[arg-type]
    again = load_table(data, LoadOptions())
    for name in ("codes", "scores"):
        assert np.array_equal(again.values[name], customers.values[name]), name
    restored = TableCodec.restore(codec.settings(), {name: tensor.clone() for name, tensor in codec.tensors().items()})
    assert restored.settings() == codec.settings()
    assert restored.spec == codec.spec
    assert torch.equal(restored.encode_rows(rows), codec.encode_rows(rows))
    samples = random_samples(codec, 0)
    assert np.array_equal(restored.decode(samples, SEEDS), codec.decode(samples, SEEDS), equal_nan=True)
    assert restored.texts(rows).equals(codec.texts(rows))


def test_constraints_are_restored_by_their_kind(customers: TableDataset) -> None:
    constraints = customers.table_codec.constraints
    assert {known.kind for known in constraints} == {"combinations", "ordered", "sums"}
    for known in constraints:
        assert restore_constraint(json.loads(json.dumps(known.settings()))) == known
    with pytest.raises(ValueError, match="a constraint of the unknown kind products"):
        restore_constraint(constraints[0].settings() | {"kind": "products"})


@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_columns_are_given_at_random(customers: TableDataset, fraction: float) -> None:
    codec = customers.table_codec
    seeds = torch.arange(4_000)
    real = codec.encode_rows(np.tile(all_rows(customers)[:400], (10, 1)))
    condition = TableDataset(**{**vars(customers), "given_fraction": fraction})._give(real, seeds)  # type: ignore[arg-type]
    known = condition["known"]
    is_any = (known > 0).any(1).float().mean().item()
    expected = fraction * (1 - 1 / (known.shape[1] + 1))  # every number of given columns is equally likely
    assert abs(is_any - expected) < 5 * 0.5 / 4_000**0.5
    owners = torch.from_numpy(codec.owners)
    assert torch.equal(condition["values"], real * known[:, owners])


def test_columns_of_different_decimals_keep_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    low, length, days = rng.uniform(0, 9, 200), rng.exponential(0.3, 200), rng.integers(0, 99, 200)
    starts = np.datetime64("2020-01-01") + days
    lines = ["low,high,top,start,end"]
    for row in range(200):
        middle = np.ceil(10 * (low[row] - 0.005 + length[row] * (row % 2))) / 10 + 0.1
        cells = [f"{low[row]:.2f}", f"{middle:.1f}", f"{np.ceil(middle):.0f}", str(starts[row])]
        lines.append(",".join([*cells, f"{starts[row]} 00:{row % 60:02d}"]))
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines))
    data = TableDataConfig(source=str(path), ordered="low,high,top;start,end")  # type: ignore[arg-type]
    codec = load_table(data, LoadOptions()).table_codec
    rows = np.asarray(codec.decode(random_samples(codec, 0), SEEDS))
    assert (rows[:, 0] <= rows[:, 1]).all()
    assert (rows[:, 1] <= rows[:, 2]).all()
    assert (rows[:, 3] <= rows[:, 4]).all()
    assert np.array_equal(rows, codec.round_rows(rows))


@pytest.fixture
def rare_names(tmp_path: Path) -> TableDataConfig:
    """Rows with names and towns of which some occur once, and so in held-out rows only."""
    rng = np.random.default_rng(0)
    lines = [f"name {rng.integers(150)},{town},{town % 7},{'yes' if row else 'no'},{rng.integers(3)}"
             for row, town in enumerate(rng.integers(0, 200, 400))]  # fmt: skip
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["name,town,state,flag,size", *(line.replace(",", ",t", 1) for line in lines)]))
    return TableDataConfig(source=str(path), combinations="town,state")  # type: ignore[arg-type]


def test_the_codec_knows_no_text_that_held_out_rows_alone_have(rare_names: TableDataConfig) -> None:
    dataset = load_table(rare_names, LoadOptions())
    columns, codec = read_table(Path(rare_names.source)).columns, dataset.table_codec
    saved = str(codec.settings())
    rows, counts = all_rows(dataset), dict[str, int]()
    written = codec.texts(rows)
    for column in codec.columns:
        texts, own = columns[column.name].texts, written[column.name].to_numpy()
        train, held_out = (set(texts[part].tolist()) for part in (dataset.train, dataset.held_out))
        is_lost = ~np.isin(texts, list(train))
        counts[column.name] = int(is_lost.sum())
        assert bool(is_lost.any()) == (column.name in ("name", "town"))
        if column.kind == "category":
            assert column.values == tuple(sorted(train)), column.name
            assert not any(f"'{text}'" in saved for text in held_out - train)
            least = min(Counter(texts[dataset.train].tolist()).values())
            assert all((texts[dataset.train] == text).sum() == least for text in own[is_lost]), "a rare one"
        if column.name != "state":
            assert (own == texts)[~is_lost].all()
    assert len(set(written["name"][~np.isin(columns["name"].texts, written["name"])])) > 3, "not always the same one"
    assert set(zip(written["town"], written["state"], strict=True)) == {
        (town, state)
        for town, state in zip(*(columns[name].texts[dataset.train] for name in ("town", "state")), strict=True)
    }
    (note,) = (note for note in dataset.summary.notes if "texts that no training row has" in note)
    assert note.endswith(f"name {counts['name']}, town and state {counts['town']}")
    assert not np.isnan(rows).any()
    assert dataset.summary.missing == {}


def test_unknown_texts_of_other_data_are_not_missing_cells(rare_names: TableDataConfig, tmp_path: Path) -> None:
    """A missing cell would tell such rows from samples."""
    codec = load_table(rare_names, LoadOptions()).table_codec
    lines = Path(rare_names.source).read_text().splitlines()
    other = tmp_path / "other.csv"
    other.write_text("\n".join([lines[0], *(line.replace("name", f"new{i}", 1) if i % 3 else line
                                            for i, line in enumerate(lines[1:]))]))  # fmt: skip
    settings = rare_names.model_copy(update={"source": str(other)})
    dataset = load_table_like(settings, codec, LoadOptions(held_out_fraction=0.0))
    assert not np.isnan(all_rows(dataset)[:, codec.find_column("name")]).any()
    assert any("no training row has" in note for note in dataset.summary.notes)


def test_rows_of_a_run_are_read_by_its_codec(rare_names: TableDataConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of before know the texts of held-out rows, and go on so; what their networks see is the same."""
    now = load_table(rare_names, LoadOptions())
    with monkeypatch.context() as patched:
        patched.setattr(TableLayout, "keep_values", lambda layout, cells, rows: (layout, cells))
        patched.setattr(Combination, "with_training_rows", lambda constraint, rows: constraint)
        former = load_table(rare_names, LoadOptions())
    again = load_table(rare_names, LoadOptions(codec=former.table_codec))
    for name in ("cells", "codes", "scores"):
        assert np.array_equal(again.values[name], former.values[name], equal_nan=True), name
    assert not any("no training row has" in note for note in again.summary.notes)
    assert np.array_equal(now.values["codes"][now.train], former.values["codes"][now.train])
    resumed = load_table(rare_names, LoadOptions(codec=now.table_codec))
    assert resumed.summary == now.summary
    for name in ("cells", "codes", "scores"):
        assert np.array_equal(resumed.values[name], now.values[name], equal_nan=True), name
