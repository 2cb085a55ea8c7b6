"""A small classifier of the dataset's own classes, as a feature network and for per-class scores."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from zerosum.data import cache
from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.images.summary import ImageSummary
from zerosum.data.tensor_files import save_tensors
from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.resample import resize_bicubic_antialiased
from zerosum.game.sample_spec import require_single_tensor
from zerosum.game.sample_tree import map_tensors

VERSION = 1
"""Increase this whenever the same data would give another classifier. It is the seed, too."""
EPOCHS, MIN_STEPS, MAX_STEPS = 40, 100, 2_000
"""Epochs of training, and the minimum and maximum number of steps."""
BATCH_SIZE, LEARNING_RATE = 64, 4e-3
BYTE_STEPS = 255
"""Steps of images of 8 bits."""
CHANNELS = (32, 64, 96)
NUM_FEATURES = 128
SMALL_IMAGE_SIZE, LARGE_IMAGE_SIZE = 32, 64
"""Input size in pixels for images of at most 32 pixels a side, and for larger ones."""
MAX_SHIFT_PIXELS = 2
"""Maximum random shift of training images, in pixels."""
ProgressFn = Callable[[int, int], None]


class Classifier(nn.Module):
    """Three convolutions and two linear layers, from images (N, C, H, W) in [-1, 1] to features and logits."""

    def __init__(self, channels: int, image_size: int, num_classes: int) -> None:
        """Create the network with random weights."""
        super().__init__()
        widths = (channels, *CHANNELS)
        blocks = [_conv_block(i, o) for i, o in pairwise(widths)]
        flat_size = CHANNELS[-1] * (image_size // 8) ** 2
        self.body = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(flat_size, NUM_FEATURES), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(NUM_FEATURES, num_classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, 128) and logits (N, K)."""
        features = self.body(images)
        return features, self.head(features)


def _conv_block(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class ClassifierFeatures:
    """The trained classifier as a feature network."""

    name = "classifier"
    is_cacheable = True

    def __init__(
        self, network: Classifier, classes: tuple[str, ...], image_size: int, accuracy: float, device: torch.device
    ) -> None:
        """Wrap a trained classifier.

        Args:
            network: the classifier.
            classes: names of the K classes.
            image_size: input size in pixels.
            accuracy: its accuracy on held-out images, 0 to 1.
            device: where it computes.
        """
        self.version = _weights_hash(network)
        self.network, self.image_size, self.accuracy = network.to(device).eval(), image_size, accuracy
        self.classes = classes
        self.network.requires_grad_(False)

    @property
    def resize_mode(self) -> str:
        """How images are resized to the input size."""
        return f"bicubic, antialiased, to {self.image_size} px"

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, 128) and class probabilities (N, K) of images (N, C, H, W) in [-1, 1]."""
        features, logits = self.network(_resize(images, self.image_size))
        return FeatureOutput(features, logits.softmax(1))


def load_or_train_classifier(
    dataset: Dataset, device: torch.device, progress: ProgressFn, field: str = "features"
) -> ClassifierFeatures:
    """Return a classifier trained on the training images of a dataset, from the cache if possible.

    Args:
        dataset: images with at least two classes.
        device: where it is trained and computes.
        progress: called after each step with the steps done and their total number.
        field: the argument or setting that chose the classifier, for messages.

    Raises:
        BadInput: the dataset has no classes.
    """
    if len(dataset.classes) < 2:
        raise BadInput(
            f"`{field}` classifier: {dataset.summary.source} has no classes; put the images of each class in a folder "
            f"of their own, or choose `{field}` lite0"
        )
    channels, height, width = require_single_tensor(dataset.spec, "a classifier").shape
    image_size = SMALL_IMAGE_SIZE if max(height, width) <= SMALL_IMAGE_SIZE else LARGE_IMAGE_SIZE
    key = _cache_key(dataset)
    network = Classifier(channels, image_size, len(dataset.classes))
    accuracy: float | None = None
    is_distributed = dist.is_initialized() and dist.get_world_size() > 1
    for phase in range(2 if is_distributed else 1):  # rank 0 trains; then the others load what it cached
        if not is_distributed or (dist.get_rank() > 0) == bool(phase):
            accuracy = _load_cached_classifier(network, key)
            if accuracy is None:
                _train_classifier(network, dataset, image_size, device, progress)
                accuracy = _held_out_accuracy(network, dataset, image_size, device)
                _cache_classifier(network, key, accuracy)
        if is_distributed:
            dist.barrier()
    assert accuracy is not None, "every rank has loaded or trained it in one of the phases"
    return ClassifierFeatures(network, dataset.classes, image_size, accuracy, device)


def _cache_key(dataset: Dataset) -> str:
    shape = require_single_tensor(dataset.spec, "a classifier").shape
    fit = dataset.summary.fit if isinstance(dataset.summary, ImageSummary) else ""
    settings = f"{VERSION} {dataset.fingerprint} {fit} {shape} {EPOCHS} {MAX_STEPS} {BATCH_SIZE} {CHANNELS}"
    if dataset.codec.steps != BYTE_STEPS:
        settings += f" {dict(dataset.codec.settings())}"  # the same values mean other samples in another range
    return f"classifier-{hashlib.blake2b(settings.encode(), digest_size=16).hexdigest()}"


def _resize(images: Tensor, image_size: int) -> Tensor:
    return images if images.shape[-2:] == (image_size, image_size) else resize_bicubic_antialiased(images, image_size)


def _train_classifier(
    network: Classifier, dataset: Dataset, image_size: int, device: torch.device, progress: ProgressFn
) -> None:
    """Train with AdamW, a one-cycle schedule and random shifts; on one machine the same data give the same weights."""
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
            indices = train[torch.randint(len(train), (BATCH_SIZE,))]
            images = _resize(_encode(dataset, indices.numpy(), device), image_size)
            _, logits = network(_random_shift(images))
            optimizer.zero_grad()
            F.cross_entropy(logits, labels[indices].to(device)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            progress(step + 1, steps)
    network.eval()


def _encode(dataset: Dataset, indices: NDArray[np.int64], device: torch.device) -> Tensor:
    """Return the images at `indices` (n,) on the device: (n, C, H, W) in [-1, 1]."""
    raw = map_tensors(lambda leaf: leaf.to(device), dataset.take(indices))
    return as_tensor(dataset.codec.encode(raw))


def _random_shift(images: Tensor) -> Tensor:
    """Shift all images of a batch by the same few pixels, with the edges repeated."""
    down, right = torch.randint(0, 2 * MAX_SHIFT_PIXELS + 1, (2,)).tolist()
    height, width = images.shape[-2:]
    return F.pad(images, [MAX_SHIFT_PIXELS] * 4, mode="replicate")[..., down : down + height, right : right + width]


@torch.inference_mode()
def _held_out_accuracy(network: Classifier, dataset: Dataset, image_size: int, device: torch.device) -> float:
    """Return the accuracy on the held-out images, 0 to 1."""
    num_correct = 0
    for first in range(0, len(dataset.held_out), 512):
        indices = dataset.held_out[first : first + 512]
        _, logits = network(_resize(_encode(dataset, indices, device), image_size))
        num_correct += int((logits.argmax(1).cpu() == torch.from_numpy(dataset.labels[indices])).sum())
    return num_correct / max(1, len(dataset.held_out))


def _load_cached_classifier(network: Classifier, cache_key: str) -> float | None:
    """Load the weights of a cached classifier into `network`, and return its accuracy; None if there is none."""
    folder = cache.root() / cache_key
    try:
        accuracy = float(json.loads((folder / "classifier.json").read_text("utf8"))["accuracy"])
        network.load_state_dict(load_file(folder / "network.safetensors"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError):
        return None
    cache.touch(folder)
    return accuracy


def _cache_classifier(network: Classifier, cache_key: str, accuracy: float) -> None:
    # an entry that is there was damaged when it was read
    entry = cache.write_entry(cache_key, is_valid=lambda _: False)
    with contextlib.suppress(cache.CacheWriteError), entry as folder:
        weights = {name: value.contiguous() for name, value in network.to("cpu").state_dict().items()}
        save_tensors(weights, folder / "network.safetensors")
        Path(folder / "classifier.json").write_text(json.dumps({"accuracy": accuracy}), "utf8")


def _weights_hash(network: nn.Module) -> str:
    digest = hashlib.blake2b(digest_size=4)
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()
