"""Unpaired translation in both directions between domains with different channels."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zerosum
from zerosum.data.codec_files import load_codec
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.load import read_recipe
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.run_data import read_run_data

SETTINGS = {"data.size": 16, "data.channels": 3, "data.input_channels": 1, "evaluation.features": "none"}
RECIPE = """
data.pairs = "unpaired"
game = { kind = "cycle", reuse_fakes = true, replay_buffer = 50 }
generator = { kind = "unet", width = 4, max_width = 8, norm = "none" }
discriminator = { kind = "patchgan", width = 4, max_width = 8, layers = 2, norm = "none" }
objective.kind = "least-squares"
terms.cycle.weight = 3
augment.kind = "none"
optimizer = { kind = "adam", lr = 1e-3 }
training.precision = "float32"
"""
"""CycleGAN without the identity term, which gives images of one domain to the generator of the other direction."""


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 drawings in gray (A) and 20 photos in color (B)."""
    folder, rng = tmp_path_factory.mktemp("domains"), np.random.default_rng(0)
    for name, count, shape in (("A", 24, (16, 16)), ("B", 20, (16, 16, 3))):
        (folder / name).mkdir()
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def cycle_run(tmp_path_factory: pytest.TempPathFactory, domains: Path) -> Path:
    """A few rounds of CycleGAN. Tests must not write into it."""
    home = tmp_path_factory.mktemp("cycle")
    (home / "recipe.toml").write_text(RECIPE)
    return zerosum.train(
        domains, recipe=str(home / "recipe.toml"), run=home / "run", examples=16, batch_size=4, settings=SETTINGS
    ).path


def test_a_term_that_translates_targets_needs_equal_channels(domains: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"`terms\.identity`: .* equally many channels, got 1 and 3"):
        zerosum.train(domains, recipe="cyclegan", run=tmp_path / "run", settings=SETTINGS)


def test_a_term_of_weight_0_needs_nothing(domains: Path, tmp_path: Path) -> None:
    settings = SETTINGS | {"terms.identity.weight": 0, "training.batch_size": 4, "generator.width": 4}
    run = zerosum.train(domains, recipe="cyclegan", size="nano", run=tmp_path / "run", examples=4, settings=settings)
    assert (run.path / "codec.json").exists()


def test_each_domain_keeps_its_channels(cycle_run: Path) -> None:
    saved = load_codec(cycle_run)
    assert saved.kind == "image-pairs"
    assert saved.input_spec == TensorSpec((1, 16, 16), bounded=True)
    assert saved.codec.spec == TensorSpec((3, 16, 16), bounded=True)
    folder = RunFolder(cycle_run)
    dataset = read_run_data(folder, read_recipe(folder), SilentReporter())
    inputs = dataset.inputs(dataset.input_indices(held_out=True))
    assert inputs.shape[1:] == (1, 16, 16)
    rows = [json.loads(line) for line in (cycle_run / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["examples"] == 16
    assert all(np.isfinite(value) for name, value in rows[-1].items() if name.startswith("losses/"))
    assert list(folder.sample_grids()), "previews have both domains"


@pytest.mark.parametrize("reverse", [False, True])
def test_both_directions_translate(cycle_run: Path, reverse: bool) -> None:
    translator = zerosum.load_translator(cycle_run, reverse=reverse)
    channels = (3, 1) if reverse else (1, 3)
    outputs = translator(torch.zeros(2, channels[0], 16, 16))
    assert outputs.shape == (2, channels[1], 16, 16)
    assert outputs.abs().amax() <= 1


@pytest.mark.parametrize("reverse", [False, True])
def test_both_directions_are_evaluated(cycle_run: Path, tmp_path: Path, reverse: bool) -> None:
    run = Path(shutil.copytree(cycle_run, tmp_path / "run"))
    row = zerosum.evaluate(run, features="pixels", reverse=reverse, neighbors=1, copy_candidates=16)
    assert row["direction"] == ("reverse" if reverse else "forward")
    assert row["protocol"]["image_format"].startswith("16x16 gray" if reverse else "16x16 RGB")
    assert not row["protocol"]["is_paired"]
