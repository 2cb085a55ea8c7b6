"""What codecs of molecules have in common, whatever a sample is: their items are SMILES texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import Codec, FilterFn, GivenValues, Items
from zerosum.data.molecules.chemistry import canonical_smiles, find_invalid
from zerosum.data.molecules.scores import MoleculeScores
from zerosum.data.molecules.where import parse_filter

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.types import Sample


class SmilesCodec(Codec):
    """Encodes molecules as samples, and decodes samples to SMILES texts (N,), which may be no molecules."""

    score: tuple[str, ...] = ()
    """The functions of the user that are properties, `package.module:function`."""

    def canonical_texts(self, items: Items) -> list[str]:
        """Return the canonical SMILES texts of molecules (N,); a text that is no molecule as it is."""
        texts = items.astype(str).tolist()
        return [canonical_smiles(text) or text for text in texts]

    def publish(self, samples: Sample, seed: Tensor, first: int, given: GivenValues) -> list[str]:
        """Return samples (N, ...) as SMILES texts; see `canonical_texts`."""
        return self.canonical_texts(self.decode(samples, seed))

    @property
    def may_be_invalid(self) -> bool:
        """Yes: a generated sample need not be a molecule."""
        return True

    def find_invalid(self, items: Items) -> NDArray[np.bool_]:
        """Return which SMILES texts (N,) are no molecule."""
        return find_invalid(items.astype(str).tolist())

    def parse_filter(self, text: str) -> FilterFn:
        """Return the filter of molecules that a text such as "logp<4 and qed>=0.8" means.

        Raises:
            BadInput: it means none.
        """
        return parse_filter(text, self.score)

    def item_scores(self) -> MoleculeScores:
        """Return the properties of molecules, and how similar molecules are."""
        return MoleculeScores((), self.score)
