"""A game in a latent space on the command line: what works with generators of images works with decoded codes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SETTINGS = ["--data.size", "64x32", "--generator.width", "4", "--discriminator.width", "4", "--autoencoder.width", "4"]


def test_a_run_is_trained_sampled_walked_encoded_and_evaluated(workdir: Path, run_cli) -> None:
    (workdir / "photos").mkdir()
    rng = np.random.default_rng(0)
    for number in range(90):
        pixels = np.full((32, 64, 3), rng.integers(0, 256, 3), np.uint8)
        Image.fromarray(pixels).save(workdir / "photos" / f"{number}.png")
    quick = ["--examples", "320", "--batch-size", "16", "--training.precision", "float32"]
    code, out, err = run_cli("train", "photos", "--recipe", "latent", "--size", "nano", "--run", "r", *quick, *SETTINGS)
    assert code == 0, err
    assert "latent" in out
    for arguments in (
        ["sample", "r", "-n", "4"],
        ["walk", "r"],
        ["encode", "r", "photos/0.png", "--steps", "2"],
        ["evaluate", "r", "--features", "pixels", "-n", "64"],
    ):
        code, out, err = run_cli(*arguments)
        assert code == 0, (arguments, err)
    assert "codes from a normal distribution" in out  # the scores of the decoder without the generator
    (row,) = map(json.loads, (workdir / "r" / "scores.jsonl").read_text().splitlines()[-1:])
    assert row["scores"]["kid_pixels"]["baseline"] != row["scores"]["kid_pixels"]["value"]
    code, out, err = run_cli("train", "photos", "--recipe", "latent", "--data.size", "16", "--examples", "32")
    assert code == 2
    assert "at least 32 pixels" in err
