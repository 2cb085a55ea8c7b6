"""Where samples are edited: the style space W of a network that has one, the latent space Z of any other.

A place is (layers, W): the style that each layer of the network follows. A latent space is seen as one layer, so
that what moves, mixes and searches places is written once.
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

from zerosum.errors import BadInput
from zerosum.game import seeded_rng

BATCH_SIZE = 64
"""Samples worked out at a time."""
BatchFn = Callable[[Tensor, Tensor | None], Tensor]
"""From a batch of rows and their labels to a row for each."""
FeatureFn = Callable[[Tensor], Tensor]
"""From pictures (N, C, H, W) in [-1, 1] to what is seen in them, (N, K)."""
ALL_LAYERS = slice(None)
"""All layers."""
PROBE_LATENTS = 8
"""Latents that show which layers take the latent: two numbers are never in proportion by chance in all of them."""


@runtime_checkable
class StyleGenerator(Protocol):
    """A generator with a style for each of its layers (Karras et al. 2018, arXiv:1812.04948)."""

    @property
    def layers(self) -> int:
        """Layers that follow a style of their own."""

    def styles(self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """(N, L) to (N, layers, W)."""

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """(N, layers, W) to (N, C, H, W)."""

    def affine_weights(self) -> list[Tensor]:
        """From styles to the scales of each layer's channels: (C, W) each, as they are used."""


class EditSpace(ABC):
    """The places of one generator network in evaluation mode.

    Labels are class indices (N,) or weights of the classes (N, K); one row serves all. Networks that take none are
    given none; the others raise `BadInput` without one. Whatever comes in may be on any device; what goes out is on
    the CPU, float32, but for `picture`.
    """

    layers: int
    """Layers of a place."""

    def __init__(self, network: nn.Module) -> None:
        """Places of this network."""
        self.network = network
        self.device = next(network.parameters()).device

    @torch.no_grad()
    def to_codes(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, L) to their places (N, layers, W)."""
        return self._in_batches(self._codes_of_batch, latents, label)

    @torch.no_grad()
    def to_vectors(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, L) to what their places are at every layer, (N, W): what directions are found among."""
        return self._in_batches(lambda part, label: self._codes_of_batch(part, label)[:, 0], latents, label)

    @torch.no_grad()
    def generate(self, codes: Tensor, label: Tensor | None = None) -> Tensor:
        """Places (N, layers, W) to their pictures (N, C, H, W) in [-1, 1], the same each time: no noise of chance."""
        return self.generate_features(codes, lambda pictures: pictures, label)

    @torch.no_grad()
    def generate_features(self, codes: Tensor, feature_fn: FeatureFn, label: Tensor | None = None) -> Tensor:
        """What `feature_fn` makes of the pictures at places (N, layers, W): (N, ...)."""
        work = self.synthesize
        return self._in_batches(
            lambda part, label: feature_fn(work(part, label).float().clamp(-1, 1).cpu()), codes, label
        )

    @torch.no_grad()
    def activations(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, L) to what the network's first layer makes of them, (N, F): what GANSpace looks at."""
        return self._in_batches(self._activations_of_batch, latents, label)

    @abstractmethod
    def synthesize(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """Places (N, layers, W) to pictures (N, C, H, W), both on the network's device; can be differentiated."""

    @abstractmethod
    def first_layer_weights(self) -> Tensor:
        """The linear maps that a place meets first, one under another: (rows, W).

        Raises:
            BadInput: the network has none.
        """

    @abstractmethod
    def _codes_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """One batch of `place`, on the network's device."""

    @abstractmethod
    def _activations_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """One batch of `activations`, on the network's device."""

    def _require_label(self, label: Tensor | None) -> Tensor | None:
        """The label, if the network takes one."""
        if not is_class_conditional(self.network):
            return None
        if label is None:
            raise BadInput("this generator makes samples of classes: say of which with --class NAME")
        return label

    def _in_batches(self, batch_fn: BatchFn, rows: Tensor, label: Tensor | None) -> Tensor:
        """Do what is done with rows (N, ...) and their labels a batch at a time, on the network's device."""
        labels = itertools.repeat(None) if label is None else torch.split(_expand_label(label, len(rows)), BATCH_SIZE)
        parts = zip(torch.split(rows, BATCH_SIZE), labels, strict=False)
        return torch.cat(
            [batch_fn(part.to(self.device), _to_device(self.device, its)).float().cpu() for part, its in parts]
        )


class WSpace(EditSpace):
    """The style space W of a network that has a style for each layer."""

    def __init__(self, network: nn.Module, style_generator: StyleGenerator, truncation: float = 1.0) -> None:
        """Places drawn to the mean style: 1 not at all, 0 all the way (Karras et al. 2018, arXiv:1812.04948)."""
        super().__init__(network)
        self.style_generator, self.truncation, self.layers = style_generator, truncation, style_generator.layers

    def synthesize(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """(N, layers, W) to (N, C, H, W); the class is in the place."""
        return self.style_generator.synthesize(codes)

    @torch.no_grad()
    def first_layer_weights(self) -> Tensor:
        """From styles to the scales of every layer's channels: (all channels, W)."""
        return torch.cat([weight.float().cpu() for weight in self.style_generator.affine_weights()])

    def _codes_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self.style_generator.styles(latents, self._require_label(label), self.truncation)

    def _activations_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self._codes_of_batch(latents, label)[:, 0]


class ZSpace(EditSpace):
    """The latent space Z itself, (N, 1, L)."""

    layers = 1

    def __init__(self, network: nn.Module, size: int) -> None:
        """Latents have `size` numbers."""
        super().__init__(network)
        self.size = size

    @cached_property
    def latent_layers(self) -> LatentLayers:
        """How the network takes in its latent."""
        return find_latent_layers(self.network, self.size)

    def synthesize(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """(N, 1, L) to (N, C, H, W).

        Raises:
            BadInput: the network makes classes, and there is no label.
        """
        return self._bind_label(label, len(codes))(codes[:, 0])

    def first_layer_weights(self) -> Tensor:
        """The weights of the layers that take the latent, a column for each of its numbers: (rows, L)."""
        return self.latent_layers.weights()

    def _codes_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return latents[:, None]

    def _activations_of_batch(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self.latent_layers.activation(self._bind_label(label, len(latents)), latents)

    def _bind_label(self, label: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        asked = self._require_label(label)
        return self.network if asked is None else partial(self.network, label=_expand_label(asked, count))


@dataclass(frozen=True)
class LatentLayers:
    """How a network takes in its latent."""

    layers: tuple[tuple[nn.Module, Tensor], ...]
    """Linear layers that numbers of the latent enter, and what enters where the latent is each of the unit
    vectors: (L, F). One layer in most networks; one a block where the latent is handed out in pieces (Brock et al.
    2018, arXiv:1809.11096)."""
    next_layer: nn.Module
    """The first layer that works on what the first of them made."""

    @torch.no_grad()
    def weights(self) -> Tensor:
        """The takers' weights, one under another: (rows, L). What enters beside the latent is left out."""
        # a linear layer's answers to unit vectors are its weights, however it scales or constrains what it stores
        answers = [(layer(units) - layer(torch.zeros_like(units))).flatten(1) for layer, units in self.layers]
        return torch.cat(answers, 1).T.float().cpu()

    def activation(self, forward: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
        """Latents (N, L) to what enters the layer after, (N, F), without going on to a sample."""
        reached: list[Tensor] = []

        def stop(layer: nn.Module, entering: tuple[Tensor, ...]) -> None:
            reached.append(entering[0])
            raise _StopForward

        with self.next_layer.register_forward_pre_hook(stop), contextlib.suppress(_StopForward):
            forward(latents)
        return reached[0].flatten(1)


class _StopForward(Exception):
    """What was asked for is there: the rest of the network need not be worked out."""


@torch.no_grad()
def find_latent_layers(network: nn.Module, size: int) -> LatentLayers:
    """Find the layers that take latents of this size, by showing the network a few and comparing what enters where.

    Raises:
        BadInput: none does.
    """
    device = next(network.parameters()).device
    latents = seeded_rng.normal(seeded_rng.derive_seeds(0, 0, PROBE_LATENTS), size, seeded_rng.RandomStream.LATENT).to(
        device
    )
    latents = functional.normalize(latents, dim=1) * size**0.5  # of one length: an even one scales all of them alike
    trace = [
        (layer, entering, _match_latent_entries(entering, latents))
        for layer, entering in _trace_layers(network, latents)
    ]
    takes = [bool(units.any()) for *_, units in trace]
    if not any(takes):
        raise BadInput("no layer of this generator takes the latent as it is; directions are found in others only")
    takers = tuple((layer, units) for (layer, _, units), taken in zip(trace, takes, strict=True) if taken)
    later = list(zip(trace, takes, strict=True))[takes.index(True) + 1 :]
    # a vector of the class enters layers too: here it is the same in all samples
    after = next(layer for (layer, entering, _), taken in later if not taken and (entering != entering[:1]).any())
    return LatentLayers(takers, after)


def _trace_layers(network: nn.Module, latents: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """The layers with a matrix of weights in the order they are used, and what enters each."""
    trace: list[tuple[nn.Module, Tensor]] = []

    def note(layer: nn.Module, entering: tuple[Tensor, ...]) -> None:
        trace.append((layer, entering[0]))

    layers = [m for m in network.modules() if isinstance(w := getattr(m, "weight", None), Tensor) and w.dim() > 1]
    label = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_pre_hook(note))
        network(latents, **({"label": label} if is_class_conditional(network) else {}))
    return trace


def _match_latent_entries(layer_input: Tensor, latents: Tensor) -> Tensor:
    """Which numbers of the latents (N, L) are in what enters (N, F), as they are or all scaled alike: 1 there, (L, F).

    Scaled, since some networks bring the latent, or the latent beside a vector of the class, to an even length first.
    """
    if layer_input[0].numel() != layer_input.shape[1]:  # planes: no latent
        return layer_input.new_zeros(latents.shape[1], 1)
    cosine = functional.normalize(latents, dim=0).T @ functional.normalize(layer_input.flatten(1), dim=0)
    return (cosine > 1 - 1e-5).to(layer_input.dtype).view(-1, *layer_input.shape[1:])


def make_edit_space(network: nn.Module, size: int, truncation: float = 1.0) -> EditSpace:
    """Where this generator's samples are edited.

    Args:
        network: in evaluation mode.
        size: numbers in a latent.
        truncation: how far styles stay from their mean, in the parts of what they would be; a network without
            styles has the latents it is given truncated instead.
    """
    if isinstance(network, StyleGenerator):
        return WSpace(network, network, truncation)
    return ZSpace(network, size)


def is_class_conditional(network: nn.Module) -> bool:
    """Whether a generator is told what class to make."""
    return "label" in getattr(network, "condition_inputs", ())


def parse_layers(text: str, num_layers: int) -> slice:
    """The layers that a word or `first:end` means, of this many.

    Coarse layers say where things are, middle ones their shape, fine ones their colour: of StyleGAN's 18 the first 4,
    the next 4 and the last 10 (Karras et al. 2018, arXiv:1812.04948, section 3.1), and the like part of fewer.

    Raises:
        BadInput: the text is neither, or there are no such layers.
    """
    low = max(1, round(num_layers * 4 / 18))
    middle = max(low + 1, round(num_layers * 8 / 18))
    words = {
        "all": f"0:{num_layers}",
        "coarse": f"0:{low}",
        "middle": f"{low}:{middle}",
        "fine": f"{middle}:{num_layers}",
    }
    first, _, end = words.get(text, text).partition(":")
    if not (first.isdecimal() and end.isdecimal() and int(first) < int(end) <= num_layers):
        raise BadInput(
            f"layers {text!r}: this generator has {num_layers}; give all, coarse, middle, fine, or first:end such as "
            f"0:{num_layers} (the end is left out)"
        )
    return slice(int(first), int(end))


def _expand_label(label: Tensor, count: int) -> Tensor:
    """Labels of so many samples, from as many or from one."""
    return label.expand(count, *label.shape[1:])


def _to_device(device: torch.device, label: Tensor | None) -> Tensor | None:
    return None if label is None else label.to(device)
