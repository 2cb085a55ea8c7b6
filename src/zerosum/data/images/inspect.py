"""A quick look at a source, from which settings are chosen: a listing, some headers, a few thumbnails."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zerosum.data.images.decode import eight_bit, reason, with_channels
from zerosum.data.images.sources import Source, find
from zerosum.data.images.summary import most_frequent
from zerosum.data.points.mixtures import POINTS, Toy
from zerosum.errors import BadInput

SAMPLE = 512
"""How many files' headers are read."""
_THUMBNAILS = 24  # of those, how many are decoded, where the mode alone does not say grey or opaque
_THUMBNAIL_SIDE = 64
_TINT = 12  # the least difference between channels, of 255, that is colour and not a camera's or JPEG's rounding
_ROUND_UP = 0.85  # a short side this much of a power of two counts as that power: 28 becomes 32
_PAD_FROM = 0.75  # images of this much of the size are framed, not enlarged


@dataclass(frozen=True)
class Glance:
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
    modes: tuple[tuple[str, int], ...] = ()
    """Pillow's pixel modes in the sample with their counts, most frequent first."""
    formats: tuple[tuple[str, int], ...] = ()
    """File formats in the sample with their counts, most frequent first."""
    colour: bool = False
    """Whether any of the images looked at has colour; grey ones saved as RGB have none."""
    alpha: bool = False
    """Whether any of the images looked at is anywhere transparent."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(name, reason) of those in the sample that are no images."""
    features: int = 0
    """F of points (N, F)."""
    notes: tuple[str, ...] = ()
    """Whole sentences about choices made."""
    found: Source | Toy | None = field(default=None, repr=False, compare=False)
    """What was looked at, listed already: `read` takes it, so that a large folder is not listed twice."""

    @property
    def short_side(self) -> int:
        """The median of the images' shorter sides; 0 for points."""
        return round(statistics.median(map(min, self.sizes))) if self.sizes else 0

    @property
    def common_size(self) -> tuple[int, int] | None:
        """The (width, height) of all, or None where they differ."""
        return self.sizes[0] if len(set(self.sizes)) == 1 else None

    def recommended_size(self, largest: int = 256) -> int:
        """A power of two from 16 to 1024, at most `largest`: for points 0.

        It is the largest that three quarters of the images reach with their shorter side, or miss by at most
        15%.
        """
        if not self.sizes:
            return 0
        sides = sorted(map(min, self.sizes))
        reached = sides[(len(sides) - 1) // 4] / _ROUND_UP
        return max((size for size in _SIZES if size <= min(reached, largest)), default=_SIZES[0])

    def recommended_fit(self, size: int) -> str:
        """`pad` where all images share one size that is a little below `size` (28 of 32), else `crop`."""
        if self.common_size is None:
            return "crop"
        shorter, longer = sorted(self.common_size)
        return "pad" if _PAD_FROM * size <= shorter and longer <= size and shorter < size else "crop"

    def recommended_channels(self) -> int:
        """3 where there is colour, else 1; transparency is laid over white."""
        return 3 if self.colour else 1


_SIZES = (16, 32, 64, 128, 256, 512, 1024)


def glance(source: str | Path) -> Glance:
    """Look at a folder, .zip, .npz or .npy of images, or at a data set by its name, without reading it all.

    Raises:
        BadInput: if there is nothing there, or nothing that can be read.
    """
    found = find(source)
    if isinstance(found, Toy):
        return Glance(found.name, "points", POINTS, features=found.modes.shape[1], found=found)
    return look(found)


def look(source: Source) -> Glance:
    """Look at images that have been listed already.

    Raises:
        BadInput: if there is nothing that can be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files, which are read or refused all the same
        return _look(source)


def _look(source: Source) -> Glance:
    headers: list[tuple[tuple[int, int], str, str]] = []
    telling: list[int] = []
    unreadable: list[tuple[str, str]] = []
    for index in _spread(len(source.names), SAMPLE):
        try:
            with source.open(index) as image:
                headers.append((image.size, image.mode, image.format or "array"))
                if image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
                    telling.append(index)
        except BadInput:
            raise
        except Exception as error:
            unreadable.append((source.names[index], reason(error)))
    if not headers:
        name, why = unreadable[0]
        raise BadInput(f"no image in {source.place} can be read, {name} for one ({why}): replace the files")
    thumbnails = [_tint_and_alpha(source, telling[place]) for place in _spread(len(telling), _THUMBNAILS)]
    return Glance(
        source=source.place,
        kind="images",
        count=len(source.names),
        classes=source.classes,
        other_files=source.other_files,
        sizes=tuple(size for size, _, _ in headers),
        modes=tuple(most_frequent(mode for _, mode, _ in headers).items()),
        formats=tuple(most_frequent(name for _, _, name in headers).items()),
        colour=any(tint for tint, _ in thumbnails),
        alpha=any(alpha for _, alpha in thumbnails),
        unreadable=tuple(unreadable),
        notes=source.notes,
        found=source,
    )


def _tint_and_alpha(source: Source, index: int) -> tuple[bool, bool]:
    """Whether the image has colour, and whether it is anywhere transparent; neither if it is damaged."""
    try:
        with source.open(index) as image:
            image.draft("RGB", (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))  # JPEG alone can decode at an eighth of the size
            small = eight_bit(image)
            small.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
            seen = np.asarray(with_channels(small, 3)).astype(np.int16)
            alpha = "A" in small.mode and small.getchannel("A").getextrema() != (255, 255)
            return bool(np.ptp(seen, axis=2).max() >= _TINT), alpha
    except Exception:  # Pillow's decoders raise anything; `read` decodes every file and names the damaged ones
        return False, False


def _spread(count: int, most: int) -> Sequence[int]:
    """At most so many indices below `count`, evenly spread, the first and last among them."""
    if count <= most:
        return range(count)
    return [round(place * (count - 1) / (most - 1)) for place in range(most)]
