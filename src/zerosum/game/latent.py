"""Latent distributions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


class Normal(Settings):
    """Standard normal latents.

    Example:
        >>> from zerosum.game.latent import Normal
        >>> from zerosum.game.seeded_rng import derive_seeds
        >>> Normal(size=64).sample(derive_seeds(0, 0, 4)).shape
        torch.Size([4, 64])
    """

    kind: Literal["normal"] = "normal"
    size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Dimensions of a latent; 64 to 512 are usual."""

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """Return latents (N, size) float32 of seeds (N,) int64, with all values in [-truncation, truncation]."""
        from zerosum.game import seeded_rng

        return seeded_rng.normal(seed, self.size, seeded_rng.RandomStream.LATENT, truncation)


class Uniform(Settings):
    """Uniform latents in (-1, 1), as in the DCGAN paper (Radford et al. 2015, arXiv:1511.06434)."""

    kind: Literal["uniform"] = "uniform"
    size: Annotated[int, Field(ge=1, le=4096)] = 100
    """Dimensions of a latent; 64 to 512 are usual."""

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """Return latents (N, size) float32 of seeds (N,) int64, with all values in (-b, b), b = min(1, truncation)."""
        from zerosum.game import seeded_rng

        return (2 * seeded_rng.uniform(seed, self.size, seeded_rng.RandomStream.LATENT) - 1) * min(1.0, truncation)


class BinaryNormal(Settings):
    """Latents whose first dimensions are -1 or 1 and whose other dimensions are standard normal.

    A generator is continuous, so with normal latents alone it connects separate clusters of the data by samples between
    them; binary dimensions let it jump. The split of a latent into discrete and continuous codes is InfoGAN's (Chen et
    al. 2016, arXiv:1606.03657), here without its mutual information term.
    """

    kind: Literal["binary-normal"] = "binary-normal"
    size: Annotated[int, Field(ge=2, le=4096)] = 16
    """Dimensions of a latent, including the binary ones."""
    binary_dims: Annotated[int, Field(ge=1, le=4095)] = 8
    """Number of binary dimensions; they come first."""

    @model_validator(mode="after")
    def _check_binary_dims(self) -> BinaryNormal:
        if self.binary_dims >= self.size:
            raise ValueError(f"`binary_dims` {self.binary_dims} must be less than `size` {self.size}")
        return self

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """Return latents (N, size) float32 of seeds (N,) int64; `truncation` bounds the normal dimensions only."""
        import torch

        from zerosum.game import seeded_rng

        latents = seeded_rng.normal(seed, self.size, seeded_rng.RandomStream.LATENT, truncation)
        return torch.cat([latents[:, : self.binary_dims].sign(), latents[:, self.binary_dims :]], 1)


Latent = Annotated[Normal | Uniform | BinaryNormal, Field(discriminator="kind")]
