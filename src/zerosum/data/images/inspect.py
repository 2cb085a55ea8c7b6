"""A quick look at a source, from which settings are chosen: a listing, some headers, a few thumbnails."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zerosum.data.images.decode import convert_channels, error_reason, to_8bit
from zerosum.data.images.sources import Source, resolve_source
from zerosum.data.images.summary import most_common
from zerosum.data.points.mixtures import POINT_COUNT, GaussianMixture
from zerosum.errors import BadInput

MAX_SAMPLED_HEADERS = 512
"""How many files' headers are read."""
_MAX_THUMBNAILS = 24  # of those, how many are decoded, where the mode alone does not say grey or opaque
_THUMBNAIL_SIZE = 64
_COLOR_THRESHOLD = (
    12  # the least difference between channels, of 255, that is colour and not a camera's or JPEG's rounding
)
_SIZE_TOLERANCE = 0.85  # a short side this much of a power of two counts as that power: 28 becomes 32
_PAD_MIN_RATIO = 0.75  # images of this much of the size are framed, not enlarged


@dataclass(frozen=True)
class SourceInspection:
    """What a quick look shows; all but the counts come from a sample spread evenly over the files."""

    source: str
    """As the user named it."""
    kind: str
    """`images` or `points`."""
    count: int
    """Image files (readable or not), or points."""
    classes: tuple[str, ...] = ()
    other_files: int = 0
    """Files left alone because their suffix is no image's."""
    sizes: tuple[tuple[int, int], ...] = ()
    """(width, height) of each image in the sample."""
    pixel_modes: tuple[tuple[str, int], ...] = ()
    """Pillow's pixel modes in the sample with their counts, most frequent first."""
    formats: tuple[tuple[str, int], ...] = ()
    """File formats in the sample with their counts, most frequent first."""
    has_color: bool = False
    """Whether any of the images looked at has colour; grey ones saved as RGB have none."""
    has_alpha: bool = False
    """Whether any of the images looked at is anywhere transparent."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(name, reason) of those in the sample that are no images."""
    dimensions: int = 0
    """F of points (N, F)."""
    notes: tuple[str, ...] = ()
    """Whole sentences about choices made."""
    resolved: Source | GaussianMixture | None = field(default=None, repr=False, compare=False)
    """What was looked at, listed already: `read` takes it, so that a large folder is not listed twice."""

    @property
    def short_side(self) -> int:
        """The median of the images' shorter sides; 0 for points."""
        return round(statistics.median(map(min, self.sizes))) if self.sizes else 0

    @property
    def common_size(self) -> tuple[int, int] | None:
        """The (width, height) of all, or None where they differ."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else None

    def recommended_size(self, max_size: int = 256) -> int:
        """A power of two from 16 to 1024, at most `max_size`: for points 0.

        It is the largest that three quarters of the images reach with their shorter side, or miss by at most
        15%.
        """
        if not self.sizes:
            return 0
        sides = sorted(map(min, self.sizes))
        reached = sides[(len(sides) - 1) // 4] / _SIZE_TOLERANCE
        return max((size for size in _SIZES if size <= min(reached, max_size)), default=_SIZES[0])

    def recommended_fit(self, size: int) -> str:
        """`pad` where all images share one size that is a little below `size` (28 of 32), else `crop`."""
        if self.common_size is None:
            return "crop"
        shorter, longer = sorted(self.common_size)
        return "pad" if _PAD_MIN_RATIO * size <= shorter and longer <= size and shorter < size else "crop"

    def recommended_channels(self) -> int:
        """3 where there is colour, else 1; transparency is laid over white."""
        return 3 if self.has_color else 1


_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def inspect_source(source: str | Path) -> SourceInspection:
    """Look at a folder, .zip, .npz or .npy of images, or at a data set by its name, without reading it all.

    Raises:
        BadInput: if there is nothing there, or nothing that can be read.
    """
    found = resolve_source(source)
    if isinstance(found, GaussianMixture):
        return SourceInspection(found.name, "points", POINT_COUNT, dimensions=found.modes.shape[1], resolved=found)
    return inspect_images(found)


def inspect_images(source: Source) -> SourceInspection:
    """Look at images that have been listed already.

    Raises:
        BadInput: if there is nothing that can be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files, which are read or refused all the same
        return _inspect_images(source)


def _inspect_images(source: Source) -> SourceInspection:
    headers: list[tuple[tuple[int, int], str, str]] = []
    telling: list[int] = []
    unreadable: list[tuple[str, str]] = []
    for index in _evenly_spaced_indices(len(source.names), MAX_SAMPLED_HEADERS):
        try:
            with source.open(index) as image:
                headers.append((image.size, image.mode, image.format or "array"))
                if image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
                    telling.append(index)
        except BadInput:
            raise
        except Exception as error:
            unreadable.append((source.names[index], error_reason(error)))
    if not headers:
        name, why = unreadable[0]
        raise BadInput(f"no image in {source.display_name} can be read, {name} for one ({why}): replace the files")
    thumbnails = [
        _has_color_and_alpha(source, telling[place]) for place in _evenly_spaced_indices(len(telling), _MAX_THUMBNAILS)
    ]
    return SourceInspection(
        source=source.display_name,
        kind="images",
        count=len(source.names),
        classes=source.classes,
        other_files=source.other_files,
        sizes=tuple(size for size, _, _ in headers),
        pixel_modes=tuple(most_common(mode for _, mode, _ in headers).items()),
        formats=tuple(most_common(name for _, _, name in headers).items()),
        has_color=any(tint for tint, _ in thumbnails),
        has_alpha=any(alpha for _, alpha in thumbnails),
        unreadable=tuple(unreadable),
        notes=source.notes,
        resolved=source,
    )


def _has_color_and_alpha(source: Source, index: int) -> tuple[bool, bool]:
    """Whether the image has colour, and whether it is anywhere transparent; neither if it is damaged."""
    try:
        with source.open(index) as image:
            image.draft("RGB", (_THUMBNAIL_SIZE, _THUMBNAIL_SIZE))  # JPEG alone can decode at an eighth of the size
            small = to_8bit(image)
            small.thumbnail((_THUMBNAIL_SIZE, _THUMBNAIL_SIZE))
            seen = np.asarray(convert_channels(small, 3)).astype(np.int16)
            alpha = "A" in small.mode and small.getchannel("A").getextrema() != (255, 255)
            return bool(np.ptp(seen, axis=2).max() >= _COLOR_THRESHOLD), alpha
    except Exception:  # Pillow's decoders raise anything; `read` decodes every file and names the damaged ones
        return False, False


def _evenly_spaced_indices(count: int, max_count: int) -> Sequence[int]:
    """At most so many indices below `count`, evenly spread, the first and last among them."""
    if count <= max_count:
        return range(count)
    return [round(place * (count - 1) / (max_count - 1)) for place in range(max_count)]
