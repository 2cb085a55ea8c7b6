"""Runs of MolGAN: training on graphs of small molecules, samples, evaluation, and files without small molecules."""

import json
from pathlib import Path

import pytest
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.data.molecules.chemistry import canonical_smiles, parse_smiles
from zerosum.errors import BadInput

SMALL = Path(__file__).parents[1] / "data/molecules/small.smi"
MOSES = Path(__file__).parents[1] / "data/molecules/moses.smi"
SETTINGS = {
    "generator.widths": [32], "discriminator.widths": [16], "discriminator.graph_width": 16,
    "game.discriminator_steps": 1, "evaluation.features": "none", "diagnostics.probe": False, "data.max_atoms": 4,
}  # fmt: skip


def count_atoms(text: str) -> int:
    molecule = parse_smiles(text)
    assert molecule is not None
    return molecule.GetNumHeavyAtoms()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs") / "run"
    source = folder.parent / "mixed.smi"
    source.write_text(SMALL.read_text() + "".join(f"{text}\n" for text in MOSES.read_text().split()[:20]))
    return zerosum.train(source, recipe="molgan", run=folder, examples=1_280, batch_size=64, settings=SETTINGS).path


def test_training_keeps_small_molecules_and_says_so(run: Path) -> None:
    summary = json.loads((run / "data.json").read_text())
    small = sum(count_atoms(text) <= 4 for text in SMALL.read_text().split())
    assert (summary["count"], summary["atoms"][2]) == (small, 4)
    assert f"{340 - small} molecules with more than 4 heavy atoms left out (`data.max_atoms`)" in summary["notes"]


def test_samples_are_the_same_in_files_and_in_python(run: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    folder = zerosum.sample(run, 12, seed=3, into=tmp_path / "s", reporter=reporter)
    texts = (folder / "samples.smi").read_text().splitlines()
    assert {path.name for path in folder.iterdir()} == {"samples.smi", "samples.csv", "samples.json", "sheet.png"}
    generator = zerosum.load(run)
    assert generator.sample(12, seed=3) == texts
    assert generator.sample(4, seed=3, first=8) == texts[8:]
    valid = [text for text in texts if text]
    assert valid
    for text in valid:
        assert 1 <= count_atoms(text) <= 4
        assert canonical_smiles(text) == text
        assert "." not in text
    record = json.loads((folder / "samples.json").read_text())
    assert record["first_draws"] == 12 >= record["valid_first_draws"]


def test_what_needs_codes_or_properties_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="its generator has no encoder"):
        zerosum.encode(run, "CCO", into=tmp_path / "code")
    with pytest.raises(BadInput, match="`given` qed"):
        zerosum.sample(run, 2, given={"qed": 0.9}, into=tmp_path / "s")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({}, r"no molecule of at most 9 heavy atoms.*\(its smallest has \d\d\); raise `data\.max_atoms`"),
        ({"data.properties": ["qed"]}, "`data.properties` qed: graphs cannot be asked for properties"),
        ({"data.vocabulary": 100}, "`data.vocabulary` 100: has no effect with `data.form` graph"),
        ({"data.form": "text", "data.max_atoms": 12}, "`data.max_atoms` 12: has no effect with `data.form` text"),
        ({"data.form": "text"}, "molecular-graph needs samples that are graphs"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings: dict[str, object], match: str, tmp_path: Path) -> None:
    large = [text for text in MOSES.read_text().split() if count_atoms(text) > 9][:30]
    source = tmp_path / "large.smi"
    source.write_text("\n".join(large))
    with pytest.raises(BadInput, match=match):
        zerosum.train(source, recipe="molgan", run=tmp_path / "run", examples=64, settings=settings)
    assert not (tmp_path / "run").exists()


def test_other_molecules_are_read_with_the_types_of_atoms_of_a_run(run: Path, tmp_path: Path) -> None:
    source = tmp_path / "other.smi"
    source.write_text("\n".join(["CCO", "[Se](C)C", "CCCCCCCCCCCC", "C1CC1", "C/C=C/C", "[CH3]"]))
    from zerosum.data.kind import DATA_KINDS, LoadOptions
    from zerosum.data.molecules.config import MoleculeDataConfig

    trained = zerosum.load(run).codec
    kind, options = DATA_KINDS.find("molecules"), LoadOptions(codec=trained, held_out_fraction=0.0)
    data = MoleculeDataConfig(source=str(run.parent / "mixed.smi"), form="graph", properties=(), max_atoms=4)
    dataset = kind.load(data, options)
    assert dataset.codec is trained
    other = kind.load_like(data.with_source(str(source)), dataset, options)
    assert sorted(other.codec.items(other.take(other.train)).tolist()) == ["C1CC1", "CC=CC", "CCO"]
    assert other.spec == dataset.spec
    assert any("types of atoms that the run does not know" in note for note in other.summary.notes)
    assert any("isotopes and radicals" in note for note in other.summary.notes)
