"""Molecules from a file to a dataset: what is left out, the split, properties, the cache, and other files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from molecule_data import molecule_file, molecule_texts
from zerosum.data.former_data import FormerData, FormerSplit
from zerosum.data.kind import DATA_KINDS, LoadOptions, load_dataset
from zerosum.data.molecules import encode_table, ingest, labels
from zerosum.data.molecules.chemistry import kekule_smiles
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.data.molecules.dataset import MoleculeDataset
from zerosum.errors import BadInput

WriteFn = Callable[[str, str], Path]
TEXTS = molecule_texts()
KIND = DATA_KINDS.find("molecules")


def load(path: Path, options: LoadOptions | None = None, **settings: object) -> MoleculeDataset:
    data = MoleculeDataConfig.model_validate({"source": str(path), **settings})
    KIND.inspect(data)
    dataset = load_dataset(data, options or LoadOptions())
    assert isinstance(dataset, MoleculeDataset)
    return dataset


def texts_of(dataset: MoleculeDataset, rows: np.ndarray | None = None) -> list[str]:
    """Return the canonical texts of molecules."""
    items = dataset.items(np.arange(len(dataset)) if rows is None else rows)
    return dataset.molecule_codec.canonical_texts(items)


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def use_shared_cache(shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test computes, the others find."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(shared_cache))


@pytest.fixture
def small(write: WriteFn) -> Path:
    """A file of 60 molecules."""
    return write("small.smi", "\n".join(TEXTS[:60]))


def test_items_are_the_molecules_of_the_file() -> None:
    dataset = load(molecule_file())
    assert texts_of(dataset) == TEXTS
    assert sorted(np.concatenate([dataset.train, dataset.held_out]).tolist()) == list(range(600))
    samples = dataset.samples(dataset.train)
    assert isinstance(samples, torch.Tensor)
    assert samples.shape[1:] == dataset.spec.shape
    assert dataset.codec.decode(samples, torch.zeros(1)).tolist() == dataset.items(dataset.train).tolist()
    assert dataset.spec.num_tokens > 40, "fragments are learned from 600 molecules"
    assert dataset.spec.shape[0] < max(map(len, TEXTS))


def test_networks_read_texts_without_aromatic_atoms() -> None:
    dataset = load(molecule_file())
    items = dataset.items(np.arange(len(dataset))).tolist()
    assert items == [kekule_smiles(text) for text in TEXTS]
    assert not {"c", "n", "o", "s", "[nH]"} & set(dataset.molecule_codec.tokens)


def test_without_fragments_a_token_is_an_atom_or_a_character() -> None:
    dataset = load(molecule_file(), vocabulary=0)
    assert set(dataset.molecule_codec.tokens) <= set("#()-123456789=BCFNOS") | {"Br", "Cl", "[H]"}
    assert texts_of(dataset) == TEXTS


def test_what_is_left_out_is_named_and_counted(write: WriteFn) -> None:
    lines = [*TEXTS[:30], "C1=CC=CC=C1C", "", "Cc1ccccc1", "C1CC", "<b>", "C" * 200, "C" * 10_000, "CCN(CC)CC.Cl",
             "CC(=O)[O-].[Na+]", "CCCCCC.CCCCO"]  # fmt: skip
    dataset = load(write("a.smi", "\n".join(lines)))
    summary = dataset.summary.as_dict()
    assert texts_of(dataset)[30:] == ["Cc1ccccc1", "CCN(CC)CC", "CC(=O)[O-]", "CCCCCC"]
    assert (summary["rows"], summary["count"], summary["duplicates"]) == (39, 34, 1)
    assert summary["problems"] == {"no molecule": 2, "too long": 2}
    assert (summary["stripped"], summary["mixtures"]) == (3, 1)
    text = "\n".join(dataset.summary.lines())
    assert "4 rows left out (2 no molecule and 2 too long): line 34 'C1CC' (no molecule), line 35 '<b>'" in text
    assert "1 row left out because an earlier one is the same molecule" in text
    assert "3 molecules of several parts, such as salts: the largest part was kept; in 1 of them" in text
    assert "start from a run on many" in text


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        (["hello world"] * 30, "none of its 30 lines holds a molecule that can be used; the first is line 1 'hello'"),
        (["C" * 500] * 30, "raise `data.max_tokens` (now 120)"),
        (TEXTS[:19], "has 19 different molecules that can be used; give at least 20"),
        (TEXTS[:1] * 30, "has 1 different molecule that can be used"),
    ],
)
def test_files_that_cannot_be_trained_on(lines: list[str], part: str, write: WriteFn) -> None:
    with pytest.raises(BadInput) as info:
        load(write("a.smi", "\n".join(lines)))
    assert part in str(info.value)


def test_longer_molecules_are_taken_if_the_settings_say_so(write: WriteFn) -> None:
    path = write("a.smi", "\n".join([*TEXTS[:30], "C" * 150]))
    assert len(load(path)) == 30
    assert len(load(path, max_tokens=151)) == 31


# ------------------------------------------------------------------ the split


def test_scaffolds_are_on_one_side() -> None:
    from zerosum.data.molecules.chemistry import parse_smiles, scaffold_smiles

    dataset = load(molecule_file(), split="scaffold", properties="")
    scaffolds = [scaffold_smiles(molecule) for text in TEXTS if (molecule := parse_smiles(text)) is not None]
    sides = [{scaffolds[row] for row in rows} for rows in (dataset.train, dataset.held_out)]
    assert not sides[0] & sides[1]
    assert 60 <= len(dataset.held_out) <= 120
    assert dataset.summary.as_dict()["scaffolds"] == len(set(scaffolds))
    by_content = load(molecule_file(), properties="")
    mixed = [{scaffolds[row] for row in rows} for rows in (by_content.train, by_content.held_out)]
    assert mixed[0] & mixed[1]


def test_one_scaffold_cannot_be_split(write: WriteFn) -> None:
    path = write("a.smi", "\n".join("C" * length for length in range(1, 41)))
    with pytest.raises(BadInput, match=r"`data\.split` scaffold: all molecules have the same scaffold"):
        load(path, split="scaffold", properties="")


# ------------------------------------------------------------------ properties


def test_properties_are_given_in_some_samples() -> None:
    dataset = load(molecule_file(), properties="logp,tpsa,weight", given=0.5)
    assert dataset.molecule_codec.property_names == ("logp", "tpsa", "weight")
    rows, seed = dataset.train[:400], torch.arange(400) * 7919
    batch = dataset.make_batch([dataset.fetch(0, rows)], seed)
    assert isinstance(dataset.conditions, dict)
    known, values = batch["condition"]["known"], batch["condition"]["values"]
    assert 0.4 < (known.sum(1) > 0).float().mean() < 0.6
    assert {1, 2, 3} <= set(known.sum(1).int().tolist())
    torch.testing.assert_close(values, torch.from_numpy(dataset.conditions["values"][rows]))
    assert batch["condition"]["labeled"].all(), "all three are computed for all molecules"
    again = dataset.make_batch([dataset.fetch(0, rows[5:])], seed[5:])
    torch.testing.assert_close(again["condition"]["known"], known[5:])
    everything = replace(dataset, given_fraction=0.0).make_batch([dataset.fetch(0, rows)], seed)
    assert everything["condition"]["known"].sum() == 0


def test_scales_are_those_of_the_training_molecules() -> None:
    dataset = load(molecule_file(), properties="weight")
    assert isinstance(dataset.conditions, dict)
    own = dataset.conditions["values"][dataset.train]
    assert abs(own.mean()) < 1e-5
    assert abs(own.std() - 1) < 1e-5
    assert 290 < dataset.codec.condition_scales["weight"][0] < 320


def test_some_molecules_are_labeled(write: WriteFn) -> None:
    dataset = load(molecule_file(), max_labeled=200)
    assert isinstance(dataset.conditions, dict)
    assert dataset.conditions["known"].sum(0).tolist() == [200, 200]
    assert len(np.intersect1d(np.flatnonzero(dataset.conditions["known"][:, 0]), dataset.train)) > 150
    assert "known of 200 molecules" in "\n".join(dataset.summary.lines())


def test_columns_of_numbers_are_properties(write: WriteFn) -> None:
    rows = [f"{text},{'' if place % 3 else place}" for place, text in enumerate(TEXTS[:60])]
    path = write("a.csv", "\n".join(["smiles,pIC50", *rows]))
    dataset = load(path, properties="pic50,qed")
    codec = dataset.molecule_codec
    assert codec.property_names == ("qed", "pIC50")
    assert isinstance(dataset.conditions, dict)
    known = dataset.conditions["known"][:, 1]
    assert known.tolist() == [float(place % 3 == 0) for place in range(60)]
    mean, deviation = codec.condition_scales["pIC50"]
    np.testing.assert_allclose(
        dataset.conditions["values"][known > 0, 1] * deviation + mean, np.arange(0, 60, 3), rtol=1e-4, atol=1e-4
    )


def test_functions_of_the_user_are_properties(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "load_scores.py").write_text(
        "def atoms(mol):\n    return mol.GetNumAtoms()\ndef bad(s):\n    return 1/0\n"
    )
    dataset = load(molecule_file(), properties="", score="load_scores:atoms")
    assert dataset.molecule_codec.property_names == ("atoms",)
    assert 20 < dataset.codec.condition_scales["atoms"][0] < 23
    with pytest.raises(BadInput, match=r"`data\.properties` bad: could be computed for 0 of"):
        load(small, properties="", score="load_scores:bad")


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"properties": "potency"}, "`data.properties` potency: "),
        ({"properties": "qed,QED"}, "`data.properties` qed: is named twice"),
        ({"score": "nothing"}, "`data.score` nothing: name a function"),
    ],
)
def test_properties_that_there_are_not(settings: dict[str, str], part: str) -> None:
    with pytest.raises(BadInput) as info:
        load(molecule_file(), **settings)
    assert part in str(info.value)


# ------------------------------------------------------------------ the cache


def test_nothing_is_computed_twice(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    first = load(small)
    for module in (ingest, labels):
        monkeypatch.setattr(module, "map_chunks", None)
    again = load(small)
    assert again.fingerprint == first.fingerprint
    assert isinstance(again.values, np.memmap)
    assert again.codec.settings() == first.codec.settings()
    monkeypatch.setattr(encode_table, "map_chunks", None)
    later = load(small, LoadOptions(codec=first.codec))  # as a run is resumed, evaluated or sampled
    assert later.fingerprint == first.fingerprint


def test_another_file_of_the_same_content_is_in_the_cache(write: WriteFn, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(molecule_file())
    path = write("other.smi", molecule_file().read_text("utf8"))
    monkeypatch.setattr(ingest, "map_chunks", None)
    assert load(path).fingerprint == first.fingerprint


def test_a_cache_that_cannot_be_written_changes_nothing(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = load(small)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "file"))
    assert load(small).fingerprint == first.fingerprint


# ------------------------------------------------------------------ other files


def test_another_file_has_the_vocabulary_of_the_run(write: WriteFn) -> None:
    dataset = load(molecule_file())
    path = write("b.smi", "\n".join(["CCO", "OCC", "C[Si](C)(C)C", "C" * 119, "CCN", "junk"]))
    options = LoadOptions(held_out_fraction=0.0, for_evaluation=True)
    other = KIND.load_like(MoleculeDataConfig(source=str(path)), dataset, options)
    assert isinstance(other, MoleculeDataset)
    assert (other.codec, other.spec) == (dataset.codec, dataset.spec)
    assert texts_of(other) == ["CCO", "CCN"]
    text = "\n".join(other.summary.intake_lines())
    assert "1 molecule with tokens that the run does not know ([Si]) left out" in text
    assert "1 molecule longer than the samples of the run left out" in text
    assert "too few" not in text
    with pytest.raises(BadInput, match="has no molecule that the run can take"):
        KIND.load_like(MoleculeDataConfig(source=str(write("c.smi", "C[Si](C)(C)C"))), dataset, options)


def test_a_run_that_starts_from_another_one_has_its_vocabulary(write: WriteFn) -> None:
    codec = load(molecule_file()).molecule_codec
    path = write("b.csv", "smiles\n" + "\n".join([*TEXTS[:40], "C[Si](C)(C)C"]))
    own = load(path, LoadOptions(codec=codec))
    assert own.codec is codec
    assert texts_of(own) == TEXTS[:40]
    assert not any("start from a run on many" in note for note in own.summary.notes), "it does"
    assert isinstance(own.conditions, dict)
    assert own.conditions["known"].all()
    with pytest.raises(BadInput, match=r"`data\.properties` qed: the run was trained with logp, qed; leave it out"):
        load(path, LoadOptions(codec=codec), properties="qed")


def test_a_run_with_changed_data_keeps_codec_and_sides(write: WriteFn) -> None:
    first = load(write("a.smi", "\n".join(TEXTS[:400])), properties="")
    former = FormerData(FormerSplit.of(first), first.codec)
    later = load(molecule_file(), LoadOptions(former=former), properties="")
    assert later.codec is first.codec
    sides = [set(texts_of(dataset, dataset.train)) for dataset in (first, later)]
    held = [set(texts_of(dataset, dataset.held_out)) for dataset in (first, later)]
    assert sides[0] <= sides[1]
    assert held[0] <= held[1]


def test_files_are_compared_as_they_are(write: WriteFn) -> None:
    real, fake = write("real.smi", "\n".join([*TEXTS, "junk"])), write("fake.csv", "smiles\nCCO\nOCC\nC1CC\nCCO\n\n")
    data = KIND.choose_common_settings({"fake": str(fake), "real": str(real)}, {})
    options = LoadOptions(held_out_fraction=0.0, for_evaluation=True)
    reals = load_dataset(data.with_source(str(real)), options)
    fakes = KIND.load_comparable(data.with_source(str(fake)), reals, replace(options, generated=True))
    assert isinstance(reals, MoleculeDataset)
    assert isinstance(fakes, MoleculeDataset)
    assert reals.spec == fakes.spec
    assert texts_of(reals) == TEXTS
    assert fakes.items(np.arange(4)).tolist() == ["CCO", "OCC", "C1CC", "CCO"]
    assert fakes.codec.find_invalid(fakes.items(np.arange(4))).tolist() == [False, False, True, False]
    assert len(fakes.train) == 4


def test_codec_of_a_run_is_found_again() -> None:
    dataset = load(molecule_file())
    restored = KIND.restore_codec(dataset.codec.settings(), {})
    assert isinstance(restored, MoleculeCodec)
    assert restored.settings() == dataset.codec.settings()
    assert restored.spec == dataset.spec
