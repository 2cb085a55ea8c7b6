"""Runs that are trained once and shared by the tests of the workflows."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import IMAGES, STYLES, train_ring

import zerosum


@pytest.fixture(scope="session")
def trained_ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on points, with evaluations by pixels during training. Tests must not write into it."""
    settings = {"evaluation.features": "pixels", "evaluation.every_examples": 512, "evaluation.samples": 64}
    return train_ring(tmp_path_factory.mktemp("shared") / "ring", settings).path


@pytest.fixture
def ring_run(trained_ring: Path, tmp_path: Path) -> Path:
    """A copy of the run on points."""
    return Path(shutil.copytree(trained_ring, tmp_path / "ring"))


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class-conditional run on digits. Tests must not write into it."""
    run = tmp_path_factory.mktemp("shared") / "digits"
    return zerosum.train("digits", recipe="cgan", run=run, examples=64, batch_size=16, settings=IMAGES).path


@pytest.fixture
def digits_run(trained_digits: Path, tmp_path: Path) -> Path:
    """A copy of the class-conditional run on digits."""
    return Path(shutil.copytree(trained_digits, tmp_path / "digits"))


@pytest.fixture(scope="session")
def trained_images(tmp_path_factory: pytest.TempPathFactory, image_pairs: Path) -> Path:
    """A run on 96 images without classes, with evaluations by pixels. Tests must not write into it."""
    run, data = tmp_path_factory.mktemp("shared") / "images", image_pairs / "A"
    settings = IMAGES | {"data.size": 16, "evaluation.features": "pixels", "evaluation.every_examples": 16}
    settings |= {"evaluation.samples": 64}
    return zerosum.train(data, run=run, examples=32, batch_size=16, settings=settings).path


@pytest.fixture
def images_run(trained_images: Path, tmp_path: Path) -> Path:
    """A copy of the run on images without classes."""
    return Path(shutil.copytree(trained_images, tmp_path / "images"))


@pytest.fixture(scope="session")
def styles_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A StyleGAN2 run on digits. Tests must not write into it."""
    run = tmp_path_factory.mktemp("shared") / "styles"
    return zerosum.train("digits", recipe="stylegan2", run=run, examples=32, batch_size=16, settings=STYLES).path


@pytest.fixture(scope="session")
def image_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 96 pairs of noise images in A and their inverses in B."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    for name in ("A", "B"):
        (folder / name).mkdir()
    for number in range(96):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "A" / f"{number:02d}.png")
        Image.fromarray(255 - pixels).save(folder / "B" / f"{number:02d}.png")
    return folder


@pytest.fixture(scope="session")
def trained_pairs(tmp_path_factory: pytest.TempPathFactory, image_pairs: Path) -> Path:
    """A pix2pix run on pairs. Tests must not write into it."""
    run, settings = tmp_path_factory.mktemp("shared") / "pairs", IMAGES | {"data.size": 16}
    return zerosum.train(image_pairs, recipe="pix2pix", run=run, examples=16, batch_size=4, settings=settings).path


@pytest.fixture
def pairs_run(trained_pairs: Path, tmp_path: Path) -> Path:
    """A copy of the pix2pix run."""
    return Path(shutil.copytree(trained_pairs, tmp_path / "pairs"))


@pytest.fixture(scope="session")
def inpainting_run(tmp_path_factory: pytest.TempPathFactory, image_pairs: Path) -> Path:
    """An inpainting run. Tests must not write into it."""
    run, settings = tmp_path_factory.mktemp("shared") / "inpainting", IMAGES | {"data.size": 16}
    data = image_pairs / "A"
    return zerosum.train(data, recipe="inpaint", run=run, examples=16, batch_size=4, settings=settings).path
