"""Runs on molecules: samples, the search for better ones, codes of molecules, and the way from one to another."""

import csv
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.data.molecules.chemistry import canonical_smiles
from zerosum.errors import BadInput
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "samples.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_samples_are_the_same_in_files_and_in_python(trained_molecules: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    folder = zerosum.sample(trained_molecules, 30, seed=3, into=tmp_path / "s", reporter=reporter)
    texts = (folder / "samples.smi").read_text().splitlines()
    names = {"samples.smi", "samples.csv", "samples.json", "sheet.png"}
    assert {path.name for path in folder.iterdir()} == names
    generator = zerosum.load(trained_molecules)
    assert generator.sample(30, seed=3) == texts
    assert generator.sample(10, seed=3, first=20) == texts[20:]
    valid = [text for text in texts if canonical_smiles(text)]
    assert len(valid) > 20
    assert all(canonical_smiles(text) == text for text in valid)
    record = json.loads((folder / "samples.json").read_text())
    assert record["first_draws"] == 30 >= record["valid_first_draws"] > 5
    assert any("of 30 first draws" in text for text in reporter.messages)
    rows = read(folder)
    assert [row["smiles"] for row in rows] == texts
    assert {row["novel"] for row in rows if row["valid"] == "yes"} <= {"yes", "no"}
    copies = [row for row in rows if row["novel"] == "no"]
    assert all(row["nearest"] == row["smiles"] for row in copies)


def test_wishes_and_the_temperature_change_samples(trained_molecules: Path, tmp_path: Path) -> None:
    means = []
    for wanted in (-1.0, 1.0):
        folder = tmp_path / f"{wanted}"
        zerosum.sample(trained_molecules, 100, given={"logp": wanted}, temperature=0.7, into=folder)
        rows = [row for row in read(folder) if row["valid"] == "yes"]
        assert {row["asked_logp"] for row in rows} == {str(wanted)}
        means.append(np.mean([float(row["logp"]) for row in rows]))
    assert means[1] > means[0] + 0.3
    assert json.loads((folder / "samples.json").read_text())["temperature"] == 0.7
    generator = zerosum.load(trained_molecules)
    cold, warm = (generator.at_temperature(temperature).sample(100) for temperature in (0.0, 5.0))
    lengths = [np.mean([len(text) for text in texts]) for texts in (cold, warm)]
    assert cold != warm
    assert lengths[1] != lengths[0]
    with pytest.raises(BadInput, match=r"`given` logp=50: the training molecules have values from"):
        zerosum.sample(trained_molecules, 1, given={"logp": 50}, into=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_better_molecules_are_searched(trained_molecules: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    folder = zerosum.optimize(
        trained_molecules, "logp", keep="weight<150", num_samples=5, rounds=2, into=tmp_path / "s", reporter=reporter
    )
    rows = read(folder)
    assert len({row["smiles"] for row in rows}) == 5
    assert {(row["valid"], row["novel"]) for row in rows} == {("yes", "yes")}
    assert all(float(row["weight"]) < 150 for row in rows)
    plain = read(zerosum.sample(trained_molecules, 100, into=tmp_path / "plain"))
    usual = np.mean([float(row["logp"]) for row in plain if row["valid"] == "yes"])
    assert np.mean([float(row["logp"]) for row in rows]) > usual + 0.3
    with pytest.raises(BadInput, match=r"^`maximize` price: there is no such property; choose one of logp, qed"):
        zerosum.optimize(trained_molecules, "price")
    with pytest.raises(BadInput, match=r"^`given` LogP=2: it is what is raised or lowered; leave it out"):
        zerosum.optimize(trained_molecules, "logp", given={"LogP": 2})


def test_a_molecule_has_a_code_and_neighbors(trained_molecules: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    folder = zerosum.encode(trained_molecules, "OCCN", neighbors=4, into=tmp_path / "e", reporter=reporter)
    assert np.load(folder / "code.npy").shape == (16,)
    rows = read(folder)
    assert rows[0]["smiles"] == "NCCO", "the molecule itself, then its reconstruction and neighbors"
    assert 2 < len(rows) <= 6
    assert "NCCO" not in [row["smiles"] for row in rows[2:]]
    assert any(text.startswith("OCCN is rebuilt ") for text in reporter.messages)
    for text, problem in (("C(", "is no molecule"), ("C[Si]", "has more than"), ("C" * 200, "has more than")):
        with pytest.raises(BadInput, match=rf"^`item` .*: {problem}"):
            zerosum.encode(trained_molecules, text, into=tmp_path / "none")
    with pytest.raises(BadInput, match="exists and is not empty"):
        zerosum.encode(trained_molecules, "CCO", into=folder)


def test_a_reconstruction_is_named_in_its_canonical_form(trained_molecules: Path, tmp_path: Path) -> None:
    """Networks write single and double bonds for aromatic ones; users read what `sample` writes, too."""
    from zerosum.workflows.encode_text import _name

    generator = zerosum.load(trained_molecules)
    assert _name(np.array(["C1=CC=CC=C1", "OCC", "C("]), generator) == ["c1ccccc1", "CCO", "C("]


def test_without_properties_a_recipe_that_takes_them_says_what_to_set(chain_file: Path, tmp_path: Path) -> None:
    settings: dict[str, object] = {"data.properties": "", "evaluation.features": "none", "diagnostics.probe": False}
    off = "set `generator.condition`, `discriminator.condition` and `autoencoder.condition` to none, and"
    with pytest.raises(BadInput, match=rf"has no property .*`data.properties`, or {off} `game.prediction_weight` to 0"):
        zerosum.train(chain_file, recipe="molecule", run=tmp_path / "run", examples=64, settings=settings)
    assert not (tmp_path / "run").exists()
    settings |= {f"{network}.condition": "none" for network in ("generator", "discriminator", "autoencoder")}
    settings |= {"game.prediction_weight": 0, "autoencoder.decoder_width": 16, "autoencoder.encoder_width": 16}
    run = zerosum.train(
        chain_file, recipe="molecule", run=tmp_path / "run", examples=64, batch_size=16, settings=settings
    )
    with pytest.raises(BadInput, match="`given` logp: this generator takes no conditions"):
        zerosum.sample(run.path, 2, given={"logp": 1}, into=tmp_path / "samples")
    assert len(zerosum.load(run.path).sample(2)) == 2


def test_a_walk_leads_from_one_molecule_to_another(trained_molecules: Path, tmp_path: Path) -> None:
    image, texts = zerosum.walk(trained_molecules, between=("CCO", "NCCCN"), steps=5, into=tmp_path / "walk")
    assert image.suffix == ".png"
    lines = texts.read_text().splitlines()
    assert all(canonical_smiles(line) in (line, None) for line in lines)
    ends = [zerosum.walk(trained_molecules, between=(text, text), steps=2, into=tmp_path / text)[1].read_text().split()
            for text in ("CCO", "NCCCN")]  # fmt: skip
    assert len(lines) == 5
    assert (lines[0], lines[-1]) == (ends[0][0], ends[1][1])
    with pytest.raises(BadInput, match="exists"):
        zerosum.walk(trained_molecules, between=("CCO", "CCN"), into=tmp_path / "walk")
    with pytest.raises(BadInput, match="`between` C1: is no molecule"):
        zerosum.walk(trained_molecules, between=("CCO", "C1"), into=tmp_path / "none")


def test_samples_without_an_encoder_have_no_codes(trained_ring: Path, tmp_path: Path) -> None:
    for call in (lambda: zerosum.encode(trained_ring, "CCO"), lambda: zerosum.walk(trained_ring, between=("C", "N"))):
        with pytest.raises(BadInput, match="`run`: its generator has no encoder"):
            call()


def log_of(run: Path) -> list[dict[str, object]]:
    clock = {"seconds", "examples_per_second"}
    return [{name: value for name, value in row.items() if name not in clock} for row in RunFolder(run).rows()]


def test_a_run_interrupted_in_both_stages_is_resumed_exactly(
    chain_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the molecules have no label, so that the predictor's values stand for theirs."""
    settings = {
        "autoencoder.encoder_width": 24, "autoencoder.decoder_width": 24, "autoencoder.predictor_width": 16,
        "generator.width": 16, "discriminator.width": 16, "data.properties": ["logp"], "data.max_labeled": 75,
        "evaluation.features": "none", "diagnostics.probe": False, "training.precision": "float32",
        "training.tick_examples": 32,
    }  # fmt: skip
    keywords = {"recipe": "molecule", "examples": 320, "batch_size": 32, "settings": settings}
    whole = zerosum.train(chain_file, run=tmp_path / "whole", **keywords).path  # type: ignore[arg-type]
    set_progress = Trainer._set_progress

    def interrupt(self: Trainer, progress) -> None:
        set_progress(self, progress)
        if progress.round in (3, 8):  # the autoencoder's stage is over after 5.5 rounds
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_set_progress", interrupt)
    run = tmp_path / "parts"
    assert zerosum.train(chain_file, run=run, **keywords).state == "interrupted"  # type: ignore[arg-type]
    states = [zerosum.resume(run).state, zerosum.resume(run).state]
    assert states == ["interrupted", "done"]
    assert log_of(run) == log_of(whole)
    found, weights = (load_file(RunFolder(path).checkpoints()[-1] / "networks.safetensors") for path in (run, whole))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in weights.items())
    assert zerosum.load(run).sample(8, seed=2) == zerosum.load(whole).sample(8, seed=2)
