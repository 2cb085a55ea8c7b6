"""Work out what the scores of molecules need: each molecule is parsed once, on all cores, and results are cached."""

from __future__ import annotations

import contextlib
import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.molecules.chemistry import parse_smiles, rdkit_version, to_canonical
from zerosum.data.molecules.filters import passes_filters
from zerosum.data.molecules.fingerprints import fingerprint
from zerosum.data.molecules.properties import PROPERTIES
from zerosum.data.molecules.worker_pool import map_chunks
from zerosum.evaluation.metrics.molecules.analysis import FINGERPRINT_BYTES, Fingerprints, MoleculeAnalysis
from zerosum.evaluation.metrics.molecules.fragments import brics_fragments, ring_scaffold

if TYPE_CHECKING:
    from rdkit.Chem import Mol

    from zerosum.data.codec import Items
    from zerosum.data.kind import ProgressFn

PROPERTY_NAMES = ("logp", "qed", "sa", "weight")
"""The properties whose distributions are compared."""
VERSION = 1
"""Increase it whenever the same molecules would get other analysis."""
MIN_CACHED = 1_000
"""Least number of texts whose analysis are cached."""
_CHUNK = 500
"""Texts that a process works on at a time: more than a second."""


def analyze_samples(items: Items, progress: ProgressFn) -> MoleculeAnalysis:
    """Return all analysis of SMILES texts (N,), of which some may be no molecule; about 3 ms each on one core."""
    return _cached(items, True, progress)


def analyze_reference(items: Items, progress: ProgressFn) -> MoleculeAnalysis:
    """Return the analysis of SMILES texts (N,) that are compared with: without filters; about 2 ms each on one core."""
    return _cached(items, False, progress)


def analyze_texts(texts: Sequence[str], with_filters: bool) -> MoleculeAnalysis:
    """Return the analysis of texts in this process.

    Example:
        >>> analysis = analyze_texts(["OCC", "C("], with_filters=True)
        >>> analysis.canonical, analysis.passes_filters.tolist()
        (['CCO', ''], [True])
    """
    found = [parse_smiles(text) for text in texts]
    molecules = [molecule for molecule in found if molecule is not None]
    properties = {name: _compute(name, molecules) for name in PROPERTY_NAMES}
    scaffolds = Counter(ring_scaffold(molecule) for molecule in molecules)
    del scaffolds[""]
    return MoleculeAnalysis(
        ["" if molecule is None else to_canonical(molecule) for molecule in found],
        _stack([fingerprint(molecule) for molecule in molecules]),
        properties,
        np.array([passes_filters(molecule) for molecule in molecules if with_filters], bool),
        Counter(fragment for molecule in molecules for fragment in brics_fragments(molecule)),
        scaffolds,
    )


def compute_properties(texts: Sequence[str], names: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return properties (V,) by their names, of those V texts that are molecules.

    Example:
        >>> {name: values.tolist() for name, values in compute_properties(["C1CC1", "C("], ["rings"]).items()}
        {'rings': [1.0]}
    """
    found = (parse_smiles(text) for text in texts)
    molecules = [molecule for molecule in found if molecule is not None]
    return {name: _compute(name, molecules) for name in names}


def _stack(rows: Sequence[Fingerprints]) -> Fingerprints:
    return np.stack(rows) if rows else np.zeros((0, FINGERPRINT_BYTES), np.uint8)


def _compute(name: str, molecules: Sequence[Mol]) -> NDArray[np.float64]:
    return np.array([PROPERTIES[name](molecule) for molecule in molecules], np.float64)


# ---------------------------------------------------------------------- processes and cache


def _cached(items: Items, with_filters: bool, progress: ProgressFn) -> MoleculeAnalysis:
    texts: list[str] = items.astype(str).tolist()
    if len(texts) < MIN_CACHED:
        return analyze_texts(texts, with_filters)
    digest = hashlib.blake2b(f"{VERSION} {rdkit_version()} {with_filters}\n".encode(), digest_size=16)
    digest.update("\n".join(texts).encode())
    key = f"analysis-{digest.hexdigest()}"
    if cached := MoleculeAnalysis.load(cache.root() / key):
        cache.touch(cache.root() / key)
        return cached
    analysis = _analyze_all(texts, with_filters, progress)
    with (
        contextlib.suppress(cache.CacheWriteError),
        cache.write_entry(key, is_valid=lambda entry: MoleculeAnalysis.load(entry) is not None) as folder,
    ):
        analysis.save(folder)
    return analysis


def _analyze_all(texts: Sequence[str], with_filters: bool, progress: ProgressFn) -> MoleculeAnalysis:
    """Return the analysis of texts, by as many processes as there are cores."""
    chunks = [texts[first : first + _CHUNK] for first in range(0, len(texts), _CHUNK)]
    parts: list[MoleculeAnalysis] = []
    for part in map_chunks(partial(analyze_texts, with_filters=with_filters), chunks):
        parts.append(part)
        progress(min(len(parts) * _CHUNK, len(texts)), len(texts))
    return MoleculeAnalysis.join(parts)
