"""Draw the distributions of the properties of samples over those of real molecules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.kinds.molecules_analysis import compute_properties
from zerosum.media.tables_preview import draw_rows

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.data.codec import Items

MAX_DRAWN = 2_000
"""Largest number of molecules of which properties are drawn."""
PROPERTIES_DRAWN: Mapping[str, tuple[str, int]] = {
    "logp": ("logP", 2), "qed": ("QED", 2), "sa": ("SA", 2), "weight": ("weight", 0), "tpsa": ("TPSA", 0),
    "rings": ("rings", 0), "donors": ("H-bond donors", 0), "acceptors": ("H-bond acceptors", 0),
}  # fmt: skip
"""Title and decimals of each property."""


def draw_properties(generated: Items, real: Items) -> Mapping[str, Image]:
    """Return histograms of the properties of samples (N,) over those of real molecules (M,).

    Nothing is drawn if no sample is valid.
    """
    samples, reference = (_as_fields(items[:MAX_DRAWN]) for items in (generated, real))
    return {"properties": draw_rows(samples, reference, with_rows=False)} if len(samples) else {}


def _as_fields(items: Items) -> NDArray[np.void]:
    """Return the properties of those texts that are molecules, each with its number and its text."""
    properties = compute_properties(items.astype(str).tolist(), tuple(PROPERTIES_DRAWN))
    field = np.dtype([("value", np.float64), ("text", "U16")])
    names = {name: title for name, (title, _) in PROPERTIES_DRAWN.items()}
    fields = np.zeros(len(next(iter(properties.values()))), [(title, field) for title in names.values()])
    for name, (title, decimals) in PROPERTIES_DRAWN.items():
        fields[title]["value"] = properties[name]
        fields[title]["text"] = [f"{value:.{decimals}f}" for value in properties[name]]
    return fields
