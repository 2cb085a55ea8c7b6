"""Every recipe of the family, played for three rounds by its own nano networks."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import zerosum
from zerosum.inference.load import read_recipe
from zerosum.recipes.files import RecipeFile, list_recipes
from zerosum.run_folder import RunFolder

BATCH, ROUNDS = 8, 3
REMEMBERED = (
    "running_mean",
    "running_var",
    "num_batches_tracked",
    "_u",
    "_v",
    "mean_style",
    "path_length",
    "_extra_state",
)
"""What changes in a network without a step."""
BALANCE = {
    "game.replay_buffer": 16, "game.instance_noise": 0.1, "terms.historical.weight": 1e-3, "augment.kind": "ada",
    "augment.initial_p": 0.5,
}  # fmt: skip
"""All that may be added to a recipe to keep its players in balance."""
TURNS = {"data.input": "dark", "data.target": "light", "data.channels": 3, "data.size": 32}
"""For recipes that turn pictures into others."""


def translates(name: str) -> bool:
    return RecipeFile(name).settings_tree.tree.get("game", {}).get("kind") == "translation"


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of small grey pictures, a bright and a dark one."""
    folder, random = tmp_path_factory.mktemp("two"), np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (folder / name).mkdir()
        for number in range(48):
            pixels = np.clip(random.normal(level, 30, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def weights(run: Path, images: int) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"{images:08d}" / "networks.safetensors")


@pytest.mark.parametrize(
    ("name", "more"),
    [(name, {}) for name in list_recipes()]
    + [("auto", BALANCE), ("stylegan2", {"terms.path_length.weight": 2, "terms.path_length.every_rounds": 2})],
    ids=[*list_recipes(), "auto in balance", "stylegan2 with path length"],
)
def test_three_rounds(
    name: str, more: dict[str, object], classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    settings = {
        "training.tick_examples": BATCH, "training.checkpoint_examples": BATCH, "training.preview_examples": BATCH * ROUNDS,
        "evaluation.features": "none", "training.precision": "float32",
    } | more | (TURNS if translates(name) else {})  # fmt: skip
    path = tmp_path / "run"
    run = zerosum.train(
        classes, recipe=name, run=path, size="" if name == "vanilla" else "nano", images=BATCH * ROUNDS, batch=BATCH,
        settings=settings,
    )  # fmt: skip
    assert run.state == "done"

    rows = run.log()
    assert len(rows) == ROUNDS
    for row in rows:
        assert all(np.isfinite(value) for value in row.values()), row
    first, last = weights(path, 2 * BATCH), weights(path, 3 * BATCH)
    for player in ("generator.", "discriminator."):
        mine = [key for key in first if key.startswith(player) and not key.endswith(REMEMBERED)]
        assert any(not torch.equal(first[key], last[key]) for key in mine), f"the {player} did not move"

    # the same run, cut off after its second round
    again = tmp_path / "again"
    shutil.copytree(path, again)
    shutil.rmtree(again / "checkpoints" / f"{3 * BATCH:08d}")
    status = json.loads((again / "status.json").read_text())
    (again / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    assert zerosum.resume(again).state == "done"
    resumed = weights(again, 3 * BATCH)
    assert resumed.keys() == last.keys()
    assert all(torch.equal(resumed[key], last[key]) for key in last)

    if translates(name):
        same_pictures(path, again, both=read_recipe(RunFolder(path)).game.bidirectional)
        return
    conditional = read_recipe(RunFolder(path)).is_conditional
    label = "light" if conditional else None
    one, two = (zerosum.load(each).sample(3, seed=5, label=label) for each in (path, again))
    assert one.shape[0] == 3
    assert one.isfinite().all()
    assert torch.equal(one, two)
    assert torch.allclose(zerosum.load(path).sample(1, seed=5, first=2, label=label), one[2:], atol=1e-5)
    if conditional:
        other = zerosum.load(path).sample(3, seed=5, label="dark")
        assert not torch.equal(one, other), "the class is not heard"


def same_pictures(path: Path, again: Path, both: bool) -> None:
    """A run and the same run resumed turn pictures into the same, each by itself or beside others."""
    given = (
        torch.rand(3, *zerosum.load_translator(path).input_shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    )
    for back in (False, True) if both else (False,):
        one, two = (zerosum.load_translator(each, reverse=back)(given) for each in (path, again))
        assert one.shape == (3, *zerosum.load_translator(path).target_shape)
        assert one.isfinite().all()
        assert torch.equal(one, two)
        torch.testing.assert_close(zerosum.load_translator(path, reverse=back)(given[2:]), one[2:], atol=1e-4, rtol=0)
