"""What is known of a set of molecules, worked out once: all scores are computed from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Fingerprints = NDArray[np.uint8]
"""Fingerprints (N, 128) of 1,024 bits, packed; see `numpy.packbits`."""
FINGERPRINT_BYTES = 128
_FILE = "analysis.npz"


@dataclass(frozen=True, eq=False)
class MoleculeAnalysis:
    """What is known of N texts, of which V are molecules."""

    canonical: Sequence[str]
    """(N,) canonical SMILES texts; "" where a text is no molecule."""
    fingerprints: Fingerprints = field(default_factory=lambda: np.zeros((0, FINGERPRINT_BYTES), np.uint8))
    """(V, 128) Morgan fingerprints of radius 2."""
    properties: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """By name: the property (V,) of each molecule."""
    passes_filters: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    """(V,) whether each molecule passes the filters; (0,) if that was not asked."""
    fragments: Mapping[str, int] = field(default_factory=dict)
    """How often each fragment occurs."""
    scaffolds: Mapping[str, int] = field(default_factory=dict)
    """How often each scaffold occurs."""

    @cached_property
    def valid(self) -> Sequence[str]:
        """(V,) the canonical texts of the molecules."""
        return [text for text in self.canonical if text]

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the analysis of all texts of some sets, in order."""
        fragments, scaffolds = Counter[str](), Counter[str]()
        for part in parts:
            fragments.update(part.fragments)
            scaffolds.update(part.scaffolds)
        return cls(
            [text for part in parts for text in part.canonical],
            np.concatenate([part.fingerprints for part in parts]),
            {name: np.concatenate([part.properties[name] for part in parts]) for name in parts[0].properties},
            np.concatenate([part.passes_filters for part in parts]),
            fragments,
            scaffolds,
        )

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        texts = {"canonical": self.canonical, "fragments": list(self.fragments), "scaffolds": list(self.scaffolds)}
        arrays: dict[str, NDArray[np.generic]] = {
            "fingerprints": self.fingerprints,
            "passes_filters": self.passes_filters,
            "fragment_counts": np.array(list(self.fragments.values()), np.int64),
            "scaffold_counts": np.array(list(self.scaffolds.values()), np.int64),
        }
        arrays |= {name: np.frombuffer("\n".join(lines).encode(), np.uint8) for name, lines in texts.items()}
        arrays |= {f"property_{name}": values for name, values in self.properties.items()}
        np.savez_compressed(folder / _FILE, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Return the analysis in a folder; None if there is none, or it is damaged."""
        try:
            with np.load(folder / _FILE, allow_pickle=False) as file:
                arrays = dict(file)
            texts = {name: arrays[name].tobytes().decode() for name in ("canonical", "fragments", "scaffolds")}
            keys = {name: texts[name].split("\n") if texts[name] else [] for name in ("fragments", "scaffolds")}
            return cls(
                texts["canonical"].split("\n"),
                arrays["fingerprints"],
                {name[len("property_") :]: array for name, array in arrays.items() if name.startswith("property_")},
                arrays["passes_filters"],
                dict(zip(keys["fragments"], arrays["fragment_counts"].tolist(), strict=True)),
                dict(zip(keys["scaffolds"], arrays["scaffold_counts"].tolist(), strict=True)),
            )
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None
