import pytest

from molecule_data import molecule_texts
from zerosum.data.molecules.chemistry import (
    canonical_smiles,
    find_invalid,
    kekule_smiles,
    largest_part,
    parse_smiles,
    scaffold_smiles,
    to_canonical,
)


def test_equal_molecules_have_one_text() -> None:
    assert {canonical_smiles(text) for text in ("OCC", "C(C)O", "CCO", "[CH3][CH2][OH]")} == {"CCO"}


def test_kekule_texts_are_the_same_molecules() -> None:
    texts = [*molecule_texts()[:200], "c1ccc2[nH]ccc2c1", "C[n+]1ccccc1", "c1ccc[cH-]1", "O=c1[nH]cnc2nc[nH]c12"]
    written = [kekule_smiles(text) or "" for text in texts]
    assert [canonical_smiles(text) for text in written] == [canonical_smiles(text) for text in texts]
    assert not {"c", "n", "o", "s"} & set("".join(text.replace("Cl", "").replace("Br", "") for text in written))


def test_molecules_of_moses_are_canonical() -> None:
    texts = molecule_texts()[:100]
    assert [canonical_smiles(text) for text in texts] == texts


def test_texts_that_are_no_molecules(capfd: pytest.CaptureFixture[str]) -> None:
    texts = ["CCO", "", " ", "C1CC", "CC(", "<html>", "C(C)(C)(C)(C)C", "c1ccccc1", "hello"]
    assert find_invalid(texts).tolist() == [False, True, True, True, True, True, True, False, True]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("text", "kept", "is_mixture"),
    [
        ("CC(=O)[O-].[Na+]", "CC(=O)[O-]", False),
        ("Cl.CCN(CC)CC", "CCN(CC)CC", False),
        ("CCCCCC.CCCCO", "CCCCCC", True),
        ("CCO.CCO", "CCO", False),
    ],
)
def test_the_largest_part_is_kept(text: str, kept: str, is_mixture: bool) -> None:
    molecule = parse_smiles(text)
    assert molecule is not None
    part = largest_part(molecule)
    assert (to_canonical(part.molecule), part.was_stripped, part.is_mixture) == (kept, True, is_mixture)


def test_scaffold_keeps_rings_and_links() -> None:
    molecule = parse_smiles("Cc1ccc(CNC2CCCC2)cc1")
    assert molecule is not None
    assert scaffold_smiles(molecule) == canonical_smiles("c1ccccc1CNC1CCCC1")
