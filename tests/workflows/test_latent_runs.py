"""Runs in a latent space: exact resume in both stages, sampling, evaluation, inversion, export, and what is refused."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import zerosum
from zerosum import BadInput
from zerosum.game import seeded_rng
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer

TIMES = {"seconds", "examples_per_second"}
END = 128
"""Examples after which the autoencoder of these runs is frozen."""
SMALL = {
    "data.size": 32, "generator.width": 4, "discriminator.width": 4, "autoencoder.width": 4,
    "game.autoencoder.examples": END, "training.batch_size": 16, "training.tick_examples": 32,
    "training.checkpoint_examples": 64, "training.preview_examples": 160, "training.precision": "float32",
    "diagnostics.every_examples": 64, "diagnostics.samples": 32, "diagnostics.duality_gap_every": 2,
    "evaluation.features": "pixels", "evaluation.every_examples": 64, "evaluation.samples": 64,
}  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("disks"), np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    for number in range(120):
        disk = (x - rng.uniform(10, 22)) ** 2 + (y - rng.uniform(10, 22)) ** 2 < rng.uniform(4, 9) ** 2
        pixels = np.where(disk[..., None], rng.integers(0, 256, 3), 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def train(images: Path, run: Path, examples: int = 320, **settings: object) -> Path:
    return zerosum.train(images, recipe="latent", run=run, examples=examples, settings=SMALL | settings).path


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of some rounds. Tests must not write into it."""
    return train(images, tmp_path_factory.mktemp("runs") / "run")


def log(run: Path) -> list[dict]:
    return [{key: value for key, value in row.items() if key not in TIMES} for row in RunFolder(run).rows()]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(RunFolder(run).checkpoints()[-1] / "networks.safetensors")


@pytest.mark.parametrize("stop", [3, 8, 9, 14])
def test_runs_interrupted_in_either_stage_resume_exactly(
    images: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    set_progress = Trainer._set_progress

    def interrupt(self: Trainer, progress) -> None:
        set_progress(self, progress)
        if progress.round == stop:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_set_progress", interrupt)
    run = train(images, tmp_path / "run")
    monkeypatch.setattr(Trainer, "_set_progress", set_progress)
    assert zerosum.resume(run).state == "done"
    assert log(run) == log(trained)
    first, second = weights(run), weights(trained)
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_the_log_has_the_losses_of_each_stage_and_no_probe_of_an_untrained_generator(trained: Path) -> None:
    rows = log(trained)
    for row in rows:
        in_stage = row["examples"] <= END
        assert ("autoencoder/reconstruction" in row) == in_stage
        assert ("generator/objective" in row) == (not in_stage)
        assert any(name.startswith("monitor/") for name in row) == (not in_stage and row["examples"] % 64 == 0), row
        assert 0 < row["lr/generator"] <= 2e-3
    assert not any("probe_error" in row for row in rows)
    assert [row["examples"] for row in map(json.loads, (trained / "scores.jsonl").read_text().splitlines())] == [
        192, 256, 320,
    ]  # fmt: skip


def test_an_extended_run_does_not_train_its_autoencoder_again(images: Path, tmp_path: Path) -> None:
    run = zerosum.train(
        images, recipe="latent", run=tmp_path / "run", examples=256,
        settings={name: value for name, value in SMALL.items() if name != "game.autoencoder.examples"},
    ).path  # fmt: skip
    before = weights(run)
    zerosum.resume(run, examples=1024)
    after = weights(run)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items() if name.startswith("autoencoder."))
    assert any(not torch.equal(after[name], tensor) for name, tensor in before.items() if name.startswith("generator."))


def test_samples_are_images_of_the_decoder(trained: Path) -> None:
    generator = zerosum.load(trained, device="cpu")
    samples = generator.sample(4, seed=3)
    assert samples.shape == (4, 3, 32, 32)
    assert samples.abs().max() <= 1
    codes = generator.network.generator(generator.latent.sample(seeded_rng.derive_seeds(3, 0, 4)))
    torch.testing.assert_close(samples, generator.network.autoencoder.decode(codes))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"data.size": 16}, "at least 32 pixels"),
        ({"discriminator.kind": "projected"}, "shows it codes"),
        ({"augment.kind": "ada"}, "codes have no colors"),
        ({"autoencoder.discriminator.width": 8}, "adversarial_weight` is 0"),
        ({"game.autoencoder.perceptual_fraction": 0.5}, "perceptual_weight` is 0"),
        ({"game.autoencoder.fraction": 0.5}, "give either `game.autoencoder.examples` or"),
    ],
)
def test_what_cannot_work_is_refused_in_one_sentence(images: Path, tmp_path: Path, settings: dict, words: str) -> None:
    with pytest.raises(BadInput) as refusal:
        train(images, tmp_path / "run", **settings)
    assert words in str(refusal.value)
    assert not (tmp_path / "run").exists()


def test_a_game_in_a_latent_space_needs_an_autoencoder(images: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"set `autoencoder\.kind` convolutional"):
        zerosum.train(images, recipe="r3gan", run=tmp_path / "run", examples=64, settings={"game.kind": "latent-space"})
    with pytest.raises(BadInput, match="needs images"):
        zerosum.train("ring", recipe="latent", run=tmp_path / "run", examples=64)


@pytest.mark.parametrize("recipe", ["r3gan", "stylegan2", "fastgan", "cgan"])
def test_other_families_play_on_codes_too(images: Path, tmp_path: Path, recipe: str) -> None:
    settings = {
        "game.kind": "latent-space", "autoencoder.kind": "convolutional", "autoencoder.width": 4, "data.size": 64,
        "training.batch_size": 8, "evaluation.features": "none", "training.precision": "float32",
        "augment.kind": "none",
    }  # fmt: skip
    source = "digits" if recipe == "cgan" else images
    run = zerosum.train(source, recipe=recipe, run=tmp_path / "run", examples=64, size="nano", settings=settings)
    assert run.state == "done"
    assert zerosum.load(run.path, device="cpu").sample(2).shape[2:] == (64, 64)


def test_another_run_starts_from_the_autoencoder_too(trained: Path, images: Path, tmp_path: Path) -> None:
    settings = {"diagnostics.probe": False, "game.autoencoder.examples": 16}
    run = zerosum.train(images, start_from=trained, run=tmp_path / "run", examples=32, settings=settings)
    networks = run.folder.read_json("plan.json")["start"]["networks"]
    assert {"generator", "discriminator", "autoencoder"} <= networks.keys()
    assert all(network["taken"] == network["weights"] > 0 for network in networks.values())
    former = load_file(RunFolder(trained).checkpoints()[-1] / "networks.safetensors")
    started = load_file(run.path / "start.safetensors")
    names = [name for name in started if name.startswith("autoencoder.")]
    assert names
    assert all(torch.equal(started[name], former[name]) for name in names)
