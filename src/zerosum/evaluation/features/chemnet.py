"""ChemNet features of molecules: a Fréchet distance of these is the Fréchet ChemNet distance (FCD).

Preuer et al. 2018, arXiv:1803.09518: the last layer of a network that was trained to predict the outcome of 6,000
biological tests from SMILES texts. The weights come with the package fcd-torch, so nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.weights import deterministic_inference
from zerosum.networks.pretrained import freeze_network, sha256_digest

MAX_SYMBOLS = 350
"""Symbols of a text that the network sees; the rest of a longer one is cut off."""
NUM_SYMBOLS = 35
"""Number of different symbols."""
_WEIGHTS = "ChemNet_v0.13_pretrained.pt"
_UNKNOWN = "X"  # stands for symbols that the network does not know


@dataclass(frozen=True, eq=False)
class ChemNetFeatures:
    """Features of molecules, from their canonical SMILES texts."""

    network: nn.Module
    version: str
    name: ClassVar[str] = "chemnet"
    is_cacheable: ClassVar[bool] = True
    resize_mode: ClassVar[str] = f"canonical SMILES, {MAX_SYMBOLS} symbols"

    @classmethod
    def load(cls, device: torch.device, field: str = "features") -> Self:
        """Load the network with its published weights.

        Args:
            device: where it computes.
            field: the argument or setting that chose this network, for messages.

        Raises:
            BadInput: fcd-torch is not installed, or its file cannot be read.
        """
        file = require_chemnet(field)
        from fcd_torch.utils import load_imported_model

        try:
            network = cast("nn.Module", load_imported_model(torch.load(file, weights_only=True)))
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise BadInput(f"{file}: these weights cannot be read; install fcd-torch again") from error
        return cls(freeze_network(network, device), sha256_digest(file)[:12])

    def __call__(self, symbols: Tensor) -> FeatureOutput:
        """Return features (N, 512) of texts (N, 350), as `encode_symbols` returns them."""
        inputs = nn.functional.one_hot(symbols.long(), NUM_SYMBOLS + 1)[:, :, 1:].float() / NUM_SYMBOLS
        with deterministic_inference():
            return FeatureOutput(self.network(inputs.transpose(1, 2)))


def require_chemnet(field: str = "features") -> Path:
    """Return the file of the weights.

    Raises:
        BadInput: fcd-torch is not installed.
    """
    if (file := find_chemnet()) is None:
        raise BadInput(f'`{field}` chemnet needs fcd-torch, which is not installed: pip install "zerosum[molecules]"')
    return file


def find_chemnet() -> Path | None:
    """Return the file of the weights; None if it is not installed. None of the package's code is imported."""
    package = importlib.util.find_spec("fcd_torch")
    folders = package.submodule_search_locations if package else None
    return next((Path(folder) / _WEIGHTS for folder in folders or () if (Path(folder) / _WEIGHTS).is_file()), None)


def encode_symbols(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return SMILES texts as numbers of symbols (N, 350): 1 to 35, and 0 after the end.

    Of a text of several molecules with a dot between them, the network sees the first one alone.
    """
    from fcd_torch.utils import get_one_hot

    symbols = np.zeros((len(texts), MAX_SYMBOLS), np.float32)
    for row, text in zip(symbols, texts, strict=True):
        one_hot = get_one_hot(text or _UNKNOWN, MAX_SYMBOLS)
        row[:] = one_hot @ np.arange(1, NUM_SYMBOLS + 1)
    return symbols
