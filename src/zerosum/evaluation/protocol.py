"""How a score came about. Two scores are compared only if they came about in the same way."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

VERSION = 1
"""To be raised whenever the same images would get other scores."""
STANDARD = 50_000
"""Samples that the name FID asks for, and real images, unless they are all there are."""
WHOLE = 5_000
"""Real images below which not even a whole set earns it: the distance would be bias."""
NAMES = {
    "features": "features",
    "weights": "weights of the feature network",
    "resize": "resizing",
    "images": "size or colours of the images",
    "data": "real images",
    "against": "part of the real images",
    "real": "number of real images",
    "made": "number of samples",
    "source": "averaged or live weights",
    "truncation": "truncation",
    "neighbours": "neighbours",
    "answers": "whether samples are answers to the real images",
    "version": "version of the scores",
}
"""What must be equal for two scores to be compared, in words. The seed need not: it is within a score's error."""


@dataclass(frozen=True)
class Protocol:
    """Everything a score depends on but the generator."""

    features: str
    """The feature network's name."""
    weights: str
    """Hex digits of its weights' hash."""
    resize: str
    """How images came to the size it looks at."""
    images: str
    """Size and colours of the images: "32x32 grey"."""
    data: str
    """Hex digits of a hash of the real images that were compared with."""
    against: str
    """Which part of the real images that is: "held-out", "train", "all", "half"."""
    real: int
    made: int
    source: str
    """"averaged", "live", or "files"."""
    truncation: float | None = None
    """Where latents were cut off; None: nowhere."""
    neighbours: int = 5
    """Of precision, recall, density, coverage."""
    answers: bool = False
    """Sample i was made as an answer to real image i, and no score of pairs sees these two together."""
    seed: int = 0
    beside: str = ""
    """Hashes of the real images that made the floor and the modes, and of those among which copies were looked for."""
    version: int = VERSION

    def as_dict(self) -> dict[str, Any]:
        """For scores.jsonl."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Protocol:
        """What `as_dict` wrote.

        Raises:
            TypeError: a field is missing.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})

    def line(self) -> str:
        """All of it, short."""
        cut = "" if self.truncation is None else f", truncated at {self.truncation:g}"
        sampled = "" if self.source == "files" else f" of the {self.source} generator (seed {self.seed}{cut})"
        return (
            f"{self.features} {self.weights}, {self.resize}; {self.made:,} samples{sampled} against {self.real:,} real "
            f"({self.against}, {self.data[:8]}), {self.images}; {self.neighbours} neighbours; "
            f"{'without own answers; ' if self.answers else ''}scores v{self.version}"
        )

    @property
    def key(self) -> str:
        """8 hex digits, equal for protocols whose scores may be compared."""
        said = "\0".join(str(getattr(self, name)) for name in NAMES)
        return hashlib.blake2b(said.encode(), digest_size=4).hexdigest()

    def differences(self, other: Protocol) -> list[str]:
        """Why scores of the two may not be compared, in words with both values; empty if they may."""
        return [
            f"{words} ({getattr(self, name)} and {getattr(other, name)})"
            for name, words in NAMES.items()
            if getattr(self, name) != getattr(other, name)
        ]

    @property
    def is_standard(self) -> bool:
        """Whether a Fréchet distance of this protocol may be called FID."""
        whole = self.real >= STANDARD or (self.against == "all" and self.real >= WHOLE)
        return self.features == "inception" and self.made >= STANDARD and whole and self.truncation is None

    def score_name(self, score: str) -> str:
        """A score's full name: "kid" becomes "kid_lite0", "fd" becomes "fid" where it has earned it."""
        if score == "fd" and self.is_standard:
            return "fid"
        short = self.features.rpartition(":")[2]
        return f"{score}_{short}" if score in {"fd", "kid", "is"} else score


def cut(truncation: float) -> float | None:
    """A truncation as it is written down."""
    return None if math.isinf(truncation) else truncation
