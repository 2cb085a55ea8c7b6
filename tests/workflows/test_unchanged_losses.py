"""Training on images gives the losses that it gave before sounds were a kind of data."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import log_rows

from zerosum import api

SETTINGS = {
    "training.precision": "float32", "training.tick_examples": 32, "evaluation.features": "none",
    "diagnostics.probe": False, "generator.width": 8, "discriminator.width": 8, "generator.max_width": 16,
    "discriminator.max_width": 16, "data.held_out": 0.25,
}  # fmt: skip
RECORDED = {
    "cgan": [
        (1.3705638647079468, 0.7143303751945496), (1.386937141418457, 0.6826717257499695),
        (1.3913781642913818, 0.6552098393440247), (1.4075838327407837, 0.6332644820213318),
    ],
    "r3gan": [
        (0.7190227508544922, 0.7252748608589172), (0.7040503621101379, 0.7517869472503662),
        (0.6777632236480713, 0.7753341197967529), (0.6561417579650879, 0.786319375038147),
    ],
}  # fmt: skip
"""Losses of the discriminator and the generator after each of the first batches, at commit 1cf08a8: equal to the last
bit on the machine that recorded them. Others round differently, which training amplifies."""


def write_images(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (folder / name).mkdir(parents=True)
        for number in range(32):
            pixels = (level + rng.integers(0, 60, (16, 16, 1))).astype(np.uint8)[:, :, 0]
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("recipe", ["cgan", "r3gan"])
def test_losses_are_those_before_sounds(tmp_path: Path, recipe: str) -> None:
    run = api.train(write_images(tmp_path / "images"), recipe=recipe, run=tmp_path / "run", examples=128, batch_size=32,
                    settings=SETTINGS).path  # fmt: skip
    losses = [(row["discriminator/objective"], row["generator/objective"]) for row in log_rows(run)]
    assert losses == [pytest.approx(pair, rel=1e-3) for pair in RECORDED[recipe]]
