"""The reference loops of image-to-image translation: two steps of each, and a complete short run."""

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
import references_translation_data as reference_data
import references_translation_networks as networks


def write_images(folder: Path, names: str, *size: int) -> None:
    """Write a random image of (width, height) for each letter of `names`."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(names))
    for name in names:
        values = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(values).save(folder / f"{name}.png")


@pytest.fixture
def pairs_folder(tmp_path: Path) -> Path:
    for side in "CB":
        write_images(tmp_path / "data/train" / side, "abc", 40, 40)  # of another size than the test uses: resized
        write_images(tmp_path / "data/test" / side, "xy", 32, 32)
    return tmp_path / "data"


@pytest.mark.parametrize("name", references.REFERENCES)
def test_two_steps_change_all_weights_of_the_generator(name: str) -> None:
    """One step in the first half of the budget and one in the second, on the same batch."""
    torch.manual_seed(0)
    reference = references.REFERENCES[name]
    side = 8 if reference.uses_crops else 32
    batch = torch.rand(2, 3, side, side), torch.rand(2, 3, 32, 32)
    generator, step = reference.build(lambda: batch, 32, 8)
    # without biases: norms cancel them
    weights = {key: parameter for key, parameter in generator.named_parameters() if parameter.ndim > 1}
    initial_weights = {key: parameter.clone() for key, parameter in weights.items()}
    losses = [step(0.0), step(0.75)]
    assert all(math.isfinite(value) for step_losses in losses for value in step_losses.values())
    assert [key for key, parameter in weights.items() if torch.equal(parameter, initial_weights[key])] == []
    assert "discriminator" in losses[1] or name == "l1"


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_a_run_writes_an_output_for_each_test_input(name: str, pairs_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["--budget", "0.2s", "--input", "C", "--target", "B", "--size", "32", "--width", "8"]
    references.main([name, str(pairs_folder), str(out), *arguments])
    sizes = {path.name: Image.open(path).size for path in (out / "generated").iterdir()}
    assert sizes == {"x.png": (32, 32), "y.png": (32, 32)}
    info = json.loads((out / "info.json").read_text("utf8"))
    assert (info["name"], info["size"], info["batch_size"]) == (name, 32, 1)
    assert info["examples"] >= 1
    assert info["seconds"] >= 0.2


def test_super_resolution_outputs_the_center_of_each_image(tmp_path: Path) -> None:
    """Odd sizes are cropped to a multiple of 4; the output has the size of the crop."""
    write_images(tmp_path / "data/train", "ab", 50, 40)
    write_images(tmp_path / "data/test", "x", 47, 33)
    arguments = ["--budget", "0.2s", "--size", "32", "--width", "8", "--batch-size", "2"]
    references.main(["esrgan", str(tmp_path / "data"), str(tmp_path / "out"), *arguments])
    assert Image.open(tmp_path / "out/generated/x.png").size == (44, 32)


def test_pairs_are_flipped_together_and_need_equal_names(pairs_folder: Path) -> None:
    for side in "CB":
        for path in (pairs_folder / "train" / side).iterdir():
            values = np.full((32, 32, 3), ord(path.stem) + 40 * (side == "B"), np.uint8)
            values[:, :16] = 0
            Image.fromarray(values).save(path)
    inputs, targets = reference_data.PairSource("C", "B", 32, paired=True).batches(pairs_folder, 12)()
    assert torch.allclose(inputs.amax((1, 2, 3)) + 80 / 255, targets.amax((1, 2, 3)), atol=1e-5)
    assert torch.equal(inputs[..., 0] < -0.9, targets[..., 0] < -0.9)
    (pairs_folder / "train/B/a.png").rename(pairs_folder / "train/B/z.png")
    with pytest.raises(SystemExit, match="equal names"):
        reference_data.PairSource("C", "B", 32, paired=True).batches(pairs_folder, 1)
    reference_data.PairSource("C", "B", 32, paired=False).batches(pairs_folder, 1)()


def test_conversion_to_tensors_and_back_is_exact() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(8, 32, 1).repeat(3, 2)
    for low in (-1.0, 0.0):
        tensor = reference_data.to_tensor([values], low)
        assert (tensor.min(), tensor.max()) == (low, 1)
        assert np.array_equal(np.asarray(reference_data.to_image(tensor[0], low)), values)


def test_a_score_of_the_patchgan_depends_on_seventy_pixels_a_side() -> None:
    network = networks.patchgan(3, 4, lambda channels: torch.nn.Identity())
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    scores = network(image)
    assert scores.shape == (1, 1, 14, 14)
    scores[0, 0, 7, 7].backward()
    assert image.grad is not None
    influence = image.grad.abs().amax((0, 1))
    assert [int((influence.amax(axis) > 0).sum()) for axis in (0, 1)] == [70, 70]
