"""A cycle game between two domains that differ in their channels is probed, resumed and applied."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image
from safetensors.torch import load_file

import zerosum
from zerosum.recipes.files import read_recipe_text

BATCH_SIZE, SIDE = 4, 16
SETTINGS = {
    "data.size": SIDE, "data.channels": 3, "data.input_channels": 1, "generator.width": 4, "discriminator.width": 4,
    "evaluation.features": "none", "training.precision": "float32", "training.checkpoint_examples": 2 * BATCH_SIZE,
    "diagnostics.every_examples": 2 * BATCH_SIZE, "diagnostics.samples": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with gray drawings in A and as many photos in color in B."""
    folder, rng = tmp_path_factory.mktemp("domains"), np.random.default_rng(0)
    for name, shape in (("A", (SIDE, SIDE)), ("B", (SIDE, SIDE, 3))):
        (folder / name).mkdir()
        for number in range(160):
            pixels = rng.integers(0, 256, shape, dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe cyclegan without its identity term, which needs equally many channels."""
    tree = tomllib.loads(read_recipe_text("cyclegan"))
    for table in (tree, tree["variant"]["nano"]):
        del table["terms"]["identity"]
    file = tmp_path_factory.mktemp("recipe") / "domains.toml"
    file.write_text(tomli_w.dumps(tree))
    return file


@pytest.fixture(scope="module")
def run(domains: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    assert zerosum.train(
        domains, recipe=str(recipe), run=run, size="nano", examples=4 * BATCH_SIZE, batch_size=BATCH_SIZE,
        settings=SETTINGS | {"game.replay_buffer": 8},
    ).state == "done"  # fmt: skip
    return run


def test_the_run_is_logged_and_probed(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert not [row["probe_error"] for row in rows if "probe_error" in row]
    assert all(np.isfinite(value) for row in rows for value in row.values())
    assert any("monitor/cycle_error" in row for row in rows)


def test_it_is_resumed_bit_for_bit(run: Path, tmp_path: Path) -> None:
    interrupted = tmp_path / "interrupted"
    shutil.copytree(run, interrupted)
    last = f"checkpoints/{4 * BATCH_SIZE:08d}"
    shutil.rmtree(interrupted / last)
    (interrupted / "status.json").write_text(json.dumps({"state": "interrupted"}))
    assert zerosum.resume(interrupted).state == "done"
    first, second = (load_file(folder / last / "networks.safetensors") for folder in (run, interrupted))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(("reverse", "source", "mode"), [(False, "A", "RGB"), (True, "B", "L")])
def test_it_is_applied_in_both_directions(
    run: Path, domains: Path, tmp_path: Path, reverse: bool, source: str, mode: str
) -> None:
    (file,) = zerosum.apply(run, domains / source / "3.png", into=tmp_path, reverse=reverse)
    assert Image.open(file).mode == mode
