"""Rows of a table are evaluated with floors, notes and the scores of columns."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zerosum.data.kind import DATA_KINDS, LoadOptions, load_dataset
from zerosum.data.tables.config import TableDataConfig
from zerosum.errors import BadInput
from zerosum.evaluation.evaluator import feature_network, open_feature_extractor, run_evaluation
from zerosum.evaluation.kinds import tables
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.metrics.base import ItemComparison
from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
from zerosum.evaluation.result import EvaluationResult
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.reporter import SilentReporter

CPU = torch.device("cpu")
KIND, KIND_OF_DATA = EVALUATION_KINDS.find("tables"), DATA_KINDS.find("tables")
OPTIONS = EvaluationOptions("rows", None, 0, float("inf"), "held-out", 1_000, 5, "ema")


def write_table(path: Path, count: int, seed: int) -> Path:
    """Write rows of two numbers that go together, of a category that depends on one, and of a flag with holes."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 90, count)
    income = np.round(age * 300 + rng.normal(size=count) * 2_000, 2)
    city = np.where(rng.random(count) < 0.2, "Rome", np.where(income > 15_000, "Oslo", "Bern"))
    flag = np.where(rng.random(count) < 0.1, "", np.where(rng.random(count) < age / 100, "yes", "no"))
    lines = [",".join(map(str, row)) for row in zip(age, income, city, flag, strict=True)]
    path.write_text("\n".join(["age,income,city,flag", *lines]) + "\n", "utf8")
    return path


def other_rows(folder: Path, settings: TableDataConfig) -> NDArray[np.float64]:
    """The rows of another table of the same distribution."""
    path = write_table(folder / "fresh.csv", 400, 1)
    dataset = load_dataset(settings.model_copy(update={"source": str(path)}), LoadOptions(for_evaluation=True))
    return np.asarray(dataset.items(np.arange(400)), np.float64)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EvaluationResult]:
    """The results of a perfect generator, of one with independent columns, and of one that repeats training rows."""
    folder = tmp_path_factory.mktemp("tables")
    settings = TableDataConfig(source=str(write_table(folder / "rows.csv", 1_200, 0)), held_out=0.4, target="city")
    dataset = load_dataset(settings, LoadOptions())
    fresh = other_rows(folder, settings)
    real, train = (RealSet.from_dataset(dataset, part, "rows") for part in (dataset.held_out, dataset.train))
    known, count = np.asarray(train.take(np.arange(len(train))), np.float64), 400
    rng = np.random.default_rng(2)
    independent = np.stack([rng.permutation(fresh[:, column]) for column in range(4)], 1)
    found = {}
    network = feature_network("rows", dataset, CPU, SilentReporter())
    for name, rows in (("perfect", fresh), ("independent", independent), ("copies", known)):
        generated = GeneratedSet(lambda start, n, rows=rows: rows[start : start + n], count, "the samples")
        task = EvaluationTask(generated, real, train.head(count), train, real, "held-out", train_items=train)
        with open_feature_extractor(network, dataset, CPU) as extractor:
            found[name], _ = run_evaluation(task, OPTIONS, extractor, None, SilentReporter())
    return found


def test_a_perfect_generator_has_the_scores_of_real_rows(results: dict[str, EvaluationResult]) -> None:
    scores = {name: each.score.value for name, each in results["perfect"].scores.items()}
    floors = {name: each.floor.value for name, each in results["perfect"].scores.items() if each.floor}
    assert set(tables.METRICS) == {each.metric for each in results["perfect"].scores.values()} & set(tables.METRICS)
    for name in ("tstr", "tstr_linear", "shape", "worst_column", "pair_trends", "c2st", "category_coverage"):
        assert scores[name] == pytest.approx(floors[name], abs=0.1), name
    assert scores["correlation_difference"] < 0.12
    assert scores["c2st"] == pytest.approx(0.5, abs=0.08)
    assert scores["dcr"] == pytest.approx(floors["dcr"], rel=0.3)
    assert scores["nearest_training_share"] == pytest.approx(0.5, abs=0.1)
    assert scores["exact_copies"] == floors["exact_copies"] == 0
    assert not any("c2st:" in warning for warning in results["perfect"].warnings)


def test_independent_columns_are_told(results: dict[str, EvaluationResult]) -> None:
    """Each column alone is right, and all that depends on others is not."""
    result = results["independent"]
    scores = {name: each.score.value for name, each in result.scores.items()}
    assert scores["shape"] > 0.93
    assert scores["tstr"] < 0.7 < result.scores["tstr"].floor.value
    assert scores["c2st"] > 0.85
    assert scores["correlation_difference"] > 0.3
    assert scores["pair_trends"] < 0.85
    (telling,) = (warning for warning in result.warnings if "c2st:" in warning)
    assert "income (0." in telling
    assert "flag" not in telling


def test_copies_of_training_rows_are_memorization(results: dict[str, EvaluationResult]) -> None:
    scores = {name: each.score.value for name, each in results["copies"].scores.items()}
    assert scores["dcr"] == 0
    assert scores["exact_copies"] == 1
    assert scores["nearest_training_share"] > 0.95
    assert any(warning.startswith("memorization: 1") for warning in results["copies"].warnings)


def test_every_result_has_the_scores_of_columns_and_says_what_none_of_them_is(
    results: dict[str, EvaluationResult],
) -> None:
    for result in results.values():
        assert result.warnings[-1] == tables.NO_GUARANTEE
        assert set(result.parts["shape"]) == {"age", "income", "city", "flag"}
        assert list(result.parts["shape"].values()) == sorted(result.parts["shape"].values())
        assert result.as_row(0)["parts"]["shape"] == result.parts["shape"]
        assert "models of city fitted to at most 20,000 rows" in result.protocol.describe()


def test_without_training_rows_there_are_no_scores_of_copies(tmp_path: Path) -> None:
    settings = TableDataConfig(source=str(write_table(tmp_path / "rows.csv", 100, 0)))
    dataset = load_dataset(settings, LoadOptions())
    rows, others = (RealSet.from_dataset(dataset, part, "rows") for part in (np.arange(50), np.arange(50, 100)))
    task = EvaluationTask(rows.head(40), rows, others, None, None, "half")
    with open_feature_extractor(feature_network("rows", dataset, CPU, SilentReporter()), dataset, CPU) as extractor:
        result, _ = run_evaluation(task, OPTIONS, extractor, None, SilentReporter())
    assert not {"dcr", "nearest_training_share", "exact_copies"} & set(result.scores)
    assert "models of each column fitted to at most 5,000 rows" in result.protocol.describe()


def test_copies_of_any_training_row_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of the training rows that other scores do not read, however many rows are read together."""
    monkeypatch.setattr(tables, "HASHED_ROWS", 7)
    dataset = load_dataset(TableDataConfig(source=str(write_table(tmp_path / "rows.csv", 100, 0))), LoadOptions())
    train = RealSet.from_dataset(dataset, dataset.train, "rows")
    rows = np.asarray(train.take(np.arange(len(train))), np.float64)
    changed = rows[:20] + np.array([0, 0.001, 0, 0])
    held_out = np.asarray(dataset.items(dataset.held_out), np.float64)
    compared = ItemComparison(
        np.concatenate([rows[-20:], changed]), rows, rows[:10], len(rows), held_out, dataset, train
    )
    (metric,) = (metric for metric in tables.METRICS if metric.name == "exact_copies")
    score = metric.compute(compared)
    assert score is not None
    assert score.value == 0.5


def test_every_figure_has_a_caption(tmp_path: Path) -> None:
    dataset = load_dataset(TableDataConfig(source=str(write_table(tmp_path / "rows.csv", 100, 0))), LoadOptions())
    rows = dataset.items(np.arange(100))
    assert set(KIND.draw_figures(rows[:50], rows[50:], dataset.codec)) == set(KIND.captions)


def test_rows_that_repeat_by_chance_are_no_alarm(tmp_path: Path) -> None:
    """A perfect generator of rows of two categories, most of which equal training rows."""
    path = tmp_path / "rows.csv"
    draws = np.random.default_rng(0).choice(20, (1_400, 2), p=0.75 ** np.arange(20) / (0.75 ** np.arange(20)).sum())
    for name, part in (("rows", draws[:1_000]), ("fresh", draws[1_000:])):
        lines = "\n".join(f"a{first},b{second}" for first, second in part)
        (tmp_path / f"{name}.csv").write_text(f"first,second\n{lines}\n", "utf8")
    dataset = load_dataset(TableDataConfig(source=str(path)), LoadOptions())
    fresh = KIND_OF_DATA.load_like(
        TableDataConfig(source=str(tmp_path / "fresh.csv")), dataset, LoadOptions(held_out_fraction=0.0)
    )
    real, train = (RealSet.from_dataset(dataset, part, "rows") for part in (dataset.held_out, dataset.train))
    generated = RealSet.from_dataset(fresh, np.arange(400), "the samples")
    task = EvaluationTask(generated, real, train.head(400), train, real, "held-out", train_items=train)
    with open_feature_extractor(feature_network("rows", dataset, CPU, SilentReporter()), dataset, CPU) as extractor:
        result, _ = run_evaluation(task, OPTIONS, extractor, None, SilentReporter())
    copies = result.scores["exact_copies"]
    assert copies.floor is not None
    assert 0.5 < copies.score.value < copies.floor.value + 0.1
    assert not any("memorization:" in warning for warning in result.warnings)
    assert any("C_T and authenticity are not measured" in warning for warning in result.warnings)
    assert {overlap.describe().partition("; ")[2] for overlap in result.overlaps if overlap.copies} == {
        "some rows equal each other by chance"
    }


def test_scores_of_rows_in_another_encoding_are_not_compared(tmp_path: Path) -> None:
    """The encoding is fitted to the training rows; with the same ones it is the same."""
    paths = [write_table(tmp_path / f"{name}.csv", 100, seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    datasets = [load_dataset(TableDataConfig(source=str(path)), LoadOptions()) for path in paths]
    first, same, other = (feature_network("rows", dataset, CPU, SilentReporter()).version for dataset in datasets)
    assert first == same != other
    assert len(first) == 12


def test_scikit_learn_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert KIND.default_features() == "rows"
    assert KIND.online_features("") == "rows"
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(BadInput, match=r'scikit-learn, which is not installed: pip install "zerosum\[tables\]"'):
        KIND.default_features()
