"""Are a run's digits clear and varied? Judged by a small classifier, trained here on the bundled digits.

    python benchmarks/digits.py RUN [RUN ...]

Prints, as a JSON line a run: the share of samples the classifier is over 90% sure of, the samples per digit, and the
same for the held-out real digits, which the classifier never saw either.
"""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zerosum
from zerosum.data.images.load import load_source


def judge(seed: int = 0, epochs: int = 16) -> tuple[nn.Module, Tensor]:
    """A classifier of 32 x 32 digits, and the held-out digits (N, 1, 32, 32) in [-1, 1]."""
    digits = load_source("digits", 32, 1, "pad")
    images, labels = digits.scale(digits.take(digits.train)), torch.from_numpy(digits.labels[digits.train])
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, 2, 1), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Conv2d(32, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Conv2d(64, 96, 3, 2, 1), nn.BatchNorm2d(96), nn.ReLU(),
        nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, 10),
    )  # fmt: skip
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    steps = epochs * (len(images) // 64)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for step in range(steps):
        chosen = torch.randint(len(images), (64,))
        batch = torch.roll(images[chosen], [step % 5 - 2, step // 5 % 5 - 2], (2, 3))  # shifts by up to 2 pixels
        optimizer.zero_grad()
        F.cross_entropy(network(batch), labels[chosen]).backward()
        optimizer.step()
        schedule.step()
    held_out = digits.scale(digits.take(digits.held_out))
    return network.eval(), held_out


@torch.no_grad()
def opinion(network: nn.Module, images: Tensor) -> tuple[float, list[int]]:
    """The share of images it is over 90% sure of, and how many it takes for each digit."""
    chances = torch.cat([network(part).softmax(1) for part in images.split(500)])
    sure, digit = chances.max(1)
    return (sure > 0.9).double().mean().item(), torch.bincount(digit, minlength=10).tolist()


def main(runs: list[str]) -> None:
    """Judge some runs."""
    network, held_out = judge()
    print(json.dumps({"real": opinion(network, held_out)[0]}))
    for run in runs:
        sure, counts = opinion(network, zerosum.load(Path(run)).sample(5000, seed=1))
        print(json.dumps({"run": run, "sure": round(sure, 4), "per_digit": counts}))


if __name__ == "__main__":
    main(sys.argv[1:])
