"""Every recipe of images trains on images that are not square."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_recipes import is_translation

import zerosum
from recipe_lists import IMAGE_RECIPES
from zerosum.inference.load import read_recipe
from zerosum.recipes.files import RecipeFile
from zerosum.run_folder import RunFolder

WIDTH, HEIGHT = 48, 32
BATCH_SIZE = 8


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with color images of 60x40 pixels of two classes, dark and light."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, brightness in (("dark", 60), ("light", 190)):
        (folder / name).mkdir()
        for number in range(24):
            pixels = np.clip(rng.normal(brightness, 30, (40, 60, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("name", IMAGE_RECIPES)
def test_a_round_on_images_that_are_not_square(
    name: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    settings: dict[str, object] = {"evaluation.features": "none", "training.precision": "float32"}
    if is_translation(name) and "degrade" not in RecipeFile(name).settings_tree.tree["data"]:
        settings |= {"data.input": "dark", "data.target": "light"}
    run = zerosum.train(
        photos, recipe=name, run=tmp_path / "run", size="" if name == "vanilla" else "nano", examples=BATCH_SIZE,
        batch_size=BATCH_SIZE, settings=settings | {"data.size": f"{WIDTH}x{HEIGHT}"},
    )  # fmt: skip
    assert run.state == "done"
    assert f'size = "{WIDTH}x{HEIGHT}"' in (run.path / "recipe.toml").read_text()
    if is_translation(name):
        translator = zerosum.load_translator(run.path)
        assert translator.target_shape == (3, HEIGHT, WIDTH)
        outputs = translator(torch.rand(2, *translator.input_shape) * 2 - 1)
    else:
        is_conditional = read_recipe(RunFolder(run.path)).is_conditional
        outputs = zerosum.load(run.path).sample(2, seed=5, label="light" if is_conditional else None)
    assert outputs.shape == (2, 3, HEIGHT, WIDTH)
    assert outputs.isfinite().all()


def test_a_shape_that_all_images_share_is_chosen(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    run = zerosum.train(
        photos, recipe="dcgan", run=tmp_path / "run", size="nano", examples=BATCH_SIZE, batch_size=BATCH_SIZE,
        settings={"evaluation.features": "none", "training.device": "cpu"},
    )  # fmt: skip
    plan = (run.path / "plan.json").read_text()
    assert "48x32 px" in plan
    assert "squares: `data.size` 32" in plan
