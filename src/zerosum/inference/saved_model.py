"""A trained model on disk: what a generator or a translator is loaded from, in a run folder or in a model folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from zerosum.errors import BadInput
from zerosum.recipes.recipe import Recipe

if TYPE_CHECKING:
    import torch
    from torch import nn

    from zerosum.data.codec_files import SavedCodec

Network = TypeVar("Network", bound="nn.Module")

EMA_PREFIX, RAW_PREFIX = "emas.generator.0.network.", "generator."
"""Prefixes of the generator's EMA weights and of its raw weights in a checkpoint."""
AUTOENCODER_PREFIX = "autoencoder."
"""Prefix of the autoencoder's weights, for recipes whose generator makes codes."""
PRE_ADVERSARIAL_PREFIX = "emas.generator.1.network."
"""Prefix of a translator's weights before adversarial training, for recipes that start with other losses only."""


@dataclass(frozen=True)
class SavedModel:
    """The settings of a trained model, and where its weights are; nothing large is read yet."""

    path: Path
    """The run folder or the model folder, as the user named it."""
    recipe: Recipe
    """The settings of its training, with unresolved schedules."""
    checkpoint: str
    """The name of the checkpoint with its weights: examples trained, or "best"."""
    weights: Path
    """The .safetensors file of its weights, by their names in a checkpoint."""
    read_codec: Callable[[], SavedCodec]
    """Returns what is known of its data; raises BadInput if that cannot be read."""
    classes: Mapping[str, float] = field(default_factory=dict)
    """The classes, with the fraction of the training examples in each; empty if it is unconditional."""
    examples: int = 0
    """Training examples of the weights."""
    training_weights: Path | None = None
    """The .safetensors file of the weights that only training needs, if they are in a file of their own."""
    repair: str = ""
    """What the user can do if the weights cannot be read."""
    is_foreign: bool = False
    """Whether others may have written it: the tensors are checked before a network is built."""

    def load_into(
        self,
        build: Callable[[], Network],
        prefix: str,
        device: torch.device,
        *,
        other_prefix: str = "",
        other_weight: float = 0.0,
    ) -> Network:
        """Build a network, load the weights of a prefix, and return it on the device in evaluation mode.

        With `other_weight`, the weights are interpolated linearly towards those of `other_prefix`.

        Raises:
            BadInput: the file is damaged, or holds the weights of another network.
        """
        import torch
        from safetensors import SafetensorError

        from zerosum.training.integrity import check_file

        try:
            check_file(self.weights.parent, self.weights.name)
            if self.is_foreign:
                _check_shapes(build, self.weights, prefix)
            weights = _read_tensors(self.weights, prefix)
            if other_weight:
                others = _read_tensors(self.weights, other_prefix)
                weights = {name: torch.lerp(weights[name], other, other_weight) for name, other in others.items()}
            network = build()
            network.load_state_dict(weights)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise BadInput(f"{self.weights} cannot be read ({reason}); {self.repair}") from error
        network.to(device).eval().requires_grad_(False)
        return network

    def read_tensors(self) -> dict[str, torch.Tensor]:
        """Return all tensors of its networks, by their names in a checkpoint.

        Raises:
            BadInput: a file is missing or damaged.
        """
        from safetensors import SafetensorError

        from zerosum.training.integrity import check_file

        tensors: dict[str, torch.Tensor] = {}
        for path in filter(None, (self.weights, self.training_weights)):
            try:
                check_file(path.parent, path.name)
                tensors |= _read_tensors(path, "")
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                raise BadInput(f"{path} cannot be read ({error}); {self.repair}") from error
        return tensors


def _check_shapes(build: Callable[[], nn.Module], path: Path, prefix: str) -> None:
    """Compare the names and the shapes of the tensors in a file with those of a network, before memory is taken.

    The settings may ask for a network of any size; the tensors are no larger than the file.

    Raises:
        ValueError: they differ.
    """
    import torch
    from safetensors import safe_open

    with torch.device("meta"):
        wanted = {f"{prefix}{name}": list(tensor.shape) for name, tensor in build().state_dict().items()}
    with safe_open(path, framework="pt") as file:
        found = {
            name: file.get_slice(name).get_shape()
            for name in file.keys()  # noqa: SIM118 (not a dict)
            if name.startswith(prefix)
        }
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"tensor {name}: the settings ask for {wanted.get(name, 'none')}, and the file has "
                f"{found.get(name, 'none')}"
            )


def _read_tensors(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors of a file whose names begin with a prefix, without it."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
        return {name.removeprefix(prefix): file.get_tensor(name) for name in names}
