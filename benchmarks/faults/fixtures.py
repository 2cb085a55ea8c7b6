"""The inputs and the runs on which faults are tried, made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.faults.harness import run_command
from PIL import Image

EXAMPLES = 640
TRAIN = (
    "--recipe", "vanilla", "--device", "cpu", "--batch-size", "32", "--seed", "0", "--data.size", "16",
    "--training.tick_examples", "96", "--training.preview_examples", "320", "--training.checkpoint_examples", "160",
    "--generator.widths", "[32]", "--discriminator.widths", "[32]", "--diagnostics.every_examples", "192",
    "--diagnostics.samples", "32", "--evaluation.features", "pixels", "--evaluation.every_examples", "320",
    "--evaluation.samples", "64",
)  # fmt: skip
"""A tiny run that writes every kind of file: ticks, probes, evaluations, sample grids, best networks, checkpoints."""


@dataclass(frozen=True)
class Fixtures:
    """Folders that no case may change."""

    images: Path
    """90 images."""
    pairs: Path
    """The same in A, and inverted in B."""
    plain: Path
    """The undisturbed run of `TRAIN` on `images`."""
    longer: Path
    """The same run, resumed to twice its length."""
    run: Path
    """The same run as `plain`, evaluated and sampled."""
    pix2pix: Path
    stylegan2: Path

    def copy(self, source: Path, folder: Path) -> Path:
        """Return a copy of one of these folders in `folder`."""
        return Path(shutil.copytree(source, folder / source.name))


def train_command(images: Path, run: Path | str, examples: int = EXAMPLES) -> list[str]:
    """Return the command that trains the tiny run."""
    return ["train", str(images), "--run", str(run), "--examples", str(examples), *TRAIN]


def resume_command(run: Path | str, examples: int = EXAMPLES) -> list[str]:
    """Return the command that resumes the tiny run."""
    return ["resume", str(run), "--examples", str(examples)]


def make_image(rng: np.random.Generator, side: int = 16) -> Image.Image:
    """Return an RGB image of a bright ellipse on noise, (side, side)."""
    rows, columns = np.mgrid[:side, :side]
    center, radii = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0.1, 0.4, 2) * side
    inside = ((rows - center[0]) / radii[0]) ** 2 + ((columns - center[1]) / radii[1]) ** 2 < 1
    values = rng.integers(0, 80, (side, side, 3)) + 175 * inside[..., None] * rng.uniform(0.5, 1, 3)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def make_images(folder: Path, count: int, seed: int = 0, side: int = 16) -> Path:
    """Write `count` PNG files into a new folder, and return it."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for index in range(count):
        make_image(rng, side).save(folder / f"{index:03d}.png")
    return folder


def _run(arguments: Sequence[str], folder: Path) -> None:
    outcome = run_command(arguments, folder)
    if outcome.code not in {0, 3}:
        raise RuntimeError(f"zerosum {' '.join(arguments)} ended with {outcome.code}:\n{outcome.output}")


def make_fixtures(folder: Path) -> Fixtures:
    """Make all inputs, and train all runs, in a new folder."""
    images, pairs = make_images(folder / "images", 90), folder / "pairs"
    shutil.copytree(images, pairs / "A")
    shutil.copytree(images, pairs / "B")
    for path in (pairs / "B").iterdir():
        Image.eval(Image.open(path), lambda value: 255 - value).save(path)
    plain, run, longer = folder / "plain", folder / "run", folder / "longer"
    _run(train_command(images, plain), folder)
    shutil.copytree(plain, run)
    shutil.copytree(plain, longer)
    _run(["evaluate", str(run), "--features", "pixels", "-n", "64"], folder)
    _run(["sample", str(run), "-n", "2"], folder)
    _run(resume_command(longer, 2 * EXAMPLES), folder)
    short = ("--device", "cpu", "--data.size", "16", "--evaluation.features", "none")
    pix2pix, stylegan2 = folder / "pix2pix", folder / "stylegan2"
    widths = ("--generator.width", "4", "--discriminator.width", "4")
    _run(["train", str(pairs), "--recipe", "pix2pix", "--run", str(pix2pix), "--examples", "32", "--batch-size", "8",
          *short, *widths], folder)  # fmt: skip
    styles = ("--generator.channel_base", "64", "--generator.channel_max", "8", "--generator.style_size", "16",
              "--generator.mapping_layers", "2", "--discriminator.channel_base", "64", "--discriminator.channel_max",
              "8", "--latent.size", "16")  # fmt: skip
    _run(["train", str(images), "--recipe", "stylegan2", "--run", str(stylegan2), "--examples", "64",
          "--batch-size", "16", *short, *styles], folder)  # fmt: skip
    return Fixtures(images, pairs, plain, longer, run, pix2pix, stylegan2)


def isolate(folder: Path) -> None:
    """Keep this process and its children away from the user's files, and from programs that decoders might start."""
    (folder / "home").mkdir(parents=True)
    programs = folder / "programs"
    programs.mkdir()
    for name in ("gs", "convert", "magick", "inkscape", "rsvg-convert", "ffmpeg"):
        (programs / name).write_text(f"#!/bin/sh\necho {name} >> {programs}/started\n", "utf8")
        (programs / name).chmod(0o755)
    os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    os.environ["HOME"] = str(folder / "home")
    os.environ["ZEROSUM_CACHE"] = str(folder / "cache")
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("XDG_CACHE_HOME", None)
