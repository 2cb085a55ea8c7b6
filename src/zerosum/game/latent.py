"""Where latents come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from zerosum.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor


class Normal(Settings):
    """Standard normal latents."""

    kind: Literal["normal"] = "normal"
    size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Numbers in a latent; 64 to 512 are usual."""

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """(N,) int64 seeds to (N, size) float32 latents, none farther from 0 than `truncation`."""
        from zerosum.game import seeded_rng

        return seeded_rng.normal(seed, self.size, seeded_rng.RandomStream.LATENT, truncation)


class Uniform(Settings):
    """Latents uniform in (-1, 1), as in the DCGAN paper (Radford et al. 2015, arXiv:1511.06434)."""

    kind: Literal["uniform"] = "uniform"
    size: Annotated[int, Field(ge=1, le=4096)] = 100
    """Numbers in a latent; 64 to 512 are usual."""

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """(N,) int64 seeds to (N, size) float32 latents in (-b, b), where b is the smaller of 1 and `truncation`."""
        from zerosum.game import seeded_rng

        return (2 * seeded_rng.uniform(seed, self.size, seeded_rng.RandomStream.LATENT) - 1) * min(1.0, truncation)


class BinaryNormal(Settings):
    """Some numbers of a latent are -1 or 1, the others standard normal.

    A generator is continuous, so from normal latents alone it joins separate clusters by bridges of samples; coins
    let it jump. The split of a latent into discrete and continuous codes is InfoGAN's (Chen et al. 2016,
    arXiv:1606.03657), here without its information term.
    """

    kind: Literal["binary-normal"] = "binary-normal"
    size: Annotated[int, Field(ge=2, le=4096)] = 16
    """Numbers in a latent, coins included."""
    binary_dims: Annotated[int, Field(ge=1, le=4095)] = 8
    """How many of them, the first ones, are -1 or 1."""

    @model_validator(mode="after")
    def _check_binary_dims(self) -> BinaryNormal:
        if self.binary_dims >= self.size:
            raise ValueError(f"coins {self.binary_dims} must be fewer than size ({self.size})")
        return self

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """(N,) int64 seeds to (N, size) float32 latents; truncation concerns the normal numbers."""
        import torch

        from zerosum.game import seeded_rng

        latents = seeded_rng.normal(seed, self.size, seeded_rng.RandomStream.LATENT, truncation)
        return torch.cat([latents[:, : self.binary_dims].sign(), latents[:, self.binary_dims :]], 1)


Latent = Annotated[Normal | Uniform | BinaryNormal, Field(discriminator="kind")]
