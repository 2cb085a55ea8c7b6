"""ChemNet features are those of fcd-torch, and their Fréchet distance is the FCD."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fcd_torch import FCD

from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.errors import BadInput
from zerosum.evaluation.features.chemnet import ChemNetFeatures, encode_symbols
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.metrics.frechet import frechet_distance

CPU = torch.device("cpu")
CODEC = MoleculeCodec(("C",), 4)
MOSES = Path(__file__).parents[2] / "data" / "molecules" / "moses.smi"


@pytest.fixture(scope="module")
def network() -> ChemNetFeatures:
    return ChemNetFeatures.load(CPU)


def features(network: ChemNetFeatures, texts: list[str]) -> FeatureTable:
    kind = EVALUATION_KINDS.find("molecules")
    return FeatureTable.from_tensor(network(kind.network_input(np.array(texts), CPU, CODEC)).features)


def test_the_distance_is_that_of_fcd_torch(network: ChemNetFeatures) -> None:
    texts = MOSES.read_text("utf8").split()[:48]
    theirs = FCD(device="cpu", n_jobs=1)
    own = [features(network, part) for part in (texts[:24], texts[24:])]
    expected = [theirs.get_predictions(part) for part in (texts[:24], texts[24:])]
    for table, array in zip(own, expected, strict=True):
        np.testing.assert_allclose(table.block(0).numpy(), array, rtol=1e-4, atol=1e-5)
    moments = [{"mu": array.mean(0), "sigma": np.cov(array.T)} for array in expected]
    assert frechet_distance(*own).value == pytest.approx(theirs.metric(*moments), rel=1e-3)


def test_the_distance_of_the_molecules_of_moses_is_the_one_that_moses_gives(network: ChemNetFeatures) -> None:
    """The figure of the tests of molsets 0.3.1; the two invalid texts there are left out, as MOSES does."""
    generated = ["CNC", "Oc1ccccc1-c1cccc2cnccc12", "CCCP", "Cc1noc(C)c1CN(C)C(=O)Nc1cc(F)cc(F)c1"]
    real = ["Oc1ccccc1-c1cccc2cnccc12", "COc1cccc(NC(=O)Cc2coc3ccc(OC)cc23)c1"]
    distance = frechet_distance(features(network, real), features(network, generated))
    assert distance.value == pytest.approx(52.58371754126664, rel=1e-4)


def test_texts_of_one_molecule_have_the_same_features_and_others_are_taken_as_they_are() -> None:
    kind = EVALUATION_KINDS.find("molecules")
    symbols = kind.network_input(np.array(["OCC", "CCO", "CC(", "", "Clc1ccccc1"]), CPU, CODEC)
    assert torch.equal(symbols[0], symbols[1])
    assert not torch.equal(symbols[1], symbols[2])
    lengths = (symbols > 0).sum(1)
    assert lengths.tolist() == [4, 4, 4, 2, 10]  # with the symbol of the end; Cl is one symbol
    assert symbols.shape == (5, 350)


def test_a_long_text_is_cut_off() -> None:
    (row,) = encode_symbols(["C" * 400])
    assert (row[:-1] == row[0]).all()
    assert row[-1] == encode_symbols(["C"])[0, 1] != 0


def test_without_the_package_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcd_torch", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert EVALUATION_KINDS.find("molecules").online_features("") == "none"
    with pytest.raises(BadInput, match=r'`evaluation.features` chemnet needs .*"zerosum\[molecules\]"'):
        ChemNetFeatures.load(CPU, "evaluation.features")
