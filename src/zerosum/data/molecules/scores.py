"""Scores of molecules for a search: their properties, and their Tanimoto similarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_text
from zerosum.data.item_scores import FindKnown, ItemScores, ScoreRange
from zerosum.data.molecules.chemistry import canonical_smiles
from zerosum.data.molecules.filters import passes_filters
from zerosum.data.molecules.fingerprints import fingerprints_of_texts, similarities
from zerosum.data.molecules.properties import PROPERTIES, Property, compute_of_texts, find_name, load_score
from zerosum.data.text import printable
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from zerosum.data.codec import Items
    from zerosum.data.molecules.property_range import PropertyRange


PASSES_FILTERS = Property("filters", "whether it passes the filters of MOSES: 1 or 0", passes_filters, is_count=True)
"""What `zerosum evaluate` also reports as the fraction that passes."""


@dataclass(frozen=True)
class MoleculeScores(ItemScores):
    """Properties that RDKit or a function of the user computes."""

    properties: tuple[PropertyRange, ...]
    """Those that a generator was trained with."""
    locations: tuple[str, ...] = ()
    """The functions of the user, `package.module:function`."""

    @cached_property
    def _known(self) -> dict[str, Property]:
        loaded = map(load_score, self.locations)
        return {**PROPERTIES, **{known.name: known for known in loaded}}

    def find_name(self, name: str) -> str:
        """Return the name of a property that can be computed of new molecules.

        Raises:
            BadInput: there is none.
        """
        if own := find_name(name, list(self._known)):
            return own
        is_column = find_name(name, [known.name for known in self.properties])
        problem = "is a column of the file, unknown for new molecules" if is_column else "there is no such property"
        raise BadInput(f"{printable(name)}: {problem}; choose one of {', '.join(self._known)}")

    def find_range(self, name: str) -> ScoreRange | None:
        """Return the values of a property in the training molecules; None if the generator was trained without it."""
        found = next((known for known in self.properties if known.name == name), None)
        return None if found is None else ScoreRange(found.mean, found.low, found.high)

    def score(self, items: Items, name: str) -> NDArray[np.float64]:
        """Return a property (N,) of SMILES texts (N,)."""
        return compute_of_texts([self._known[name]], items.astype(str).tolist())[:, 0]

    @property
    def measured(self) -> tuple[str, ...]:
        """The properties that RDKit computes, and whether the filters of MOSES are passed: 1 or 0."""
        return (*PROPERTIES, PASSES_FILTERS.name)

    def measure(self, items: Items, names: Sequence[str]) -> NDArray[np.float64]:
        """Return properties (N, P) of SMILES texts (N,)."""
        known = {**PROPERTIES, PASSES_FILTERS.name: PASSES_FILTERS}
        return compute_of_texts([known[name] for name in names], items.astype(str).tolist())

    def name_items(self, items: Items) -> list[str]:
        """Return the canonical texts (N,) of SMILES texts; "" of one that is no molecule."""
        return [canonical_smiles(text) or "" for text in items.astype(str).tolist()]

    def compare(self, items: Items, others: Items) -> NDArray[np.float32]:
        """Return the Tanimoto similarities (N, M) of SMILES texts."""
        first, second = (fingerprints_of_texts(texts.astype(str).tolist()) for texts in (items, others))
        return similarities(first, second)

    def training_names(self, content_hashes: NDArray[np.uint64]) -> FindKnown:
        """Return a function that finds canonical texts of training molecules."""

        def find_known(names: Sequence[str]) -> NDArray[np.bool_]:
            return np.isin(np.array([hash_text(name) for name in names], np.uint64), content_hashes)

        return find_known
