"""Runs on images with columns of labels.csv as conditions: samples follow what they are asked for."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zerosum
from zerosum.data.codec_files import load_codec
from zerosum.errors import BadInput

SMALL = {
    "data.size": 16,
    "data.conditions": "brightness,shape",
    "generator.condition": "concat",
    "discriminator.condition": "projection",
    "generator.width": 4,
    "discriminator.width": 4,
    "augment.kind": "none",
    "evaluation.features": "none",
    "diagnostics.probe": False,
    "training.precision": "float32",
    "training.compile": "never",
}


@pytest.fixture(scope="module")
def lamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain images whose brightness is a number from 20 to 200 in the table, with a bright or a dark stripe."""
    folder, rng = tmp_path_factory.mktemp("lamps"), np.random.default_rng(0)
    rows = []
    for number in range(160):
        brightness, stripe = rng.uniform(20, 200), number % 2
        pixels = rng.normal(brightness, 4, (16, 16))
        pixels[6:10] += 40 if stripe else -20
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")
        rows.append((f"{number:03}.png", f"{brightness:.3f}", ("dark", "bright")[stripe]))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "brightness", "shape"), *rows])
    return folder


@pytest.fixture(scope="module")
def run(lamps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some seconds; its seeds are fixed."""
    path = tmp_path_factory.mktemp("runs") / "run"
    torch.manual_seed(0)
    settings = SMALL | {"optimizer.lr": 1e-3, "generator.width": 8, "discriminator.width": 8}
    zerosum.train(str(lamps), recipe="dcgan", run=path, examples=9_600, batch_size=32, device="cpu", settings=settings)
    return path


def test_samples_follow_the_number_that_they_are_asked_for(run: Path) -> None:
    generator, asked, found = zerosum.load(run, device="cpu"), [], []
    for brightness in range(30, 200, 20):
        conditions = generator.choose_conditions({"brightness": brightness}, 16)
        samples = generator.sample(16, condition=conditions)
        assert isinstance(samples, torch.Tensor)
        asked += [float(brightness)] * 16
        found += samples.mean((1, 2, 3)).tolist()
    assert np.corrcoef(asked, found)[0, 1] > 0.5


def test_samples_follow_a_text(run: Path) -> None:
    generator = zerosum.load(run, device="cpu")
    stripes = []
    for shape in ("dark", "bright"):
        conditions = generator.choose_conditions({"shape": shape, "brightness": 100}, 32)
        samples = generator.sample(32, condition=conditions)
        stripes.append(float(samples[:, :, 7:9].mean() - samples[:, :, :5].mean()))
    assert stripes[0] < stripes[1]


def test_conditions_that_are_not_chosen_are_drawn_from_the_data(run: Path, lamps: Path) -> None:
    generator = zerosum.load(run, device="cpu")
    drawn = generator.choose_conditions({"shape": "dark"}, 100, seed=3)
    assert isinstance(drawn, torch.Tensor)
    assert drawn[:, 1:].unique(dim=0).tolist() == [[0, 1]]
    assert len(drawn[:, 0].unique()) > 30
    assert torch.equal(drawn, generator.choose_conditions({"shape": "dark"}, 100, seed=3))


def test_files_of_samples_are_named_by_their_conditions(run: Path) -> None:
    folder = zerosum.sample(run, 2, condition={"brightness": 80, "shape": "dark"}, device="cpu")
    assert folder.name == "00009600-seed0-n2-cbrightness_80+shape_dark"
    assert {path.name for path in folder.iterdir()} == {"00000.png", "00001.png", "grid.png", "samples.json"}
    for condition, match in (
        ([40.0], r"`given`: name what each value is, such as brightness=VALUE \(brightness, shape\)"),
        ({"brightnes": 4}, r"did you mean brightness\?"),
        ({"shape": "red"}, r"give one of bright, dark"),
    ):
        with pytest.raises(BadInput, match=match):
            zerosum.sample(run, 2, condition=condition, device="cpu")
    assert zerosum.walk(run, keyframes=2, steps=2, device="cpu")[0].exists()


def test_other_generators_have_no_named_conditions(digits_run: Path) -> None:
    with pytest.raises(BadInput, match=r"`given` age: this generator takes no conditions; leave it out"):
        zerosum.sample(digits_run, 2, condition={"age": 4}, device="cpu")


def test_an_interrupted_run_ends_with_the_same_weights(lamps: Path, tmp_path: Path) -> None:
    for name in ("whole", "parts"):
        settings = SMALL | {"training.checkpoint_examples": 64}
        zerosum.train(
            str(lamps), recipe="dcgan", run=tmp_path / name, examples=128, batch_size=32, device="cpu",
            settings=settings,
        )  # fmt: skip
    last = tmp_path / "parts/checkpoints/00000128"
    for path in sorted(last.iterdir()):
        path.unlink()
    last.rmdir()
    zerosum.resume(tmp_path / "parts")
    weights = [
        (tmp_path / name / "checkpoints/00000128/networks.safetensors").read_bytes() for name in ("whole", "parts")
    ]
    assert weights[0] == weights[1]
    first, second = (load_codec(tmp_path / name).codec for name in ("whole", "parts"))
    assert first.settings() == second.settings()
    assert all(torch.equal(tensor, second.tensors()[name]) for name, tensor in first.tensors().items())


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"generator.condition": "none", "discriminator.condition": "none"}, r"the networks of recipe dcgan use no"),
        ({"discriminator.condition": "none"}, r"`generator\.condition` concat: the discriminator must"),
        ({"discriminator.condition": "auxiliary-classifier"}, r"auxiliary-classifier classifies and takes no numbers"),
        ({"data.conditions": "height"}, r"has no column 'height'"),
        ({"data.conditions": ""}, r"no column 'label': name them by `data\.label` or `data\.conditions`"),
    ],
)
def test_conditions_that_nothing_reads_are_refused(
    lamps: Path, tmp_path: Path, changes: dict[str, str], match: str
) -> None:
    with pytest.raises(BadInput, match=match):
        zerosum.train(
            str(lamps), recipe="dcgan", run=tmp_path / "run", examples=64, device="cpu", settings=SMALL | changes
        )
    assert not (tmp_path / "run").exists()
