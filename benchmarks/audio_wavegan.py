"""WaveGAN as its paper describes it, on prepared sounds: the reference of benchmarks/audio.py.

    python benchmarks/audio_wavegan.py SOUNDS.npz FOLDER --seconds 600 --seed 0 [--steps N] [--width 64]

Donahue, McAuley and Puckette 2019, "Adversarial audio synthesis", arXiv:1802.04208, appendix D: one-dimensional
transposed convolutions of length 25 and stride 4 from 16 to 16,384 numbers, a discriminator that mirrors them with
phase shuffle of up to 2, WGAN-GP with 5 discriminator steps a generator step (Gulrajani et al. 2017, arXiv:1704.00028),
batches of 64, Adam with learning rate 1e-4 and betas .5 and .9, latents uniform in [-1, 1] of 100 numbers, no batch
norm. The paper's is unconditional; here the class is an embedding that is added to the latent's features in the
generator, and a projection of the last features in the discriminator (Miyato and Koyama 2018, arXiv:1802.05637), so
that the class that is heard can be compared.

SOUNDS.npz holds `sounds` float32 (N, 16384) in [-1, 1] and `labels` (N,). It stops after N generator steps, or after
the CPU seconds; writes FOLDER/samples.npz with as many samples, of the classes of the data, and FOLDER/wavegan.json.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LATENT, KERNEL, STRIDE, START = 100, 25, 4, 16
BATCH, CRITIC_STEPS, PENALTY, SHUFFLE = 64, 5, 10.0, 2
LR, BETAS = 1e-4, (0.5, 0.9)


class WaveGenerator(nn.Module):
    """From latents (N, 100) and classes (N,) to sounds (N, 16384)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        channels = [16 * width, 8 * width, 4 * width, 2 * width, width, 1]
        self.dense = nn.Linear(LATENT, channels[0] * START)
        self.embedding = nn.Embedding(classes, channels[0] * START)
        # length 25, stride 4: padding 11 and one more number behind give exactly 4 times the length
        self.layers = nn.ModuleList(
            nn.ConvTranspose1d(one, other, KERNEL, STRIDE, padding=11, output_padding=1)
            for one, other in pairwise(channels)
        )
        self.apply(initialize)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, latent: Tensor, label: Tensor) -> Tensor:
        hidden = self.dense(latent) + self.embedding(label)
        hidden = hidden.view(len(latent), -1, START)
        for layer in self.layers:
            hidden = layer(functional.relu(hidden))
        return hidden.tanh()[:, 0]


class WaveDiscriminator(nn.Module):
    """From sounds (N, 16384) and classes (N,) to scores (N,)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        channels = [1, width, 2 * width, 4 * width, 8 * width, 16 * width]
        self.layers = nn.ModuleList(
            nn.Conv1d(one, other, KERNEL, STRIDE, padding=11) for one, other in pairwise(channels)
        )
        self.dense = nn.Linear(channels[-1] * START, 1)
        self.embedding = nn.Embedding(classes, channels[-1] * START)
        self.apply(initialize)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, sounds: Tensor, label: Tensor) -> Tensor:
        hidden = sounds[:, None]
        for index, layer in enumerate(self.layers):
            hidden = functional.leaky_relu(layer(hidden), 0.2)
            if index < len(self.layers) - 1:
                hidden = shuffle_phase(hidden)
        features = hidden.flatten(1)
        return self.dense(features)[:, 0] + (features * self.embedding(label)).sum(1)


def initialize(module: nn.Module) -> None:
    """Initialize as the published code does: Glorot, uniform, and biases of 0."""
    if isinstance(module, nn.Conv1d | nn.ConvTranspose1d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def shuffle_phase(hidden: Tensor) -> Tensor:
    """Shift the features (N, C, L) of each sample in time by -2 to 2, and reflect what is missing."""
    padded = functional.pad(hidden, (SHUFFLE, SHUFFLE), mode="reflect")
    shifts = torch.randint(0, 2 * SHUFFLE + 1, (len(hidden), 1))
    places = (shifts + torch.arange(hidden.shape[2]))[:, None].expand_as(hidden)
    return padded.gather(2, places)


def gradient_penalty(critic: WaveDiscriminator, real: Tensor, fake: Tensor, label: Tensor) -> Tensor:
    """Return the mean squared difference from 1 of gradient norms between real and fake sounds."""
    mixing = torch.rand(len(real), 1)
    between = (mixing * real + (1 - mixing) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between, label).sum(), between, create_graph=True)
    return (gradient.norm(dim=1) - 1).square().mean()


class Loop:
    """The training loop."""

    def __init__(self, sounds: Tensor, labels: Tensor, width: int) -> None:
        self.sounds, self.labels = sounds, labels
        classes = int(labels.max()) + 1
        self.generator, self.critic = WaveGenerator(width, classes), WaveDiscriminator(width, classes)
        self.generator_optimizer, self.critic_optimizer = (
            torch.optim.Adam(network.parameters(), lr=LR, betas=BETAS) for network in (self.generator, self.critic)
        )

    def step(self) -> None:
        """Train the discriminator on 5 batches and the generator on one."""
        for _ in range(CRITIC_STEPS):
            rows = torch.randint(0, len(self.sounds), (BATCH,))
            real, label = self.sounds[rows], self.labels[rows]
            with torch.no_grad():
                fake = self.generator(draw_latents(BATCH), label)
            loss = self.critic(fake, label).mean() - self.critic(real, label).mean()
            loss = loss + PENALTY * gradient_penalty(self.critic, real, fake, label)
            self.critic_optimizer.zero_grad()
            loss.backward()
            self.critic_optimizer.step()
        label = self.labels[torch.randint(0, len(self.labels), (BATCH,))]
        loss = -self.critic(self.generator(draw_latents(BATCH), label), label).mean()
        self.generator_optimizer.zero_grad()
        loss.backward()
        self.generator_optimizer.step()

    @torch.no_grad()
    def sample(self, labels: Tensor) -> Tensor:
        """Return a sound (N, 16384) of each class (N,)."""
        parts = [self.generator(draw_latents(len(part)), part) for part in torch.split(labels, BATCH)]
        return torch.cat(parts)


def draw_latents(count: int) -> Tensor:
    """Return latents (count, 100), uniform in [-1, 1]."""
    return 2 * torch.rand(count, LATENT) - 1


def main() -> None:
    """Train, sample, and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sounds", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=600.0, help="CPU seconds, where no steps are given")
    parser.add_argument("--steps", type=int, default=0, help="generator steps")
    parser.add_argument("--width", type=int, default=64, help="d of the paper")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)
    data = np.load(options.sounds)
    labels = torch.from_numpy(data["labels"].astype(np.int64))
    start, steps = time.process_time(), 0
    loop = Loop(torch.from_numpy(data["sounds"]), labels, options.width)
    while steps < options.steps if options.steps else time.process_time() - start < options.seconds:
        loop.step()
        steps += 1
    sounds = loop.sample(labels).numpy()
    np.savez(options.folder / "samples.npz", sounds=sounds, labels=labels.numpy())
    result = {"cpu_seconds": time.process_time() - start, "steps": steps, "width": options.width}
    (options.folder / "wavegan.json").write_text(json.dumps(result) + "\n", "utf8")


if __name__ == "__main__":
    main()
