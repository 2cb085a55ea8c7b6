"""Measures of benchmarks/robustness.py: is a generator alive, and how do its images differ from real ones?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from robustness_data import to_colors
from torch import Tensor

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.kinds.images import LARGE_INPUT_SIZE, SMALL_INPUT_SIZE
from zerosum.evaluation.metrics.kid import kernel_distance
from zerosum.evaluation.sample_sets import decode_finite
from zerosum.inference.load import read_recipe
from zerosum.media.raster import Images, as_images
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.workflows.evaluate_pairs import TranslationSet
from zerosum.workflows.run_data import read_run_data

NUM_IMAGES, BATCH_SIZE = 256, 32
FLAT_DEVIATION = 3.0
"""Standard deviation over the pixels, 0 to 255, below which an image is of one color."""
SATURATED = 0.999
"""Absolute value of an output, of at most 1, from which on tanh passes back less than .2% of a gradient."""
DARK, BRIGHT = 64, 192


@dataclass(frozen=True)
class ImageSets:
    """Images that a run made, real ones, and further real ones for the floor of the kernel distance."""

    made: Images
    real: Images
    other_real: Images
    inputs: Images | None
    """Inputs of a translator, if they have the shape of its outputs."""
    is_finite: bool
    saturated_share: float
    """Share of the outputs' values that are saturated."""


def collect(run: Path) -> ImageSets:
    """Return the images of a run that has a checkpoint: its EMA generator's samples, or translations."""
    folder = RunFolder.open(run)
    recipe = read_recipe(folder)
    dataset = read_run_data(folder, recipe, SilentReporter())
    if recipe.is_translation:
        return _translate(run, dataset)
    generator = zerosum.load(run)
    samples = generator.sample(NUM_IMAGES, seed=0, batch_size=BATCH_SIZE)
    assert isinstance(samples, Tensor)
    is_finite = bool(samples.isfinite().all())
    made = as_images(generator.decode(samples.nan_to_num()))
    return ImageSets(made, *_real_images(dataset), None, is_finite, _saturated_share(samples))


def _real_images(dataset: Dataset) -> tuple[Images, Images]:
    order = np.random.default_rng(0).permutation(dataset.train)[: 2 * NUM_IMAGES]
    half = len(order) // 2
    return as_images(dataset.items(order[:half])), as_images(dataset.items(order[half:]))


def _translate(run: Path, dataset: Dataset) -> ImageSets:
    translator, translation_set = zerosum.load_translator(run), TranslationSet.from_dataset(dataset, held_out=False)
    count = min(NUM_IMAGES, len(translation_set.indices))
    inputs = [
        translation_set.inputs(range(first, min(first + BATCH_SIZE, count))) for first in range(0, count, BATCH_SIZE)
    ]
    outputs = torch.cat([translator(batch) for batch in inputs])
    is_finite = bool(outputs.isfinite().all())
    made = as_images(decode_finite(dataset.codec, outputs.nan_to_num(), torch.zeros(len(outputs), dtype=torch.int64)))
    given = torch.cat(inputs)
    shown = None
    if given.shape[2:] == outputs.shape[2:] and given.shape[1] <= 4:
        shown = given.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return ImageSets(made, *_real_images(dataset), shown, is_finite, _saturated_share(outputs))


def _saturated_share(outputs: Tensor) -> float:
    return float((outputs.abs() >= SATURATED).float().mean())


def measure(sets: ImageSets) -> Row:
    """Return the measures of a run's images, and those of real images under the same names with `real_` before."""
    row: Row = {"finite": sets.is_finite, "saturated": sets.saturated_share}
    row |= image_statistics(sets.made) | {f"real_{name}": value for name, value in image_statistics(sets.real).items()}
    made, real, other = (_features(images) for images in (sets.made, sets.real, sets.other_real))
    row |= {"kid": kernel_distance(made, real).value, "kid_floor": kernel_distance(other, real).value}
    if sets.inputs is not None:
        row["kid_input"] = kernel_distance(_features(sets.inputs), real).value
    return row


def image_statistics(images: Images) -> Row:
    """Return statistics of images (N, H, W, C), 0 to 255; transparent pixels count as white.

    - flat: share of images of one color; spread: deviation between images, mean over pixels
    - dark, bright: shares of pixels; chroma: mean distance from gray
    - chroma_detail: root mean square of what a 3 x 3 mean removes from the two color differences
    - checkerboard: root mean square of the response to [[1, -1], [-1, 1]] / 4
    """
    colors = to_colors(images)
    luma = colors @ np.array([0.299, 0.587, 0.114])
    differences = np.stack([0.564 * (colors[..., 2] - luma), 0.713 * (colors[..., 0] - luma)], 3)
    detail = differences[:, 1:-1, 1:-1] - _mean_3x3(differences)
    diagonal = colors[:, :-1, :-1] - colors[:, :-1, 1:] - colors[:, 1:, :-1] + colors[:, 1:, 1:]
    return {
        "flat": float((colors.std((1, 2)).max(1) < FLAT_DEVIATION).mean()),
        "spread": float(colors.std(0).mean()),
        "dark": float((luma < DARK).mean()),
        "bright": float((luma > BRIGHT).mean()),
        "chroma": float(np.hypot(differences[..., 0], differences[..., 1]).mean()),
        "chroma_detail": float(np.sqrt((detail**2).mean())),
        "checkerboard": float(np.sqrt(((diagonal / 4) ** 2).mean())),
    }


def _mean_3x3(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means over 3 x 3 pixels, (N, H, W, C) to (N, H - 2, W - 2, C)."""
    rows = maps[:, :-2] + maps[:, 1:-1] + maps[:, 2:]
    means: NDArray[np.float64] = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / 9
    return means


@cache
def _network(side: int) -> EfficientNetFeatures:
    return EfficientNetFeatures.load(
        SMALL_INPUT_SIZE if side <= SMALL_INPUT_SIZE else LARGE_INPUT_SIZE, torch.device("cpu")
    )


def _features(images: Images) -> FeatureTable:
    """Map images (N, H, W, C) to features (N, 1280); those of real images, which many cells share, are kept."""
    key = (images.shape, hash(images.tobytes()))
    if key not in _KNOWN_FEATURES:
        _KNOWN_FEATURES[key] = _compute_features(images)
    return _KNOWN_FEATURES[key]


_KNOWN_FEATURES: dict[tuple[tuple[int, ...], int], FeatureTable] = {}


def _compute_features(images: Images) -> FeatureTable:
    tensor = torch.from_numpy(to_colors(images)).float().permute(0, 3, 1, 2).div(127.5).sub(1)
    with torch.no_grad():
        return FeatureTable.from_tensor(_network(max(images.shape[1:3]))(tensor).features)


def last_monitored(run: Path, name: str) -> float | None:
    """Return a signal of the run's last examination by the monitor; None: there was none."""
    values = [row[name] for row in RunFolder(run).rows() if name in row]
    return float(values[-1]) if values else None


def movement(run: Path) -> float | None:
    """Return the mean change between the last sample grid and that of about half the run; None: there are too few."""
    grids = sorted((run / "samples").glob("*.png"))
    if len(grids) < 3:
        return None
    middle, last = (np.asarray(Image.open(path).convert("RGB"), np.float64) for path in (grids[len(grids) // 2 - 1],
                                                                                         grids[-1]))  # fmt: skip
    return float(np.abs(last - middle).mean()) if middle.shape == last.shape else None
