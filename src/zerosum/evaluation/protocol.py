"""How a score came about. Two scores are compared only if they came about in the same way."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

VERSION = 1
"""To be raised whenever the same images would get other scores."""
FID_MIN_IMAGES = 50_000
"""Samples that the name FID asks for, and real images, unless they are all there are."""
FID_MIN_FULL_SET_IMAGES = 5_000
"""Real images below which not even a whole set earns it: the distance would be bias."""
COMPARED_FIELDS = {
    "features": "features",
    "weights_hash": "weights of the feature network",
    "resize_mode": "resizing",
    "image_format": "size or channels of the images",
    "real_fingerprint": "real images",
    "reference_split": "part of the real images",
    "num_real": "number of real images",
    "num_generated": "number of samples",
    "sample_source": "EMA or raw weights",
    "truncation": "truncation",
    "neighbors": "neighbors",
    "is_paired": "whether samples are answers to the real images",
    "version": "version of the scores",
}
"""What must be equal for two scores to be compared, in words. The seed need not: it is within a score's error."""


@dataclass(frozen=True)
class Protocol:
    """Everything a score depends on but the generator."""

    features: str
    """The feature network's name."""
    weights_hash: str
    """Hex digits of its weights' hash."""
    resize_mode: str
    """How images came to the size it looks at."""
    image_format: str
    """Size and colours of the images: "32x32 grey"."""
    real_fingerprint: str
    """Hex digits of a hash of the real images that were compared with."""
    reference_split: str
    """Which part of the real images that is: "held-out", "train", "all", "half"."""
    num_real: int
    num_generated: int
    sample_source: str
    """"ema", "live", or "files"."""
    truncation: float | None = None
    """Where latents were cut off; None: nowhere."""
    neighbors: int = 5
    """Of precision, recall, density, coverage."""
    is_paired: bool = False
    """Sample i was made as an answer to real image i, and no score of pairs sees these two together."""
    seed: int = 0
    auxiliary_fingerprints: str = ""
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

    def describe(self) -> str:
        """All of it, short."""
        cut = "" if self.truncation is None else f", truncated at {self.truncation:g}"
        sampled = (
            "" if self.sample_source == "files" else f" of the {self.sample_source} generator (seed {self.seed}{cut})"
        )
        return (
            f"{self.features} {self.weights_hash}, {self.resize_mode}; {self.num_generated:,} samples{sampled} against {self.num_real:,} real "
            f"({self.reference_split}, {self.real_fingerprint[:8]}), {self.image_format}; {self.neighbors} neighbours; "
            f"{'without own answers; ' if self.is_paired else ''}scores v{self.version}"
        )

    @property
    def key(self) -> str:
        """8 hex digits, equal for protocols whose scores may be compared."""
        said = "\0".join(str(getattr(self, name)) for name in COMPARED_FIELDS)
        return hashlib.blake2b(said.encode(), digest_size=4).hexdigest()

    def differences(self, other: Protocol) -> list[str]:
        """Why scores of the two may not be compared, in words with both values; empty if they may."""
        return [
            f"{words} ({getattr(self, name)} and {getattr(other, name)})"
            for name, words in COMPARED_FIELDS.items()
            if getattr(self, name) != getattr(other, name)
        ]

    @property
    def is_standard_fid(self) -> bool:
        """Whether a Fréchet distance of this protocol may be called FID."""
        whole = self.num_real >= FID_MIN_IMAGES or (
            self.reference_split == "all" and self.num_real >= FID_MIN_FULL_SET_IMAGES
        )
        return (
            self.features == "inception" and self.num_generated >= FID_MIN_IMAGES and whole and self.truncation is None
        )

    def score_name(self, short_name: str) -> str:
        """A score's full name: "kid" becomes "kid_lite0", "fd" becomes "fid" where it has earned it."""
        if short_name == "fd" and self.is_standard_fid:
            return "fid"
        short = self.features.rpartition(":")[2]
        return f"{short_name}_{short}" if short_name in {"fd", "kid", "is"} else short_name


def truncation_or_none(truncation: float) -> float | None:
    """A truncation as it is written down."""
    return None if math.isinf(truncation) else truncation
