"""How many samples differ from each other and from training molecules.

Polykovskiy et al. 2020, arXiv:1811.12823, section 4. All are counted by canonical texts of valid samples.
"""

from __future__ import annotations

from collections import Counter
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


def unique_share_of_part(texts: Sequence[str], count: int) -> float:
    """Return the expected number of different texts among `count` of N texts, divided by `count`, 1 <= count <= N.

    MOSES takes the first ones. Of samples that were drawn in turn, these have the same expectation; in a file, equal
    texts may stand next to each other, and they do where texts are in the order of their content.

    Example:
        >>> round(unique_share_of_part(["C", "C", "CC", "CC"], 2), 4), unique_share_of_part(["C", "C", "CC", "CC"], 4)
        (0.8333, 0.5)
    """
    numbers, frequencies = np.unique(list(Counter(texts).values()), return_counts=True)
    others = len(texts) - count  # a text of which there are n is missing if all n are among these
    missing = [np.prod((others - np.arange(n)).clip(0) / (len(texts) - np.arange(n))) for n in numbers.tolist()]
    return min(1.0, float((frequencies * (1 - np.array(missing))).sum() / count))


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
