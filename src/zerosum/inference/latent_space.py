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

BATCH = 64
"""Samples worked out at a time."""
Work = Callable[[Tensor, Tensor | None], Tensor]
"""From a batch of rows and their labels to a row for each."""
See = Callable[[Tensor], Tensor]
"""From pictures (N, C, H, W) in [-1, 1] to what is seen in them, (N, K)."""
ALL = slice(None)
"""All layers."""
TRIES = 8
"""Latents that show which layers take the latent: two numbers are never in proportion by chance in all of them."""


@runtime_checkable
class Styled(Protocol):
    """A generator with a style for each of its layers (Karras et al. 2018, arXiv:1812.04948)."""

    @property
    def layers(self) -> int:
        """Layers that follow a style of their own."""

    def styles(self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """(N, L) to (N, layers, W)."""

    def synthesise(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """(N, layers, W) to (N, C, H, W)."""

    def affine_weights(self) -> list[Tensor]:
        """From styles to the scales of each layer's channels: (C, W) each, as they are used."""


class Space(ABC):
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
    def place(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, L) to their places (N, layers, W)."""
        return self._in_parts(self._place, latents, label)

    @torch.no_grad()
    def points(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, L) to what their places are at every layer, (N, W): what directions are found among."""
        return self._in_parts(lambda part, label: self._place(part, label)[:, 0], latents, label)

    @torch.no_grad()
    def paint(self, places: Tensor, label: Tensor | None = None) -> Tensor:
        """Places (N, layers, W) to their pictures (N, C, H, W) in [-1, 1], the same each time: no noise of chance."""
        return self.show(places, lambda pictures: pictures, label)

    @torch.no_grad()
    def show(self, places: Tensor, see: See, label: Tensor | None = None) -> Tensor:
        """What `see` makes of the pictures at places (N, layers, W): (N, ...)."""
        work = self.picture
        return self._in_parts(lambda part, label: see(work(part, label).float().clamp(-1, 1).cpu()), places, label)

    @torch.no_grad()
    def activations(self, latents: Tensor, label: Tensor | None = None) -> Tensor:
        """Latents (N, L) to what the network's first layer makes of them, (N, F): what GANSpace looks at."""
        return self._in_parts(self._activation, latents, label)

    @abstractmethod
    def picture(self, places: Tensor, label: Tensor | None) -> Tensor:
        """Places (N, layers, W) to pictures (N, C, H, W), both on the network's device; can be differentiated."""

    @abstractmethod
    def first_weights(self) -> Tensor:
        """The linear maps that a place meets first, one under another: (rows, W).

        Raises:
            BadInput: the network has none.
        """

    @abstractmethod
    def _place(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """One batch of `place`, on the network's device."""

    @abstractmethod
    def _activation(self, latents: Tensor, label: Tensor | None) -> Tensor:
        """One batch of `activations`, on the network's device."""

    def _asked(self, label: Tensor | None) -> Tensor | None:
        """The label, if the network takes one."""
        if not takes_label(self.network):
            return None
        if label is None:
            raise BadInput("this generator makes samples of classes: say of which with --class NAME")
        return label

    def _in_parts(self, work: Work, rows: Tensor, label: Tensor | None) -> Tensor:
        """Do what is done with rows (N, ...) and their labels a batch at a time, on the network's device."""
        labels = itertools.repeat(None) if label is None else torch.split(_rows(label, len(rows)), BATCH)
        parts = zip(torch.split(rows, BATCH), labels, strict=False)
        return torch.cat([work(part.to(self.device), _to(self.device, its)).float().cpu() for part, its in parts])


class StyleSpace(Space):
    """The style space W of a network that has a style for each layer."""

    def __init__(self, network: nn.Module, styled: Styled, truncation: float = 1.0) -> None:
        """Places drawn to the mean style: 1 not at all, 0 all the way (Karras et al. 2018, arXiv:1812.04948)."""
        super().__init__(network)
        self.styled, self.truncation, self.layers = styled, truncation, styled.layers

    def picture(self, places: Tensor, label: Tensor | None) -> Tensor:
        """(N, layers, W) to (N, C, H, W); the class is in the place."""
        return self.styled.synthesise(places)

    @torch.no_grad()
    def first_weights(self) -> Tensor:
        """From styles to the scales of every layer's channels: (all channels, W)."""
        return torch.cat([weight.float().cpu() for weight in self.styled.affine_weights()])

    def _place(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self.styled.styles(latents, self._asked(label), self.truncation)

    def _activation(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self._place(latents, label)[:, 0]


class LatentSpace(Space):
    """The latent space Z itself, (N, 1, L)."""

    layers = 1

    def __init__(self, network: nn.Module, size: int) -> None:
        """Latents have `size` numbers."""
        super().__init__(network)
        self.size = size

    @cached_property
    def reading(self) -> Reading:
        """How the network takes in its latent."""
        return read(self.network, self.size)

    def picture(self, places: Tensor, label: Tensor | None) -> Tensor:
        """(N, 1, L) to (N, C, H, W).

        Raises:
            BadInput: the network makes classes, and there is no label.
        """
        return self._make(label, len(places))(places[:, 0])

    def first_weights(self) -> Tensor:
        """The weights of the layers that take the latent, a column for each of its numbers: (rows, L)."""
        return self.reading.weights()

    def _place(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return latents[:, None]

    def _activation(self, latents: Tensor, label: Tensor | None) -> Tensor:
        return self.reading.activation(self._make(label, len(latents)), latents)

    def _make(self, label: Tensor | None, count: int) -> Callable[[Tensor], Tensor]:
        asked = self._asked(label)
        return self.network if asked is None else partial(self.network, label=_rows(asked, count))


@dataclass(frozen=True)
class Reading:
    """How a network takes in its latent."""

    takers: tuple[tuple[nn.Module, Tensor], ...]
    """Linear layers that numbers of the latent enter, and what enters where the latent is each of the unit
    vectors: (L, F). One layer in most networks; one a block where the latent is handed out in pieces (Brock et al.
    2018, arXiv:1809.11096)."""
    after: nn.Module
    """The first layer that works on what the first of them made."""

    @torch.no_grad()
    def weights(self) -> Tensor:
        """The takers' weights, one under another: (rows, L). What enters beside the latent is left out."""
        # a linear layer's answers to unit vectors are its weights, however it scales or constrains what it stores
        answers = [(layer(units) - layer(torch.zeros_like(units))).flatten(1) for layer, units in self.takers]
        return torch.cat(answers, 1).T.float().cpu()

    def activation(self, make: Callable[[Tensor], Tensor], latents: Tensor) -> Tensor:
        """Latents (N, L) to what enters the layer after, (N, F), without going on to a sample."""
        reached: list[Tensor] = []

        def stop(layer: nn.Module, entering: tuple[Tensor, ...]) -> None:
            reached.append(entering[0])
            raise _Reached

        with self.after.register_forward_pre_hook(stop), contextlib.suppress(_Reached):
            make(latents)
        return reached[0].flatten(1)


class _Reached(Exception):
    """What was asked for is there: the rest of the network need not be worked out."""


@torch.no_grad()
def read(network: nn.Module, size: int) -> Reading:
    """Find the layers that take latents of this size, by showing the network a few and comparing what enters where.

    Raises:
        BadInput: none does.
    """
    device = next(network.parameters()).device
    latents = seeded_rng.normal(seeded_rng.seeds(0, 0, TRIES), size, seeded_rng.Purpose.LATENT).to(device)
    latents = functional.normalize(latents, dim=1) * size**0.5  # of one length: an even one scales all of them alike
    trace = [(layer, entering, _units(entering, latents)) for layer, entering in _trace(network, latents)]
    takes = [bool(units.any()) for *_, units in trace]
    if not any(takes):
        raise BadInput("no layer of this generator takes the latent as it is; directions are found in others only")
    takers = tuple((layer, units) for (layer, _, units), taken in zip(trace, takes, strict=True) if taken)
    later = list(zip(trace, takes, strict=True))[takes.index(True) + 1 :]
    # a vector of the class enters layers too: here it is the same in all samples
    after = next(layer for (layer, entering, _), taken in later if not taken and (entering != entering[:1]).any())
    return Reading(takers, after)


def _trace(network: nn.Module, latents: Tensor) -> list[tuple[nn.Module, Tensor]]:
    """The layers with a matrix of weights in the order they are used, and what enters each."""
    trace: list[tuple[nn.Module, Tensor]] = []

    def note(layer: nn.Module, entering: tuple[Tensor, ...]) -> None:
        trace.append((layer, entering[0]))

    layers = [m for m in network.modules() if isinstance(w := getattr(m, "weight", None), Tensor) and w.dim() > 1]
    label = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
    with contextlib.ExitStack() as hooks:
        for layer in layers:
            hooks.enter_context(layer.register_forward_pre_hook(note))
        network(latents, **({"label": label} if takes_label(network) else {}))
    return trace


def _units(entering: Tensor, latents: Tensor) -> Tensor:
    """Which numbers of the latents (N, L) are in what enters (N, F), as they are or all scaled alike: 1 there, (L, F).

    Scaled, since some networks bring the latent, or the latent beside a vector of the class, to an even length first.
    """
    if entering[0].numel() != entering.shape[1]:  # planes: no latent
        return entering.new_zeros(latents.shape[1], 1)
    cosine = functional.normalize(latents, dim=0).T @ functional.normalize(entering.flatten(1), dim=0)
    return (cosine > 1 - 1e-5).to(entering.dtype).view(-1, *entering.shape[1:])


def space_of(network: nn.Module, size: int, truncation: float = 1.0) -> Space:
    """Where this generator's samples are edited.

    Args:
        network: in evaluation mode.
        size: numbers in a latent.
        truncation: how far styles stay from their mean, in the parts of what they would be; a network without
            styles has the latents it is given truncated instead.
    """
    if isinstance(network, Styled):
        return StyleSpace(network, network, truncation)
    return LatentSpace(network, size)


def takes_label(network: nn.Module) -> bool:
    """Whether a generator is told what class to make."""
    return "label" in getattr(network, "takes", ())


def band(text: str, layers: int) -> slice:
    """The layers that a word or `first:end` means, of this many.

    Coarse layers say where things are, middle ones their shape, fine ones their colour: of StyleGAN's 18 the first 4,
    the next 4 and the last 10 (Karras et al. 2018, arXiv:1812.04948, section 3.1), and the like part of fewer.

    Raises:
        BadInput: the text is neither, or there are no such layers.
    """
    low = max(1, round(layers * 4 / 18))
    middle = max(low + 1, round(layers * 8 / 18))
    words = {
        "all": f"0:{layers}",
        "coarse": f"0:{low}",
        "middle": f"{low}:{middle}",
        "fine": f"{middle}:{layers}",
    }
    first, _, end = words.get(text, text).partition(":")
    if not (first.isdecimal() and end.isdecimal() and int(first) < int(end) <= layers):
        raise BadInput(
            f"layers {text!r}: this generator has {layers}; give all, coarse, middle, fine, or first:end such as "
            f"0:{layers} (the end is left out)"
        )
    return slice(int(first), int(end))


def _rows(label: Tensor, count: int) -> Tensor:
    """Labels of so many samples, from as many or from one."""
    return label.expand(count, *label.shape[1:])


def _to(device: torch.device, label: Tensor | None) -> Tensor | None:
    return None if label is None else label.to(device)
