"""FastGAN in a training loop of its own: the "lightweight" GAN that is popular for few images.

    python benchmarks/lightweight.py DATA OUT.npz [--budget 5m] [--seed 0] [--size 32] [--channels 1] [--width 64]
                                     [--num-samples 10000] [--evaluate-every 0 | auto | SECONDS]

Liu et al. 2021, arXiv:2101.04775 (lucidrains/lightweight-gan follows it), at 32 or 64 px. Trains on the data as
Zerosum reads them, prints its progress as JSON lines, and writes samples of the EMA generator to OUT.npz (`images`,
uint8 (N, H, W, C)) and the curve of the distance to OUT.json. Kept from the paper and its code: latents of size 256,
the channels at `width` 64, spectral and batch norm everywhere, noise injection, gated linear units, skip-layer
excitation, a map of scores, decoders, a hinge loss with random margins, the same fakes for both players,
differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738), Adam at 2e-4 with betas .5 and .999, batches of 8.
Differences and their reasons:

- Images are small, so there are fewer blocks, each with the channels of its size. Excitation goes from the 4x4 map to
  the last one. The second input of the discriminator, a smaller copy of images of 256 px and more, is left out.
- Reconstructions are compared by mean absolute difference: the paper's LPIPS needs trained weights.
- The EMA starts with a smaller decay: with .999 alone, a run of minutes would be scored by its first weights.
- Samples are generated in evaluation mode, with batch norm's statistics averaged too: a sample must not depend on
  others.
- The discriminator's weights need no gradients in the generator's step, and batches come from Zerosum's `BatchLoader`:
  the peer's networks and losses at our speed. Horizontal flips follow our default; the peer's code always flips.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from lightweight_networks import LATENT_SIZE, Discriminator, Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.kind import DATA_KINDS, LoadOptions, load_dataset
from zerosum.data.loader import BatchLoader
from zerosum.evaluation import request
from zerosum.evaluation.evaluator import feature_network
from zerosum.evaluation.online import OnlineEvaluator, SeededSamples
from zerosum.game.latent import Normal
from zerosum.game.sample_spec import require_single_tensor
from zerosum.inference.generator import Generator as TrainedGenerator
from zerosum.media.raster import as_images
from zerosum.recipes import defaults
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import validate_data
from zerosum.reporter import SilentReporter
from zerosum.units import parse_seconds

BATCH_SIZE, EMA_DECAY = 8, 0.999
EVALUATION_SAMPLES = 512
"""Samples of each online evaluation, as in Zerosum's runs."""
SampleFn = Callable[[int, int], NDArray[np.uint8]]
"""From the number of the first sample and a count to samples, uint8 (count, H, W, C)."""
EvaluateFn = Callable[[TrainedGenerator, int], float]
"""From a generator and its training time in examples to the kernel distance of its samples."""


def augment(images: Tensor) -> Tensor:
    """Apply DiffAugment's color and translation to (N, C, H, W), each image with random numbers of its own.

    Brightness changes by up to .5, saturation by a factor of 0 to 2 (color images only), contrast by a factor of .5 to
    1.5; images shift by up to an eighth of their size, over zeros. Differentiable.
    """
    n, channels, height, width = images.shape
    images = images + torch.rand(n, 1, 1, 1) - 0.5
    if channels > 1:
        gray = images.mean(1, keepdim=True)
        images = gray + 2 * torch.rand(n, 1, 1, 1) * (images - gray)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (torch.rand(n, 1, 1, 1) + 0.5) * (images - mean)
    max_shift = height // 8
    pairs = zip(F.pad(images, [max_shift] * 4), torch.randint(2 * max_shift + 1, (n, 2)).tolist(), strict=True)
    return torch.stack([image[:, y : y + height, x : x + width] for image, (y, x) in pairs])


# ---------------------------------------------------------------------- training


class DeterministicGenerator(nn.Module):
    """A generator whose noise is determined by its latents: the same batch of latents gives the same samples."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """Map (N, 256) to (N, C, H, W); the random state of training does not change."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(latents[0].contiguous().view(torch.int32).sum()))
            images: Tensor = self.network(latents)
            return images


@dataclass
class Pair:
    """Both networks, their optimizers, and the EMA of the generator."""

    generator: Generator
    discriminator: Discriminator
    steps: int = 0

    def __post_init__(self) -> None:
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        settings: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), **settings)
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), **settings)

    def step(self, real: Tensor) -> dict[str, float]:
        """Take one step of each player on real images (N, C, H, W), and return the losses."""
        fake = augment(self.generator(torch.randn(len(real), LATENT_SIZE)))
        real = augment(real)
        self.discriminator.requires_grad_(True)
        score, maps = self.discriminator(real)
        reconstruction_loss = self.discriminator.reconstruction_loss(real, maps)
        real_loss = F.relu(1 - 0.2 * torch.rand_like(score) - score).mean()
        (real_loss + reconstruction_loss).backward()
        score, _ = self.discriminator(fake.detach())
        fake_loss = F.relu(1 - 0.2 * torch.rand_like(score) + score).mean()
        fake_loss.backward()
        self.d_optimizer.step()
        self.d_optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        generator_loss = -self.discriminator(fake)[0].mean()
        generator_loss.backward()
        self.g_optimizer.step()
        self.g_optimizer.zero_grad()
        self.update_ema()
        return {"real": real_loss.item(), "fake": fake_loss.item(), "reconstruction": reconstruction_loss.item(),
                "generator": generator_loss.item()}  # fmt: skip

    @torch.no_grad()
    def update_ema(self) -> None:
        """Move the EMA towards the generator, faster in the first thousands of steps."""
        self.steps += 1
        decay = min(EMA_DECAY, self.steps / (self.steps + 9))
        averages, weights = ([p.detach() for p in network.parameters()] for network in (self.ema, self.generator))
        torch._foreach_lerp_(averages, weights, 1 - decay)
        for (name, average), buffer in zip(self.ema.named_buffers(), self.generator.buffers(), strict=True):
            # batch norm's statistics are averaged; a mean of spectral norm's directions would not have length 1
            average.copy_(average.lerp(buffer, 1 - decay) if "running" in name else buffer)


def train(
    dataset: Dataset, budget: float, seed: int, width: int, *, evaluate: EvaluateFn,
    evaluate_every: float, report: Callable[[dict[str, Any]], None],
) -> tuple[SampleFn, dict[str, Any]]:  # fmt: skip
    """Train for `budget` seconds, including evaluations, on the training images of 32 or 64 px.

    All channels follow from `width`; 64 is the paper's. `evaluate` is called every `evaluate_every` seconds, and
    `report` about twenty times with the losses.

    Returns:
        The sampling function of the EMA generator; and examples, seconds, images_per_second, state and curve (seconds,
        distance).
    """
    torch.manual_seed(seed)
    channels, size, _ = image_shape(dataset)
    pair = Pair(Generator(size, channels, width).train(), Discriminator(size, channels, width).train())
    generator = as_generator(DeterministicGenerator(pair.ema), dataset, f"lightweight-{width}")
    loader = BatchLoader(dataset, BATCH_SIZE, seed)
    info: dict[str, Any] = {"width": width, "state": "done", "curve": []}
    seconds, next_report, next_evaluation, start_time = 0.0, 0.0, evaluate_every, time.monotonic()
    while seconds < budget and info["state"] == "done":
        losses = pair.step(as_tensor(next(loader)["real"]))
        seconds = time.monotonic() - start_time
        if not all(map(math.isfinite, losses.values())):
            info["state"] = "diverged"
        elif seconds >= next_evaluation:
            info["curve"].append((round(seconds, 3), evaluate(generator, pair.steps * BATCH_SIZE)))
            next_evaluation += evaluate_every
        if seconds >= next_report:
            next_report = seconds + budget / 20
            report(_progress_row(seconds, pair.steps * BATCH_SIZE) | losses)
        seconds = time.monotonic() - start_time
    info |= _progress_row(seconds, pair.steps * BATCH_SIZE)
    report(info)

    def sample(first: int, count: int) -> NDArray[np.uint8]:
        return as_images(generator.decode(generator.generate(generator.draw_latents(count, first=first))))

    return sample, info


def as_generator(network: nn.Module, dataset: Dataset, name: str) -> TrainedGenerator:
    """Return a network of latents (N, 256) in the form of a generator of a run."""
    return TrainedGenerator(network, Normal(size=LATENT_SIZE), dataset.summary.kind, dataset.codec, name)


def image_shape(dataset: Dataset) -> tuple[int, ...]:
    """Return the shape (C, H, W) of an image."""
    return require_single_tensor(dataset.spec, "a GAN of images").shape


def _progress_row(seconds: float, examples: int) -> dict[str, float]:
    return {"seconds": round(seconds, 3), "examples": examples, "images_per_second": round(examples / seconds, 2)}


# ---------------------------------------------------------------------- data, evaluation, command line


def load_data(source: str, size: int = 0, channels: int = 0) -> Dataset:
    """Return the data as Zerosum's runs read them, with their flips; 0: the default of such runs."""
    settings_tree = SettingsTree()
    for name, value in (("source", source), ("size", size), ("channels", channels)):
        if value:
            settings_tree.set(("data", name), value, f"`{name}`")
    data = validate_data(settings_tree.tree["data"])
    inspection = DATA_KINDS.find(data.kind).inspect(data)
    defaults.choose_data_settings(settings_tree, data, inspection, on_cpu=True)
    return load_dataset(validate_data(settings_tree.tree["data"]), LoadOptions(), inspection)


def build_evaluation(dataset: Dataset, budget: float, interval: str, width: int) -> tuple[EvaluateFn, float]:
    """Return the evaluation function and its interval in seconds.

    Interval "0" means never; "auto" spends the same fraction of the time as Zerosum's runs.
    """
    device = torch.device("cpu")
    network = feature_network("lite0", dataset, device, SilentReporter())
    evaluator = OnlineEvaluator(network, device, dataset, EVALUATION_SAMPLES, SeededSamples(dataset.codec))

    def evaluate(generator: TrainedGenerator, examples: int) -> float:
        game: Any = SimpleNamespace(sample=lambda seeds: generator.generate(generator.latent.sample(seeds)))
        return float(evaluator(game, examples)["distance"])

    if interval != "auto":
        return evaluate, float(parse_seconds(interval)) or math.inf
    channels, size, _ = image_shape(dataset)
    generator = as_generator(Generator(size, channels, width).eval(), dataset, "untrained")
    start_time = time.monotonic()
    generator.sample(BATCH_SIZE)  # these networks need more time for the samples than for their scores
    cost = evaluator.estimate_seconds() + EVALUATION_SAMPLES / BATCH_SIZE * (time.monotonic() - start_time)
    count = min(
        defaults.MAX_EVALUATIONS,
        int(defaults.EVALUATION_TIME_FRACTION * budget / cost - defaults.FIRST_EVALUATION_COST),
    )
    return evaluate, budget / (count + 1) if count > 0 else math.inf


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=parse_seconds, default=300.0)
    for name, default in {"seed": 0, "size": 0, "channels": 0, "width": 64, "num-samples": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--evaluate-every", default="0")
    return parser.parse_args()


def main() -> None:
    """Train, and write the samples and the curve."""
    options = parse_arguments()
    dataset = load_data(options.data, options.size, options.channels)
    evaluate, interval = build_evaluation(dataset, options.budget, options.evaluate_every, options.width)
    sample, info = train(dataset, options.budget, options.seed, options.width, evaluate=evaluate,
                         evaluate_every=interval, report=lambda row: print(json.dumps(row), flush=True))  # fmt: skip
    count = options.num_samples or min(request.DEFAULT_SAMPLES, len(dataset.train))  # as Zerosum's runs are evaluated
    images = np.concatenate([sample(first, min(512, count - first)) for first in range(0, count, 512)])
    np.savez_compressed(options.out, images=images)
    options.out.with_suffix(".json").write_text(json.dumps(info, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
