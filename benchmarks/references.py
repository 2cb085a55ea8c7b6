"""What the peers' well-known codes do, written out: how they load images, their steps, their operators.

The steps of the family stand in `references_family.py`, and this goes for them too.

Facts only, none of their text. Where a loop departs from its original, its docstring says so. Common to all: networks
are ours, built from the row's recipe, so that both sides do the same arithmetic; they end in a score where some
originals end in a sigmoid, so the cross-entropy is the one on scores; epochs leave out a last smaller batch; nothing is
printed, drawn or saved, while losses are still brought to Python, as the originals do for their lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Protocol

import numpy as np
import torch
import vision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from zerosum.data.dataset import Dataset
from zerosum.networks import fastgan, stylegan2
from zerosum.recipes.recipe import Recipe

Batches = Iterator[Tensor]
Step = Callable[[], None]
CLASSES = 10
"""Of the data of rows that have any."""


# ---------------------------------------------------------------------- how images are loaded


class Loader(Protocol):
    """How a reference comes by its images."""

    said: str
    """In words, for the row's line."""

    def batches(self, batch: int) -> Batches:
        """Batches (N, C, H, W) in [-1, 1], shuffled anew every epoch, for ever."""


class Tensors(Dataset[Tensor]):
    """One array after another, made float and scaled: what ToTensor and Normalize do, without a picture's detour.

    Cheaper than any well-known code: pytorch/examples' dcgan opens files, resizes and crops them in two worker
    processes, which on a machine of two cores take their time from training.
    """

    said = "tensors from memory"

    def __init__(self, examples: Dataset) -> None:
        self.values = examples.values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Tensor:
        image = torch.from_numpy(self.values[index]).permute(2, 0, 1).contiguous().float().div(255)
        return image.sub_(0.5).div_(0.5)

    def batches(self, batch: int) -> Batches:
        while True:
            yield from DataLoader(self, batch, shuffle=True, drop_last=True)


class Labelled(Tensors):
    """The same, each with its class, as torchvision's data sets hand out images whether or not it is wanted."""

    said = "tensors and classes from memory"

    def __init__(self, examples: Dataset) -> None:
        super().__init__(examples)
        self.labels = examples.labels.tolist()

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return super().__getitem__(index), self.labels[index]


class Pictures(Dataset[tuple[Tensor, int]]):
    """Grey images and labels as torchvision's MNIST hands them out: each a picture, then Resize, ToTensor, Normalize.

    With torchvision the transforms are its own. Without, the same conversions stand in `written_out`, a little cheaper
    than the originals, which check their input as well. 2,048 images fit a cache that 60,000 would not.
    """

    def __init__(self, examples: Dataset) -> None:
        self.data = torch.from_numpy(np.ascontiguousarray(examples.values[..., 0]))
        self.targets = torch.zeros(len(self.data), dtype=torch.int64)
        version = vision.find()
        self.said = f"torchvision {version}" if version else "written out"
        self.transform = theirs(self.data.shape[1]) if version else written_out

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, target = self.data[index], int(self.targets[index])
        return self.transform(Image.fromarray(image.numpy())), target

    def batches(self, batch: int) -> Batches:
        while True:
            for images, _ in DataLoader(self, batch, shuffle=True, drop_last=True):
                yield images


def theirs(side: int) -> Callable[[Image.Image], Tensor]:
    """torchvision's own transforms, as PyTorch-GAN puts them together."""
    from torchvision import transforms

    steps = [transforms.Resize(side), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    return transforms.Compose(steps)  # type: ignore[no-any-return]


def written_out(image: Image.Image) -> Tensor:
    """A grey picture, of the right size already, to (1, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, copy=True))[..., None]
    scaled = pixels.permute(2, 0, 1).contiguous().float().div(255).clone()
    mean, deviation = torch.tensor([0.5]).view(-1, 1, 1), torch.tensor([0.5]).view(-1, 1, 1)
    return scaled.sub_(mean).div_(deviation)


# ---------------------------------------------------------------------- what several of their steps hold


def drawn_to_one(judge: Callable[[Tensor], Tensor], place: Tensor) -> Tensor:
    """The mean of (|d score / d picture| - 1)^2 at these pictures (N, C, H, W); `judge` gives scores (N,)."""
    place.requires_grad_(True)
    slope = torch.autograd.grad(judge(place).sum(), place, create_graph=True)[0]
    return ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def between(real: Tensor, fake: Tensor) -> Tensor:
    """A place on the line from each fake to a real picture, both (N, C, H, W)."""
    share = torch.rand(len(real), 1, 1, 1)
    return share * real + (1 - share) * fake


def averaged(network: nn.Module, keep: float = 0.999) -> Step:
    """An average of the network's weights, followed by a loop over its parameters."""
    average = [parameter.detach().clone() for parameter in network.parameters()]

    def follow() -> None:
        with torch.no_grad():
            for mean, parameter in zip(average, network.parameters(), strict=True):
                mean.copy_(torch.lerp(parameter, mean, keep))

    return follow


def together(*steps: Step) -> Step:
    """All of them, one after the other."""

    def step() -> None:
        for each in steps:
            each()

    return step


def lazily(every: int, step: Step) -> Step:
    """The step on the first of so many rounds."""
    rounds = count()

    def sometimes() -> None:
        if next(rounds) % every == 0:
            step()

    return sometimes


def unseed(generator: nn.Module) -> None:
    """Let layers that add noise draw it by `torch.randn`, whatever the seeds."""

    def noise(sample: Tensor, side: int) -> Tensor:
        return torch.randn(len(sample), 1, side, side)

    for layer in generator.modules():
        if isinstance(layer, stylegan2.NoiseInjection):
            layer.draw_noise = lambda seed, layer=layer: noise(seed, layer.side)
        if isinstance(layer, fastgan.NoiseInjection):
            layer.forward = lambda x, seed, layer=layer: x + layer.strength * noise(x, x.shape[3])


# ---------------------------------------------------------------------- their steps


def dcgan(generator: nn.Module, discriminator: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """Cross-entropy with labels, the discriminator first: pytorch/examples' dcgan/main.py.

    The original brings five numbers to Python a step (both losses and three mean scores), this one three; it prints a
    line a step, and every 100 steps makes and saves sheets of 64. Its latents are normal as here; ours, by the recipe,
    uniform.
    """
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))

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


def gan(generator: nn.Module, discriminator: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """Cross-entropy with labels, the generator first: PyTorch-GAN's implementations/gan/gan.py.

    One batch of fakes serves both: the generator moves through the discriminator, whose gradients of that pass are
    thrown away, then the discriminator moves on the same fakes, detached. (Ours moves the discriminator first, and
    wants no gradients of it in the generator's move.) As in the original, latents are drawn by NumPy in float64, the
    two losses are halved, and both players' losses are brought to Python at every step. The original also prints a line
    a step and saves a sheet of 25 every 400. Of its four hidden layers the first has no batch norm, and the norms'
    epsilon is 0.8; here, on both sides, all four have one.
    """
    g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))

    def step() -> None:
        real = next(data)
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        g_optimizer.zero_grad()
        latent = torch.from_numpy(np.random.normal(0, 1, (len(real), recipe.latent.size))).float()
        fake = generator(latent)
        g_loss = F.binary_cross_entropy_with_logits(discriminator(fake).score, ones)
        g_loss.backward()
        g_optimizer.step()
        d_optimizer.zero_grad()
        loss_real = F.binary_cross_entropy_with_logits(discriminator(real).score, ones)
        loss_fake = F.binary_cross_entropy_with_logits(discriminator(fake.detach()).score, zeros)
        d_loss = (loss_real + loss_fake) / 2
        d_loss.backward()
        d_optimizer.step()
        d_loss.item(), g_loss.item()

    return step


def wgan_gp(generator: nn.Module, critic: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """Five steps of the critic with its penalty between real and fake, one of the generator."""
    d_optimizer = torch.optim.Adam(critic.parameters(), 1e-4, (0.0, 0.9))
    g_optimizer = torch.optim.Adam(generator.parameters(), 1e-4, (0.0, 0.9))

    def step() -> None:
        for _ in range(5):
            real = next(data)
            d_optimizer.zero_grad()
            fake = generator(torch.randn(len(real), recipe.latent.size)).detach()
            penalty = drawn_to_one(lambda picture: critic(picture).score, between(real, fake))
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


def r3gan(generator: nn.Module, discriminator: nn.Module, data: Batches, recipe: Recipe) -> Step:
    """Relativistic, R1 and R2 at every step, an average of the generator by a loop over its parameters."""
    d_optimizer = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.0, 0.9))
    g_optimizer = torch.optim.Adam(generator.parameters(), 2e-4, (0.0, 0.9))
    follow = averaged(generator)

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
        follow()
        loss.item()

    return step


# ---------------------------------------------------------------------- DiffAugment


def brightened(picture: Tensor) -> Tensor:
    """Brighter or darker."""
    return picture + (torch.rand(len(picture), 1, 1, 1) - 0.5)


def saturated(picture: Tensor) -> Tensor:
    """More colour or less."""
    gray = picture.mean(1, keepdim=True)
    return (picture - gray) * (2 * torch.rand(len(picture), 1, 1, 1)) + gray


def contrasted(picture: Tensor) -> Tensor:
    """More contrast or less."""
    mean = picture.mean((1, 2, 3), keepdim=True)
    return (picture - mean) * (torch.rand(len(picture), 1, 1, 1) + 0.5) + mean


def places(picture: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """To look up (N, h) rows and (N, w) columns of each sample in (N, H, W, C)."""
    return torch.arange(len(picture))[:, None, None], rows[:, :, None], columns[:, None, :]


def translated(picture: Tensor) -> Tensor:
    """Shifted by up to an eighth of the side each way, over zeros."""
    number, side = len(picture), picture.shape[3]
    most = int(side / 8 + 0.5)
    wide = F.pad(picture, [most] * 4).permute(0, 2, 3, 1)
    rows, columns = (torch.arange(side) + torch.randint(2 * most + 1, (number, 1)) for _ in range(2))
    return wide[places(picture, rows, columns)].permute(0, 3, 1, 2).contiguous()


def cut_out(picture: Tensor) -> Tensor:
    """Less a square of half the side, which may reach beyond an edge."""
    number, side = len(picture), picture.shape[3]
    half = int(side / 2 + 0.5)
    square = torch.arange(half) - half // 2
    rows, columns = (
        (square + torch.randint(side + 1 - half % 2, (number, 1))).clamp(0, side - 1) for _ in range(2)
    )  # fmt: skip
    mask = torch.ones(number, side, side)
    mask[places(picture, rows, columns)] = 0
    return picture * mask[:, None]


POLICIES: dict[str, tuple[Callable[[Tensor], Tensor], ...]] = {
    "colour": (brightened, saturated, contrasted),
    "translation": (translated,),
    "cutout": (cut_out,),
}


def diffaugment(picture: Tensor, policy: tuple[str, ...]) -> Tensor:
    """DiffAugment, plainly: Zhao et al. 2020, arXiv:2006.10738."""
    for name in policy:
        for change in POLICIES[name]:
            picture = change(picture)
    return picture


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
    """Half the size as it is usually written: the filter at every pixel, then every second one; edges as ours."""
    channels = sample.shape[1]
    padded = F.pad(sample, [1, 1, 1, 1], mode="replicate")
    return F.conv2d(padded, taps.expand(channels, 1, 4, 4), groups=channels)[:, :, ::2, ::2]


def grouped(sample: Tensor, style: Tensor, weight: Tensor) -> Tensor:
    """Modulated convolution with N weights, in N groups."""
    n, c, height, width = sample.shape
    own = weight[None] * style[:, None, :, None, None]
    own = own * (own.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    folded = F.conv2d(sample.reshape(1, n * c, height, width), own.flatten(0, 1), padding=1, groups=n)
    return folded.reshape(n, -1, height, width)
