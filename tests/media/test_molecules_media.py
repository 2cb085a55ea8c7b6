"""Molecules as media: structures, the files of samples, and what samples.csv says of each."""

import csv
from pathlib import Path

import numpy as np
import pytest

from zerosum.data.content_hash import hash_content
from zerosum.data.dataset import Dataset
from zerosum.data.molecules import training_set
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.fingerprints import find_nearest, fingerprints_of_texts, similarities
from zerosum.data.molecules.property_range import PropertyRange
from zerosum.data.molecules.training_set import TrainingMolecules
from zerosum.data.summary import DatasetSummary
from zerosum.errors import BadInput
from zerosum.media.kind import MEDIA_KINDS, WrittenSamples
from zerosum.media.molecules_sheet import CELL, draw_sheet
from zerosum.reporter import SilentReporter

MEDIA = MEDIA_KINDS.find("molecules")
QED = PropertyRange("qed", mean=0.8, deviation=0.1, low=0.2, high=0.95)
CODEC = MoleculeCodec(("C", "O", "N", "c", "1", "(", ")", "=", "F"), max_tokens=20, properties=(QED,))
TRAINING = ("CCO", "c1ccccc1", "CNC(C)=O", "CCCCN", "Fc1ccccc1")


def dataset() -> Dataset:
    """A dataset of the training molecules, of which the last one is held out."""
    raw, known = CODEC.encode_smiles(TRAINING)
    assert known.all()
    hashes = np.array([hash_content("molecule", text.encode()) for text in TRAINING], np.uint64)
    count = len(TRAINING)
    summary = DatasetSummary("molecules", "training.smi", count=count, train=count - 1, held_out=1)
    return Dataset(
        raw, np.zeros(count, np.int64), (), hashes, np.arange(count - 1), np.array([count - 1]), summary, CODEC
    )


def write(
    folder: Path, texts: list[str], given: dict | None = None, first: int = 0, has_data: bool = True
) -> list[str]:
    def load() -> Dataset:
        if not has_data:
            raise BadInput("training.smi is gone")
        return dataset()

    for start in range(0, len(texts), 2):  # as samples come in batches
        MEDIA.write(np.array(texts[start : start + 2]), CODEC, folder, first + start)
    return MEDIA.complete(WrittenSamples(folder, first, given or {}, load, SilentReporter()), CODEC)


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_say_what_each_molecule_is_like(tmp_path: Path) -> None:
    sentences = write(tmp_path, ["OCC", "C(", "CC=O", "c1ccccc1F", "CCO"], {"qed": "0.9"}, first=10)
    assert (tmp_path / "samples.smi").read_text() == "CCO\nC(\nCC=O\nFc1ccccc1\nCCO\n", "canonical, or as it is"
    rows = read(tmp_path)
    columns = ("number", "smiles", "valid", "asked_qed", "passes_filters", "repeated", "novel", "nearest", "similarity")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("10", "CCO", "yes", "0.9", "yes", "no", "no", "CCO", "1.000"),
        ("11", "C(", "no", "0.9", "", "", "", "", ""),
        ("12", "CC=O", "yes", "0.9", "no", "no", "yes", rows[2]["nearest"], rows[2]["similarity"]),  # an aldehyde
        ("13", "Fc1ccccc1", "yes", "0.9", "yes", "no", "yes", "c1ccccc1", rows[3]["similarity"]),  # was held out
        ("14", "CCO", "yes", "0.9", "yes", "yes", "no", "CCO", "1.000"),
    ]
    assert 0 < float(rows[2]["similarity"]) < 1
    assert (rows[0]["weight"], rows[0]["rings"], rows[3]["rings"], rows[1]["logp"]) == ("46.069", "0", "1", "")
    assert sentences[0].startswith("75.0% pass the filters, 25.0% are equal to an earlier one, 50.0% are no training ")
    assert sentences[1].startswith("qed: asked 0.9, got 0.4")
    assert (tmp_path / "sheet.png").stat().st_size > 1_000


def test_without_the_data_comparisons_stay_empty(tmp_path: Path) -> None:
    sentences = write(tmp_path, ["CCO", "CCN"], has_data=False)
    assert [(row["novel"], row["nearest"], row["similarity"]) for row in read(tmp_path)] == [("", "", "")] * 2
    assert sentences[-1] == (
        "without the training molecules, the columns novel and nearest stay empty: training.smi is gone"
    )


def test_the_search_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_set, "MAX_SEARCHED", 2)
    monkeypatch.setattr("zerosum.media.molecules.MAX_SEARCHED", 2)
    sentences = write(tmp_path, list(TRAINING))
    assert sentences[-1] == "the nearest is searched among 2 of 4 training molecules"
    rows = read(tmp_path)
    assert [row["novel"] for row in rows] == ["no"] * 4 + ["yes"], "novelty is known of all"
    assert len({row["nearest"] for row in rows}) == 2


def test_only_the_first_molecules_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zerosum.media.molecules.MAX_DESCRIBED", 3)
    assert write(tmp_path, ["CCO", "CCN", "CO", "CN"])[-1] == "samples.csv describes the first 3 molecules"
    assert len(read(tmp_path)) == 3


def test_fingerprints_of_training_molecules_are_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    first = TrainingMolecules.load(dataset())
    monkeypatch.setattr(training_set, "_compute", None)
    again = TrainingMolecules.load(dataset())
    assert (again.fingerprints == first.fingerprints).all()
    texts, similarity = again.find_nearest(fingerprints_of_texts(["CCO", "CCCCCN"]))
    assert texts.tolist() == ["CCO", "CCCCN"]
    assert similarity[0] == 1 > similarity[1]


def test_the_nearest_is_that_of_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Path(__file__).parents[1].joinpath("data/molecules/moses.smi").read_text().split()
    rows, reference = fingerprints_of_texts(lines[:7]), fingerprints_of_texts(lines[7:30])
    monkeypatch.setattr("zerosum.data.molecules.fingerprints._BLOCK", 4)
    places, similarity = find_nearest(rows, reference)
    own, others = np.unpackbits(rows, 1)[:, None].astype(bool), np.unpackbits(reference, 1)[None].astype(bool)
    pairs = (own & others).sum(2) / (own | others).sum(2)
    np.testing.assert_allclose(similarities(rows, reference), pairs, rtol=1e-6)
    assert (places == pairs.argmax(1)).all()
    np.testing.assert_allclose(similarity, pairs.max(1), rtol=1e-6)


def test_structures_stand_in_a_grid() -> None:
    texts = ["CCO", "C(", "", "c1ccccc1" * 40]
    sheet = np.asarray(MEDIA.draw(np.array(texts)))
    assert sheet.shape == (2 * CELL, 2 * CELL, 3)
    assert np.asarray(draw_sheet(texts, ["a", "b", "c", "d"], columns=4)).shape == (CELL + 22, 4 * CELL, 3)
    cells = [sheet[top : top + CELL, left : left + CELL] for top in (0, CELL) for left in (0, CELL)]
    assert all((cell[1:-1, 1:-1] < 255).any() for cell in cells), "each has a structure or a text"
    frames = MEDIA.frames(np.array(texts))
    assert frames.shape == (4, CELL, CELL, 3)
    assert (frames[1] == 255).all()
    assert (frames[0] < 255).any()


def test_molecules_are_described_by_what_is_known_of_them() -> None:
    record = {"atoms": [8, 20, 27], "lengths": [20, 37, 57], "tokens": 26, "properties": {"qed": "0.2 to 0.9"}}
    assert MEDIA.describe(record) == "They have 8 to 27 heavy atoms (median 20)."
    assert MEDIA.describe({}) == ""
    assert MEDIA.parts(record) == ("Properties", [("qed", "0.2 to 0.9")])
    facts = dict(MEDIA.facts(record))
    assert (facts["heavy atoms"], facts["properties"], facts["scaffolds"]) == (
        "8 to 27, median 20",
        "qed: 0.2 to 0.9",
        "",
    )
    assert "not tested" in MEDIA.caution
