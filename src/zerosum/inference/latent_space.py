"""The space in which samples are edited: the style space W of a style-based network, else the latent space Z.

A code is (layers, W): the style of each layer of the network. A latent is treated as a code of one layer, so that
edits, style mixing and inversion are written once for both.
"""

from __future__ import annotations

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrize import is_parametrized

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.types import condition_inputs

BATCH_SIZE = 64
"""Samples generated at a time."""
BatchFn = Callable[[Tensor, Tensor | None], Tensor]
"""From a batch of rows and their labels to one result row for each."""
FeatureFn = Callable[[Tensor], Tensor]
"""From images (N, C, H, W) in [-1, 1] to features (N, K)."""
ALL_LAYERS = slice(None)
"""All layers."""
PROBE_LATENTS = 8
"""Latents used to find the layers that take the latent. With 8 no unrelated value is proportional to a component by
chance."""


@runtime_checkable
class StyleGenerator(Protocol):
    """A generator with a style for each layer (Karras et al. 2018, arXiv:1812.04948)."""

    @property
    def num_layers(self) -> int:
        """Number of layers with a style."""

    def styles(
        self,
        latent: Tensor,
        label: Tensor | None = None,
        truncation: float | Tensor = 1.0,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Map latents (N, L) to styles (N, layers, W)."""

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """Map styles (N, layers, W) to images (N, C, H, W)."""

    def affine_weights(self) -> list[Tensor]:
        """Return the effective weights (C, W) from the style to the channel scales, for each layer."""


class EditSpace(ABC):
    """The codes of one generator network in evaluation mode.

    Labels are class indices (N,) or class weights (N, K); a single row is used for all samples. They are ignored by
    unconditional networks; class-conditional ones raise `BadInput` without a label. Inputs may be on any device.
    Outputs are float32 on the CPU, except for `synthesize`.
    """

    def __init__(self, network: nn.Module) -> None:
        """Create the space of this network."""
        self.network = network
        self.device = next(network.parameters()).device

    @property
    @abstractmethod
    def num_layers(self) -> int:
        """Number of layers in a code."""

    @torch.no_grad()
    def to_codes(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Map latents (N, L) to codes (N, layers, W)."""
        return self._in_batches(self._codes_of_batch, latents, label)

    @torch.no_grad()
    def to_vectors(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Map latents (N, L) to vectors (N, W), which are the same at every layer and in which directions are found."""
        return self._in_batches(lambda part, label: self._codes_of_batch(part, label)[:, 0], latents, label)

    @torch.no_grad()
    def generate(self, codes: Tensor, label: Tensor | None = None) -> Tensor:
        """Generate the images (N, C, H, W) in [-1, 1] of codes (N, layers, W), with fixed noise."""
        return self.generate_features(codes, lambda images: images, label)

    @torch.no_grad()
    def generate_features(self, codes: Tensor, feature_fn: FeatureFn, label: Tensor | None = None) -> Tensor:
        """Return the features (N, ...) of the images of codes (N, layers, W)."""
        return self._in_batches(
            lambda part, label: feature_fn(self.synthesize(part, label).float().clamp(-1, 1).cpu()), codes, label
        )

    @torch.no_grad()
    def activations(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Map latents (N, L) to the activations (N, F) of the network's first layer, as GANSpace uses them."""
        return self._in_batches(self._activations_of_batch, latents, label)

    @abstractmethod
    def synthesize(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """Map codes (N, layers, W) to images (N, C, H, W), both on the network's device; differentiable."""

    @abstractmethod
    def first_layer_weights(self) -> Tensor:
        """Return the weights of the first linear maps of a code, stacked: (rows, W).

        Raises:
            BadInput: if the network has none.
        """

    @abstractmethod
    def _codes_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """Compute one batch of `to_codes`, on the network's device."""

    @abstractmethod
    def _activations_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """Compute one batch of `activations`, on the network's device."""

    def _require_label(self, label: Tensor | None) -> Tensor | None:
        """Return the label, or None if the network is unconditional.

        Raises:
            BadInput: if the network is class-conditional and there is no label.
        """
        if not is_class_conditional(self.network):
            return None
        if label is None:
            raise BadInput("`label` is missing: this generator is class-conditional, so name the class of the samples")
        return label

    def _in_batches(self, batch_fn: BatchFn, rows: Tensor, label: Tensor | None) -> Tensor:
        """Apply `batch_fn` to rows (N, ...) and their labels batch by batch, on the network's device."""
        labels = itertools.repeat(None) if label is None else torch.split(_expand_label(label, len(rows)), BATCH_SIZE)
        parts = zip(torch.split(rows, BATCH_SIZE), labels, strict=False)
        return torch.cat(
            [
                batch_fn(part.to(self.device), _to_device(self.device, part_label)).float().cpu()
                for part, part_label in parts
            ]
        )


class WSpace(EditSpace):
    """The style space W of a network that has a style for each layer."""

    def __init__(self, network: nn.Module, style_generator: StyleGenerator, truncation: float = 1.0) -> None:
        """Create the space. `truncation` scales the distance of styles from their mean: 1 is none, 0 is the mean.

        Karras et al. 2018, arXiv:1812.04948.
        """
        super().__init__(network)
        self.style_generator, self.truncation = style_generator, truncation

    @property
    def num_layers(self) -> int:
        """Number of layers with a style."""
        return self.style_generator.num_layers

    def synthesize(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """Map codes (N, layers, W) to images (N, C, H, W); the label is unused, since styles contain the class."""
        return self.style_generator.synthesize(codes)

    @torch.no_grad()
    def first_layer_weights(self) -> Tensor:
        """Return the weights from the style to the channel scales of all layers: (all channels, W)."""
        return torch.cat([weight.float().cpu() for weight in self.style_generator.affine_weights()])

    def _codes_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self.style_generator.styles(latents, self._require_label(label), self.truncation)

    def _activations_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self._codes_of_batch(latents, label)[:, 0]


class ZSpace(EditSpace):
    """The latent space Z. Codes are latents, (N, 1, L)."""

    def __init__(self, network: nn.Module, size: int) -> None:
        """Create the space of latents with `size` components."""
        super().__init__(network)
        self.size = size

    @property
    def num_layers(self) -> int:
        """1: a latent is a code of one layer."""
        return 1

    @cached_property
    def latent_layers(self) -> LatentLayers:
        """The layers that take the latent."""
        return find_latent_layers(self.network, self.size)

    def synthesize(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """Map latents (N, 1, L) to images (N, C, H, W).

        Raises:
            BadInput: if the network is class-conditional and there is no label.
        """
        return self._bind_label(label, len(codes))(codes[:, 0])

    def first_layer_weights(self) -> Tensor:
        """Return the weights of the layers that take the latent, one column for each component: (rows, L)."""
        return self.latent_layers.weights()

    def _codes_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return latents[:, None]

    def _activations_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self.latent_layers.activation(self._bind_label(label, len(latents)), latents)

    def _bind_label(self, label: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        required = self._require_label(label)
        return self.network if required is None else partial(self.network, label=_expand_label(required, count))


@dataclass(frozen=True)
class LatentLayers:
    """The linear layers of a network that take its latent."""

    layers: tuple[tuple[nn.Module, Tensor], ...]
    """Layers with components of the latent in their input, and their inputs for each unit vector as the latent: (L, F).
    One layer in most networks; one for each block if the latent is split among blocks (Brock et al. 2018,
    arXiv:1809.11096)."""
    next_layer: nn.Module
    """The first layer that processes the output of the first of them."""

    @torch.no_grad()
    def weights(self) -> Tensor:
        """Return the weights of the layers, stacked: (rows, L), without those of other inputs than the latent."""
        # outputs for unit vectors are the effective weights, whatever scale or constraint a layer applies to them
        weights = [(layer(units) - layer(torch.zeros_like(units))).flatten(1) for layer, units in self.layers]
        return torch.cat(weights, 1).T.float().cpu()

    def activation(self, forward: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
        """Return the input (N, F) of `next_layer` for latents (N, L), and stop the forward pass there."""
        inputs: list[Tensor] = []

        def record_and_stop(layer: nn.Module, layer_inputs: tuple[Tensor, ...]) -> None:
            inputs.append(layer_inputs[0])
            raise _StopForward

        with self.next_layer.register_forward_pre_hook(record_and_stop), contextlib.suppress(_StopForward):
            forward(latents)
        return inputs[0].flatten(1)


class _StopForward(Exception):
    """Raised to end a forward pass once the needed activation is recorded."""


@torch.no_grad()
def find_latent_layers(network: nn.Module, size: int) -> LatentLayers:
    """Find the layers that take latents of this size, by comparing the inputs of all layers with a few latents.

    Raises:
        BadInput: if no layer takes the latent.
    """
    device = next(network.parameters()).device
    latents = seeded_rng.normal(seeded_rng.derive_seeds(0, 0, PROBE_LATENTS), size, seeded_rng.RandomStream.LATENT).to(
        device
    )
    latents = (
        functional.normalize(latents, dim=1) * size**0.5
    )  # equal norms, so that normalizing layers scale all of them alike
    trace = [
        (layer, layer_input, _match_latent_entries(layer_input, latents))
        for layer, layer_input in _trace_layers(network, latents)
    ]
    takes_latent = [bool(units.any()) for *_, units in trace]
    if not any(takes_latent):
        raise BadInput(
            "no layer of this generator takes the latent directly, so no directions can be found in its weights"
        )
    latent_layers = tuple((layer, units) for (layer, _, units), takes in zip(trace, takes_latent, strict=True) if takes)
    later = list(zip(trace, takes_latent, strict=True))[takes_latent.index(True) + 1 :]
    # layers of the class embedding are skipped: their input is the same for all samples here
    next_layer = next(
        layer for (layer, layer_input, _), takes in later if not takes and (layer_input != layer_input[:1]).any()
    )
    return LatentLayers(latent_layers, next_layer)


def _trace_layers(network: nn.Module, latents: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """Run the network, and return its layers with a weight matrix in order of use, with their inputs."""
    trace: list[tuple[nn.Module, Tensor]] = []

    def record(layer: nn.Module, layer_inputs: tuple[Tensor, ...]) -> None:
        trace.append((layer, layer_inputs[0]))

    layers = [layer for layer in network.modules() if _has_weight_matrix(layer)]
    label = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_pre_hook(record))
        network(latents, **({"label": label} if is_class_conditional(network) else {}))
    return trace


def _has_weight_matrix(layer: nn.Module) -> bool:
    """Return whether a layer itself has a weight matrix or kernel, parametrized (as by spectral norm) or not."""
    if not is_parametrized(layer, "weight") and "weight" not in dict(layer.named_parameters(recurse=False)):
        return False
    return isinstance(layer.weight, Tensor) and layer.weight.dim() > 1


def _match_latent_entries(layer_input: Tensor, latents: Tensor) -> Tensor:
    """Return a matrix (L, F) that is 1 where a component of the latents (N, L) is in a layer input (N, F), up to scale.

    Up to scale, since some networks normalize the latent, or the latent with a class embedding, first.
    """
    if layer_input[0].numel() != layer_input.shape[1]:  # feature maps: not a latent
        return layer_input.new_zeros(latents.shape[1], 1)
    cosine = functional.normalize(latents, dim=0).T @ functional.normalize(layer_input.flatten(1), dim=0)
    return (cosine > 1 - 1e-5).to(layer_input.dtype).view(-1, *layer_input.shape[1:])


def make_edit_space(network: nn.Module, size: int, truncation: float = 1.0) -> EditSpace:
    """Return the space in which the samples of this generator are edited.

    Args:
        network: the generator network in evaluation mode.
        size: components of a latent.
        truncation: factor of the distance of styles from their mean. Ignored for networks without styles, whose latents
            are truncated when they are drawn.

    Returns:
        `WSpace` for a style-based network, otherwise `ZSpace`.
    """
    if isinstance(network, StyleGenerator):
        return WSpace(network, network, truncation)
    return ZSpace(network, size)


def is_class_conditional(network: nn.Module) -> bool:
    """Return whether a generator takes a class label."""
    return "label" in condition_inputs(network)


def parse_layers(text: str, num_layers: int) -> slice:
    """Return the layers named by "all", "coarse", "middle", "fine" or "first:end", of `num_layers`.

    Coarse layers control position and pose, middle ones shape, fine ones color: of StyleGAN's 18 layers the first 4,
    the next 4 and the last 10 (Karras et al. 2018, arXiv:1812.04948, section 3.1), and the same fractions of others.

    Raises:
        BadInput: if the text is none of these, or there are no such layers.
    """
    low = max(1, round(num_layers * 4 / 18))
    middle = max(low + 1, round(num_layers * 8 / 18))
    names = {
        "all": f"0:{num_layers}",
        "coarse": f"0:{low}",
        "middle": f"{low}:{middle}",
        "fine": f"{middle}:{num_layers}",
    }
    first, _, end = names.get(text, text).partition(":")
    indices = [str(index) for index in range(num_layers + 1)]
    if first not in indices or end not in indices or int(first) >= int(end):
        raise BadInput(
            f"`layers` {text!r}: this generator has {num_layers} layers; give all, coarse, middle, fine, or first:end "
            f"such as 0:{num_layers} (the end is exclusive)"
        )
    return slice(int(first), int(end))


def _expand_label(label: Tensor, count: int) -> Tensor:
    """Expand labels of one or `count` samples to `count` samples."""
    return label.expand(count, *label.shape[1:])


def _to_device(device: torch.device, label: Tensor | None) -> Tensor | None:
    return None if label is None else label.to(device)
