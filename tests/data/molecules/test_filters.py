"""Molecules are filtered by the structures of MOSES, of which few are searched for."""

import csv
from pathlib import Path

import pytest
from rdkit import Chem, RDConfig

from zerosum.data.molecules.filters import passes_filters, structure_filters


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CC=O", "MCF7"),  # an aldehyde
        ("C1CO1", "MCF5"),  # an epoxide
        ("CCCl", "MCF4"),  # an alkyl halide, found by the hydrogen atoms on its carbon
        ("CSSC", "MCF16"),
        ("O=C1NC(=S)SC1=Cc1ccccc1", "ene_rhod_A(235)"),  # the most frequent PAINS, a rhodanine
        ("CC(=O)Nc1ccc(O)cc1", ""),
    ],
)
def test_a_structure_is_found_by_name(text: str, name: str) -> None:
    assert structure_filters().find(Chem.MolFromSmiles(text)) == name


def test_the_quick_search_finds_what_a_search_for_every_structure_finds() -> None:
    """Molecules of the NCI, of which a fifth has a structure."""
    lines = Path(RDConfig.RDDataDir, "NCI", "first_5K.smi").read_text("utf8").splitlines()[:120]
    molecules = [found for line in lines if (found := Chem.MolFromSmiles(line.split()[0])) is not None]
    filters, numbers = structure_filters(), []
    for molecule in molecules:
        complete = Chem.AddHs(molecule)
        found = [name for name, each in zip(filters.names, filters.structures, strict=True)
                 if complete.HasSubstructMatch(each)]  # fmt: skip
        assert filters.find(molecule) == (found[0] if found else "")
        numbers.append(len(found))
    assert sum(number > 0 for number in numbers) > 10


def test_structures_are_those_of_rdkit_but_for_its_corrections() -> None:
    """RDKit has the list that MOSES took the PAINS from, with later corrections of 17 structures."""
    with Path(RDConfig.RDDataDir, "Pains", "wehi_pains.csv").open(encoding="utf8") as file:
        listed = [Chem.MolFromSmarts(row[0].strip()) for row in csv.reader(file)]
    own = structure_filters().structures[22:]
    assert len(own) == len(listed) == 480
    same = [Chem.MolToSmarts(first) == Chem.MolToSmarts(second) for first, second in zip(own, listed, strict=True)]
    assert sum(same) == 480 - 17


@pytest.mark.parametrize("text", ["C[NH3+]", "CCCP", "Ic1ccccc1", "C1CCCCCCC1"])
def test_charges_rare_atoms_and_large_rings_do_not_pass(text: str) -> None:
    assert not structure_filters().find(Chem.MolFromSmiles(text))
    assert not passes_filters(Chem.MolFromSmiles(text))
    assert passes_filters(Chem.MolFromSmiles("CCN"))
