"""Molecules as graphs: exact both ways, and refused where a graph is no molecule."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.molecules.chemistry import canonical_smiles
from zerosum.data.molecules.graph import AtomType, MoleculeGraph, graph_to_smiles, smiles_to_graph
from zerosum.data.molecules.graph_codec import MoleculeGraphCodec
from zerosum.data.molecules.kind import MOLECULES
from zerosum.game.sample_spec import leaf_specs
from zerosum.game.sample_tree import single_tensor
from zerosum.game.types import Sample

SMALL = (Path(__file__).parent / "small.smi").read_text("utf8").split()
MOSES = (Path(__file__).parent / "moses.smi").read_text("utf8").split()
SEEDS = torch.zeros(1, dtype=torch.int64)


def graphs(texts: list[str]) -> list[MoleculeGraph]:
    found = [smiles_to_graph(text) for text in texts]
    return [graph for graph in found if graph is not None]


def fit(molecules: list[MoleculeGraph]) -> MoleculeGraphCodec:
    kinds = sorted({kind for graph in molecules for kind in graph.atoms})
    return MoleculeGraphCodec(tuple(kinds), max(len(graph.atoms) for graph in molecules))


def as_tensors(raw: Mapping[str, NDArray[np.uint8]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in raw.items()}


def as_dict(sample: Sample) -> dict[str, Tensor]:
    assert isinstance(sample, Mapping)
    return {name: single_tensor(leaf) for name, leaf in sample.items()}


@pytest.fixture(scope="module")
def codec() -> MoleculeGraphCodec:
    return fit(graphs(SMALL))


@pytest.fixture(scope="module")
def raw(codec: MoleculeGraphCodec) -> dict[str, Tensor]:
    return as_tensors(codec.to_raw(graphs(SMALL)))


@pytest.mark.parametrize("texts", [SMALL, MOSES[:100]], ids=["small", "drug-like"])
def test_graphs_of_real_molecules_are_exact(texts: list[str]) -> None:
    molecules = graphs(texts)
    assert [graph.text for graph in molecules] == [canonical_smiles(text) for text in texts]
    codec = fit(molecules)
    tensors = as_tensors(codec.to_raw(molecules))
    assert codec.items(tensors).tolist() == [graph.text for graph in molecules]
    assert codec.decode(codec.encode(tensors), SEEDS).tolist() == [graph.text for graph in molecules]
    assert not codec.find_invalid(codec.items(tensors)).any()


def test_samples_are_one_hot_and_bonds_symmetric(codec: MoleculeGraphCodec, raw: dict[str, Tensor]) -> None:
    samples = as_dict(codec.encode(raw))
    for sample, spec in zip((samples["atoms"], samples["bonds"]), leaf_specs(codec.spec), strict=True):
        assert sample.shape == (len(SMALL), *spec.shape)
        assert spec.one_hot
        assert (sample.sum(-1) == 1).all()
        assert set(sample.unique().tolist()) == {0, 1}
    assert torch.equal(samples["bonds"], samples["bonds"].transpose(1, 2))


def test_the_order_of_the_atoms_means_nothing(codec: MoleculeGraphCodec, raw: dict[str, Tensor]) -> None:
    order = torch.randperm(codec.max_atoms, generator=torch.Generator().manual_seed(0))
    mixed = {"atoms": raw["atoms"][:, order], "bonds": raw["bonds"][:, order][:, :, order]}
    assert codec.items(mixed).tolist() == codec.items(raw).tolist()
    torch.testing.assert_close(codec.embed(codec.encode(mixed)), codec.embed(codec.encode(raw)))


def test_values_between_are_rounded_to_the_most_likely(codec: MoleculeGraphCodec, raw: dict[str, Tensor]) -> None:
    samples = as_dict(codec.encode(raw))
    rng = torch.Generator().manual_seed(1)
    blurred = {name: 0.6 * leaf + 0.2 * torch.rand(leaf.shape, generator=rng) for name, leaf in samples.items()}
    assert codec.decode(blurred, SEEDS).tolist() == codec.items(raw).tolist()
    rounded = as_dict(codec.round(blurred))
    assert all(torch.equal(rounded[name], samples[name]) for name in samples)
    nothing = {name: torch.full_like(leaf, torch.nan) for name, leaf in samples.items()}
    assert set(codec.decode(nothing, SEEDS).tolist()) == {""}


CARBON, NITROGEN, OXYGEN, FLUORINE = (AtomType(symbol) for symbol in "CNOF")


@pytest.mark.parametrize(
    ("atoms", "pairs"),
    [
        ([FLUORINE] * 3, {(0, 1): 1, (1, 2): 1}),  # two bonds of fluorine
        ([CARBON, OXYGEN, CARBON], {(0, 1): 1}),  # two parts
        ([CARBON] * 3, {(0, 1): 4, (1, 2): 4}),  # aromatic outside a ring
        (
            [CARBON, NITROGEN, *[CARBON] * 3],
            {(0, 1): 4, (1, 2): 4, (2, 3): 4, (3, 4): 4, (0, 4): 4},
        ),  # pyrrole without its hydrogen
        ([], {}),
    ],
)
def test_graphs_that_are_no_molecules_are_refused(atoms: list[AtomType], pairs: dict[tuple[int, int], int]) -> None:
    bonds = np.zeros((len(atoms), len(atoms)), np.uint8)
    for (first, second), kind in pairs.items():
        bonds[first, second] = bonds[second, first] = kind
    assert graph_to_smiles(atoms, bonds) == ""


@pytest.mark.parametrize("damage", ["bond to nothing", "bond to itself", "one direction"])
def test_inconsistent_graphs_are_refused(codec: MoleculeGraphCodec, damage: str) -> None:
    graph = smiles_to_graph("CCO")
    assert graph is not None
    raw = as_tensors(codec.to_raw([graph]))
    assert codec.items(raw).tolist() == ["CCO"]
    first, second = {"bond to nothing": (2, 5), "bond to itself": (1, 1), "one direction": (0, 2)}[damage]
    raw["bonds"][0, first, second] = 1
    if damage == "bond to nothing":
        raw["bonds"][0, second, first] = 1
    assert codec.items(raw).tolist() == [""]
    assert codec.find_invalid(codec.items(raw)).all()


@pytest.mark.parametrize("text", ["[13CH4]", "[CH3]", "C1CC", "", "N->[Pt]", "*C"])
def test_what_graphs_do_not_hold_has_none(text: str) -> None:
    assert smiles_to_graph(text) is None


def test_stereochemistry_is_left_out() -> None:
    found = [smiles_to_graph(text) for text in ("C/C=C/C", "N[C@@H](C)C(=O)O")]
    assert [graph and graph.text for graph in found] == ["CC=CC", "CC(N)C(=O)O"]


def test_it_is_restored_from_its_settings(codec: MoleculeGraphCodec, raw: dict[str, Tensor]) -> None:
    restored = MOLECULES.restore_codec(codec.settings(), {})
    assert isinstance(restored, MoleculeGraphCodec)
    assert restored.spec == codec.spec
    assert restored.items(raw).tolist() == codec.items(raw).tolist()
