"""Where latents come from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from zerosum.setting import Setting

if TYPE_CHECKING:
    from torch import Tensor


class Normal(Setting):
    """Standard normal latents."""

    kind: Literal["normal"] = "normal"
    size: Annotated[int, Field(ge=1, le=4096)] = 128
    """Numbers in a latent; 64 to 512 are usual."""

    def draw(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """(N,) int64 seeds to (N, size) float32 latents, none farther from 0 than `truncation`."""
        from zerosum.game import noise

        return noise.normal(seed, self.size, noise.Purpose.LATENT, truncation)


class Uniform(Setting):
    """Latents uniform in (-1, 1), as in the DCGAN paper (Radford et al. 2015, arXiv:1511.06434)."""

    kind: Literal["uniform"] = "uniform"
    size: Annotated[int, Field(ge=1, le=4096)] = 100
    """Numbers in a latent; 64 to 512 are usual."""

    def draw(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        """(N,) int64 seeds to (N, size) float32 latents in (-b, b), where b is the smaller of 1 and `truncation`."""
        from zerosum.game import noise

        return (2 * noise.uniform(seed, self.size, noise.Purpose.LATENT) - 1) * min(1.0, truncation)


Prior = Annotated[Normal | Uniform, Field(discriminator="kind")]
