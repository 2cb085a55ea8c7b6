"""The data of `references_translation.py`: pairs or two sets of images, and crops with their downscaled copies."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

NextBatch = Callable[[], tuple[Tensor, Tensor]]
"""Return the next batch: inputs (N, 3, h, w) and targets (N, 3, H, W), both in the range of the reference."""
UPSCALE_FACTOR = 4
"""ESRGAN's upscaling factor."""


def read_images(folder: Path, size: int = 0) -> dict[str, Image.Image]:
    """Return the RGB images of a folder by stem, in order of name; resized (bicubic) to `size`, unless it is 0."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"))
    if not paths:
        raise SystemExit(f"{folder} holds no images; give a folder of PNG, JPEG or WebP files")
    images = {}
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        has_size = size in (0, image.width) and size in (0, image.height)
        images[path.stem] = image if has_size else image.resize((size, size), Image.Resampling.BICUBIC)
    return images


def to_tensor(images: list[NDArray[np.uint8]], low: float) -> Tensor:
    """Map images (H, W, 3) to (N, 3, H, W) in [low, 1]."""
    stacked = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous()
    return stacked.float() / 255 * (1 - low) + low


def to_image(values: Tensor, low: float) -> Image.Image:
    """Map (3, H, W), clamped to [low, 1], to an image."""
    levels = ((values - low) / (1 - low) * 255).round().clamp(0, 255)
    return Image.fromarray(levels.to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def shuffled_indices(count: int) -> Iterator[int]:
    """Yield indices 0 to `count` - 1 without end, each once per epoch, in a new order every epoch."""
    while True:
        yield from torch.randperm(count).tolist()


@dataclass(frozen=True)
class PairSource:
    """Images of two subfolders: pairs of equal names, flipped together, or two independent sets."""

    input_name: str
    target_name: str
    size: int
    paired: bool

    def batches(self, data: Path, batch_size: int) -> NextBatch:
        """Return batches from train/INPUT and train/TARGET, in [-1, 1]."""
        inputs, targets = (
            read_images(data / "train" / name, self.size) for name in (self.input_name, self.target_name)
        )
        if self.paired and list(inputs) != list(targets):
            raise SystemExit(
                f"file names in {data}/train/{self.input_name} and {self.target_name} differ; pairs need equal names"
            )
        sides = [[np.asarray(image) for image in side.values()] for side in (inputs, targets)]
        orders = [shuffled_indices(len(side)) for side in sides]

        def next_pair() -> list[NDArray[np.uint8]]:
            draws = [(next(order), random.random() < 0.5) for order in orders]
            draws = [draws[0]] * 2 if self.paired else draws
            return [side[i][:, ::-1] if flip else side[i] for side, (i, flip) in zip(sides, draws, strict=True)]

        def next_batch() -> tuple[Tensor, Tensor]:
            pairs = [next_pair() for _ in range(batch_size)]
            return to_tensor([pair[0] for pair in pairs], -1), to_tensor([pair[1] for pair in pairs], -1)

        return next_batch

    def test_inputs(self, data: Path) -> dict[str, Image.Image]:
        """Return the images of test/INPUT."""
        return read_images(data / "test" / self.input_name, self.size)


def center_crop(image: Image.Image, max_size: int = 512) -> Image.Image:
    """Return the center of an image: at most `max_size` pixels a side, and a multiple of 4."""
    width, height = (min(max_size, side) // UPSCALE_FACTOR * UPSCALE_FACTOR for side in image.size)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def downscale(image: Image.Image) -> Image.Image:
    """Return an image with a quarter of each side, by Pillow's bicubic filter."""
    return image.resize((image.width // UPSCALE_FACTOR, image.height // UPSCALE_FACTOR), Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class CropSource:
    """Random crops of large images, flipped and rotated, and their copies downscaled by 4."""

    size: int

    def batches(self, data: Path, batch_size: int) -> NextBatch:
        """Return batches from train, in [0, 1] as the authors have it."""
        images = list(read_images(data / "train").values())
        if min(min(image.size) for image in images) < self.size:
            raise SystemExit(
                f"{data}/train holds images of less than {self.size} px a side; remove them or set a smaller --size"
            )
        order = shuffled_indices(len(images))

        def next_crop() -> Image.Image:
            image = images[next(order)]
            left, top = (random.randrange(side - self.size + 1) for side in image.size)
            crop = image.crop((left, top, left + self.size, top + self.size)).rotate(90 * random.randrange(4))
            return crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else crop

        def next_batch() -> tuple[Tensor, Tensor]:
            crops = [next_crop() for _ in range(batch_size)]
            small = [np.asarray(downscale(crop)) for crop in crops]
            return to_tensor(small, 0), to_tensor([np.asarray(crop) for crop in crops], 0)

        return next_batch

    def test_inputs(self, data: Path) -> dict[str, Image.Image]:
        """Return the centers of the test images, downscaled."""
        return {name: downscale(center_crop(image)) for name, image in read_images(data / "test").items()}
