"""FastGAN as a peer: the "lightweight" GAN that people run on few images, in a loop of its own.

    python benchmarks/lightweight.py DATA OUT.npz [--budget 5m] [--seed 0] [--size 32] [--channels 1] [--width 64]
                                     [--sample-indices 10000] [--judge-every 0 | auto | SECONDS]

Liu et al. 2021, arXiv:2101.04775 (lucidrains/lightweight-gan follows it), at 32 or 64 px. Trains on what our intake
gives, says how it goes in lines of JSON, and writes samples of the averaged generator, `images`, uint8 (N, H, W, C),
and beside them OUT.json with the curve. Kept from the paper and its code: latents of 256, the channels at `width` 64,
spectral and batch norm everywhere, noise injection, gated linear units, excitation across resolutions, a map of scores,
decoders, a hinge at random margins, fakes made once for both networks, differentiable augmentation (Zhao et al. 2020,
arXiv:2006.10738), Adam at 2e-4 with betas .5 and .999, batches of 8. What differs, and why:

- images are small, so there are fewer blocks, each with the channels of its size; excitation goes from the 4x4 map to
  the last one, and the second input of the discriminator, a smaller copy of images of 256 px and more, falls away;
- reconstructions are held against images by their mean absolute difference: the paper's LPIPS needs trained weights;
- the average starts quickly: at the decay .999 alone a run of minutes would be judged by its first weights;
- samples are made in evaluation mode, batch norm's statistics averaged as well: a sample must not depend on others;
- the discriminator's weights ask for no gradients in the generator's step, and data come from our `Stream`: the
  peer's networks and losses at our speed. Mirroring is as our plan decides; the peer's code always mirrors.
"""

from __future__ import annotations

import argparse
import copy
import itertools
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
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from zerosum.data.dataset import Dataset
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.data.loader import BatchLoader
from zerosum.evaluation import request
from zerosum.evaluation.evaluator import feature_network
from zerosum.evaluation.online import OnlineEvaluator
from zerosum.game.latent import Normal
from zerosum.inference.generator import Generator as Handle
from zerosum.media.images import to_uint8
from zerosum.recipes import defaults
from zerosum.recipes.parsing import SettingsTree
from zerosum.reporter import SilentReporter
from zerosum.units import parse_seconds

LATENT, BATCH, DECAY = 256, 8, 0.999
TIMES = {4: 16, 8: 8, 16: 4, 32: 2, 64: 2, 128: 1}
"""Channels over the width, by pixels a side: the paper's table."""
SAMPLES = 512
"""Judged each time, as in our runs."""
Sampler = Callable[[int, int], NDArray[np.uint8]]
"""From a first number and a count to that many samples, uint8 (n, H, W, C)."""
Judge = Callable[[Handle, int], float]
"""The kernel distance of a generator's samples after so many images."""


# ---------------------------------------------------------------------- networks


def conv(inside: int, outside: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Module:
    """A convolution without a bias, its weights held to a spectral norm of 1."""
    layer = nn.Conv2d(inside, outside, kernel, stride, padding, bias=False)
    nn.init.normal_(layer.weight, 0, 0.02)
    return spectral_norm(layer)


def norm(channels: int) -> nn.Module:
    """Batch norm with scales around 1."""
    layer = nn.BatchNorm2d(channels)
    nn.init.normal_(layer.weight, 1, 0.02)
    return layer


class Noise(nn.Module):
    """Adds a map of noise, the same for all channels, by a share that is learned and starts at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return maps + self.weight * torch.randn_like(maps[:, :1])


def gated(inside: int, outside: int, *noise: nn.Module) -> nn.Module:
    """A convolution and a gated linear unit: (N, inside, H, W) to (N, outside, H, W)."""
    return nn.Sequential(conv(inside, 2 * outside, 3, 1, 1), *noise, norm(2 * outside), nn.GLU(1))


def up(inside: int, outside: int) -> nn.Module:
    """Twice the size: (N, inside, H, W) to (N, outside, 2H, 2W)."""
    return nn.Sequential(nn.Upsample(scale_factor=2), gated(inside, outside))


def up_noisy(inside: int, outside: int) -> nn.Module:
    """Twice the size, with two convolutions and noise: (N, inside, H, W) to (N, outside, 2H, 2W)."""
    return nn.Sequential(nn.Upsample(scale_factor=2), gated(inside, outside, Noise()), gated(outside, outside, Noise()))


class Excitation(nn.Module):
    """Skip-layer excitation: a small map says how much of each channel of a large one passes."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4), conv(source, target, 4), nn.SiLU(), conv(target, target, 1), nn.Sigmoid()
        )

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(N, source, h, w) and (N, target, H, W) to (N, target, H, W)."""
        return target * self.gate(source)


class Generator(nn.Module):
    """From a latent to 4x4 pixels, and up to the image."""

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__()
        wide = {side: times * width for side, times in TIMES.items()}
        first = nn.ConvTranspose2d(LATENT, 2 * wide[4], 4, bias=False)
        nn.init.normal_(first.weight, 0, 0.02)
        self.first = nn.Sequential(spectral_norm(first), norm(2 * wide[4]), nn.GLU(1))
        sides = [side for side in TIMES if 4 < side <= size]
        self.blocks = nn.ModuleList(
            (up, up_noisy)[place % 2 == 0](wide[side // 2], wide[side]) for place, side in enumerate(sides)
        )
        self.excite = Excitation(wide[4], wide[size])
        self.last = conv(wide[size], channels, 3, 1, 1)

    def forward(self, latents: Tensor) -> Tensor:
        """(N, 256) to images (N, C, H, W) in [-1, 1]."""
        small = maps = self.first(latents[:, :, None, None])
        for block in self.blocks:
            maps = block(maps)
        return torch.tanh(self.last(self.excite(small, maps)))


def leaky(inside: int, outside: int, *kernel: int) -> nn.Module:
    """A convolution, batch norm and a leaky rectifier; kernel, stride and padding as in `conv`."""
    return nn.Sequential(conv(inside, outside, *kernel), norm(outside), nn.LeakyReLU(0.2))


class Down(nn.Module):
    """Half the size, by strided convolution and by averages."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.main = nn.Sequential(leaky(inside, outside, 4, 2, 1), leaky(outside, outside, 3, 1, 1))
        self.direct = nn.Sequential(nn.AvgPool2d(2), leaky(inside, outside, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """(N, inside, H, W) to (N, outside, H/2, W/2)."""
        return (self.main(maps) + self.direct(maps)) / 2


class Discriminator(nn.Module):
    """A map of scores, and two decoders that must find the image again in its maps."""

    def __init__(self, size: int, channels: int, width: int) -> None:
        super().__init__()
        wide = {side // 2: times * width for side, times in TIMES.items()}  # it has half the generator's at each size
        sides = [side for side in reversed(wide) if 8 <= side <= size]  # of its maps
        self.first = nn.Sequential(conv(channels, wide[size], 3, 1, 1), nn.LeakyReLU(0.2))
        self.downs = nn.ModuleList(Down(wide[2 * side], wide[side]) for side in sides[1:])
        self.excite = nn.ModuleList(Excitation(wide[8 * side], wide[side]) for side in sides[3:])
        self.score = nn.Sequential(leaky(wide[8], wide[4], 1), conv(wide[4], 1, 4))
        self.whole, self.part = (decoder(wide[side], size // 2, channels, width // 2) for side in (8, 16))

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, C, H, W) to scores (N, 1, 5, 5) and maps, from that of the image's size down to 8x8."""
        maps = [self.first(images)]
        for down in self.downs:
            maps.append(down(maps[-1]))
            if len(maps) > 3:  # eight times apart
                maps[-1] = self.excite[len(maps) - 4](maps[-4], maps[-1])
        return self.score(maps[-1]), maps

    def missed(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        """How far images (N, C, H, W) are from what is decoded of their maps: all of them, and a random quarter."""
        row, column = torch.randint(2, (2,)).tolist()
        whole, part = self.whole(maps[-1]), self.part(quarter(maps[-2], row, column))
        small = F.interpolate(images, whole.shape[-1], mode="area")
        return F.l1_loss(whole, small) + F.l1_loss(part, quarter(images, row, column))


def quarter(maps: Tensor, row: int, column: int) -> Tensor:
    """(N, C, H, W) to one of its quarters (N, C, H/2, W/2)."""
    return maps.chunk(2, 2)[row].chunk(2, 3)[column]


def decoder(inside: int, size: int, channels: int, width: int) -> nn.Module:
    """(N, inside, 8, 8) to images (N, C, size, size) in [-1, 1]."""
    sides = [side for side in TIMES if 8 < side <= size]
    wide = [inside, *(TIMES[side] * width for side in sides)]
    blocks = [up(*pair) for pair in itertools.pairwise(wide)]
    return nn.Sequential(*blocks, conv(wide[-1], channels, 3, 1, 1), nn.Tanh())


def augmented(images: Tensor) -> Tensor:
    """DiffAugment's colour and translation: (N, C, H, W) to the same, every image by its own dice, differentiably.

    Brightness up to .5 up or down, saturation 0 to 2 times (colour images only), contrast .5 to 1.5 times, and up to an
    eighth of the size to any side, with 0 around.
    """
    n, channels, height, width = images.shape
    images = images + torch.rand(n, 1, 1, 1) - 0.5
    if channels > 1:
        gray = images.mean(1, keepdim=True)
        images = gray + 2 * torch.rand(n, 1, 1, 1) * (images - gray)
    middle = images.mean((1, 2, 3), keepdim=True)
    images = middle + (torch.rand(n, 1, 1, 1) + 0.5) * (images - middle)
    most = height // 8
    pairs = zip(F.pad(images, [most] * 4), torch.randint(2 * most + 1, (n, 2)).tolist(), strict=True)
    return torch.stack([each[:, y : y + height, x : x + width] for each, (y, x) in pairs])


# ---------------------------------------------------------------------- the game


class Sampling(nn.Module):
    """A generator whose noise follows from its latents: the same latents together give the same samples."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """(N, 256) to (N, C, H, W); training's dice are not touched."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(latents[0].contiguous().view(torch.int32).sum()))
            return self.network(latents)


@dataclass
class Pair:
    """Both networks, their optimizers, and the average of the generator."""

    generator: Generator
    discriminator: Discriminator
    steps: int = 0

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.generator).eval().requires_grad_(False)
        rates: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), **rates)
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), **rates)

    def step(self, real: Tensor) -> dict[str, float]:
        """One step of each on real images (N, C, H, W); the losses."""
        fake = augmented(self.generator(torch.randn(len(real), LATENT)))
        real = augmented(real)
        self.discriminator.requires_grad_(True)
        score, maps = self.discriminator(real)
        missed = self.discriminator.missed(real, maps)
        on_real = F.relu(1 - 0.2 * torch.rand_like(score) - score).mean()
        (on_real + missed).backward()
        score, _ = self.discriminator(fake.detach())
        on_fake = F.relu(1 - 0.2 * torch.rand_like(score) + score).mean()
        on_fake.backward()
        self.d_optimizer.step()
        self.d_optimizer.zero_grad()
        self.discriminator.requires_grad_(False)
        loss = -self.discriminator(fake)[0].mean()
        loss.backward()
        self.g_optimizer.step()
        self.g_optimizer.zero_grad()
        self.follow()
        return {"real": on_real.item(), "fake": on_fake.item(), "reconstruction": missed.item(),
                "generator": loss.item()}  # fmt: skip

    @torch.no_grad()
    def follow(self) -> None:
        """Move the average towards the generator, faster in the first thousands of steps."""
        self.steps += 1
        keep = min(DECAY, self.steps / (self.steps + 9))
        averages, live = ([p.detach() for p in each.parameters()] for each in (self.average, self.generator))
        torch._foreach_lerp_(averages, live, 1 - keep)
        for (name, mean), progress in zip(self.average.named_buffers(), self.generator.buffers(), strict=True):
            # batch norm's statistics are averaged; a mean of spectral norm's directions would not be of length 1
            mean.copy_(mean.lerp(progress, 1 - keep) if "running" in name else progress)


def play(
    examples: Dataset,
    budget: float,
    seed: int,
    width: int,
    batch: int = BATCH,
    *,
    mirror: bool = False,
    judge: Judge = lambda generator, images: math.nan,
    judge_every: float = math.inf,
    say: Callable[[dict[str, Any]], None] = lambda row: None,
) -> tuple[Sampler, dict[str, Any]]:
    """Train for `budget` seconds, judgements included, on images of 32 or 64 px; those held out are never seen.

    All channels follow from `width`; 64 is the paper's. `mirror` flips a random half of the images. `judge` is asked
    every `judge_every` seconds, and `say` told the losses about twenty times.

    Returns:
        The averaged generator's sampler; and images, seconds, images_per_second, state and curve (seconds, distance).
    """
    torch.manual_seed(seed)
    channels, size, _ = examples.shape
    pair = Pair(Generator(size, channels, width).train(), Discriminator(size, channels, width).train())
    shown = Handle(Sampling(pair.average), Normal(size=LATENT), examples.shape, f"lightweight-{width}")
    loader = BatchLoader(examples, batch, seed, hflip=mirror)
    info: dict[str, Any] = {"width": width, "state": "done", "curve": []}
    progress, said, judged, began = 0.0, 0.0, judge_every, time.monotonic()
    while progress < budget and info["state"] == "done":
        losses = pair.step(next(loader)["real"])
        progress = time.monotonic() - began
        if not all(map(math.isfinite, losses.values())):
            info["state"] = "diverged"
        elif progress >= judged:
            info["curve"].append((round(progress, 3), judge(shown, pair.steps * batch)))
            judged += judge_every
        if progress >= said:
            said = progress + budget / 20
            say(_row(progress, pair.steps * batch) | losses)
        progress = time.monotonic() - began
    info |= _row(progress, pair.steps * batch)
    say(info)
    return lambda first, count: to_uint8(shown.generate(shown.draw_latents(count, first=first))), info


def _row(spent: float, images: int) -> dict[str, float]:
    return {"seconds": round(spent, 3), "images": images, "images_per_second": round(images / spent, 2)}


# ---------------------------------------------------------------------- data, judgements, the command


def intake(source: str, size: int = 0, channels: int = 0) -> tuple[Dataset, bool]:
    """The data as our runs would have them, and whether they are mirrored; 0: as our plan chooses."""
    draft = SettingsTree()
    for name, value in (("size", size), ("channels", channels)):
        if value:
            draft.set(("data", name), value, f"--{name}")
    defaults.choose_data_settings(draft, inspect_source(source), on_cpu=True)
    data = draft.tree["data"]
    return load_source(source, data["size"], data["channels"], data["fit"]), bool(data["mirror"])


def judging(examples: Dataset, budget: float, every: str, width: int) -> tuple[Judge, float]:
    """Who judges, and every how many seconds; "0": never; "auto": for the same share of the time as in our runs."""
    device = torch.device("cpu")
    watch = OnlineEvaluator(feature_network("lite0", examples, device, SilentReporter()), device, examples, SAMPLES)

    def judge(shown: Handle, images: int) -> float:
        game: Any = SimpleNamespace(produce=lambda seeds: shown.generate(shown.latent.sample(seeds)))
        return watch(game, images)["distance"]

    if every != "auto":
        return judge, float(parse_seconds(every)) or math.inf
    channels, size, _ = examples.shape
    network = Handle(Generator(size, channels, width).eval(), Normal(size=LATENT), examples.shape, "untrained")
    began = time.monotonic()
    network.sample(BATCH)  # with these networks it takes longer to make samples than to judge them
    each = watch.estimate_seconds() + SAMPLES / BATCH * (time.monotonic() - began)
    times = min(
        defaults.MAX_EVALUATIONS,
        int(defaults.EVALUATION_TIME_FRACTION * budget / each - defaults.FIRST_EVALUATION_COST),
    )
    return judge, budget / (times + 1) if times > 0 else math.inf


def main() -> None:
    """Train, sample, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=parse_seconds, default=300.0)
    for name, default in {"seed": 0, "size": 0, "channels": 0, "width": 64, "samples": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--judge-every", default="0")
    asked = parser.parse_args()
    dataset, mirror = intake(asked.data, asked.size, asked.channels)
    judge, every = judging(dataset, asked.budget, asked.judge_every, asked.width)
    sampler, info = play(dataset, asked.budget, asked.seed, asked.width, mirror=mirror, judge=judge,
                         judge_every=every, say=lambda row: print(json.dumps(row), flush=True))  # fmt: skip
    count = asked.samples or min(request.DEFAULT_SAMPLES, len(dataset.train))  # as our runs are judged by
    images = np.concatenate([sampler(first, min(512, count - first)) for first in range(0, count, 512)])
    np.savez_compressed(asked.out, images=images)
    asked.out.with_suffix(".json").write_text(json.dumps(info, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
