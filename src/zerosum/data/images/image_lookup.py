"""Which image a path in a table means, as people write paths: from another folder, machine or system."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from zerosum.data.images.files import is_array_file, is_image_file

MISSING, AMBIGUOUS = -1, -2
"""In place of the index of an image: there is none, or there are several."""


class ImageLookup:
    """The indices of the images by the content of a cell.

    A path is relative to the folder of the table or to the root folder of all images, with slashes or backslashes. If
    there is no such image, letter case and then the suffix are ignored, as long as that leaves one image.
    """

    def __init__(self, names: Sequence[str], folder: str, root: str) -> None:
        """Create a lookup.

        Args:
            names: (N,) paths of all images within the source.
            folder: the folder of the table within the source: "" or with a trailing slash.
            root: the folder that contains the training images: likewise.
        """
        start = len(folder)
        self._root, self._prefix = _normalize_path(root[start:]), ""
        self._by_path = {
            _normalize_path(name[start:]): index for index, name in enumerate(names) if name.startswith(folder)
        }

    def find(self, cell: str) -> int:
        """Return the index of the image that a cell names, or MISSING, or AMBIGUOUS."""
        return self._find(_normalize_path(cell).removeprefix(self._prefix))

    def knows_end(self, cell: str) -> bool:
        """Return whether an image has the path that a cell ends in: b/a.png of /data/b/a.png."""
        return self._known_prefix(_normalize_path(cell)) is not None

    def learn_prefix(self, cells: Iterable[str]) -> None:
        """Learn the folder that precedes the paths: /data/photos/ of an absolute path, or photos/.

        Nothing is learned if some cell names an image as it is: cells that do not may be of images that are missing.
        """
        prefixes: Counter[str] = Counter()
        for cell in cells:
            path = _normalize_path(cell)
            if self._find(path) != MISSING:
                return
            prefix = self._known_prefix(path)
            if prefix is not None:
                prefixes[prefix] += 1
        self._prefix = prefixes.most_common(1)[0][0] if prefixes else ""

    def _known_prefix(self, path: str) -> str | None:
        """Return the shortest part of a path without which it names an image, or None."""
        end = path.find("/")
        while end >= 0:
            if self._find(path[end + 1 :]) != MISSING:
                return path[: end + 1]
            end = path.find("/", end + 1)
        return None

    def _find(self, path: str) -> int:
        candidates = (path, self._root + path)
        for candidate in candidates:
            if candidate in self._by_path:
                return self._by_path[candidate]
        for candidate in candidates:
            for key in (candidate.casefold(), _stem(candidate)):
                if key in self._by_loose_path:
                    return self._by_loose_path[key]
        return MISSING

    @cached_property
    def _by_loose_path(self) -> dict[str, int]:
        """Indices by path in one letter case, with and without the suffix."""
        by_path: dict[str, int] = {}
        for path, index in self._by_path.items():
            for key in (path.casefold(), _stem(path)):
                by_path[key] = AMBIGUOUS if by_path.get(key, index) != index else index
        return by_path


def _stem(path: str) -> str:
    """Return a path in one letter case without the suffix of an image."""
    folded = path.casefold()
    return folded.rpartition(".")[0] if is_image_file(folded) or is_array_file(folded) else folded


def _normalize_path(path: str) -> str:
    path = path.strip().replace("\\", "/").removeprefix("./")
    # macOS writes an accent in a file name as a separate character, a spreadsheet does not
    return path if path.isascii() else unicodedata.normalize("NFC", path)
