"""A trained generator, ready to be asked for samples."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.latent import Latent

InterpolationFn = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From two latents (L,) and places (K,) in [0, 1] to K latents (K, L) on the way from the first to the second."""


def lerp(first: Tensor, second: Tensor, fractions: Tensor) -> Tensor:
    """The straight way between two latents."""
    return first + (second - first) * fractions[:, None]


def slerp(first: Tensor, second: Tensor, fractions: Tensor) -> Tensor:
    """The way along the sphere, which stays where normal latents lie (White 2016, arXiv:1609.04468)."""
    cosine = torch.dot(first, second) / (first.norm() * second.norm()).clamp_min(1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if angle.sin() < 1e-4:
        return lerp(first, second, fractions)  # the same direction, or opposite ones: no sphere's way is told apart
    ahead = torch.sin((1 - fractions) * angle)[:, None] * first + torch.sin(fractions * angle)[:, None] * second
    return ahead / angle.sin()


INTERPOLATIONS: dict[str, InterpolationFn] = {"slerp": slerp, "lerp": lerp}


@dataclass(frozen=True)
class Generator:
    """A network in evaluation mode, and where its latents come from.

    Samples are images (N, C, H, W) in [-1, 1] or points (N, F).
    """

    network: nn.Module
    latent: Latent
    shape: tuple[int, ...]
    checkpoint: str
    """The name of the checkpoint it came from: images seen."""
    classes: tuple[str, ...] = ()
    """The names of the classes it makes samples of; () where it knows none."""
    class_priors: tuple[float, ...] = ()
    """How large a part of its training data each class was."""

    def draw_latents(self, num_samples: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> Tensor:
        """Latents `first` to `first + n - 1` of a seed, (n, L) float32; sample i of a seed is always the same.

        Args:
            num_samples: how many.
            seed: which stream of latents.
            truncation: no number of a latent is farther from 0; about 0.7 trades variety for quality.
            first: the number of the first one.

        Raises:
            BadInput: n or truncation is not positive.
        """
        if num_samples < 1:
            raise BadInput(f"-n {num_samples}: ask for at least one sample")
        if not truncation > 0:
            raise BadInput(f"--truncation {truncation}: give a number above 0 (0.5 to 1 is usual), or leave it out")
        return self.latent.sample(seeded_rng.derive_seeds(seed, first, num_samples), truncation)

    def class_index(self, label: str | int) -> int:
        """The index of a class, given by name or index.

        Raises:
            BadInput: there is no such class, it was not trained on it, or it knows none.
        """
        if not self.classes:
            raise BadInput(
                f"--class {label}: this generator knows no classes; train one that does (--recipe cgan, data with a "
                f"folder for each class)"
            )
        if isinstance(label, int) and 0 <= label < len(self.classes):
            number = label
        elif label in self.classes:
            number = self.classes.index(str(label))
        else:
            near = difflib.get_close_matches(str(label), self.classes, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(self.classes)}"
            raise BadInput(f"--class {label}: no such class; {hint}")
        if number not in self.trained_class_indices:
            others = ", ".join(self.classes[each] for each in self.trained_class_indices)
            raise BadInput(f"--class {label}: all its images were held out of training; choose one of {others}")
        return number

    @property
    def trained_class_indices(self) -> tuple[int, ...]:
        """The indices of the classes that it was trained on: of any other, all images were held out."""
        return tuple(index for index, share in enumerate(self.class_priors) if share > 0)

    def draw_labels(
        self, num_samples: int, seed: int = 0, first: int = 0, label: str | int | None = None
    ) -> Tensor | None:
        """The classes of samples `first` to `first + n - 1` of a seed, (n,) int64; None where it knows none.

        All of one class, if it is asked for; otherwise as common as they were in the data.

        Raises:
            BadInput: there is no such class.
        """
        if label is not None:
            return torch.full((num_samples,), self.class_index(label))
        if not self.classes:
            return None
        return seeded_rng.sample_classes(
            seeded_rng.derive_seeds(seed, first, num_samples), torch.tensor(self.class_priors, dtype=torch.float64)
        )

    @torch.no_grad()
    def generate(
        self, latents: Tensor, label: Tensor | None = None, seeds: Tensor | None = None, *, psi: float = 1.0,
        batch_size: int = 64,
    ) -> Tensor:  # fmt: skip
        """The samples at latents (N, L), worked out `batch_size` at a time, on the CPU.

        Args:
            latents: (N, L).
            label: (N,) class indices or (N, K) weights of the classes; left out: the first class it was trained on,
                where there are any.
            seeds: (N,) int64, of the details that are left to chance, where a network has such; left out: always the
                same ones.
            psi: towards the mean style, for networks that have styles: 1 leaves them, 0 is the mean.
            batch_size: how many at a time.
        """
        if label is None and self.classes:
            label = torch.full((len(latents),), self.trained_class_indices[0])
        device = next(self.network.parameters()).device
        parts = []
        for rows in torch.split(torch.arange(len(latents)), batch_size):
            known = {"label": label, "seed": seeds}
            given = {name: known[name] for name in getattr(self.network, "condition_inputs", ())}
            conditioning = {name: None if value is None else value[rows].to(device) for name, value in given.items()}
            parts.append(self._forward(latents[rows].to(device), conditioning, psi).float().cpu())
        return torch.cat(parts)

    def _forward(self, latents: Tensor, conditioning: dict[str, Tensor | None], psi: float) -> Tensor:
        if psi == 1.0 or not self.has_styles:
            sample: Tensor = self.network(latents, **conditioning)
            return sample
        styles = self.network.styles(latents, conditioning.get("label"), psi)  # type: ignore[operator]
        painted: Tensor = self.network.synthesize(styles, conditioning.get("seed"))  # type: ignore[operator]
        return painted

    @property
    def has_styles(self) -> bool:
        """Whether the network has styles: then truncation pulls these towards their mean, and cuts no latent off."""
        return hasattr(self.network, "styles")

    def sample(
        self, num_samples: int = 1, *, seed: int = 0, truncation: float = math.inf, label: str | int | None = None,
        first: int = 0, batch_size: int = 64,
    ) -> Tensor:  # fmt: skip
        """Samples `first` to `first + n - 1` of a seed: (n, C, H, W) in [-1, 1], or (n, F) points.

        Args:
            num_samples: how many.
            seed: which ones.
            truncation: trades variety for quality: no number of a latent is farther from 0 (about 0.7 is usual), or,
                where the network has styles, the share of their distance from the mean style that is left.
            label: the class asked for, by name or index; left out: as common as in the data.
            first: the number of the first one.
            batch_size: how many are worked out at a time.

        Raises:
            BadInput: n or truncation is not positive, or there is no such class.
        """
        pulled = self.has_styles and not math.isinf(truncation)
        latents = self.draw_latents(num_samples, seed, math.inf if pulled and truncation > 0 else truncation, first)
        seeds = seeded_rng.derive_seeds(seed, first, num_samples)
        psi = truncation if pulled else 1.0
        return self.generate(
            latents, self.draw_labels(num_samples, seed, first, label), seeds, psi=psi, batch_size=batch_size
        )

    def interpolate(
        self, z1: Tensor, z2: Tensor, steps: int = 10, interpolation: InterpolationFn = slerp, *,
        label: str | int | None = None, to_label: str | int | None = None,
    ) -> Tensor:  # fmt: skip
        """Samples on the way from latent `z1` to `z2`, both (L,) or (1, L), ends included: (steps, ...).

        Of the class `label`; with `to_label`, from that class to this one.

        Raises:
            BadInput: a latent has the wrong size, steps is below 2, or there is no such class.
        """
        if steps < 2:
            raise BadInput(f"steps {steps}: a way has at least its two ends")
        for name, z in (("z1", z1), ("z2", z2)):
            if z.numel() != self.latent.size:
                raise BadInput(f"{name} has {z.numel()} numbers: this generator's latents have {self.latent.size}")
        places = torch.linspace(0, 1, steps)
        way = interpolation(z1.flatten().float(), z2.flatten().float(), places)
        return self.generate(way, self.interpolate_labels(label, to_label, places))

    def interpolate_labels(
        self, label: str | int | None, to_label: str | int | None, fractions: Tensor
    ) -> Tensor | None:
        """Weights of the classes (K, classes) at places (K,) on the way from one to another; None: no classes asked.

        Raises:
            BadInput: there is no such class, or no class to start from.
        """
        if label is None:
            if to_label is not None:
                raise BadInput(f"--to {to_label}: from which class? Add --class NAME")
            return None
        one = torch.eye(len(self.classes))
        first, last = self.class_index(label), self.class_index(label if to_label is None else to_label)
        return lerp(one[first], one[last], fractions)


EMA_PREFIX, RAW_PREFIX = "emas.generator.0.network.", "generator."
"""Where a checkpoint holds the generator's average, and where the weights that training changes."""
PRE_ADVERSARIAL_PREFIX = "emas.generator.1.network."
"""Where it holds a translator as it was before the objective was heard, if the recipe begins without it."""


def restore_generator(
    network: nn.Module,
    checkpoint: Path,
    latent: Latent,
    shape: tuple[int, ...],
    device: torch.device,
    prefix: str = EMA_PREFIX,
    class_priors: Mapping[str, float] | None = None,
) -> Generator:
    """Put a checkpoint's weights, the averaged ones or the live ones, into a network.

    `class_priors` are those it makes samples of, each with its share of the data.

    Raises:
        BadInput: the checkpoint is damaged, or of another network.
    """
    ready = load_weights(network, checkpoint, prefix, device)
    known = class_priors or {}
    return Generator(ready, latent, shape, checkpoint.name, tuple(known), tuple(known.values()))


def load_weights(
    network: nn.Module,
    checkpoint: Path,
    prefix: str,
    device: torch.device,
    *,
    other_prefix: str = "",
    other_weight: float = 0.0,
) -> nn.Module:
    """The network with a checkpoint's weights of this prefix, on the device, in evaluation mode.

    With a `other_weight` of weights of an`other_prefix` prefix: straight between the two.

    Raises:
        BadInput: the checkpoint is damaged, or of another network.
    """
    path = checkpoint / "networks.safetensors"
    try:
        weights = _read_tensors(path, prefix)
        if other_weight:
            weights = {
                name: torch.lerp(weights[name], tensor, other_weight)
                for name, tensor in _read_tensors(path, other_prefix).items()
            }
        network.load_state_dict(weights)
    except (OSError, RuntimeError, KeyError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{path} cannot be read ({reason}); delete {checkpoint} to use the one before") from error
    return network.to(device).eval().requires_grad_(False)


def _read_tensors(path: Path, prefix: str) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
