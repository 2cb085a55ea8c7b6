"""Super-resolution of the user's own images of low and high resolution, from training to an evaluation."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RunCli = Callable[..., tuple[int, str, str]]
QUICK = (
    "--examples", "16", "--batch-size", "8", "--data.size", "32", "--evaluation.features", "none", "--generator.width",
    "8", "--discriminator.width", "8", "--run", "run",
)  # fmt: skip


@pytest.fixture
def pairs(workdir: Path) -> Path:
    rng = np.random.default_rng(0)
    for side in ("LR", "HR"):
        Path("set", side).mkdir(parents=True)
    for number in range(16):
        small = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(small).save(f"set/LR/{number}x2.png")
        Image.fromarray(small.repeat(2, 0).repeat(2, 1)).save(f"set/HR/{number}.png")
    return workdir


@pytest.mark.parametrize(
    ("recipe", "sources"),
    [("srgan", ("set/LR", "set/HR")), ("esrgan", ("set", "--data.input", "LR", "--data.target", "HR"))],
)
def test_own_pairs_are_trained_on_in_place_of_degraded_images(
    run_cli: RunCli, pairs: Path, recipe: str, sources: tuple[str, ...]
) -> None:
    code, out, err = run_cli("train", *sources, "--recipe", recipe, *QUICK)
    assert code == 0, err
    assert "the targets are 2 times as large as the inputs" in out + err
    table = tomllib.loads(Path("run/recipe.toml").read_text())
    assert (table["data"]["scale_factor"], table["data"]["degrade"]) == (2, [])
    assert table["generator"]["upscale_factor"] == 2
    Image.new("RGB", (13, 9)).save("small.png")
    code, _, err = run_cli("apply", "run", "small.png", "--into", "large.png")
    assert code == 0, err
    with Image.open("large.png") as image:
        assert image.size == (26, 18)
    code, _, err = run_cli("evaluate", "run", "--features", "pixels")
    assert code == 0, err


def test_inputs_that_nothing_would_read_are_refused(run_cli: RunCli, pairs: Path) -> None:
    for recipe, more in (("restore", ()), ("esrgan", ("--data.degrade", "down2"))):
        arguments = ("set", "--data.input", "LR", "--data.target", "HR", *more)
        code, _, err = run_cli("train", *arguments, "--recipe", recipe, "--run", "run")
        assert (code, "would not be read" in err, Path("run").exists()) == (2, True, False)
