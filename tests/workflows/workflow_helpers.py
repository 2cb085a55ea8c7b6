"""Small trainings and a reporter that keeps its messages, for the tests of the workflows."""

from pathlib import Path

import torch
from safetensors.torch import load_file

import zerosum
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.run import Run

RING = {
    "training.tick_examples": 128, "training.checkpoint_examples": 256, "training.preview_examples": 10_000,
    "generator.widths": [16], "discriminator.widths": [16], "diagnostics.samples": 64,
}  # fmt: skip
"""Settings of a small vanilla GAN."""
IMAGES = {
    "generator.width": 4, "discriminator.width": 4, "evaluation.features": "none", "training.precision": "float32",
}  # fmt: skip
"""Settings of a small GAN of images."""
STYLES = {
    "generator.channel_base": 64, "generator.channel_max": 8, "generator.style_size": 16, "generator.mapping_layers": 2,
    "discriminator.channel_base": 64, "discriminator.channel_max": 8, "latent.size": 16,
    "evaluation.features": "none", "training.precision": "float32",
}  # fmt: skip
"""Settings of a small StyleGAN2."""
CLOCK_KEYS = {"seconds", "examples_per_second"}
"""Keys of a log row that differ between two equal runs."""


class RecordingReporter(SilentReporter):
    """Keeps all messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.progress_calls: list[tuple[int, int, str]] = []

    def message(self, text: str = "") -> None:
        self.messages.append(text)

    def progress(self, done: int, total: int, description: str) -> None:
        self.progress_calls.append((done, total, description))


def train_ring(run: Path, settings: dict | None = None, examples: int = 2_048, **arguments: object) -> Run:
    """Train a small vanilla GAN on the ring of Gaussians."""
    merged = RING | (settings or {})
    if not merged.get("diagnostics.probe", True):
        del merged["diagnostics.samples"]  # nothing would read it
    return zerosum.train(
        "ring", recipe="vanilla", run=run, examples=examples, batch_size=64, settings=merged, **arguments
    )


def newest_weights(run: Path) -> dict[str, torch.Tensor]:
    """The networks of the newest checkpoint."""
    return load_file(RunFolder(run).checkpoints()[-1] / "networks.safetensors")


def log_rows(run: Path) -> list[dict]:
    """The rows of the log without those values that depend on the clock."""
    return [{key: value for key, value in row.items() if key not in CLOCK_KEYS} for row in RunFolder(run).rows()]


def have_equal_weights(first: Path, second: Path) -> bool:
    """Whether the newest checkpoints of two runs are equal to the last bit."""
    weights, others = newest_weights(first), newest_weights(second)
    return weights.keys() == others.keys() and all(torch.equal(weights[name], others[name]) for name in weights)
