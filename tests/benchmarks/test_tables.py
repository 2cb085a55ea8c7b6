"""Test the scores and the page of the benchmark of tables."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from tables import known_work, metadata
from tables_conditions import Rows, fill_iteratively
from tables_data import Table, is_selected
from tables_encoding import decode_rows, encode_rows, fit_modes
from tables_limits import page as limits_page
from tables_limits import run_measured
from tables_page import page
from tables_scores import Scorer

TABLE = Table("shop", "price", dates={"day": "%d/%m/%Y"})


def shop(num_rows: int, seed: int) -> pd.DataFrame:
    """Rows whose price depends on the size and the color; a tenth of the sizes and some colors are missing."""
    rng = np.random.default_rng(seed)
    size, color = rng.normal(size=num_rows).round(3), rng.choice(["blue", "red", ""], num_rows, p=[0.6, 0.3, 0.1])
    price = (3 * size + (color == "red") + 0.1 * rng.normal(size=num_rows)).round(3)
    day = pd.Timestamp(2024, 1, 1) + pd.to_timedelta(rng.integers(0, 365, num_rows), "D")
    shown = np.where(rng.random(num_rows) < 0.1, "", size.astype(str))
    return pd.DataFrame({"size": shown, "color": color, "day": day.strftime("%d/%m/%Y"), "price": price})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    shop(600, 0).to_csv(TABLE.path(folder, "train"), index=False)
    shop(400, 1).to_csv(TABLE.path(folder, "test"), index=False)
    return folder


@pytest.fixture(scope="module")
def scorer(folder: Path) -> Scorer:
    return Scorer(TABLE, folder)


def test_other_real_rows_score_as_real_rows(scorer: Scorer, tmp_path: Path) -> None:
    shop(600, 2).to_csv(tmp_path / "samples.csv", index=False)
    scores = scorer.score(tmp_path / "samples.csv")
    assert scores["tstr_r2"] == pytest.approx(scores["trtr_r2"], abs=0.05)
    assert scores["trtr_r2"] > 0.8
    assert scores["shape"] > 0.93
    assert scores["correlation_difference"] < 0.1
    assert 0.4 < scores["c2st"] < 0.6
    assert scores["dcr"] == pytest.approx(scores["holdout_dcr"], rel=0.3)
    assert 0.4 < scores["nearest_training_share"] < 0.6
    assert scores["copies"] == 0


def test_rows_that_are_compared_with_themselves(scorer: Scorer, folder: Path) -> None:
    test = scorer.score(TABLE.path(folder, "test"))
    assert (test["shape"], test["worst_shape"], test["correlation_difference"]) == (1, 1, 0)
    assert (test["copies"], test["nearest_training_share"]) == (0, 0)
    train = scorer.score(TABLE.path(folder, "train"))
    assert (train["copies"], train["dcr"]) == (1, 0)
    assert train["nearest_training_share"] > 0.7
    assert train["tstr_r2"] == train["trtr_r2"]


def test_each_fault_is_seen_by_its_score(scorer: Scorer, folder: Path, tmp_path: Path) -> None:
    test = pd.read_csv(TABLE.path(folder, "test"), dtype=str, keep_default_na=False)
    test.assign(color="blue").to_csv(tmp_path / "color.csv", index=False)
    scores = scorer.score(tmp_path / "color.csv")
    assert scores["worst_column"] == "color"
    assert scores["worst_shape"] == pytest.approx((test["color"] == "blue").mean())
    assert scores["c2st"] > 0.6

    test.assign(size=test["size"].replace("", "9")).to_csv(tmp_path / "size.csv", index=False)
    scores = scorer.score(tmp_path / "size.csv")
    assert scores["worst_shape"] == pytest.approx(1 - (test["size"] == "").mean())

    shuffled = np.random.default_rng(0).permutation(test["price"])
    test.assign(price=shuffled).to_csv(tmp_path / "price.csv", index=False)
    scores = scorer.score(tmp_path / "price.csv")
    assert scores["shape"] == 1
    assert scores["correlation_difference"] > 0.1
    assert scores["tstr_r2"] < 0.2


def test_cells_that_are_no_numbers_are_refused(scorer: Scorer, tmp_path: Path) -> None:
    shop(50, 3).assign(size="large").to_csv(tmp_path / "samples.csv", index=False)
    with pytest.raises(ValueError, match="large"):
        scorer.score(tmp_path / "samples.csv")


def test_peers_are_told_the_types_of_columns(folder: Path) -> None:
    columns = metadata(TABLE, TABLE.path(folder, "train"))["tables"]["shop"]["columns"]
    assert columns == {
        "size": {"sdtype": "numerical"}, "color": {"sdtype": "categorical"}, "price": {"sdtype": "numerical"},
        "day": {"sdtype": "datetime", "datetime_format": "%d/%m/%Y"},
    }  # fmt: skip


def test_work_is_known_from_other_seeds(tmp_path: Path) -> None:
    assert known_work(tmp_path / "shop-tvae-1", 300.0, "epochs") == 0
    (tmp_path / "shop-tvae-0").mkdir()
    (tmp_path / "shop-tvae-0/cost.json").write_text(json.dumps({"cpu_seconds": 200.0, "epochs": 101}))
    assert known_work(tmp_path / "shop-tvae-1", 300.0, "epochs") == 152
    assert known_work(tmp_path / "shop-ctgan-1", 300.0, "epochs") == 0


def test_the_encoding_by_modes_is_inverted(folder: Path) -> None:
    rows = Scorer.training_rows(TABLE, TABLE.path(folder, "train"))
    modes = fit_modes(rows, TABLE)
    encoded = encode_rows(rows, modes, np.random.default_rng(0))
    assert list(encoded) == ["size_mode", "size_value", "color", "day_mode", "day_value", "price_mode", "price_value"]
    assert encoded["price_mode"].nunique() > 1
    decoded = decode_rows(encoded.astype(str), list(rows), modes, TABLE)
    source = pd.read_csv(TABLE.path(folder, "train"), dtype=str, keep_default_na=False)
    assert decoded[["color", "day"]].equals(source[["color", "day"]])
    for name in ("size", "price"):
        np.testing.assert_allclose(decoded[name], rows[name], atol=0.0011)  # rounding, of values to 6 decimals


def test_page(scorer: Scorer, folder: Path) -> None:
    good = {"cpu_seconds": 5.0, "scores": scorer.score(TABLE.path(folder, "test"))}
    bad = {"cpu_seconds": 7.0, "versions": {"sdv": "2.0.0"}, "scores": good["scores"] | {"tstr_r2": 0.1, "c2st": 0.9}}
    text = page({"shop": {"zerosum": {"0": good, "1": good}, "tvae": {"0": bad, "1": good}}})
    assert "Peers: sdv 2.0.0." in text
    assert "| tvae | 2 | 6 (5 to 7) | 0." in text
    assert "| tvae | 1 of 2 | 0 of 2 | 0 of 2 | 0 of 2 | 1 of 2 |" in text


def test_targets_are_of_the_median(scorer: Scorer, folder: Path) -> None:
    """Two of three seeds reach it, or one of three."""
    scores = scorer.score(TABLE.path(folder, "test"))
    seeds = {str(seed): {"cpu_seconds": 5.0, "scores": scores | {"tstr_auc": auc, "dcr": 0.1, "holdout_dcr": 0.2}}
             for seed, auc in enumerate((0.9, 0.965, 0.97))}  # fmt: skip
    text = page({"insurance": {"zerosum": seeds, "tvae": seeds}})
    assert "| insurance | TSTR AUC | at least 0.965 | 0.965 | 3 | yes |" in text
    assert "| insurance | C2ST | at most 0.6 |" in text
    assert "| insurance | DCR median | at least 0.2 | 0.1 | 3 | no |" in text
    assert "| nearest-training share | at most 0.52 | 0 | 3 | yes |" in text
    seeds["1"]["scores"]["tstr_auc"] = 0.96
    assert "| TSTR AUC | at least 0.965 | 0.96 | 3 | no |" in page({"insurance": {"zerosum": seeds}})
    assert "at least" not in page({"insurance": {"tvae": seeds}})


def test_the_imputer_sees_dates(tmp_path: Path) -> None:
    """A price that is known from the date alone."""
    for seed, part in enumerate(("train", "test")):
        frame = shop(300, seed)
        days = (pd.to_datetime(frame["day"], format="%d/%m/%Y") - pd.Timestamp(2024, 1, 1)).dt.days
        frame.assign(price=days + 0.001 * np.arange(300)).to_csv(TABLE.path(tmp_path, part), index=False)
    rows = Rows.read(TABLE, tmp_path)
    assert list(rows.test) == ["size", "color", "price"]
    assert rows.test_dates["day"].max() <= pd.Timestamp(2024, 12, 31).timestamp()
    holes = np.zeros(rows.test.shape, bool)
    holes[:, 2] = True
    filled = fill_iteratively(rows, rows.test, holes)
    assert np.corrcoef(filled["price"], rows.test["price"])[0, 1] > 0.95


def test_memory_is_that_of_the_process() -> None:
    """Also where it was freed before the end."""
    for size in (20, 400):
        seconds, peak = run_measured([sys.executable, "-c", f"b'x' * ({size} << 20)"])
        assert seconds > 0
        assert size / 1024 < peak < size / 1024 + 0.15
    with pytest.raises(subprocess.CalledProcessError):
        run_measured([sys.executable, "-c", "raise SystemExit(2)"])


def test_page_of_limits() -> None:
    row = {"title": "5 rows", "examples": 5_120, "cpu_seconds": 10.0, "peak_gib": 4.5, "findings": []}
    scores = {"exact_copies": {"value": 0.25, "floor": 0.001}}
    text = limits_page({"a": row, "b": row | {"peak_gib": 1.0, "findings": ["memorization"], "scores": scores}})
    assert "| 5 rows | 5,120 | 10 | 4.50 GiB | no | none |" in text
    assert "| 1.00 GiB | yes | memorization |" in text
    assert "- exact_copies: 0.25 (0.001)" in text


def test_the_split_is_fixed() -> None:
    assert [number for number in range(1, 30) if is_selected(str(number), 0.2)] == [6, 8, 12, 18, 20, 22]
