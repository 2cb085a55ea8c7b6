"""Score the digits of runs by a small classifier that is trained here on the bundled digits.

    python benchmarks/digits.py RUN [RUN ...]

Prints one JSON line for each run: the fraction of samples that the classifier is over 90% sure of, and the number of
samples of each digit; and the same fraction for the held-out real digits, which the classifier was not trained on.
"""

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import zerosum
from zerosum.data.dataset import as_tensor
from zerosum.data.images.load import load_source

CONFIDENCE = 0.9
"""Class probability above which the classifier counts as sure."""


def train_classifier(seed: int = 0, epochs: int = 16) -> tuple[nn.Module, Tensor]:
    """Return a classifier of 32x32 digits, and the held-out digits (N, 1, 32, 32) in [-1, 1]."""
    digits = load_source("digits", 32, 1, "pad")
    images, labels = as_tensor(digits.samples(digits.train)), torch.from_numpy(digits.labels[digits.train])
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
        indices = torch.randint(len(images), (64,))
        batch = torch.roll(images[indices], [step % 5 - 2, step // 5 % 5 - 2], (2, 3))  # shifts by up to 2 pixels
        optimizer.zero_grad()
        F.cross_entropy(network(batch), labels[indices]).backward()
        optimizer.step()
        schedule.step()
    held_out = as_tensor(digits.samples(digits.held_out))
    return network.eval(), held_out


@torch.no_grad()
def classify(network: nn.Module, images: Tensor) -> tuple[float, list[int]]:
    """Return the fraction of images (N, 1, 32, 32) that the classifier is sure of, and the number of each digit."""
    probabilities = torch.cat([network(batch).softmax(1) for batch in images.split(500)])
    confidence, digit = probabilities.max(1)
    return (confidence > CONFIDENCE).double().mean().item(), torch.bincount(digit, minlength=10).tolist()


def main() -> None:
    """Score each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN", type=Path, help="run folders of models of digits")
    options = parser.parse_args()
    network, held_out = train_classifier()
    print(json.dumps({"real": classify(network, held_out)[0]}))
    for run in options.runs:
        confident_fraction, counts = classify(network, as_tensor(zerosum.load(run).sample(5000, seed=1)))
        print(json.dumps({"run": str(run), "confident_fraction": round(confident_fraction, 4), "per_digit": counts}))


if __name__ == "__main__":
    main()
