"""Every setting of a recipe is read while its game is built and trained, or is refused as one that nothing reads."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image

import zerosum
from zerosum.inference.load import read_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.unread import unread_settings
from zerosum.run_folder import RunFolder
from zerosum.settings import Settings

SECTIONS = ("generator", "discriminator", "game", "objective", "augment", "optimizer", "ema", "diagnostics")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """(name of a class of settings, field) of each setting that is read, but not those that a validator compares."""
    found: set[tuple[str, str]] = set()
    read = Settings.__getattribute__

    def record(self: Settings, name: str) -> object:
        if not name.startswith("_") and name in type(self).model_fields:
            code = sys._getframe(1).f_code
            if not code.co_name.startswith("_check") and Path(code.co_filename).parent.name != "recipes":
                found.add((type(self).__name__, name))
        return read(self, name)

    monkeypatch.setattr(Settings, "__getattribute__", record)
    return found


def settings_of(recipe: Recipe) -> Iterator[tuple[str, Settings]]:
    yield from ((name, value) for name, value in recipe if name in SECTIONS and isinstance(value, Settings))
    yield from ((f"terms.{name}", term) for name, term in recipe.terms.items())


@pytest.mark.parametrize(("recipe", "source"), [("r3gan", "ring"), ("acgan", "A"), ("fastgan", "A"), ("cut", ".")])
def test_every_setting_is_read_or_refused(
    reads: set[tuple[str, str]], recipe: str, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for side in ("A/one", "A/two", "B/one", "B/two"):
        Path(side).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(Path(side, f"{number}.png"))
    off = {"evaluation.features": "none", "diagnostics.probe": False}
    size = {} if source == "ring" else {"data.size": 32}
    zerosum.train(source, recipe=recipe, run="run", examples=8, batch_size=4, device="cpu", settings=off | size)
    trained = read_recipe(RunFolder(Path("run")))
    unread = {  # without those that have one value only, such as a kind
        f"{section}.{field}"
        for section, settings in settings_of(trained)
        for field, info in type(settings).model_fields.items()
        if len(get_args(info.annotation)) != 1 and (type(settings).__name__, field) not in reads
    }
    assert unread - unread_settings(trained).keys() == set()
