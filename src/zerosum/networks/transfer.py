"""Match saved weights with another network by name and shape: what fits is taken over, and what does not is named.

A stage of a discriminator that is counted from the image's side is matched by its resolution, so that a network for
larger images takes over the stages of all smaller resolutions. A tensor with an axis of classes is matched class by
class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from zerosum.networks.stages import ClassAxes, StagesFromImage

EXTRA_STATE = "_extra_state"
"""What a module saves besides its tensors, such as the growth of a progressive network, which begins anew."""


@dataclass(frozen=True)
class ClassNames:
    """The classes of saved weights and those of the network that takes them over."""

    saved: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    saved_numbers: tuple[str, ...] = ()
    """The names of the numeric conditions, which follow the classes on their axis; () if they have no names."""
    new_numbers: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        """The classes that both have, in the order of the network."""
        return tuple(name for name in self.new if name in self.saved)

    @property
    def kept_numbers(self) -> tuple[str, ...]:
        """The numeric conditions that both have, in the order of the network."""
        return tuple(name for name in self.new_numbers if name in self.saved_numbers)

    def pair_entries(self, new_size: int, saved_size: int) -> list[tuple[int, int]]:
        """Return the entries of an axis of classes that mean the same in both: (in the network, in the saved weights).

        They are the classes, the numeric conditions, and what follows these, such as a bias.

        Args:
            new_size: the length of the axis in the network.
            saved_size: its length in the saved weights.
        """
        pairs = [(self.new.index(name), self.saved.index(name)) for name in self.kept]
        first, saved_first = len(self.new), len(self.saved)
        end, saved_end = first + len(self.new_numbers), saved_first + len(self.saved_numbers)
        if end > new_size or saved_end > saved_size:
            return pairs  # a tensor without numeric conditions
        numbers = [(self.new_numbers.index(name), self.saved_numbers.index(name)) for name in self.kept_numbers]
        pairs += [(first + index, saved_first + saved_index) for index, saved_index in numbers]
        has_rest = bool(numbers) or not (self.new_numbers or self.saved_numbers)
        if has_rest and new_size - end == saved_size - saved_end:
            pairs += [(end + index, saved_end + index) for index in range(new_size - end)]
        return pairs


@dataclass(frozen=True)
class NetworkTransfer:
    """What a network takes over from saved weights."""

    tensors: Mapping[str, Tensor]
    """The new values by name within the network, complete ones."""
    num_weights: int
    """Number of weights of the network."""
    num_taken: int
    """Number of those that were taken over."""
    not_taken: Mapping[str, str] = field(default_factory=dict)
    """The parameters that keep their initial values, wholly or in part, each with the reason."""
    unused: tuple[str, ...] = ()
    """The saved tensors that the network has no place for."""


def match_weights(network: nn.Module, saved: Mapping[str, Tensor], classes: ClassNames) -> NetworkTransfer:
    """Return what a network takes over from saved weights; the network itself is not changed.

    Args:
        network: the network, with its initial weights.
        saved: tensors by name within the network that they are from.
        classes: the class names of both.
    """
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(EXTRA_STATE)}
    found = {name: tensor for name, tensor in saved.items() if not name.endswith(EXTRA_STATE)}
    stages, axes = _stages_from_image(network), _class_axes(network)
    by_canonical = {canonical: name for name, canonical in _canonical_names(found, stages).items()}
    source_of = {name: by_canonical.get(canonical, "") for name, canonical in _canonical_names(own, stages).items()}
    parameters = dict(network.named_parameters())
    tensors: dict[str, Tensor] = {}
    not_taken: dict[str, str] = {}
    num_taken = 0
    for name, tensor in own.items():
        source = found.get(source_of[name])
        taken, count, reason = _take(tensor.detach(), source, axes.get(name), classes)
        if count:
            tensors[name] = taken
        if name in parameters:
            num_taken += count
            not_taken |= {name: reason} if reason else {}
    used = {source_of[name] for name in tensors}
    num_weights = sum(parameter.numel() for parameter in parameters.values())
    return NetworkTransfer(tensors, num_weights, num_taken, not_taken, tuple(sorted(found.keys() - used)))


def _take(own: Tensor, saved: Tensor | None, class_axis: int | None, classes: ClassNames) -> tuple[Tensor, int, str]:
    """Return the new value of a tensor, how many of its values are saved ones, and why not all of them are."""
    if saved is None:
        return own, 0, "not there"
    if class_axis is not None:
        return _take_classes(own, saved, class_axis, classes)
    if saved.shape != own.shape:
        return own, 0, f"shape {_format_shape(saved)} there, {_format_shape(own)} here"
    return saved.to(own.device, own.dtype), own.numel(), ""


def _take_classes(own: Tensor, saved: Tensor, axis: int, classes: ClassNames) -> tuple[Tensor, int, str]:
    """Return a tensor with an axis of classes, in which the entries that both sides have are the saved ones."""
    first, last = own.movedim(axis, 0), saved.movedim(axis, 0)
    if first.shape[1:] != last.shape[1:]:
        return own, 0, f"shape {_format_shape(saved)} there, {_format_shape(own)} here"
    pairs = classes.pair_entries(len(first), len(last))
    merged = first.clone()
    for index, saved_index in pairs:
        merged[index] = last[saved_index].to(merged)
    noun = "classes and conditions" if len(first) > len(classes.new) else "classes"
    count = len(pairs) * first[0].numel() if len(first) else 0
    reason = "" if len(pairs) == len(first) else f"{len(pairs)} of {len(first)} {noun} are there"
    return merged.movedim(0, axis).contiguous(), count, reason


def _canonical_names(names: Mapping[str, Tensor], stages: Sequence[str]) -> dict[str, str]:
    """Return the names of tensors in which stages from the image are counted from the last one, by the names.

    Args:
        names: tensors by name.
        stages: the names of the modules that hold such stages.
    """
    canonical = {name: name for name in names}
    for prefix in stages:
        matches = {name: re.match(rf"{re.escape(prefix)}\.([0-9]+)\.", name) for name in names}
        numbers = {name: int(match[1]) for name, match in matches.items() if match}
        count = 1 + max(numbers.values(), default=-1)
        for name, number in numbers.items():
            canonical[name] = f"{prefix}.{number - count}.{name.removeprefix(f'{prefix}.{number}.')}"
    return canonical


def _stages_from_image(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, StagesFromImage)]


def _class_axes(network: nn.Module) -> dict[str, int]:
    """Return the axis of the classes of each tensor of a network that has one."""
    modules = ((name, module) for name, module in network.named_modules() if isinstance(module, ClassAxes))
    return {
        f"{prefix}.{name}" if prefix else name: axis
        for prefix, module in modules
        for name, axis in module.class_axes().items()
    }


def _format_shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "()"
