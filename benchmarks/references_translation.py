"""Picture-to-picture peers in loops of their own: pix2pix, its L1 half, CycleGAN, ESRGAN, as their authors play them.

    python benchmarks/references_translation.py NAME DATA OUT [--budget 5m] [--given A --wanted B] [--size 64]
                                                [--width 64] [--batch-size 1] [--threads 1] [--seed 0]

NAME is pix2pix, l1, cyclegan or esrgan. The first three want DATA/train/GIVEN, DATA/train/WANTED (of equal names, but
for cyclegan) and DATA/test/GIVEN; esrgan wants large pictures in DATA/train and DATA/test. Trains on train for the
budget, then writes what the generator makes of test to OUT/made/NAME.png and OUT/about.json. For esrgan these are 4x
enlargements of test pictures, each first cut to its middle (a multiple of 4, 512 px a side at most: `middle`) and
shrunk by Pillow's bicubic filter (`shrunk`).

Plain torch, written from the papers; nothing of ours trains. The networks are in `references_translation_networks`.
Where papers count in epochs or steps, here are shares of the budget. What else is not as published:

- pictures are small and the budget minutes, so U-Nets have as many levels as the size halves (at most 8);
- of pix2pix's and CycleGAN's jitter (286 px, cut to 256) the mirroring alone is kept;
- Adam is torch's fused one, as in our runs: the same numbers, in time that on one CPU counts;
- not matched: ESRGAN's perceptual loss, whose VGG weights are not at hand. What is left is its L1 and its game.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from references_translation_networks import RRDB, UNet, drawn, patches, resnet, vgg_style
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.units import parse_seconds

Draw = Callable[[], tuple[Tensor, Tensor]]
"""A batch: given (N, 3, h, w) and wanted (N, 3, H, W), both in the reference's range."""
Step = Callable[[float], dict[str, float]]
"""From the share of the budget that is spent to the losses of one more step."""
FACTOR = 4
"""Of ESRGAN's enlargement."""


# ---------------------------------------------------------------------- their steps


def adam(*networks: nn.Module) -> torch.optim.Adam:
    """Adam as pix2pix and CycleGAN have it, over all parameters of these."""
    parameters = [each for network in networks for each in network.parameters()]
    return torch.optim.Adam(parameters, 2e-4, (0.5, 0.999), fused=True)


def rated(rate: float, *optimizers: torch.optim.Optimizer) -> None:
    """Set the learning rate of these."""
    for group in [group for optimizer in optimizers for group in optimizer.param_groups]:
        group["lr"] = rate


def falling(share: float) -> float:
    """1 in the first half of the budget, then in a line to 0."""
    return min(1.0, max(0.0, 2 * (1 - share)))


def down(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    """A step down the loss; the loss."""
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.item()


def entropy(scores: Tensor, real: bool) -> Tensor:
    """The mean cross-entropy of scores of any shape, if all were of real pictures, or none."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, float(real)))


def squares(scores: Tensor, real: bool) -> Tensor:
    """The mean square of what scores of any shape miss 1, or 0, by."""
    return (scores - float(real)).square().mean()


def pix2pix(draw: Draw, size: int, width: int) -> tuple[nn.Module, Step]:
    """Cross-entropy on 70x70 patches beside their source, and 100 times L1: Isola et al. 2017, arXiv:1611.07004.

    The discriminator first, its loss halved. Its rate falls as CycleGAN's, as in the authors' later code for both.
    """
    generator, discriminator = drawn(UNet(size, width)), patches(6, width, nn.BatchNorm2d)
    g_optimizer, d_optimizer = adam(generator), adam(discriminator)

    def step(share: float) -> dict[str, float]:
        rated(2e-4 * falling(share), g_optimizer, d_optimizer)
        given, wanted = draw()
        fake = generator(given)
        discriminator.requires_grad_(True)
        on_fake = entropy(discriminator(torch.cat((given, fake.detach()), 1)), False)
        on_real = entropy(discriminator(torch.cat((given, wanted), 1)), True)
        d_loss = down(d_optimizer, (on_fake + on_real) / 2)
        discriminator.requires_grad_(False)
        missed = F.l1_loss(fake, wanted)
        g_loss = down(g_optimizer, entropy(discriminator(torch.cat((given, fake), 1)), True) + 100 * missed)
        return {"discriminator": d_loss, "generator": g_loss, "l1": missed.item()}

    return generator, step


def l1(draw: Draw, size: int, width: int) -> tuple[nn.Module, Step]:
    """pix2pix's generator, by L1 alone."""
    generator = drawn(UNet(size, width))
    optimizer = adam(generator)

    def step(share: float) -> dict[str, float]:
        rated(2e-4 * falling(share), optimizer)
        given, wanted = draw()
        return {"l1": down(optimizer, F.l1_loss(generator(given), wanted))}

    return generator, step


class Pool:
    """The last 50 fakes: what is judged is each fake or, half of the time, an older one whose place it takes."""

    def __init__(self, most: int = 50) -> None:
        self.most = most
        self.held: list[Tensor] = []

    def __call__(self, fakes: Tensor) -> Tensor:
        """(N, C, H, W) to the same, without gradients."""
        return torch.stack([self.one(fake) for fake in fakes.detach()])

    def one(self, fake: Tensor) -> Tensor:
        """One of them (C, H, W)."""
        if len(self.held) < self.most:
            self.held.append(fake)
            return fake
        if random.random() < 0.5:
            return fake
        place = random.randrange(self.most)
        older, self.held[place] = self.held[place], fake
        return older


def cyclegan(draw: Draw, size: int, width: int) -> tuple[nn.Module, Step]:
    """Both ways, least squares, cycles (10) and identities (5): Zhu et al. 2017, arXiv:1703.10593.

    The generators first, then each discriminator on its pool, its loss halved; rates fall in the second half.
    """
    there, back = resnet(size, width), resnet(size, width)
    judge_a, judge_b = (patches(3, width, nn.InstanceNorm2d) for _ in range(2))
    pool_a, pool_b = Pool(), Pool()
    g_optimizer, d_optimizer = adam(there, back), adam(judge_a, judge_b)

    def step(share: float) -> dict[str, float]:
        rated(2e-4 * falling(share), g_optimizer, d_optimizer)
        a, b = draw()
        judge_a.requires_grad_(False), judge_b.requires_grad_(False)
        fake_a, fake_b = back(b), there(a)
        cycle = F.l1_loss(back(fake_b), a) + F.l1_loss(there(fake_a), b)
        identity = F.l1_loss(back(a), a) + F.l1_loss(there(b), b)
        fooled = squares(judge_a(fake_a), True) + squares(judge_b(fake_b), True)
        g_loss = down(g_optimizer, fooled + 10 * cycle + 5 * identity)
        judge_a.requires_grad_(True), judge_b.requires_grad_(True)
        on_a = squares(judge_a(a), True) + squares(judge_a(pool_a(fake_a)), False)
        on_b = squares(judge_b(b), True) + squares(judge_b(pool_b(fake_b)), False)
        d_loss = down(d_optimizer, (on_a + on_b) / 2)
        return {"discriminator": d_loss, "generator": g_loss, "cycle": cycle.item(), "identity": identity.item()}

    return there, step


def esrgan(draw: Draw, size: int, width: int) -> tuple[nn.Module, Step]:
    """L1 for half of the budget, then L1 (1e-2) and a relativistic average game (5e-3): Wang et al. 2018, 1809.00219.

    Rates, 2e-4 and then 1e-4, halve after each fifth of the first stage and after 1/8, 1/4, 1/2 and 3/4 of the second.
    The generator first; both players' losses are means over real and fake, as in the authors' code. The perceptual loss
    (1, on VGG19's conv5_4) is left out: its weights are not at hand.
    """
    generator, discriminator = RRDB(width), vgg_style(size, width)
    players = generator, generator, discriminator  # the second stage begins with moments of its own
    first, g_optimizer, d_optimizer = (
        torch.optim.Adam(each.parameters(), 2e-4, (0.9, 0.999), fused=True) for each in players
    )

    def step(share: float) -> dict[str, float]:
        given, wanted = draw()
        if share < 0.5:
            rated(2e-4 * 0.5 ** int(10 * share), first)
            return {"l1": down(first, F.l1_loss(generator(given), wanted))}
        halvings = sum(2 * share - 1 >= turn for turn in (1 / 8, 1 / 4, 1 / 2, 3 / 4))
        rated(1e-4 * 0.5**halvings, g_optimizer, d_optimizer)
        discriminator.requires_grad_(False)
        fake = generator(given)
        real_score, fake_score = discriminator(wanted), discriminator(fake)
        game = entropy(real_score - fake_score.mean(), False) + entropy(fake_score - real_score.mean(), True)
        missed = F.l1_loss(fake, wanted)
        g_loss = down(g_optimizer, 1e-2 * missed + 5e-3 * game / 2)
        discriminator.requires_grad_(True)
        real_score, fake_score = discriminator(wanted), discriminator(fake.detach())
        game = entropy(real_score - fake_score.mean(), True) + entropy(fake_score - real_score.mean(), False)
        return {"discriminator": down(d_optimizer, game / 2), "generator": g_loss, "l1": missed.item()}

    return generator, step


# ---------------------------------------------------------------------- pictures


def read(folder: Path, size: int = 0) -> dict[str, Image.Image]:
    """The pictures of a folder by stem, in colour, in order of name; at this size (bicubic) where one is given."""
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"))
    if not files:
        raise SystemExit(f"{folder} has no pictures; give a folder of PNG, JPEG or WebP files")
    images = {}
    for file in files:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        same = size in (0, image.width) and size in (0, image.height)
        images[file.stem] = image if same else image.resize((size, size), Image.Resampling.BICUBIC)
    return images


def to_floats(pictures: list[NDArray[np.uint8]], low: float) -> Tensor:
    """Pictures (H, W, 3) to (N, 3, H, W) in [low, 1]."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    return stacked.float() / 255 * (1 - low) + low


def to_picture(values: Tensor, low: float) -> Image.Image:
    """(3, H, W) in [low, 1], cut to that, to a picture."""
    levels = ((values - low) / (1 - low) * 255).round().clamp(0, 255)
    return Image.fromarray(levels.to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def shuffled(number: int) -> Iterator[int]:
    """Numbers from 0 up, each once an epoch, in a new order every time."""
    while True:
        yield from torch.randperm(number).tolist()


@dataclass(frozen=True)
class Sides:
    """Pictures of two sub-folders: pairs of equal names, mirrored alike, or each side for itself."""

    given: str
    wanted: str
    size: int
    paired: bool

    def draw(self, data: Path, batch: int) -> Draw:
        """From train/GIVEN and train/WANTED, in [-1, 1]."""
        read_both = [read(data / "train" / name, self.size) for name in (self.given, self.wanted)]
        if self.paired and list(read_both[0]) != list(read_both[1]):
            raise SystemExit(f"names in {data}/train/{self.given} and {self.wanted} differ; pairs need equal names")
        sides = [[np.asarray(image) for image in side.values()] for side in read_both]
        orders = [shuffled(len(side)) for side in sides]

        def couple() -> list[NDArray[np.uint8]]:
            dice = [(next(order), random.random() < 0.5) for order in orders]
            dice = [dice[0]] * 2 if self.paired else dice
            return [side[i][:, ::-1] if flip else side[i] for side, (i, flip) in zip(sides, dice, strict=True)]

        def draw() -> tuple[Tensor, Tensor]:
            couples = [couple() for _ in range(batch)]
            return to_floats([each[0] for each in couples], -1), to_floats([each[1] for each in couples], -1)

        return draw

    def asked(self, data: Path) -> dict[str, Image.Image]:
        """Those of test/GIVEN."""
        return read(data / "test" / self.given, self.size)


def middle(picture: Image.Image, most: int = 512) -> Image.Image:
    """Its middle, of so many pixels a side at most, and a multiple of 4."""
    width, height = (min(most, side) // FACTOR * FACTOR for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def shrunk(picture: Image.Image) -> Image.Image:
    """A quarter of each side, by Pillow's bicubic filter."""
    return picture.resize((picture.width // FACTOR, picture.height // FACTOR), Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Crops:
    """Random crops of large pictures, mirrored and turned, and the same four times smaller."""

    size: int

    def draw(self, data: Path, batch: int) -> Draw:
        """From train, in [0, 1], as the authors have it."""
        images = list(read(data / "train").values())
        if min(min(image.size) for image in images) < self.size:
            raise SystemExit(
                f"{data}/train has pictures of less than {self.size} px a side; leave them out or set --size"
            )
        order = shuffled(len(images))

        def crop() -> Image.Image:
            image = images[next(order)]
            left, top = (random.randrange(side - self.size + 1) for side in image.size)
            cut = image.crop((left, top, left + self.size, top + self.size)).rotate(90 * random.randrange(4))
            return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else cut

        def draw() -> tuple[Tensor, Tensor]:
            crops = [crop() for _ in range(batch)]
            small = [np.asarray(shrunk(each)) for each in crops]
            return to_floats(small, 0), to_floats([np.asarray(each) for each in crops], 0)

        return draw

    def asked(self, data: Path) -> dict[str, Image.Image]:
        """The middles of test's pictures, shrunk."""
        return {name: shrunk(middle(image)) for name, image in read(data / "test").items()}


# ---------------------------------------------------------------------- the command


@dataclass(frozen=True)
class Reference:
    """One of the peers: how it plays, on what, and the numbers its authors give."""

    play: Callable[[Draw, int, int], tuple[nn.Module, Step]]
    size: int = 64
    batch: int = 1
    low: float = -1
    """The least value of its pictures; 1 is the largest."""
    paired: bool = True
    crops: bool = False


REFERENCES = {
    "pix2pix": Reference(pix2pix),
    "l1": Reference(l1),
    "cyclegan": Reference(cyclegan, paired=False),
    "esrgan": Reference(esrgan, size=128, batch=16, low=0, crops=True),
}


def train(step: Step, batch: int, budget: float) -> dict[str, float]:
    """Steps for `budget` seconds, with a line every 10; images, seconds and the last losses."""
    steps, progress, said, began = 0, 0.0, 0.0, time.monotonic()
    row: dict[str, float] = {}
    while progress < budget:
        losses = step(progress / budget)
        steps += 1
        progress = time.monotonic() - began
        row = {"seconds": round(progress, 3), "examples": steps * batch} | losses
        if progress >= said:
            said = progress + 10
            print(json.dumps(row), flush=True)
    return row


@torch.no_grad()
def make(generator: nn.Module, asked: dict[str, Image.Image], low: float, into: Path) -> None:
    """Write what it makes of each, one by one and as in training: these networks are played so at test time too."""
    into.mkdir(parents=True, exist_ok=True)
    for name, image in asked.items():
        made = generator(to_floats([np.asarray(image)], low))[0]
        to_picture(made, low).save(into / f"{name}.png")


def main(words: list[str] | None = None) -> None:
    """Train, make, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=REFERENCES)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--budget", type=parse_seconds, default=300.0)
    parser.add_argument("--given", default="A")
    parser.add_argument("--wanted", default="B")
    for name, default in {"size": 0, "batch": 0, "width": 64, "threads": 1, "seed": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help="0: the authors'" if not default else None)
    said = parser.parse_args(words)
    torch.set_num_threads(said.threads)
    torch.manual_seed(said.seed)
    random.seed(said.seed)
    peer = REFERENCES[said.name]
    size, batch = said.size or peer.size, said.batch or peer.batch
    images = Crops(size) if peer.crops else Sides(said.given, said.wanted, size, peer.paired)
    asked = images.asked(said.data)
    generator, step = peer.play(images.draw(said.data, batch), size, said.width)
    row = train(step, batch, said.budget)
    make(generator, asked, peer.low, said.out / "made")
    about = {"name": said.name, "parameters": sum(each.numel() for each in generator.parameters())} | row
    about |= {"size": size, "batch": batch, "width": said.width, "threads": said.threads, "seed": said.seed}
    (said.out / "about.json").write_text(json.dumps(about, indent=1) + "\n", "utf8")


if __name__ == "__main__":
    main()
