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
from zerosum.data.dataset import Dataset
from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.resample import resize_bicubic_antialiased

VERSION = 1
"""To be raised whenever the same data would give another classifier."""
EPOCHS, MIN_STEPS, MAX_STEPS = 40, 100, 2_000
"""Times through the data, and steps at least and at most."""
BATCH_SIZE, LEARNING_RATE = 64, 4e-3
CHANNELS = (32, 64, 96)
NUM_FEATURES = 128
SMALL_IMAGE_SIZE, LARGE_IMAGE_SIZE = 32, 64
"""Pixels a side it looks at: for images up to 32 pixels, and for larger ones."""
MAX_SHIFT_PIXELS = 2
"""Pixels that training shifts images by, at most."""
ProgressFn = Callable[[int, int], None]


class Classifier(nn.Module):
    """Three convolutions and two layers, from images (N, C, H, W) in [-1, 1] to features and class scores."""

    def __init__(self, channels: int, image_size: int, num_classes: int) -> None:
        """Make it, untrained."""
        super().__init__()
        widths = (channels, *CHANNELS)
        stages = [_conv_block(i, o) for i, o in pairwise(widths)]
        flat = CHANNELS[-1] * (image_size // 8) ** 2
        self.body = nn.Sequential(*stages, nn.Flatten(), nn.Linear(flat, NUM_FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(NUM_FEATURES, num_classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 128), and scores (N, K) before softmax."""
        features = self.body(images)
        return features, self.head(features)


def _conv_block(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class ClassifierFeatures:
    """The classifier as a feature network."""

    name = "classifier"
    is_cacheable = True

    def __init__(
        self, network: Classifier, classes: tuple[str, ...], image_size: int, accuracy: float, device: torch.device
    ) -> None:
        """Use a trained classifier of these classes."""
        self.version = _weights_hash(network)
        self.network, self.image_size, self.accuracy = network.to(device).eval(), image_size, accuracy
        self.classes = classes
        self.network.requires_grad_(False)

    @property
    def resize_mode(self) -> str:
        """In words."""
        return f"bicubic, antialiased, to {self.image_size} px"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Features (N, 128) and class probabilities (N, K) of images (N, C, H, W) in [-1, 1]."""
        features, scores = self.network(_resize(images, self.image_size))
        return FeatureOutput(features, scores.softmax(1))


def load_or_train_classifier(dataset: Dataset, device: torch.device, progress: ProgressFn) -> ClassifierFeatures:
    """A classifier of these data, trained on the part that is not held out, or the one kept from last time.

    Raises:
        BadInput: the data have no classes.
    """
    if len(dataset.classes) < 2 or not dataset.bounded:
        raise BadInput(
            f"--features labels: {dataset.summary.source} has no classes; put each class's images in a folder of its "
            f"own, or choose --features lite0"
        )
    channels, height, width = dataset.shape
    side = SMALL_IMAGE_SIZE if max(height, width) <= SMALL_IMAGE_SIZE else LARGE_IMAGE_SIZE
    asked = f"{VERSION} {dataset.fingerprint} {dataset.summary.fit} {dataset.shape} {EPOCHS} {MAX_STEPS} {BATCH_SIZE} {CHANNELS}"
    key = f"labels-{hashlib.blake2b(asked.encode(), digest_size=16).hexdigest()}"
    network = Classifier(channels, side, len(dataset.classes))
    accuracy: float | None = None
    several = dist.is_initialized() and dist.get_world_size() > 1
    for turn in range(2 if several else 1):  # the first rank trains, so that all have the same one
        if not several or (dist.get_rank() > 0) == bool(turn):
            accuracy = _load_cached_classifier(network, key)
            if accuracy is None:
                _train_classifier(network, dataset, side, device, progress)
                accuracy = _held_out_accuracy(network, dataset, side, device)
                _cache_classifier(network, key, accuracy)
        if several:
            dist.barrier()
    assert accuracy is not None, "every rank has had its turn"
    return ClassifierFeatures(network, dataset.classes, side, accuracy, device)


def _resize(images: Tensor, image_size: int) -> Tensor:
    return images if images.shape[-2:] == (image_size, image_size) else resize_bicubic_antialiased(images, image_size)


def _train_classifier(
    network: Classifier, dataset: Dataset, image_size: int, device: torch.device, progress: ProgressFn
) -> None:
    """Adam on a one-cycle schedule, images shifted at random; the same data give the same classifier on one machine."""
    with torch.random.fork_rng():
        torch.manual_seed(VERSION)
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                layer.reset_parameters()
        network.to(device).train()
        steps = min(MAX_STEPS, max(MIN_STEPS, EPOCHS * len(dataset.train) // BATCH_SIZE))
        optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE / 2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        labels = torch.from_numpy(dataset.labels)
        train = torch.from_numpy(dataset.train)
        for step in range(steps):
            chosen = train[torch.randint(len(train), (BATCH_SIZE,))]
            images = _resize(dataset.scale(dataset.take(chosen.numpy()).to(device)), image_size)
            _, scores = network(_random_shift(images))
            optimizer.zero_grad()
            F.cross_entropy(scores, labels[chosen].to(device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            progress(step + 1, steps)
    network.eval()


def _random_shift(images: Tensor) -> Tensor:
    """All of a batch moved by the same few pixels, the edge repeated."""
    down, right = torch.randint(0, 2 * MAX_SHIFT_PIXELS + 1, (2,)).tolist()
    height, width = images.shape[-2:]
    return F.pad(images, [MAX_SHIFT_PIXELS] * 4, mode="replicate")[..., down : down + height, right : right + width]


@torch.inference_mode()
def _held_out_accuracy(network: Classifier, dataset: Dataset, image_size: int, device: torch.device) -> float:
    """Share of the held-out images that it classifies rightly."""
    right = 0
    for first in range(0, len(dataset.held_out), 512):
        chosen = dataset.held_out[first : first + 512]
        _, scores = network(_resize(dataset.scale(dataset.take(chosen).to(device)), image_size))
        right += int((scores.argmax(1).cpu() == torch.from_numpy(dataset.labels[chosen])).sum())
    return right / max(1, len(dataset.held_out))


def _load_cached_classifier(network: Classifier, cache_key: str) -> float | None:
    folder = cache.root() / cache_key
    try:
        accuracy = float(json.loads((folder / "classifier.json").read_text("utf8"))["accuracy"])
        network.load_state_dict(load_file(folder / "network.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None
    cache.touch(folder)
    return accuracy


def _cache_classifier(network: Classifier, cache_key: str, accuracy: float) -> None:
    with contextlib.suppress(cache.CacheWriteError), cache.write_entry(cache_key) as folder:
        weights = {name: value.contiguous() for name, value in network.to("cpu").state_dict().items()}
        save_file(weights, folder / "network.safetensors")
        Path(folder / "classifier.json").write_text(json.dumps({"accuracy": accuracy}), "utf8")


def _weights_hash(network: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=4)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()
