"""The published recipes of translation, written out: two steps of each, and a whole small run."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import references_translation as references
import references_translation_networks as networks


def pictures(folder: Path, names: str, *size: int) -> None:
    """Random pictures, a letter each, of (width, height)."""
    folder.mkdir(parents=True)
    dice = np.random.default_rng(len(names))
    for name in names:
        values = dice.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    for side in "CB":
        pictures(tmp_path / "data/train" / side, "abc", 40, 40)  # not of the size: read at it
        pictures(tmp_path / "data/test" / side, "xy", 32, 32)
    return tmp_path / "data"


@pytest.mark.parametrize("name", references.REFERENCES)
def test_two_steps_move_all_the_generator(name: str) -> None:
    """One in the first half of the budget and one in the second, on a batch that stays the same."""
    torch.manual_seed(0)
    peer = references.REFERENCES[name]
    side = 8 if peer.crops else 32
    batch = torch.rand(2, 3, side, side), torch.rand(2, 3, 32, 32)
    generator, step = peer.play(lambda: batch, 32, 8)
    weights = {name: each for name, each in generator.named_parameters() if each.ndim > 1}  # norms undo biases
    before = {name: each.clone() for name, each in weights.items()}
    losses = [step(0.0), step(0.75)]
    assert all(math.isfinite(value) for each in losses for value in each.values())
    assert [name for name, each in weights.items() if torch.equal(each, before[name])] == []
    assert "discriminator" in losses[1] or name == "l1"


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_a_run_writes_a_picture_for_each_given_one(name: str, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--budget", "0.2s", "--given", "C", "--wanted", "B", "--size", "32", "--width", "8"]
    references.main([name, str(pairs), str(out), *words])
    assert {file.name: Image.open(file).size for file in (out / "made").iterdir()} == {
        "x.png": (32, 32),
        "y.png": (32, 32),
    }
    about = json.loads((out / "about.json").read_text("utf8"))
    assert (about["name"], about["size"], about["batch"]) == (name, 32, 1)
    assert about["images"] >= 1
    assert about["seconds"] >= 0.2


def test_super_resolution_makes_the_middle_of_each(tmp_path: Path) -> None:
    """Odd sizes are cut to a multiple of 4; what is made is as large as what was cut."""
    pictures(tmp_path / "data/train", "ab", 50, 40)
    pictures(tmp_path / "data/test", "x", 47, 33)
    words = ["--budget", "0.2s", "--size", "32", "--width", "8", "--batch-size", "2"]
    references.main(["esrgan", str(tmp_path / "data"), str(tmp_path / "out"), *words])
    assert Image.open(tmp_path / "out/made/x.png").size == (44, 32)


def test_pairs_are_mirrored_alike_and_need_equal_names(pairs: Path) -> None:
    for side in "CB":
        for file in (pairs / "train" / side).iterdir():
            values = np.full((32, 32, 3), ord(file.stem) + 40 * (side == "B"), np.uint8)
            values[:, :16] = 0
            Image.fromarray(values).save(file)
    given, wanted = references.Sides("C", "B", 32, paired=True).draw(pairs, 12)()
    assert torch.allclose(given.amax((1, 2, 3)) + 80 / 255, wanted.amax((1, 2, 3)), atol=1e-5)
    assert torch.equal(given[..., 0] < -0.9, wanted[..., 0] < -0.9)
    (pairs / "train/B/a.png").rename(pairs / "train/B/z.png")
    with pytest.raises(SystemExit, match="equal names"):
        references.Sides("C", "B", 32, paired=True).draw(pairs, 1)
    references.Sides("C", "B", 32, paired=False).draw(pairs, 1)()


def test_pictures_survive_the_way_there_and_back() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(8, 32, 1).repeat(3, 2)
    for low in (-1.0, 0.0):
        floats = references.to_floats([values], low)
        assert (floats.min(), floats.max()) == (low, 1)
        assert np.array_equal(np.asarray(references.to_picture(floats[0], low)), values)


def test_a_patch_is_of_seventy_pixels() -> None:
    network = networks.patches(3, 4, lambda channels: torch.nn.Identity())
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    scores = network(image)
    assert scores.shape == (1, 1, 14, 14)
    scores[0, 0, 7, 7].backward()
    assert image.grad is not None
    seen = image.grad.abs().amax((0, 1))
    assert [int((seen.amax(axis) > 0).sum()) for axis in (0, 1)] == [70, 70]
