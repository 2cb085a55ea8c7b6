"""How many samples differ from each other and from training molecules.

Polykovskiy et al. 2020, arXiv:1811.12823, section 4. All are counted by canonical texts of valid samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_text
from zerosum.evaluation.metrics.score import Score, mean_score


def unique_share(texts: Sequence[str]) -> float:
    """Return the number of different texts, N >= 1 of them, divided by N.

    Example:
        >>> unique_share(["C", "CC", "C", "CCC"])
        0.75
    """
    return len(set(texts)) / len(texts)


def novel_share(texts: Iterable[str], known: NDArray[np.uint64]) -> Score:
    """Return the share of the different texts that are not known.

    Args:
        texts: at least one canonical text.
        known: (M,) content hashes of known ones, as datasets have them: training molecules may be stored in another
            form than the canonical one, and there may be millions of them.

    Example:
        >>> known = np.array([hash_text("C"), hash_text("CCCC")], np.uint64)
        >>> round(novel_share(["C", "CC", "C", "CCC"], known).value, 4)
        0.6667
    """
    hashes = np.array([hash_text(text) for text in sorted(set(texts))], np.uint64)
    return mean_score(~np.isin(hashes, known))
