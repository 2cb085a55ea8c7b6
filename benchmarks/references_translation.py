"""Peers of the image-to-image recipes in training loops of their own: pix2pix, its L1 part, CycleGAN and ESRGAN.

    python benchmarks/references_translation.py NAME DATA OUT [--budget 5m] [--input A --target B] [--size 64]
                                                [--width 64] [--batch-size 1] [--threads 1] [--seed 0]

NAME is pix2pix, l1, cyclegan or esrgan. The first three need DATA/train/INPUT, DATA/train/TARGET (with equal names,
except for cyclegan) and DATA/test/INPUT; esrgan needs large images in DATA/train and DATA/test. Trains on train for the
budget, then writes the outputs for the test images to OUT/generated/NAME.png, and OUT/info.json. For esrgan these are
4x super-resolutions of the test images, which are first cropped to their center (a multiple of 4, at most 512 px a
side: `center_crop`) and downscaled by Pillow's bicubic filter (`downscale`).

Plain torch, written from the papers; nothing of Zerosum is trained. The networks are in
`references_translation_networks.py`, the data in `references_translation_data.py`. Where the papers count epochs or
steps, these loops use fractions of the budget. Further differences from the papers:

- images are small and the budget is minutes, so U-Nets have as many levels as the size can be halved (at most 8);
- of the random jitter of pix2pix and CycleGAN (286 px, cropped to 256) only the horizontal flip is kept;
- Adam is torch's fused one, as in Zerosum's runs: the same numbers, but faster, which matters on one CPU;
- ESRGAN's perceptual loss is left out, because its VGG weights are not available. Its L1 and adversarial losses remain.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from references_translation_data import CropSource, NextBatch, PairSource, to_image, to_tensor
from references_translation_networks import RRDB, UNet, initialize, patchgan, resnet, vgg_discriminator
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.units import parse_seconds

Step = Callable[[float], dict[str, float]]
"""Take a step, given the fraction of the budget that is used, and return its losses."""


# ---------------------------------------------------------------------- the steps


def adam(*networks: nn.Module) -> torch.optim.Adam:
    """Return Adam for all parameters of these networks, with the settings of pix2pix and CycleGAN."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, 2e-4, (0.5, 0.999), fused=True)


def set_lr(lr: float, *optimizers: torch.optim.Optimizer) -> None:
    """Set the learning rate of these optimizers."""
    for group in [group for optimizer in optimizers for group in optimizer.param_groups]:
        group["lr"] = lr


def linear_decay(fraction: float) -> float:
    """Return 1 in the first half of the budget, then a factor that decreases linearly to 0."""
    return min(1.0, max(0.0, 2 * (1 - fraction)))


def minimize(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    """Take a step on a loss, and return it."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def cross_entropy(scores: Tensor, is_real: bool) -> Tensor:
    """Return the mean cross-entropy of scores of any shape, with the target 1 (real) or 0 (fake)."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(is_real)))


def squared_error(scores: Tensor, is_real: bool) -> Tensor:
    """Return the mean squared error of scores of any shape, with the target 1 (real) or 0 (fake)."""
    return (scores - float(is_real)).square().mean()


def pix2pix(next_batch: NextBatch, size: int, width: int) -> tuple[nn.Module, Step]:
    """Cross-entropy on 70x70 patches with their input, and 100 times L1: Isola et al. 2017, arXiv:1611.07004.

    The discriminator takes its step first, with half its loss. The learning rate decays as in CycleGAN, as in the
    authors' later code for both.
    """
    generator, discriminator = initialize(UNet(size, width)), patchgan(6, width, nn.BatchNorm2d)
    g_optimizer, d_optimizer = adam(generator), adam(discriminator)

    def step(fraction: float) -> dict[str, float]:
        set_lr(2e-4 * linear_decay(fraction), g_optimizer, d_optimizer)
        inputs, targets = next_batch()
        fake = generator(inputs)
        discriminator.requires_grad_(True)
        fake_loss = cross_entropy(discriminator(torch.cat((inputs, fake.detach()), 1)), False)
        real_loss = cross_entropy(discriminator(torch.cat((inputs, targets), 1)), True)
        d_loss = minimize(d_optimizer, (fake_loss + real_loss) / 2)
        discriminator.requires_grad_(False)
        l1_loss = F.l1_loss(fake, targets)
        adversarial_loss = cross_entropy(discriminator(torch.cat((inputs, fake), 1)), True)
        g_loss = minimize(g_optimizer, adversarial_loss + 100 * l1_loss)
        return {"discriminator": d_loss, "generator": g_loss, "l1": l1_loss.item()}

    return generator, step


def l1(next_batch: NextBatch, size: int, width: int) -> tuple[nn.Module, Step]:
    """pix2pix's generator, trained by L1 alone."""
    generator = initialize(UNet(size, width))
    optimizer = adam(generator)

    def step(fraction: float) -> dict[str, float]:
        set_lr(2e-4 * linear_decay(fraction), optimizer)
        inputs, targets = next_batch()
        return {"l1": minimize(optimizer, F.l1_loss(generator(inputs), targets))}

    return generator, step


class ReplayBuffer:
    """The last 50 fakes: returns each new fake or, half of the time, an older one, which the new one replaces."""

    def __init__(self, capacity: int = 50) -> None:
        self.capacity = capacity
        self.fakes: list[Tensor] = []

    def __call__(self, fakes: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape, without gradients."""
        return torch.stack([self.exchange(fake) for fake in fakes.detach()])

    def exchange(self, fake: Tensor) -> Tensor:
        """Add a fake (C, H, W), and return it or an older one."""
        if len(self.fakes) < self.capacity:
            self.fakes.append(fake)
            return fake
        if random.random() < 0.5:
            return fake
        index = random.randrange(self.capacity)
        older, self.fakes[index] = self.fakes[index], fake
        return older


def cyclegan(next_batch: NextBatch, size: int, width: int) -> tuple[nn.Module, Step]:
    """Both directions, least squares, cycle (10) and identity (5) losses: Zhu et al. 2017, arXiv:1703.10593.

    The generators take their step first, then each discriminator on its replay buffer, with half its loss; learning
    rates decay in the second half.
    """
    a_to_b, b_to_a = resnet(size, width), resnet(size, width)
    domain_a, domain_b = (patchgan(3, width, nn.InstanceNorm2d) for _ in range(2))
    buffer_a, buffer_b = ReplayBuffer(), ReplayBuffer()
    g_optimizer, d_optimizer = adam(a_to_b, b_to_a), adam(domain_a, domain_b)

    def step(fraction: float) -> dict[str, float]:
        set_lr(2e-4 * linear_decay(fraction), g_optimizer, d_optimizer)
        a, b = next_batch()
        domain_a.requires_grad_(False), domain_b.requires_grad_(False)
        fake_a, fake_b = b_to_a(b), a_to_b(a)
        cycle = F.l1_loss(b_to_a(fake_b), a) + F.l1_loss(a_to_b(fake_a), b)
        identity = F.l1_loss(b_to_a(a), a) + F.l1_loss(a_to_b(b), b)
        adversarial_loss = squared_error(domain_a(fake_a), True) + squared_error(domain_b(fake_b), True)
        g_loss = minimize(g_optimizer, adversarial_loss + 10 * cycle + 5 * identity)
        domain_a.requires_grad_(True), domain_b.requires_grad_(True)
        loss_a = squared_error(domain_a(a), True) + squared_error(domain_a(buffer_a(fake_a)), False)
        loss_b = squared_error(domain_b(b), True) + squared_error(domain_b(buffer_b(fake_b)), False)
        d_loss = minimize(d_optimizer, (loss_a + loss_b) / 2)
        return {"discriminator": d_loss, "generator": g_loss, "cycle": cycle.item(), "identity": identity.item()}

    return a_to_b, step


def esrgan(next_batch: NextBatch, size: int, width: int) -> tuple[nn.Module, Step]:
    """L1 for half of the budget, then L1 (1e-2) and a relativistic average loss (5e-3): Wang et al. 2018, 1809.00219.

    Learning rates of 2e-4 and then 1e-4 halve after each fifth of the first phase, and after 1/8, 1/4, 1/2 and 3/4 of
    the second. The generator takes its step first; both players' losses are means over real and fake, as in the
    authors' code. The perceptual loss (weight 1, on VGG19's conv5_4) is left out: its weights are not available.
    """
    generator, discriminator = RRDB(width), vgg_discriminator(size, width)
    networks = generator, generator, discriminator  # the second phase starts with new moments
    l1_optimizer, g_optimizer, d_optimizer = (
        torch.optim.Adam(network.parameters(), 2e-4, (0.9, 0.999), fused=True) for network in networks
    )

    def step(fraction: float) -> dict[str, float]:
        inputs, targets = next_batch()
        if fraction < 0.5:
            set_lr(2e-4 * 0.5 ** int(10 * fraction), l1_optimizer)
            return {"l1": minimize(l1_optimizer, F.l1_loss(generator(inputs), targets))}
        halvings = sum(2 * fraction - 1 >= milestone for milestone in (1 / 8, 1 / 4, 1 / 2, 3 / 4))
        set_lr(1e-4 * 0.5**halvings, g_optimizer, d_optimizer)
        discriminator.requires_grad_(False)
        fake = generator(inputs)
        real, generated = discriminator(targets), discriminator(fake)
        loss = cross_entropy(real - generated.mean(), False) + cross_entropy(generated - real.mean(), True)
        l1_loss = F.l1_loss(fake, targets)
        g_loss = minimize(g_optimizer, 1e-2 * l1_loss + 5e-3 * loss / 2)
        discriminator.requires_grad_(True)
        real, generated = discriminator(targets), discriminator(fake.detach())
        loss = cross_entropy(real - generated.mean(), True) + cross_entropy(generated - real.mean(), False)
        return {"discriminator": minimize(d_optimizer, loss / 2), "generator": g_loss, "l1": l1_loss.item()}

    return generator, step


# ---------------------------------------------------------------------- command line


@dataclass(frozen=True)
class Reference:
    """A peer: its networks and step, its data, and the numbers of its authors."""

    build: Callable[[NextBatch, int, int], tuple[nn.Module, Step]]
    """From the batches, the size of images and the width to the generator and its training step."""
    size: int = 64
    batch_size: int = 1
    low: float = -1
    """Lowest value of its images; the highest is 1."""
    paired: bool = True
    uses_crops: bool = False


REFERENCES = {
    "pix2pix": Reference(pix2pix),
    "l1": Reference(l1),
    "cyclegan": Reference(cyclegan, paired=False),
    "esrgan": Reference(esrgan, size=128, batch_size=16, low=0, uses_crops=True),
}


def train(step: Step, batch_size: int, budget: float) -> dict[str, float]:
    """Train for `budget` seconds, print a line every 10, and return examples, seconds and the last losses."""
    steps, seconds, next_report, start_time = 0, 0.0, 0.0, time.monotonic()
    row: dict[str, float] = {}
    while seconds < budget:
        losses = step(seconds / budget)
        steps += 1
        seconds = time.monotonic() - start_time
        row = {"seconds": round(seconds, 3), "examples": steps * batch_size} | losses
        if seconds >= next_report:
            next_report = seconds + 10
            print(json.dumps(row), flush=True)
    return row


@torch.no_grad()
def write_outputs(generator: nn.Module, inputs: dict[str, Image.Image], low: float, folder: Path) -> None:
    """Write the output for each input, one by one and in training mode: these networks are used so at test time too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in inputs.items():
        output = generator(to_tensor([np.asarray(image)], low))[0]
        to_image(output, low).save(folder / f"{name}.png")


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=REFERENCES)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=parse_seconds, default=300.0)
    parser.add_argument("--input", default="A")
    parser.add_argument("--target", default="B")
    for name, default in {"size": 0, "batch-size": 0, "width": 64, "threads": 1, "seed": 0}.items():
        text = None if default or name == "seed" else "0: as the authors have it"
        parser.add_argument(f"--{name}", type=int, default=default, help=text)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Train, and write the outputs and the figures."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    reference = REFERENCES[options.name]
    size, batch_size = options.size or reference.size, options.batch_size or reference.batch_size
    pairs = PairSource(options.input, options.target, size, reference.paired)
    source = CropSource(size) if reference.uses_crops else pairs
    inputs = source.test_inputs(options.data)
    generator, step = reference.build(source.batches(options.data, batch_size), size, options.width)
    row = train(step, batch_size, options.budget)
    write_outputs(generator, inputs, reference.low, options.out / "generated")
    num_parameters = sum(parameter.numel() for parameter in generator.parameters())
    info = {"name": options.name, "parameters": num_parameters} | row
    info |= {"size": size, "batch_size": batch_size, "width": options.width}
    info |= {"threads": options.threads, "seed": options.seed}
    (options.out / "info.json").write_text(json.dumps(info, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
