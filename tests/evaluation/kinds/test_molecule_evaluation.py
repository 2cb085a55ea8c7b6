"""Molecules are evaluated by the scores of MOSES, each with its floor; samples that are none are left out."""

from collections import Counter
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rdkit import Chem

from zerosum.data.kind import LoadOptions, load_dataset
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.errors import BadInput
from zerosum.evaluation.evaluator import feature_network, open_feature_extractor, run_evaluation
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.kinds import molecules, molecules_analysis
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.metrics.base import ItemComparison
from zerosum.evaluation.metrics.molecules.novelty import unique_share, unique_share_of_part
from zerosum.evaluation.online import OnlineEvaluator
from zerosum.evaluation.request import EvaluationOptions, EvaluationTask
from zerosum.evaluation.result import EvaluationResult
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.game.game import Game
from zerosum.reporter import SilentReporter

CPU = torch.device("cpu")
KIND = EVALUATION_KINDS.find("molecules")
OPTIONS = EvaluationOptions("chemnet", None, 0, float("inf"), "held-out", 1_000, 5, "ema")
MOSES = Path(__file__).parents[2] / "data" / "molecules" / "moses.smi"
COUNT = 60


class Evaluated:
    """Held-out molecules as reference, as many training molecules, and others that no set has."""

    def __init__(self, folder: Path) -> None:
        lines = MOSES.read_text("utf8").split()
        self.fresh, path = lines[:COUNT], folder / "known.smi"
        path.write_text("\n".join(lines[-160:]), "utf8")
        self.dataset = load_dataset(MoleculeDataConfig(source=str(path), held_out=0.5), LoadOptions())
        self.real = RealSet.from_dataset(self.dataset, self.dataset.held_out, "the held-out molecules")
        self.train = RealSet.from_dataset(self.dataset, self.dataset.train, "the training molecules")
        self.network: FeatureNetwork = feature_network("chemnet", self.dataset, CPU, SilentReporter())
        self.calls: Counter[int] = Counter()

    def __call__(self, texts: list[str]) -> EvaluationResult:
        items: NDArray[np.str_] = np.array(texts)

        def take(start: int, count: int) -> NDArray[np.str_]:
            self.calls.update(range(start, start + count))
            return items[start : start + count]

        self.calls.clear()
        generated = GeneratedSet(take, len(texts), "the samples of this run")
        floor = self.train.head(len(texts))
        task = EvaluationTask(generated, self.real, floor, self.train, self.real, "held-out", train_items=self.train)
        with open_feature_extractor(self.network, self.dataset, CPU) as extractor:
            return run_evaluation(task, OPTIONS, extractor, None, SilentReporter())[0]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    return Evaluated(tmp_path_factory.mktemp("molecules"))


def values(result: EvaluationResult) -> dict[str, float]:
    return {name: each.score.value for name, each in result.scores.items()}


def test_a_perfect_generator_has_the_scores_of_real_molecules(evaluated: Evaluated) -> None:
    result = evaluated(evaluated.fresh)
    own = values(result)
    floors = {name: each.floor.value for name, each in result.scores.items() if each.floor}
    assert {metric.name for metric in molecules.METRICS} - set(own) == {"unique_1k", "unique_10k"}
    for name in ("valid", "unique", "novel", "filters"):
        assert own[name] == floors[name] == 1, name
    assert own["fd"] == pytest.approx(floors["fd"], rel=0.2)
    assert {"fcd", "kid_chemnet"} <= set(result.as_row(0)["scores"])
    for name in ("snn", "fragments", "intdiv", "intdiv2", "qed_w1"):
        assert own[name] == pytest.approx(floors[name], abs=0.05), name
    assert own["logp_w1"] < 0.4
    assert own["weight_w1"] < 12
    assert result.protocol.num_generated == COUNT
    assert "canonical SMILES by RDKit" in result.protocol.describe()
    assert result.parts["sa_w1"]["mean of real molecules"] == pytest.approx(2.45, abs=0.2)
    assert any(warning.startswith("means of the samples") and "sa 2." in warning for warning in result.warnings)
    assert not any("valid:" in warning for warning in result.warnings)


def test_texts_that_are_no_molecules_count_and_are_left_out(evaluated: Evaluated) -> None:
    """A fifth is invalid: features, their floor and all other scores are those of the rest."""
    valid = evaluated.fresh[:40]
    mixed = [text for four in zip(*[iter(valid)] * 4, strict=True) for text in (*four, four[0] + "(")]
    result, rest = evaluated(mixed), evaluated(valid)
    assert evaluated.calls == Counter(range(40))  # each sample is generated once
    assert values(result)["valid"] == pytest.approx(0.8)
    assert result.scores["valid"].floor == (1, 0)
    for name, score in rest.scores.items():
        if name != "valid":
            assert result.scores[name].score.value == pytest.approx(score.score.value, nan_ok=True), name
            assert result.scores[name].floor == pytest.approx(score.floor, nan_ok=True), name
            assert result.scores[name].is_floor_comparable, name
    assert result.protocol.num_generated == 50
    (note,) = (warning for warning in result.warnings if warning.startswith("valid:"))
    assert note.startswith("valid: 40 of 50 samples are molecules")


def test_known_molecules_are_found_however_they_are_written(evaluated: Evaluated) -> None:
    known = evaluated.train.take(np.arange(30)).astype(str).tolist()
    other = [Chem.MolToSmiles(Chem.MolFromSmiles(text), canonical=False, rootedAtAtom=3) for text in known]
    assert sum(first != second for first, second in zip(known, other, strict=True)) > 20
    result = evaluated(other)
    assert values(result)["novel"] == 0
    assert values(result)["unique"] == 1
    (copies,) = (each for each in result.overlaps if (each.first, each.second) == ("generated", "train"))
    assert copies.copies == 30


def test_one_molecule_is_collapse(evaluated: Evaluated) -> None:
    result = evaluated(["CCO", "OCC", "C(O)C", "C(C)O"] * 4)
    assert values(result)["unique"] == pytest.approx(1 / 16)
    assert values(result)["intdiv"] == pytest.approx(0)
    assert "scaffolds" not in result.scores  # ethanol has none
    assert any("mode collapse" in warning for warning in result.warnings)


def test_too_few_valid_samples_are_refused_with_their_number(evaluated: Evaluated) -> None:
    with pytest.raises(BadInput, match="the samples of this run: of 30, only 6 are valid molecules"):
        evaluated(["CCO"] * 6 + ["C(C"] * 24)


def test_during_training_samples_that_are_no_molecules_have_features_of_their_own(evaluated: Evaluated) -> None:
    rows, game = [], cast("Game", None)
    for texts in (evaluated.fresh[:20], [*evaluated.fresh[:15], "C(", "", "c1cc", "CC)", "n"], ["(((("] * 20):
        items = np.array(texts)
        online = OnlineEvaluator(
            evaluated.network, CPU, evaluated.dataset, 20, lambda game, start, n, items=items: items[start : start + n]
        )
        rows.append(online(game, 0))
    assert [row["signals"]["evaluation/valid"] for row in rows] == [1, 0.75, 0]
    distances = [row["distance"] for row in rows]
    assert distances == sorted(distances)
    assert distances[2] > 10 * abs(distances[0])
    assert "kid_chemnet" in rows[0]["scores"]


def test_unique_molecules_among_a_part_of_many(evaluated: Evaluated, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order does not matter: texts of a file are compared in that of their content, so that they repeat in runs."""
    texts = [*("C" * (1 + number % 400) for number in range(800)), *["O"] * 200]
    shares = [unique_share(np.random.default_rng(seed).permutation(texts)[:300].tolist()) for seed in range(200)]
    assert unique_share_of_part(sorted(texts), 300) == pytest.approx(np.mean(shares), abs=0.005)
    assert unique_share_of_part(texts, 1_000) == unique_share(texts) == 0.401
    assert unique_share_of_part([str(number) for number in range(30_000)], 10_000) == pytest.approx(1, abs=1e-12)
    monkeypatch.setattr(
        molecules, "analyze_samples", lambda items, progress: molecules_analysis.MoleculeAnalysis(items.tolist())
    )
    repeated = np.array(["C" * number for number in range(1, 41) for _ in range(50)])
    compared = ItemComparison(repeated, repeated, None, 0, None, evaluated.dataset)
    scores = {metric.name: metric.compute(compared) for metric in molecules.METRICS if metric.name.startswith("unique")}
    values_of = {name: score.value for name, score in scores.items() if score}
    assert values_of == {"unique": 0.02, "unique_1k": pytest.approx(0.04, abs=1e-6)}


def test_a_large_set_is_analyzed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In as many processes as there are cores, with progress; later it is read from the cache."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    monkeypatch.setattr(molecules_analysis, "MIN_CACHED", 40)
    monkeypatch.setattr(molecules_analysis, "_CHUNK", 20)
    texts, steps = np.array([*MOSES.read_text("utf8").split()[:45], "C("]), list[tuple[int, int]]()
    first = molecules_analysis.analyze_samples(texts, lambda done, total: steps.append((done, total)))
    assert steps == [(20, 46), (40, 46), (46, 46)]
    assert (len(first.canonical), len(first.valid)) == (46, 45)
    (entry,) = tmp_path.glob("analysis-*")
    second = molecules_analysis.analyze_samples(texts, lambda done, total: steps.append((done, total)))
    assert len(steps) == 3
    assert second.canonical == first.canonical
    assert np.array_equal(second.properties["qed"], first.properties["qed"])
    assert molecules_analysis.analyze_reference(texts, lambda done, total: None).passes_filters.shape == (0,)
    assert len(list(tmp_path.glob("analysis-*"))) == 2
    (entry / "analysis.npz").write_bytes(b"damaged")
    again = molecules_analysis.analyze_samples(texts, lambda done, total: None)
    assert again.scaffolds == first.scaffolds


def test_properties_are_drawn_of_the_valid_samples(evaluated: Evaluated) -> None:
    real, codec = evaluated.real.take(np.arange(50)), evaluated.dataset.codec
    drawn = KIND.draw_figures(np.array([*evaluated.fresh[:30], "C("]), real, codec)
    assert set(drawn) == set(KIND.captions) == {"properties"}
    (image,) = drawn.values()
    blue = (np.asarray(image) == (0, 114, 178)).all(2)
    assert blue.sum() > 500
    assert KIND.draw_figures(np.array(["C("]), real, codec) == {}
