"""A small classifier of the user's own classes: it says what a sample is, and sees what tells classes apart."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.data import cache
from zerosum.data.dataset import Examples
from zerosum.errors import BadInput
from zerosum.evaluation.features.base import Seen
from zerosum.evaluation.features.resample import antialiased_bicubic

VERSION = 1
"""To be raised whenever the same data would give another classifier."""
EPOCHS, LEAST, MOST = 40, 100, 2_000
"""Times through the data, and steps at least and at most."""
BATCH, RATE = 64, 4e-3
WIDTHS = (32, 64, 96)
FEATURES = 128
SMALL, LARGE = 32, 64
"""Pixels a side it looks at: for images up to 32 pixels, and for larger ones."""
SHIFT = 2
"""Pixels that training shifts images by, at most."""
Progress = Callable[[int, int], None]


class Classifier(nn.Module):
    """Three convolutions and two layers, from images (N, C, H, W) in [-1, 1] to features and class scores."""

    def __init__(self, channels: int, side: int, classes: int) -> None:
        """Make it, untrained."""
        super().__init__()
        widths = (channels, *WIDTHS)
        stages = [_stage(i, o) for i, o in pairwise(widths)]
        flat = WIDTHS[-1] * (side // 8) ** 2
        self.body = nn.Sequential(*stages, nn.Flatten(), nn.Linear(flat, FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(FEATURES, classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 128), and scores (N, K) before softmax."""
        features = self.body(images)
        return features, self.head(features)


def _stage(inward: int, outward: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inward, outward, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outward), nn.ReLU()
    )


class Labels:
    """The classifier as a feature network."""

    name = "labels"
    steady = True

    def __init__(
        self, network: Classifier, classes: tuple[str, ...], side: int, accuracy: float, device: torch.device
    ) -> None:
        """Use a trained classifier of these classes."""
        self.version = _hash(network)
        self.network, self.side, self.accuracy = network.to(device).eval(), side, accuracy
        self.classes = classes
        self.network.requires_grad_(False)

    @property
    def resize(self) -> str:
        """In words."""
        return f"bicubic, antialiased, to {self.side} px"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> Seen:
        """Features (N, 128) and class probabilities (N, K) of images (N, C, H, W) in [-1, 1]."""
        features, scores = self.network(_sized(images, self.side))
        return Seen(features, scores.softmax(1))


def trained(examples: Examples, device: torch.device, progress: Progress) -> Labels:
    """A classifier of these data, trained on the part that is not held out, or the one kept from last time.

    Raises:
        BadInput: the data have no classes.
    """
    if len(examples.classes) < 2 or not examples.bounded:
        raise BadInput(
            f"--features labels: {examples.survey.source} has no classes; put each class's images in a folder of its "
            f"own, or choose --features lite0"
        )
    channels, height, width = examples.shape
    side = SMALL if max(height, width) <= SMALL else LARGE
    asked = f"{VERSION} {examples.fingerprint} {examples.survey.fit} {examples.shape} {EPOCHS} {MOST} {BATCH} {WIDTHS}"
    key = f"labels-{hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()}"
    network = Classifier(channels, side, len(examples.classes))
    accuracy: float | None = None
    several = dist.is_initialized() and dist.get_world_size() > 1
    for turn in range(2 if several else 1):  # the first rank trains, so that all have the same one
        if not several or (dist.get_rank() > 0) == bool(turn):
            accuracy = _load(network, key)
            if accuracy is None:
                _train(network, examples, side, device, progress)
                accuracy = _accuracy(network, examples, side, device)
                _save(network, key, accuracy)
        if several:
            dist.barrier()
    assert accuracy is not None, "every rank has had its turn"
    return Labels(network, examples.classes, side, accuracy, device)


def _sized(images: Tensor, side: int) -> Tensor:
    return images if images.shape[-2:] == (side, side) else antialiased_bicubic(images, side)


def _train(network: Classifier, examples: Examples, side: int, device: torch.device, progress: Progress) -> None:
    """Adam on a one-cycle schedule, images shifted at random; the same data give the same classifier on one machine."""
    with torch.random.fork_rng():
        torch.manual_seed(VERSION)
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                layer.reset_parameters()
        network.to(device).train()
        steps = min(MOST, max(LEAST, EPOCHS * len(examples.train) // BATCH))
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE / 2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        labels = torch.from_numpy(examples.labels)
        train = torch.from_numpy(examples.train)
        for step in range(steps):
            chosen = train[torch.randint(len(train), (BATCH,))]
            images = _sized(examples.scale(examples.take(chosen.numpy()).to(device)), side)
            _, scores = network(_shifted(images))
            optimizer.zero_grad()
            F.cross_entropy(scores, labels[chosen].to(device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            progress(step + 1, steps)
    network.eval()


def _shifted(images: Tensor) -> Tensor:
    """All of a batch moved by the same few pixels, the edge repeated."""
    down, right = torch.randint(0, 2 * SHIFT + 1, (2,)).tolist()
    height, width = images.shape[-2:]
    return F.pad(images, [SHIFT] * 4, mode="replicate")[..., down : down + height, right : right + width]


@torch.inference_mode()
def _accuracy(network: Classifier, examples: Examples, side: int, device: torch.device) -> float:
    """Share of the held-out images that it classifies rightly."""
    right = 0
    for first in range(0, len(examples.held_out), 512):
        chosen = examples.held_out[first : first + 512]
        _, scores = network(_sized(examples.scale(examples.take(chosen).to(device)), side))
        right += int((scores.argmax(1).cpu() == torch.from_numpy(examples.labels[chosen])).sum())
    return right / max(1, len(examples.held_out))


def _load(network: Classifier, key: str) -> float | None:
    folder = cache.root() / key
    try:
        accuracy = float(json.loads((folder / "labels.json").read_text("utf8"))["accuracy"])
        network.load_state_dict(load_file(folder / "network.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None
    cache.touch(folder)
    return accuracy


def _save(network: Classifier, key: str, accuracy: float) -> None:
    with contextlib.suppress(cache.CannotWrite), cache.writing(key) as folder:
        weights = {name: value.contiguous() for name, value in network.to("cpu").state_dict().items()}
        save_file(weights, folder / "network.safetensors")
        Path(folder / "labels.json").write_text(json.dumps({"accuracy": accuracy}), "utf8")


def _hash(network: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=4)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()
