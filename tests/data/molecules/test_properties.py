import sys
from pathlib import Path

import numpy as np
import pytest

from molecule_data import molecule_texts
from zerosum.data.molecules.properties import PROPERTIES, compute_of_texts, load_score, resolve_properties
from zerosum.errors import BadInput

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"

SCORES = """
def length(smiles):
    "Characters of the text."
    return len(smiles)

def atoms(mol):
    return mol.GetNumAtoms()

def only_short(smiles: str) -> float:
    if len(smiles) > 30:
        raise RuntimeError("too long")
    return float("inf") if len(smiles) < 5 else 1.0

number = 3
"""


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "own_scores.py").write_text(SCORES)
    monkeypatch.chdir(tmp_path)
    return "own_scores"


def test_values_of_aspirin_are_those_of_its_data_sheets() -> None:
    values = dict(zip(PROPERTIES, compute_of_texts(list(PROPERTIES.values()), [ASPIRIN])[0].tolist(), strict=True))
    assert values["weight"] == pytest.approx(180.16, abs=0.01)
    assert values["tpsa"] == pytest.approx(63.6, abs=0.1)
    assert values["logp"] == pytest.approx(1.31, abs=0.01)
    assert values["qed"] == pytest.approx(0.55, abs=0.01)
    assert values["sa"] == pytest.approx(1.58, abs=0.01)
    assert (values["rings"], values["donors"], values["acceptors"]) == (1, 1, 3)


def test_means_are_those_that_moses_reports() -> None:
    logp, qed, sa, weight = compute_of_texts(
        resolve_properties(["LogP", "QED", "sa", "weight"]), molecule_texts()[:200]
    ).mean(0)
    assert logp == pytest.approx(2.44, abs=0.25)
    assert qed == pytest.approx(0.807, abs=0.03)
    assert sa == pytest.approx(2.45, abs=0.15)
    assert weight == pytest.approx(306.7, abs=8)


def test_functions_take_texts_or_molecules(scores: str) -> None:
    properties = [load_score(f"{scores}:{name}") for name in ("length", "atoms")]
    assert [known.name for known in properties] == ["length", "atoms"]
    assert properties[0].description == "Characters of the text."
    assert compute_of_texts(properties, ["c1ccccc1"]).tolist() == [[8.0, 6.0]]


def test_what_cannot_be_computed_is_not_known(scores: str) -> None:
    values = compute_of_texts([load_score(f"{scores}:only_short")], ["CCCCCO", "C" * 31, "CC", "C("])
    assert np.isnan(values).ravel().tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("location", "part"),
    [("own_scores", "package.module:function"), ("no_such_module:f", "cannot be imported"),
     ("own_scores:none", "no function"), ("own_scores:number", "no function")],
)  # fmt: skip
def test_functions_that_there_are_not(scores: str, location: str, part: str) -> None:
    with pytest.raises(BadInput, match=part) as info:
        load_score(location)
    assert f"`data.score` {location}:" in str(info.value)


def test_unknown_and_repeated_names(scores: str) -> None:
    with pytest.raises(BadInput, match=r"`data\.properties` logq: there is no such property"):
        resolve_properties(["logq"])
    with pytest.raises(BadInput, match=r"`data\.properties` qed: is named twice"):
        resolve_properties(["qed", "QED"])


def test_without_rdkit_the_message_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(BadInput) as info:
        compute_of_texts(resolve_properties(["logp"]), ["CCO"])
    assert str(info.value) == 'molecules need the extra `molecules`: pip install "zerosum[molecules]"'
