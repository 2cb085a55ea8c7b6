"""Codes of items that users write as texts, in the latent space of an autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from zerosum.data.codec import Items
from zerosum.errors import BadInput
from zerosum.game.types import Autoencoder, Sample
from zerosum.inference.generator import Generator
from zerosum.networks.autoencoder import DecodedGenerator


@dataclass(frozen=True)
class TextCodes:
    """Encodes texts by the autoencoder of a generator, and decodes codes."""

    generator: Generator
    autoencoder: Autoencoder

    @classmethod
    def of(cls, generator: Generator) -> Self:
        """Return the codes of a generator.

        Raises:
            BadInput: it has no autoencoder.
        """
        if not isinstance(generator.network, DecodedGenerator):
            raise BadInput("`run`: its generator has no encoder of texts; name a run whose recipe has one")
        return cls(generator, generator.network.autoencoder)

    @torch.no_grad()
    def encode(self, argument: str, texts: Sequence[str]) -> Tensor:
        """Return the codes (N, C) of texts, on the CPU.

        Args:
            argument: the argument that holds the texts, for messages.
            texts: what the user has written.

        Raises:
            BadInput: a text means no item that the run can encode.
        """
        samples = [self.generator.codec.parse_text(argument, text) for text in texts]
        joined: Sample = tree_map(lambda *leaves: torch.cat(leaves).to(self._device), *samples)
        return self.autoencoder.encode(joined).float().cpu()

    @torch.no_grad()
    def decode(self, codes: Tensor, seeds: Tensor | None = None) -> Items:
        """Return the items of codes (N, C): the most likely ones, or with seeds (N,) int64 those drawn around them."""
        zeros = torch.zeros(len(codes), dtype=torch.int64)
        available = {
            "seed": None if seeds is None else seeds.to(self._device),
            "condition": self.generator.codec.draw_conditions(zeros, None),
        }
        taken = {name: available[name] for name in self.autoencoder.condition_inputs}
        moved = tree_map(lambda value: None if value is None else value.to(self._device), taken)
        decoded = self.autoencoder.decode(codes.to(self._device), **moved)
        samples: Sample = tree_map(lambda leaf: leaf.float().cpu(), decoded)
        return self.generator.codec.decode(samples, zeros if seeds is None else seeds)

    @property
    def _device(self) -> torch.device:
        return next(self.autoencoder.parameters()).device
