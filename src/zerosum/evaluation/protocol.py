"""The protocol of a score: everything it depends on but the generator. Scores are compared only within a protocol."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields

from zerosum.run_folder import Row

VERSION = 1
"""Increase this whenever the same items would get other scores."""
FID_MIN_IMAGES = 50_000
"""Minimum number of samples of a score named FID; also of real images, unless these are a full set."""
FID_MIN_FULL_SET_IMAGES = 5_000
"""Minimum number of real images of a full set for a score named FID: with fewer, the distance is mostly bias."""
COMPARED_FIELDS = {
    "features": "features",
    "weights_hash": "weights of the feature network",
    "resize_mode": "resizing",
    "image_format": "form of the data",
    "real_fingerprint": "real data",
    "reference_split": "part of the real data",
    "num_real": "number of real examples",
    "num_generated": "number of samples",
    "sample_source": "EMA or raw weights",
    "truncation": "truncation",
    "neighbors": "neighbors",
    "is_paired": "pairing of samples with real examples",
    "version": "version of the scores",
}
"""Fields that must be equal for two scores to be compared, with their names in messages.

The seed is not among them: its effect is within a score's standard error.
"""


@dataclass(frozen=True)
class Protocol:
    """Everything a score depends on but the generator."""

    features: str
    """Name of the feature network."""
    weights_hash: str
    """Hex digits of the hash of its weights."""
    resize_mode: str
    """How images are resized for the feature network; "none" for other data."""
    image_format: str
    """The form of the items, in the words of their kind: of images "32x32 RGB, fit by crop"."""
    real_fingerprint: str
    """Hex digits of a hash of the real items that samples are compared with."""
    reference_split: str
    """Which part of the real items that is: "held-out", "train", "all" or "half"."""
    num_real: int
    num_generated: int
    sample_source: str
    """The generator's weights, "ema" or "raw" weights; "files" for samples read from files."""
    truncation: float | None = None
    """Truncation of the latents; None: not truncated."""
    neighbors: int = 5
    """k of precision, recall, density and coverage."""
    is_paired: bool = False
    """Sample i was generated from the input of real item i; no pairwise score compares the two with each other."""
    seed: int = 0
    auxiliary_fingerprints: str = ""
    """Hashes of the real items of the floor and the modes, and of the training items searched for copies."""
    version: int = VERSION

    def as_dict(self) -> Row:
        """Return the fields for scores.jsonl."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Row) -> Protocol:
        """Create a protocol from what `as_dict` returned; unknown keys are ignored.

        Raises:
            TypeError: a field is missing.
        """
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in record.items() if name in known})

    def describe(self) -> str:
        """Return the whole protocol on one line."""
        truncated = "" if self.truncation is None else f", truncated at {self.truncation:g}"
        source = (
            ""
            if self.sample_source == "files"
            else f" of the {self.sample_source} generator (seed {self.seed}{truncated})"
        )
        return (
            f"{self.features} {self.weights_hash}, {self.resize_mode}; {self.num_generated:,} samples{source} against "
            f"{self.num_real:,} real ({self.reference_split}, {self.real_fingerprint[:8]}), {self.image_format}; "
            f"{self.neighbors} neighbors; {'paired; ' if self.is_paired else ''}scores v{self.version}"
        )

    @property
    def key(self) -> str:
        """8 hex digits that are equal for protocols whose scores may be compared."""
        fields_by_name = asdict(self)
        values = "\0".join(str(fields_by_name[name]) for name in COMPARED_FIELDS)
        return hashlib.blake2b(values.encode(), digest_size=4).hexdigest()

    def differences(self, other: Protocol) -> list[str]:
        """Return the differences that forbid a comparison, each with both values; empty if scores may be compared."""
        own, others = asdict(self), asdict(other)
        return [
            f"{words} ({own[name]} and {others[name]})"
            for name, words in COMPARED_FIELDS.items()
            if own[name] != others[name]
        ]

    @property
    def is_standard_fid(self) -> bool:
        """Whether a Fréchet distance of this protocol may be called FID."""
        has_enough_real = self.num_real >= FID_MIN_IMAGES or (
            self.reference_split == "all" and self.num_real >= FID_MIN_FULL_SET_IMAGES
        )
        return (
            self.features == "inception"
            and self.num_generated >= FID_MIN_IMAGES
            and has_enough_real
            and self.truncation is None
        )

    def score_name(self, short_name: str) -> str:
        """Return the full name of a score of features: "kid" is "kid_lite0".

        A Fréchet distance has the name of its literature: "fid" for a standard FID, and "fcd" for one of ChemNet.
        """
        if short_name == "fd" and self.is_standard_fid:
            return "fid"
        if short_name == "fd" and self.features == "chemnet":
            return "fcd"
        return f"{short_name}_{self.features.rpartition(':')[2]}"


def truncation_or_none(truncation: float) -> float | None:
    """Return a truncation as a protocol records it: None instead of infinity."""
    return None if math.isinf(truncation) else truncation
