"""Filters of molecules by their properties, as users write them."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import FilterFn, Items
from zerosum.data.molecules.properties import (
    PROPERTIES,
    Property,
    compute_of_texts,
    find_name,
    load_score,
)
from zerosum.data.text import printable
from zerosum.errors import BadInput

Compare = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]
_OPERATORS: dict[str, Compare] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_COMPARISON = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|!=|<|>|=)\s*([^<>=!]+?)\s*")


def parse_filter(text: str, scores: Sequence[str] = ()) -> FilterFn:
    """Return the filter that a text means: comparisons of properties, all of which a molecule has to pass.

    A text that is no molecule passes none.

    Args:
        text: such as "logp<4 and qed>=0.8".
        scores: functions of the user, `package.module:function`, which are properties, too.

    Raises:
        BadInput: it means none.

    Example:
        >>> parse_filter("rings>=1 and logp<2")(np.array(["c1ccccc1", "CCO", "C("])).tolist()
        [True, False, False]
    """
    known = [*PROPERTIES, *(location.rpartition(":")[2] for location in scores)]
    properties, comparisons = [], []
    for part in _AND.split(text):
        match = _COMPARISON.fullmatch(part)
        if match is None:
            raise BadInput(f"`where` {printable(text)}: '{printable(part.strip())}' is no comparison; write it as "
                           "`logp<4 and qed>=0.8`")  # fmt: skip
        name = find_name(match[1], known)
        if not name:
            raise BadInput(f"`where` {printable(match[1])}: there is no such property; choose of {', '.join(known)}")
        properties.append(PROPERTIES[name] if name in PROPERTIES else _find_score(name, scores))
        comparisons.append((_OPERATORS[match[2]], _parse_number(match[3], part)))

    def passes(items: Items) -> NDArray[np.bool_]:
        values = compute_of_texts(properties, items.astype(str).tolist())
        passed = np.asarray(~np.isnan(values).any(1))
        for column, (compare, limit) in enumerate(comparisons):
            passed &= compare(values[:, column], limit)
        return passed

    return passes


def _find_score(name: str, scores: Sequence[str]) -> Property:
    return next(load_score(location) for location in scores if location.rpartition(":")[2] == name)


def _parse_number(text: str, part: str) -> float:
    """Return the number of a comparison.

    Raises:
        BadInput: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise BadInput(f"`where` {printable(part.strip())}: '{printable(text)}' is no number; give one")
    return number
