"""How many samples differ from each other and from training molecules.

Polykovskiy et al. 2020, arXiv:1811.12823, section 4. All are counted by canonical texts of valid samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from zerosum.evaluation.metrics.score import Score, mean_score


def unique_share(texts: Sequence[str]) -> float:
    """Return the number of different texts, N >= 1 of them, divided by N.

    Example:
        >>> unique_share(["C", "CC", "C", "CCC"])
        0.75
    """
    return len(set(texts)) / len(texts)


def novel_share(texts: Iterable[str], known: Iterable[Iterable[str]]) -> Score:
    """Return the share of the different texts that are not known.

    Args:
        texts: at least one text.
        known: blocks of known texts, of which one at a time is in memory.

    Example:
        >>> round(novel_share(["C", "CC", "C", "CCC"], [["C"], ["CCCC"]]).value, 4)
        0.6667
    """
    different = set(texts)
    found = set[str]()
    for block in known:
        found.update(different.intersection(block))
    return mean_score(np.array([text not in found for text in different]))
