"""An exported generator of molecules runs without us: its script prints the molecules of `zerosum sample`."""

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

import zerosum
from zerosum.data.codec import Items
from zerosum.data.molecules.chemistry import canonical_smiles
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.errors import BadInput
from zerosum.inference.export.exported_program import ProgramRunner
from zerosum.inference.export.graph import BATCH, generator_graph
from zerosum.inference.export.parity import measure_parity

MAX_DIFFERENT = 0.02
"""Fraction of molecules that may differ: of draws next to the boundary of two tokens, since float32 is rounded."""


@pytest.fixture(scope="module")
def exported(trained_molecules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zerosum.export(trained_molecules, "onnx", into=tmp_path_factory.mktemp("to") / "onnx")


class PickyCodec(MoleculeCodec):
    """A codec to which molecules with nitrogen are invalid: the small run has no other invalid ones."""

    def find_invalid(self, items: Items) -> NDArray[np.bool_]:
        return np.array(["N" in text for text in items.astype(str).tolist()])


def run_script(folder: Path, missing: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run infer.py where some packages are not installed."""
    start = f"import sys, runpy; sys.modules.update(dict.fromkeys({missing!r})); sys.argv = {['infer.py', *words]!r};"
    run = f"runpy.run_path({str(folder / 'infer.py')!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", start + run], check=False, capture_output=True, text=True)


def assert_same(ours: list[str], theirs: list[str]) -> None:
    assert len(theirs) == len(ours)
    different = [pair for pair in zip(ours, theirs, strict=True) if len(set(pair)) > 1]
    assert len(different) <= MAX_DIFFERENT * len(ours), different


def test_the_script_prints_the_molecules_of_the_run(trained_molecules: Path, exported: Path, tmp_path: Path) -> None:
    generator = zerosum.load(trained_molecules, "cpu")
    ours = generator.sample(700, seed=7, first=3, given={"logp": 1.0})
    assert isinstance(ours, list)
    words = ["--seed", "7", "-n", "700", "--first", "3", "--want", "LogP=1", "--into", str(tmp_path / "new")]
    done = run_script(exported, ["zerosum", "torch"], *words)
    assert (done.returncode, done.stderr.strip()) == (0, str(tmp_path / "new"))
    assert_same(ours, done.stdout.split())
    assert (tmp_path / "new" / "samples.smi").read_text() == done.stdout
    assert ours != generator.sample(700, seed=7, first=3), "what is wanted changes samples"


def test_what_is_invalid_is_drawn_again_as_in_the_run(trained_molecules: Path, exported: Path, tmp_path: Path) -> None:
    generator = zerosum.load(trained_molecules, "cpu")
    ours = replace(generator, codec=PickyCodec.restore(generator.codec.settings())).sample(200, seed=5)
    assert isinstance(ours, list)
    script = runpy.run_path(str(exported / "infer.py"))
    seeds = script["derive_seeds"](5, 0, 200)
    nothing = np.zeros((200, 1), np.float32)
    inputs = {"latent": script["draw_latents"](seeds, None), "values": nothing, "known": nothing}
    inputs["seed"] = seeds.view(np.int64)
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    script["draw_again"].__globals__["find_molecule"] = lambda text: "" if "N" in text else text
    drawn = script["draw_again"](session, inputs, {"sample": session.run(None, inputs)[0]}, seeds, None)
    theirs = [str(canonical_smiles(text)) for text in script["decode"](drawn["sample"])]
    assert_same(ours, theirs)
    assert sum("N" in text for text in theirs) < 10, "most of 200 are without nitrogen after 30 draws"


def test_without_rdkit_first_draws_are_printed(trained_molecules: Path, exported: Path, tmp_path: Path) -> None:
    generator = zerosum.load(trained_molecules, "cpu")
    ours = generator.codec.decode(generator.draw_samples(100, seed=2), torch.zeros(100)).tolist()
    missing = ["zerosum", "torch", "rdkit"]
    done = run_script(exported, missing, "--seed", "2", "-n", "100", "--into", str(tmp_path / "new"))
    assert "RDKit is not installed" in done.stderr
    assert_same([text for text in ours if text], done.stdout.split())


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("price=3", "--want price: there is no such property; choose one of logp"),
        ("logp=50", "--want logp=50: the training molecules have values from"),
        ("logp=a", "--want logp=a: the training molecules have values from"),
        ("logp", "--want logp=: the training molecules have values from"),
    ],
)
def test_what_the_script_refuses(exported: Path, wanted: str, message: str, tmp_path: Path) -> None:
    done = run_script(exported, [], "--want", wanted, "--into", str(tmp_path / "new"))
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert not (tmp_path / "new").exists()


def test_the_files_and_the_facts(trained_molecules: Path, exported: Path) -> None:
    assert {path.name for path in exported.iterdir()} == {"model.onnx", "config.json", "infer.py", "README.md"}
    facts = json.loads((exported / "config.json").read_text())
    assert facts["inputs"].keys() == {"latent", "values", "known", "seed"}
    codec = zerosum.load(trained_molecules, "cpu").codec
    assert facts["sample"].keys() == {"tokens", "max_tokens", "properties"}
    assert len(facts["sample"]["tokens"]) == codec.steps
    readme = (exported / "README.md").read_text()
    for text in ("computed and not tested", '-n 1000 --want "logp=', "0.0% of the\nsamples had other", "RDKit"):
        assert text in readme


def test_a_program_draws_the_same(trained_molecules: Path, tmp_path: Path) -> None:
    folder = zerosum.export(trained_molecules, "pt2", into=tmp_path / "pt2")
    graph = generator_graph(zerosum.load(trained_molecules, "cpu"))
    assert measure_parity(graph, ProgramRunner(folder / "model.pt2"), [{BATCH: 7}, {BATCH: 90}]).error <= MAX_DIFFERENT


def test_weights_in_half_precision_are_refused(trained_molecules: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="draws categories or tokens"):
        zerosum.export(trained_molecules, "onnx", half=True, into=tmp_path / "half")
    assert not any(tmp_path.iterdir())


def test_a_model_folder_is_read_back(trained_molecules: Path, tmp_path: Path) -> None:
    folder = zerosum.export(trained_molecules, "hub", into=tmp_path / "model")
    first, second = (zerosum.load(path, "cpu").sample(50, seed=3) for path in (trained_molecules, folder))
    assert first == second
    assert isinstance(first, list)
    assert any(canonical_smiles(text) for text in first)
    card = (folder / "README.md").read_text()
    for text in (
        "computed and not tested", 'pip install "zerosum[hub,molecules]"', "samples.png", "# license: choose one",
        'generator = zerosum.load("model")\nmolecules = generator.sample(64, seed=7)',
    ):  # fmt: skip
        assert text in card
