"""Pairs whose targets are a whole number of times as large as their inputs, for super-resolution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.data.image_pairs.sources import PairSources
from zerosum.data.images.decode import apply_exif_orientation
from zerosum.data.images.rows import ExampleMetadata
from zerosum.data.images.size import ImageSize
from zerosum.data.images.sources import Source
from zerosum.data.text import pluralize
from zerosum.errors import BadInput

SCALE_FACTORS = (1, 2, 4, 8)
"""How many times as large as its input a target may be on each side."""
_MAX_TRIED = 16  # pairs that are opened to find the factor, if the first ones cannot be read


def find_scale_factor(pairs: PairSources) -> int:
    """Return how many times as large as its input the target of the first readable pair is; 1 if that is no factor.

    Loading checks it for every pair: see `require_scale_factor`.
    """
    for index in range(min(_MAX_TRIED, len(pairs.target.names), len(pairs.input.names))):
        try:
            input_size, target_size = (_upright_size(side, index) for side in (pairs.input, pairs.target))
        except BadInput:
            raise
        except Exception:  # Pillow raises any exception; loading reports the damaged files
            continue
        return next((factor for factor in SCALE_FACTORS if _scaled(input_size, factor) == target_size), 1)
    return 1


def _upright_size(source: Source, index: int) -> tuple[int, int]:
    """Return the (width, height) of an image that its EXIF orientation has turned."""
    with source.open(index) as image:
        return (apply_exif_orientation(image) if isinstance(image, Image.Image) else image).size


def _scaled(size: tuple[int, int], factor: int) -> tuple[int, int]:
    return size[0] * factor, size[1] * factor


def require_scale_factor(
    pairs: PairSources,
    input_metadata: ExampleMetadata,
    target_metadata: ExampleMetadata,
    tile: ImageSize | None,
) -> NDArray[np.int64]:
    """Check the sizes of all pairs, and return the source indices (n,) of the pairs.

    Args:
        pairs: the sources, whose `scale_factor` each pair must have.
        input_metadata: the inputs of pairs alone.
        target_metadata: their targets, in the same order.
        tile: the size of the tiles that targets are cut into, or None. A smaller image would be enlarged, and its
            middle may lie between the pixels of the input.

    Raises:
        BadInput: if a pair has other sizes, or a target of another size than its input is smaller than a tile.
    """
    factor = pairs.scale_factor
    pair_indices, target_rows = np.unique(target_metadata.source_indices, return_index=True)
    input_rows = np.unique(input_metadata.source_indices, return_index=True)[1]
    input_sizes, target_sizes = input_metadata.sizes[input_rows], target_metadata.sizes[target_rows]
    mismatches = np.flatnonzero((input_sizes * factor != target_sizes).any(axis=1))
    if len(mismatches):
        first = mismatches[0]
        raise BadInput(
            f"{_describe_mismatch(len(mismatches), factor)}, such as "
            f"{_describe_image(pairs.input, pair_indices[first], input_sizes[first])} and "
            f"{_describe_image(pairs.target, pair_indices[first], target_sizes[first])}: "
            f"{_advise(input_sizes[mismatches], target_sizes[mismatches], factor)}"
        )
    if tile and factor > 1:
        small = np.flatnonzero((target_sizes < (tile.width, tile.height)).any(axis=1))
        if len(small):
            example = _describe_image(pairs.target, pair_indices[small[0]], target_sizes[small[0]])
            raise BadInput(
                f"`data.size` {tile.setting}: {pluralize(len(small), 'target')} cannot be cut into tiles of this size, "
                f"such as {example}; give a smaller size, or leave small images out"
            )
    return pair_indices


def _advise(input_sizes: NDArray[np.int32], target_sizes: NDArray[np.int32], factor: int) -> str:
    """Return what to do about pairs (n, 2) whose sizes do not fit."""
    if any((input_sizes == other * target_sizes).all() for other in SCALE_FACTORS[1:]):
        return "give the folder of the small images as the inputs, and that of the large ones as the targets"
    return f"scale or crop both images of a pair to the same area{'' if factor > 1 else ' and size'}"


def _describe_mismatch(count: int, factor: int) -> str:
    if factor == 1:
        return f"the images of {pluralize(count, 'pair')} differ in size"
    return f"the targets of {pluralize(count, 'pair')} are not {factor} times as large as their inputs"


def _describe_image(source: Source, index: int, size: NDArray[np.int32]) -> str:
    return f"{source.names[index]} in {source.display_name} ({size[0]}x{size[1]})"
