"""Every recipe trains for three rounds with its nano networks, and resumes bit for bit."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import zerosum
from recipe_lists import IMAGE_RECIPES
from zerosum.inference.load import read_recipe
from zerosum.recipes.files import RecipeFile
from zerosum.run_folder import RunFolder

BATCH_SIZE, ROUNDS = 8, 3
NOT_TRAINED = (
    "running_mean", "running_var", "num_batches_tracked", "_u", "_v", "mean_style", "path_length", "_extra_state",
)  # fmt: skip
"""Ends of the names of buffers, which change without an optimizer step."""
BALANCE = {
    "game.replay_buffer": 16, "game.instance_noise": 0.1, "terms.historical.weight": 1e-3, "augment.kind": "ada",
    "augment.initial_p": 0.5,
}  # fmt: skip
"""Everything that may be added to a recipe to balance its players."""
TRANSLATION = {"data.channels": 3, "data.size": 32}
"""Settings for recipes that translate images."""
GIVEN_INPUTS = {"data.input": "dark", "data.target": "light"}
"""Settings for those that do not make inputs from targets."""


def is_translation(name: str) -> bool:
    return RecipeFile(name).settings_tree.tree.get("game", {}).get("kind") in ("translation", "cycle")


def translation_settings(name: str) -> dict[str, object]:
    if not is_translation(name):
        return {}
    makes_inputs = "degrade" in RecipeFile(name).settings_tree.tree["data"]
    return TRANSLATION | ({} if makes_inputs else GIVEN_INPUTS)


@pytest.fixture(scope="module")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with small gray images of two classes, dark and light."""
    folder, rng = tmp_path_factory.mktemp("two"), np.random.default_rng(0)
    for name, brightness in (("dark", 60), ("light", 190)):
        (folder / name).mkdir()
        for number in range(48):
            pixels = np.clip(rng.normal(brightness, 30, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def load_weights(run: Path, examples: int) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"{examples:08d}" / "networks.safetensors")


FURTHER_SETTINGS: dict[str, dict[str, object]] = {
    "latent": {"data.size": 32, "game.autoencoder.examples": BATCH_SIZE}  # the stage of the autoencoder is one round
}
"""Settings that a recipe needs on these images."""


@pytest.mark.parametrize(
    ("name", "extra_settings"),
    [(name, {}) for name in IMAGE_RECIPES]
    + [
        ("auto", BALANCE),
        ("auto", {"terms.r1_approximate.weight": 0.1, "terms.r2_approximate.every_rounds": 2}),
        ("stylegan2", {"terms.path_length.weight": 2, "terms.path_length.every_rounds": 2}),
        ("gat", {"generator.condition": "concat", "discriminator.condition": "projection"}),
    ],
    ids=[
        *IMAGE_RECIPES,
        "auto in balance",
        "auto with approximate penalties",
        "stylegan2 with path length",
        "gat by class",
    ],
)
def test_three_rounds_then_resume(
    name: str, extra_settings: dict[str, object], two_classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    settings = {
        "training.tick_examples": BATCH_SIZE, "training.checkpoint_examples": BATCH_SIZE,
        "training.preview_examples": BATCH_SIZE * ROUNDS, "evaluation.features": "none",
        "training.precision": "float32",
    } | extra_settings | translation_settings(name) | FURTHER_SETTINGS.get(name, {})  # fmt: skip
    path = tmp_path / "run"
    run = zerosum.train(
        two_classes, recipe=name, run=path, size="" if name == "vanilla" else "nano", examples=BATCH_SIZE * ROUNDS,
        batch_size=BATCH_SIZE, settings=settings,
    )  # fmt: skip
    assert run.state == "done"

    rows = run.log()
    assert len(rows) == ROUNDS
    for row in rows:
        assert all(np.isfinite(value) for value in row.values()), row
    before, after = load_weights(path, 2 * BATCH_SIZE), load_weights(path, 3 * BATCH_SIZE)
    for player in ("generator.", "discriminator."):
        trained = [key for key in before if key.startswith(player) and not key.endswith(NOT_TRAINED)]
        assert any(not torch.equal(before[key], after[key]) for key in trained), f"{player} was not updated"

    resumed = resume_after_two_rounds(path, tmp_path / "resumed")
    resumed_weights = load_weights(resumed, 3 * BATCH_SIZE)
    assert resumed_weights.keys() == after.keys()
    assert all(torch.equal(resumed_weights[key], after[key]) for key in after)
    if is_translation(name):
        check_equal_translations(path, resumed, bidirectional=read_recipe(RunFolder(path)).game.bidirectional)
    else:
        check_equal_samples(path, resumed, is_conditional=read_recipe(RunFolder(path)).is_conditional)


def resume_after_two_rounds(path: Path, copy: Path) -> Path:
    """Copy a run, as if it had been interrupted after its second round, and resume the copy."""
    shutil.copytree(path, copy)
    shutil.rmtree(copy / "checkpoints" / f"{3 * BATCH_SIZE:08d}")
    status = json.loads((copy / "status.json").read_text())
    (copy / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    assert zerosum.resume(copy).state == "done"
    return copy


def check_equal_samples(path: Path, resumed: Path, is_conditional: bool) -> None:
    """A run and its resumed copy generate the same samples, which do not depend on the rest of the batch."""
    label = "light" if is_conditional else None
    samples, resumed_samples = (zerosum.load(run).sample(3, seed=5, label=label) for run in (path, resumed))
    assert samples.shape[0] == 3
    assert samples.isfinite().all()
    assert torch.equal(samples, resumed_samples)
    assert torch.allclose(zerosum.load(path).sample(1, seed=5, first=2, label=label), samples[2:], atol=1e-5)
    if is_conditional:
        other_class = zerosum.load(path).sample(3, seed=5, label="dark")
        assert not torch.equal(samples, other_class), "the generator ignores the class"


def check_equal_translations(path: Path, resumed: Path, bidirectional: bool) -> None:
    """A run and its resumed copy give the same translations, which do not depend on the rest of the batch."""
    shape = zerosum.load_translator(path).input_shape
    inputs = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for reverse in (False, True) if bidirectional else (False,):
        outputs, resumed_outputs = (zerosum.load_translator(run, reverse=reverse)(inputs) for run in (path, resumed))
        assert outputs.shape == (3, *zerosum.load_translator(path).target_shape)
        assert outputs.isfinite().all()
        assert torch.equal(outputs, resumed_outputs)
        single = zerosum.load_translator(path, reverse=reverse)(inputs[2:])
        torch.testing.assert_close(single, outputs[2:], atol=1e-4, rtol=0)
