"""Fingerprints of molecules, and how similar molecules are by them.

Morgan fingerprints of radius 2 (Rogers and Hahn 2010, Extended-connectivity fingerprints, J. Chem. Inf. Model. 50, 742)
in 1,024 bits. The Tanimoto similarity of two is the number of their common bits divided by the number of bits that
either has. Products of ones and zeros in float32 count common bits exactly, 30 million pairs a second on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.data.molecules.chemistry import parse_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol
    from rdkit.Chem.rdFingerprintGenerator import FingerprintGenerator64
    from torch import Tensor

NUM_BYTES = 128
"""Bytes of a fingerprint."""
_BLOCK = 4_096
"""Rows of a tile of similarities, which takes 64 MB."""


@cache
def _generator() -> FingerprintGenerator64:
    from rdkit.Chem import rdFingerprintGenerator

    return rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=8 * NUM_BYTES)


def fingerprint(molecule: Mol) -> NDArray[np.uint8]:
    """Return the packed fingerprint (128,) of a molecule."""
    from rdkit import DataStructs

    return np.frombuffer(DataStructs.BitVectToBinaryText(_generator().GetFingerprint(molecule)), np.uint8)


def fingerprints_of_texts(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Return the packed fingerprints (N, 128) of SMILES texts; zeros of a text that is no molecule.

    Example:
        >>> fingerprints_of_texts(["CCO", "C("]).any(1).tolist()
        [True, False]
    """
    rows = np.zeros((len(texts), NUM_BYTES), np.uint8)
    for place, text in enumerate(texts):
        if (molecule := parse_smiles(text)) is not None:
            rows[place] = fingerprint(molecule)
    return rows


def similarities(rows: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the similarities (N, M) of fingerprints (N, 128) and (M, 128); 0 where neither has a bit.

    Example:
        >>> first, second = np.packbits(np.eye(2, 1024, dtype=np.uint8), axis=1)
        >>> similarities(np.stack([first, first | second]), second[None]).ravel().tolist()
        [0.0, 0.5]
    """
    return _compare(_unpack(rows), _unpack(others)).numpy()


def find_nearest(
    rows: NDArray[np.uint8], reference: NDArray[np.uint8], progress: ProgressFn = ignore_progress
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the index (N,) of the reference fingerprint (M, 128) that is most similar to each row (N, 128).

    Args:
        rows: the fingerprints.
        reference: those that are searched, M >= 1.
        progress: called with the numbers of rows done and of all rows.

    Returns:
        The indices, the first of equally similar ones, and the similarities (N,).
    """
    indices, nearest = np.zeros(len(rows), np.int64), np.full(len(rows), -1.0, np.float32)
    for first in range(0, len(rows), _BLOCK):
        block = _unpack(rows[first : first + _BLOCK])
        own = slice(first, first + len(block))
        for start in range(0, len(reference), _BLOCK):
            best, place = _compare(block, _unpack(reference[start : start + _BLOCK])).max(1)
            is_nearer = best.numpy() > nearest[own]
            nearest[own] = np.where(is_nearer, best.numpy(), nearest[own])
            indices[own] = np.where(is_nearer, start + place.numpy(), indices[own])
        progress(own.stop, len(rows))
    return indices, nearest


def _unpack(rows: NDArray[np.uint8]) -> Tensor:
    """Return fingerprints (n, 1024) of ones and zeros in float32."""
    import torch  # processes that compute fingerprints do without

    return torch.from_numpy(np.unpackbits(rows, axis=1)).float()


def _compare(rows: Tensor, others: Tensor) -> Tensor:
    """Return the similarities (n, m) of unpacked fingerprints."""
    common = rows @ others.T
    return common / (rows.sum(1)[:, None] + others.sum(1) - common).clamp_min_(1)
