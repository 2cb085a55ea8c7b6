"""Encoded rows as features: no weights, no download."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Self

import torch
from torch import Tensor

from zerosum.evaluation.features.base import FeatureOutput

if TYPE_CHECKING:
    from zerosum.data.codec import Codec


@dataclass(frozen=True)
class EncodedRows:
    """Rows as networks see them: the encoding is the same for all rows of a run, and its entries are of one scale."""

    version: str
    """12 hex digits of a hash of the encoding, which is fitted to the training rows."""
    name: ClassVar[str] = "rows"
    is_cacheable: ClassVar[bool] = False  # cheaper to compute than to look up
    resize_mode: ClassVar[str] = "as encoded"
    """How values are brought to one scale."""

    @classmethod
    def of_codec(cls, codec: Codec) -> Self:
        """Return the features of rows as a codec encodes them."""
        digest = hashlib.blake2b(digest_size=6)
        for name, tensor in sorted(codec.tensors().items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return cls(digest.hexdigest())

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> FeatureOutput:
        """Return features (N, K), the encoded rows (N, K) themselves."""
        return FeatureOutput(images.flatten(1))
