"""How the peers' well-known codes load images, written out: see `references.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
import vision
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from zerosum.data.dataset import Dataset
from zerosum.media.raster import as_images

Batches = Iterator[Any]
"""Batches of images (N, C, H, W), or of images and class labels (N,)."""


class ImageLoader(Protocol):
    """How a reference loads its images."""

    description: str
    """Recorded with the results of the row."""

    def batches(self, batch_size: int) -> Batches:
        """Yield batches (N, C, H, W) in [-1, 1] without end, in a new order every epoch."""


class TensorLoader(TorchDataset[Any]):
    """Convert one array at a time to float and scale it: as ToTensor and Normalize, but without a Pillow image.

    Cheaper than any well-known code: pytorch/examples' dcgan opens, resizes and crops files in two worker processes,
    which take their time from training on a machine with two cores.
    """

    description = "tensors from memory"

    def __init__(self, dataset: Dataset) -> None:
        self.values = as_images(dataset.items(np.arange(len(dataset))))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Any:
        return self.load_image(index)

    def load_image(self, index: int) -> Tensor:
        """Return an image (C, H, W) in [-1, 1]."""
        image = torch.from_numpy(self.values[index]).permute(2, 0, 1).contiguous().float().div(255)
        return image.sub_(0.5).div_(0.5)

    def batches(self, batch_size: int) -> Batches:
        """Yield batches without end."""
        while True:
            yield from DataLoader(self, batch_size, shuffle=True, drop_last=True)


class LabeledTensorLoader(TensorLoader):
    """The same with class labels; like torchvision's datasets, it returns them whether or not they are used."""

    description = "tensors and classes from memory"

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.labels = dataset.labels.tolist()

    def __getitem__(self, index: int) -> Any:
        return self.load_image(index), self.labels[index]


class PillowLoader(TorchDataset[tuple[Tensor, int]]):
    """Load gray images and labels as torchvision's MNIST does: a Pillow image, then Resize, ToTensor, Normalize.

    The transforms are torchvision's own if it is installed. Otherwise `equivalent_transform` does the same conversions,
    slightly faster than the originals, which also check their input. 2,048 images fit into a CPU cache; 60,000 would
    not.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.data = torch.from_numpy(np.ascontiguousarray(as_images(dataset.items(np.arange(len(dataset))))[..., 0]))
        self.targets = torch.zeros(len(self.data), dtype=torch.int64)
        version = vision.torchvision_version()
        self.description = f"torchvision {version}" if version else "written out"
        self.transform = torchvision_transform(self.data.shape[1]) if version else equivalent_transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, target = self.data[index], int(self.targets[index])
        return self.transform(Image.fromarray(image.numpy())), target

    def batches(self, batch_size: int) -> Batches:
        """Yield batches without end."""
        while True:
            for images, _ in DataLoader(self, batch_size, shuffle=True, drop_last=True):
                yield images


def torchvision_transform(side: int) -> Callable[[Image.Image], Tensor]:
    """Return torchvision's transforms in PyTorch-GAN's composition."""
    from torchvision import transforms

    steps = [transforms.Resize(side), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
    return transforms.Compose(steps)  # type: ignore[no-any-return]


def equivalent_transform(image: Image.Image) -> Tensor:
    """Map a gray image, already of the right size, to (1, H, W) in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, copy=True))[..., None]
    scaled = pixels.permute(2, 0, 1).contiguous().float().div(255).clone()
    mean, deviation = torch.tensor([0.5]).view(-1, 1, 1), torch.tensor([0.5]).view(-1, 1, 1)
    return scaled.sub_(mean).div_(deviation)
