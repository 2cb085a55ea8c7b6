"""A full step of both players: ours against the peers' loops written out, on the same networks, data and batch.

    python benchmarks/step.py [--rows dcgan mlp wgan-gp r3gan penalties operators] [--rounds 9]

Each row takes turns, block by block, in one process; figures are medians over the blocks. "reference" is the loop as
its paper's well-known code is written: float32 data through a DataLoader, zero_grad on both networks, `detach`, the
discriminator's parameters left wanting gradients in the generator's step, Adam as PyTorch gives it, an average by a
loop over parameters where that code has one. Ours is `zerosum.training.loop.play_round` on the same shapes. "step" is
what a round takes per image of the generator. Rates are held against the machine's own matrix product.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import flop_registry

from zerosum.data.examples import Examples
from zerosum.data.survey import Survey
from zerosum.game.schedule import Now
from zerosum.networks.layers import Downsample, Upsample
from zerosum.networks.modulated import modulated
from zerosum.recipe import Recipe, RecipeFile, assemble
from zerosum.training.loop import play_round
from zerosum.training.machine import Machine
from zerosum.training.meter import Meter
from zerosum.training.stream import Stream

Step = Callable[[], None]


def noise_images(n: int, side: int, channels: int) -> Examples:
    """Data whose content does not matter."""
    values = np.random.default_rng(0).integers(0, 256, (n, side, side, channels), dtype=np.uint8)
    index = np.arange(n)
    return Examples(values, index * 0, (), index.astype(np.uint64), index, index[:0], Survey("noise", "images", n))


class Items(Dataset[Tensor]):
    """One image at a time, made float and scaled on the way, as torchvision's ToTensor and Normalize do."""

    def __init__(self, examples: Examples) -> None:
        self.values = examples.values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Tensor:
        image = torch.from_numpy(self.values[index]).permute(2, 0, 1).contiguous().float().div(255)
        return image.sub_(0.5).div_(0.5)


def endless(examples: Examples, batch: int) -> Iterator[Tensor]:
    """Batches of a DataLoader, for ever."""
    while True:
        yield from DataLoader(Items(examples), batch, shuffle=True, drop_last=True)


@dataclass
class Row:
    """A recipe at a size, and the peers' loop for it."""

    recipe: str
    settings: dict[str, object]
    side: int
    channels: int
    batch: int
    reference: Callable[[nn.Module, nn.Module, Iterator[Tensor], Recipe], Step]


def settled(row: Row) -> Recipe:
    """The recipe with the row's settings."""
    draft = RecipeFile(row.recipe).draft
    for name, value in row.settings.items():
        draft.put(tuple(name.split(".")), value, "")
    draft.put(("training", "batch"), row.batch, "")
    draft.put(("training", "precision"), "float32", "")
    return draft.check(Recipe).spread(1_000_000)


def ours(row: Row, examples: Examples) -> Step:
    """A round of ours."""
    recipe, machine = settled(row), Machine("cpu")
    game = assemble(recipe, examples.shape, True, machine)
    stream, meter, now = Stream(examples, row.batch, 0), Meter(), [Now()]
    game.train()

    def step() -> None:
        play_round(game, stream, machine, now[0], meter)
        now[0] = Now(now[0].round + 1, now[0].images + row.batch)
        for player in game.players.values():
            player.follow(row.batch, now[0])

    return step


def networks(row: Row, examples: Examples) -> tuple[nn.Module, nn.Module]:
    """The same networks, as a plain module each."""
    recipe = settled(row)
    generator = recipe.generator.build(recipe.latent.size, examples.shape, True)
    return generator.train(), recipe.discriminator.build(examples.shape).train()


# ---------------------------------------------------------------------- the peers' loops


def bce(generator: nn.Module, discriminator: nn.Module, data: Iterator[Tensor], recipe: Recipe) -> Step:
    """Binary cross-entropy on labels of ones and zeros: pytorch/examples' dcgan, PyTorch-GAN's gan and dcgan."""
    rates = {"lr": 2e-4, "betas": (0.5, 0.999)}
    d_optimizer = torch.optim.Adam(discriminator.parameters(), **rates)
    g_optimizer = torch.optim.Adam(generator.parameters(), **rates)

    def step() -> None:
        real = next(data)
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        discriminator.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(discriminator(real).score, ones)
        loss_real.backward()
        fake = generator(torch.randn(len(real), recipe.latent.size))
        loss_fake = F.binary_cross_entropy_with_logits(discriminator(fake.detach()).score, zeros)
        loss_fake.backward()
        d_optimizer.step()
        generator.zero_grad()
        loss = F.binary_cross_entropy_with_logits(discriminator(fake).score, ones)
        loss.backward()
        g_optimizer.step()
        loss_real.item(), loss_fake.item(), loss.item()

    return step


def wgan_gp(generator: nn.Module, critic: nn.Module, data: Iterator[Tensor], recipe: Recipe) -> Step:
    """Five steps of the critic with its penalty between real and fake, one of the generator."""
    rates = {"lr": 1e-4, "betas": (0.0, 0.9)}
    d_optimizer = torch.optim.Adam(critic.parameters(), **rates)
    g_optimizer = torch.optim.Adam(generator.parameters(), **rates)

    def step() -> None:
        for _ in range(5):
            real = next(data)
            d_optimizer.zero_grad()
            fake = generator(torch.randn(len(real), recipe.latent.size)).detach()
            share = torch.rand(len(real), 1, 1, 1)
            between = (share * real + (1 - share) * fake).requires_grad_(True)
            slope = torch.autograd.grad(critic(between).score.sum(), between, create_graph=True)[0]
            penalty = ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
            loss = critic(fake).score.mean() - critic(real).score.mean() + 10 * penalty
            loss.backward()
            d_optimizer.step()
            loss.item()
        g_optimizer.zero_grad()
        loss = -critic(generator(torch.randn(len(real), recipe.latent.size))).score.mean()
        loss.backward()
        g_optimizer.step()
        loss.item()

    return step


def r3gan(generator: nn.Module, discriminator: nn.Module, data: Iterator[Tensor], recipe: Recipe) -> Step:
    """Relativistic, R1 and R2 at every step, an average of the generator by a loop over its parameters."""
    rates = {"lr": 2e-4, "betas": (0.0, 0.9)}
    d_optimizer = torch.optim.Adam(discriminator.parameters(), **rates)
    g_optimizer = torch.optim.Adam(generator.parameters(), **rates)
    average = [parameter.detach().clone() for parameter in generator.parameters()]

    def step() -> None:
        real = next(data)
        g_optimizer.zero_grad()
        fake = generator(torch.randn(len(real), recipe.latent.size))
        loss = F.softplus(-(discriminator(fake).score - discriminator(real).score)).mean()
        loss.backward()
        g_optimizer.step()
        d_optimizer.zero_grad()
        real = next(data).detach().requires_grad_(True)
        fake = generator(torch.randn(len(real), recipe.latent.size)).detach().requires_grad_(True)
        real_score, fake_score = discriminator(real).score, discriminator(fake).score
        slopes = [
            torch.autograd.grad(score.sum(), images, create_graph=True)[0].square().sum((1, 2, 3))
            for score, images in ((real_score, real), (fake_score, fake))
        ]
        loss = (F.softplus(-(real_score - fake_score)) + 0.5 * 0.05 * (slopes[0] + slopes[1])).mean()
        loss.backward()
        d_optimizer.step()
        with torch.no_grad():
            for mean, parameter in zip(average, generator.parameters(), strict=True):
                mean.copy_(torch.lerp(parameter, mean, 0.999))
        loss.item()

    return step


ROWS = {
    "dcgan": Row("dcgan", {"generator.width": 64, "discriminator.width": 64, "latent.size": 100}, 64, 3, 64, bce),
    "mlp": Row("vanilla", {"generator.widths": [128, 256, 512, 1024], "discriminator.widths": [512, 256],
                           "discriminator.dropout": 0}, 28, 1, 64, bce),
    "wgan-gp": Row("wgan-gp", {}, 32, 3, 64, wgan_gp),
    "r3gan": Row("r3gan", {"generator.widths": [256, 192, 96, 48], "discriminator.widths": [256, 192, 96, 48]}, 32, 3,
                 64, r3gan),
}  # fmt: skip
PENALTIES = {
    "no penalty": {},
    "R1 and R2 at every step": {"terms.r1.weight": 0.05, "terms.r2.weight": 0.05},
    "R1 and R2 at every 16th": {"terms.r1.weight": 0.05, "terms.r2.weight": 0.05, "terms.r1.every": 16,
                                "terms.r2.every": 16},
}  # fmt: skip


# ---------------------------------------------------------------------- taking turns


class Flops(TorchDispatchMode):
    """Counts what convolutions and matrix products cost. (PyTorch's own counter fails inside autograd.grad.)"""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def matmul_rate(seconds: float = 1.0) -> float:
    """GFLOP/s of a large float32 matrix product here: what the machine can do at all."""
    a = torch.randn(2048, 2048)
    best, began = 0.0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def turns(steps: dict[str, Step], rounds: int, block: float = 1.0) -> dict[str, list[float]]:
    """Seconds a step, for each way, in blocks that take turns."""
    counts = {}
    for name, step in steps.items():
        step()
        began = time.perf_counter()
        step()
        counts[name] = max(1, round(block / (time.perf_counter() - began)))
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            for _ in range(counts[name]):
                step()
            seconds[name].append((time.perf_counter() - began) / counts[name])
    return seconds


def said(name: str, seconds: dict[str, list[float]], batch: int, **more: object) -> None:
    """One line of JSON: medians, and how many times as fast the first way is as each other."""
    middle = {way: statistics.median(times) for way, times in seconds.items()}
    first = next(iter(middle))
    ratios = {f"{first} over {way}": round(middle[way] / middle[first], 3) for way in middle if way != first}
    speed = {way: round(batch / value, 1) for way, value in middle.items()}
    spread = {way: [round(min(t), 5), round(max(t), 5)] for way, t in seconds.items()}
    print(json.dumps({"row": name, "per_second": speed, "ratios": ratios, "seconds": spread, **more}), flush=True)


def measure(name: str, rounds: int, peak: float) -> None:
    """A row against its reference."""
    row = ROWS[name]
    examples = noise_images(2048, row.side, row.channels)
    mine = ours(row, examples)
    theirs = row.reference(*networks(row, examples), endless(examples, row.batch), settled(row))
    with Flops() as counter:
        mine()
    gflop = counter.total / 1e9
    seconds = turns({"zerosum": mine, "reference": theirs}, rounds)
    rate = gflop / statistics.median(seconds["zerosum"])
    about = {"gflop": round(gflop, 2), "gflop_per_s": round(rate, 1), "of_matmul": round(rate / peak, 3)}
    said(name, seconds, row.batch, **about)


def measure_penalties(rounds: int) -> None:
    """What R1 and R2 cost: the relativistic pair with and without."""
    steps = {}
    for name, settings in PENALTIES.items():
        row = ROWS["r3gan"]
        draft = {"terms": {}, **row.settings, **settings}
        examples = noise_images(2048, row.side, row.channels)
        steps[name] = ours(Row("r3gan", draft, row.side, row.channels, row.batch, r3gan), examples)
    said("penalties", turns(steps, rounds), ROWS["r3gan"].batch)


# ---------------------------------------------------------------------- operators of the style-based family


def zero_insert_up(sample: Tensor, taps: Tensor) -> Tensor:
    """Twice the size as it is usually written: zeros between pixels, then the filter; edges repeated as ours."""
    n, c, height, width = sample.shape
    padded = F.pad(sample, [1, 1, 1, 1], mode="replicate")
    wide = padded.new_zeros(n, c, height + 2, 2, width + 2, 2)
    wide[:, :, :, 0, :, 0] = padded
    wide = wide.reshape(n, c, 2 * height + 4, 2 * width + 4)
    out = F.conv2d(wide, (4 * taps).expand(c, 1, 4, 4), groups=c)
    return out[:, :, : 2 * height, : 2 * width]


def filter_drop_down(sample: Tensor, taps: Tensor) -> Tensor:
    """Half the size as it is usually written: the filter at every pixel, then every second one."""
    _, c, height, width = sample.shape
    inside = F.conv2d(torch.ones(1, 1, height, width), taps, padding=1)[:, :, ::2, ::2]
    return F.conv2d(sample, taps.expand(c, 1, 4, 4), padding=1, groups=c)[:, :, ::2, ::2] / inside


def grouped(sample: Tensor, style: Tensor, weight: Tensor) -> Tensor:
    """Modulated convolution with N weights, in N groups."""
    n, c, height, width = sample.shape
    own = weight[None] * style[:, None, :, None, None]
    own = own * (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    folded = F.conv2d(sample.reshape(1, n * c, height, width), own.flatten(0, 1), padding=1, groups=n)
    return folded.reshape(n, -1, height, width)


def twice(operator: Callable[..., Tensor], *inputs: Tensor) -> Step:
    """Forward, and derivatives of the derivative, as a penalty asks for."""

    def step() -> None:
        leaves = [each.detach().requires_grad_(True) for each in inputs]
        slopes = torch.autograd.grad(operator(*leaves).square().sum(), leaves, create_graph=True)
        sum(slope.square().sum() for slope in slopes).backward()  # type: ignore[union-attr]

    return step


def measure_operators(rounds: int) -> None:
    """Resampling and modulated convolution, ours against the usual form, with their second derivatives."""
    taps = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8] * 2)[None, None]
    up, down = Upsample(), Downsample()
    sample = torch.randn(16, 64, 32, 32).contiguous(memory_format=torch.channels_last)
    plain = sample.contiguous()
    pairs: dict[str, tuple[Step, Step, Callable[[], float]]] = {
        "up 2x": (twice(up, sample), twice(lambda x: zero_insert_up(x, taps), plain),
                  lambda: float((up(sample) - zero_insert_up(plain, taps)).abs().max())),
        "down 2x": (twice(down, sample), twice(lambda x: filter_drop_down(x, taps), plain),
                    lambda: float((down(sample) - filter_drop_down(plain, taps)).abs().max())),
    }  # fmt: skip
    for channels, side in ((32, 32), (128, 16), (512, 8)):
        inputs = (torch.randn(16, channels, side, side), torch.rand(16, channels) + 0.5,
                  torch.randn(channels, channels, 3, 3))  # fmt: skip
        last = (inputs[0].contiguous(memory_format=torch.channels_last), *inputs[1:])
        pairs[f"modulated convolution, {channels} channels at {side} px"] = (
            twice(modulated, *last), twice(grouped, *inputs),
            lambda a=last, b=inputs: float((modulated(*a) - grouped(*b)).abs().max()),
        )  # fmt: skip
    for name, (mine, usual, apart) in pairs.items():
        said(name, turns({"zerosum": mine, "usual": usual}, rounds, 0.5), len(sample), apart=apart())


def main() -> None:
    """Measure the rows asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", nargs="*", default=[*ROWS, "penalties", "operators"])
    parser.add_argument("--rounds", type=int, default=9)
    asked = parser.parse_args()
    peak = matmul_rate()
    print(
        json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "matmul_gflop_s": round(peak, 1)})
    )
    for name in asked.rows:
        if name == "penalties":
            measure_penalties(asked.rounds)
        elif name == "operators":
            measure_operators(asked.rounds)
        else:
            measure(name, asked.rounds, peak)


if __name__ == "__main__":
    main()
