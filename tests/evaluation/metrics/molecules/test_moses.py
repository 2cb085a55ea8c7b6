"""Scores of molecules equal those of MOSES, of RDKit and closed forms."""

from pathlib import Path

import numpy as np
import pytest
from rdkit import Chem, DataStructs
from rdkit.Chem import rdFingerprintGenerator
from scipy.stats import wasserstein_distance as scipy_distance

from zerosum.data.molecules.fingerprints import find_nearest
from zerosum.evaluation.kinds.molecules_analysis import analyze_texts
from zerosum.evaluation.metrics.molecules import diversity
from zerosum.evaluation.metrics.molecules.analysis import MoleculeAnalysis
from zerosum.evaluation.metrics.molecules.distributions import wasserstein_distance
from zerosum.evaluation.metrics.molecules.diversity import internal_diversity
from zerosum.evaluation.metrics.molecules.fragments import brics_fragments, cosine_similarity, ring_scaffold

GENERATED = (
    "CNC", "Oc1ccccc1-c1cccc2cnccc12", "INVALID", "CCCP", "Cc1noc(C)c1CN(C)C(=O)Nc1cc(F)cc(F)c1",
    "Cc1nc(NCc2ccccc2)no1-c1ccccc1",
)  # fmt: skip
REAL = ("Oc1ccccc1-c1cccc2cnccc12", "COc1cccc(NC(=O)Cc2coc3ccc(OC)cc23)c1")
"""The molecules of the tests of molsets 0.3.1, whose scores are given there."""
MOSES = Path(__file__).parents[3] / "data" / "molecules" / "moses.smi"


@pytest.fixture(scope="module")
def sides() -> tuple[MoleculeAnalysis, MoleculeAnalysis]:
    return analyze_texts(GENERATED, with_filters=True), analyze_texts(REAL, with_filters=False)


def test_scores_are_those_of_moses(sides: tuple[MoleculeAnalysis, MoleculeAnalysis]) -> None:
    generated, real = sides
    assert [bool(text) for text in generated.canonical] == [True, True, False, True, True, False]
    assert find_nearest(generated.fingerprints, real.fingerprints)[1].mean() == pytest.approx(0.3152585653588176)
    assert cosine_similarity(generated.fragments, real.fragments) == pytest.approx(0.3)
    assert cosine_similarity(generated.scaffolds, real.scaffolds) == pytest.approx(0.5)
    assert internal_diversity(generated.fingerprints)[0] == pytest.approx(0.7189187309761661)
    assert generated.passes_filters.tolist() == [True, True, False, True]
    assert not len(real.passes_filters)
    for name, expected in (("logp", 1.63229), ("qed", 0.20370891752648637), ("weight", 106.87)):
        assert wasserstein_distance(generated.properties[name], real.properties[name]) == pytest.approx(expected)


def test_synthetic_accessibility_is_that_of_the_scorer_of_rdkit(
    sides: tuple[MoleculeAnalysis, MoleculeAnalysis],
) -> None:
    """The distance that MOSES gives, 0.524, is of fingerprints of an older RDKit."""
    generated, real = (side.properties["sa"] for side in sides)
    assert generated.tolist() == pytest.approx([2.2160570, 1.8388681, 3.6634261, 2.2893618], abs=1e-6)
    assert wasserstein_distance(generated, real) == pytest.approx(0.6280362, abs=1e-6)


def test_similarities_are_those_of_rdkit() -> None:
    texts = MOSES.read_text("utf8").split()[:80]
    own = analyze_texts(texts, with_filters=False).fingerprints
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    theirs = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in texts]
    all_pairs = np.array([DataStructs.BulkTanimotoSimilarity(each, theirs) for each in theirs])
    nearest = find_nearest(own[:30], own[30:])[1]
    np.testing.assert_allclose(nearest, all_pairs[:30, 30:].max(1), rtol=1e-6)
    p1, p2 = internal_diversity(own)
    assert p1 == pytest.approx(1 - all_pairs.mean(), abs=1e-7)
    assert p2 == pytest.approx(1 - np.sqrt((all_pairs**2).mean(1)).mean(), abs=1e-7)


def test_diversity_of_more_molecules_than_a_tile_has_is_a_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of n fingerprints of one bit each, of which k kinds are equally frequent, 1 in k pairs is equal."""
    monkeypatch.setattr(diversity, "_BLOCK", 50)
    rows = np.packbits(np.eye(8, 1024, dtype=np.uint8), axis=1)[np.arange(240) % 8]
    assert internal_diversity(rows) == pytest.approx((1 - 1 / 8, 1 - np.sqrt(1 / 8)), abs=1e-9)
    assert internal_diversity(rows[:8][:1]) == (0.0, 0.0)


def test_fragments_are_cut_at_the_bonds_that_chemists_make() -> None:
    assert sorted(brics_fragments(Chem.MolFromSmiles("CCOC(=O)c1ccccc1"))) == [
        "[1*]C([6*])=O", "[16*]c1ccccc1", "[3*]O[3*]", "[4*]CC",
    ]  # fmt: skip
    assert ring_scaffold(Chem.MolFromSmiles("CCc1ccc(CC2CC2)cc1")) == "c1ccc(CC2CC2)cc1"
    assert ring_scaffold(Chem.MolFromSmiles("CCCC")) == ""


def test_counts_without_a_common_name_have_no_similarity() -> None:
    assert cosine_similarity({"a": 3}, {"b": 2}) == 0
    assert cosine_similarity({"a": 3, "b": 4}, {"a": 6, "b": 8}) == 1
    assert np.isnan(cosine_similarity({}, {"a": 1}))


def test_distances_of_distributions_are_those_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=300), np.round(rng.normal(0.4, 2, size=170), 1)
    assert wasserstein_distance(first, second) == pytest.approx(scipy_distance(first, second))
    assert wasserstein_distance(first, first + 2.5) == pytest.approx(2.5)


def test_an_analysis_is_the_sum_of_its_parts_and_survives_its_file(
    sides: tuple[MoleculeAnalysis, MoleculeAnalysis], tmp_path: Path
) -> None:
    whole = sides[0]
    joined = MoleculeAnalysis.join([analyze_texts(GENERATED[:2], True), analyze_texts(GENERATED[2:], True)])
    assert MoleculeAnalysis.load(tmp_path) is None
    joined.save(tmp_path)
    loaded = MoleculeAnalysis.load(tmp_path)
    assert loaded is not None
    for other in (joined, loaded):
        assert other.canonical == whole.canonical
        assert (other.fragments, other.scaffolds) == (whole.fragments, whole.scaffolds)
        assert other.passes_filters.tolist() == whole.passes_filters.tolist()
        assert np.array_equal(other.fingerprints, whole.fingerprints)
        assert all(np.array_equal(other.properties[name], values) for name, values in whole.properties.items())
    (tmp_path / "analysis.npz").write_bytes(b"damaged")
    assert MoleculeAnalysis.load(tmp_path) is None


def test_odd_molecules_have_facts() -> None:
    """Of hydrogen, an ion, a mixture, an unknown atom and stereo centers."""
    analysis = analyze_texts(["[H][H]", "[Na+]", "CC.CCO", "*C", "C[C@H](N)C(=O)O", ""], with_filters=True)
    assert len(analysis.valid) == 5
    assert all(len(values) == 5 for values in analysis.properties.values())
    assert analysis.passes_filters.tolist()[1] is False
