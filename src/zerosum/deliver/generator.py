"""A trained generator, ready to be asked for samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game import noise
from zerosum.game.prior import Prior

Between = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From two latents (L,) and places (K,) in [0, 1] to K latents (K, L) on the way from the first to the second."""


def lerp(first: Tensor, second: Tensor, places: Tensor) -> Tensor:
    """The straight way between two latents."""
    return first + (second - first) * places[:, None]


def slerp(first: Tensor, second: Tensor, places: Tensor) -> Tensor:
    """The way along the sphere, which stays where normal latents lie (White 2016, arXiv:1609.04468)."""
    cosine = torch.dot(first, second) / (first.norm() * second.norm()).clamp_min(1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:
        return lerp(first, second, places)  # the same direction, or opposite ones: no sphere's way is told apart
    ahead = torch.sin((1 - places) * angle)[:, None] * first + torch.sin(places * angle)[:, None] * second
    return ahead / angle.sin()


WAYS: dict[str, Between] = {"slerp": slerp, "lerp": lerp}


@dataclass(frozen=True)
class Generator:
    """A network in evaluation mode, and where its latents come from.

    Samples are images (N, C, H, W) in [-1, 1] or points (N, F).
    """

    network: nn.Module
    prior: Prior
    shape: tuple[int, ...]
    checkpoint: str
    """The name of the checkpoint it came from: images seen."""

    def latents(self, n: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> Tensor:
        """Latents `first` to `first + n - 1` of a seed, (n, L) float32; sample i of a seed is always the same.

        Args:
            n: how many.
            seed: which stream of latents.
            truncation: no number of a latent is farther from 0; about 0.7 trades variety for quality.
            first: the number of the first one.

        Raises:
            BadInput: n or truncation is not positive.
        """
        if n < 1:
            raise BadInput(f"-n {n}: ask for at least one sample")
        if not truncation > 0:
            raise BadInput(f"--truncation {truncation}: give a number above 0 (0.5 to 1 is usual), or leave it out")
        return self.prior.draw(noise.seeds(seed, first, n), truncation)

    @torch.no_grad()
    def show(self, latents: Tensor, batch: int = 64) -> Tensor:
        """The samples at latents (N, L), worked out `batch` at a time, on the CPU."""
        device = next(self.network.parameters()).device
        return torch.cat([self.network(part.to(device)).float().cpu() for part in torch.split(latents, batch)])

    def sample(self, n: int = 1, *, seed: int = 0, truncation: float = math.inf, batch: int = 64) -> Tensor:
        """`n` samples of a seed: (n, C, H, W) in [-1, 1], or (n, F) points."""
        return self.show(self.latents(n, seed, truncation), batch)

    def interpolate(self, z1: Tensor, z2: Tensor, steps: int = 10, between: Between = slerp) -> Tensor:
        """Samples on the way from latent `z1` to `z2`, both (L,) or (1, L), ends included: (steps, ...).

        Raises:
            BadInput: a latent has the wrong size, or steps is below 2.
        """
        if steps < 2:
            raise BadInput(f"steps {steps}: a way has at least its two ends")
        for name, z in (("z1", z1), ("z2", z2)):
            if z.numel() != self.prior.size:
                raise BadInput(f"{name} has {z.numel()} numbers: this generator's latents have {self.prior.size}")
        return self.show(between(z1.flatten().float(), z2.flatten().float(), torch.linspace(0, 1, steps)))


AVERAGED, LIVE = "averages.generator.0.network.", "generator."
"""Where a checkpoint holds the generator's average, and where the weights that training changes."""


def load_generator(
    network: nn.Module,
    checkpoint: Path,
    prior: Prior,
    shape: tuple[int, ...],
    device: torch.device,
    prefix: str = AVERAGED,
) -> Generator:
    """Put a checkpoint's weights, the averaged ones or the live ones, into a network.

    Raises:
        BadInput: the checkpoint is damaged, or of another network.
    """
    path = checkpoint / "networks.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            weights = {name.removeprefix(prefix): file.get_tensor(name) for name in names}
        network.load_state_dict(weights)
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{path} cannot be read ({reason}); delete {checkpoint} to use the one before") from error
    return Generator(network.to(device).eval().requires_grad_(False), prior, shape, checkpoint.name)
