"""What networks say about their parts, so that some can be frozen, and other runs can start from their weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Protocol, runtime_checkable

from torch import nn

Stages = list[list[nn.Module]]
"""The stages of a network, each a list of modules."""


@runtime_checkable
class StagedNetwork(Protocol):
    """A network of samples that says what its stages are."""

    def stages_from_sample(self) -> Stages:
        """Return the stages from the sample on, without the output layers; [] if there are none."""


@runtime_checkable
class ClassAxes(Protocol):
    """A module some of whose tensors have an axis of classes."""

    def class_axes(self) -> dict[str, int]:
        """Return the axis of the classes by the name of the tensor within the module; unused names are allowed."""


class StagesFromImage(nn.Sequential):
    """Stages from the image's size down to a small grid, in this order.

    In a network for larger images there are more of them at the front, so the same resolution has another number:
    counted from the last stage it has the same.
    """


def list_stages(first: Sequence[nn.Module], further: Iterable[nn.Module]) -> Stages:
    """Return stages of which the first has several modules and each further one a single module."""
    return [list(first), *([module] for module in further)]


def stages_from_sample(network: nn.Module) -> Stages:
    """Return the stages of a network from the sample on; [] if it has none that could be frozen."""
    return network.stages_from_sample() if isinstance(network, StagedNetwork) else []


def join_stages(*networks: nn.Module) -> Stages:
    """Return the stages of several networks that are one: the first stage of each, the second of each, and so on."""
    levels = zip_longest(*(stages_from_sample(network) for network in networks), fillvalue=[])
    return [list(chain.from_iterable(level)) for level in levels]


def freeze_stages(network: nn.Module, count: int) -> None:
    """Freeze the first `count` stages of a network (Mo, Cho, Shin 2020, "Freeze the Discriminator", arXiv:2002.10964).

    A player that is created afterwards trains the other parameters only.

    Args:
        network: a network with at least as many stages.
        count: the number of stages, from the sample on.
    """
    stages = stages_from_sample(network)
    assert count <= len(stages), "checked when the game is built"
    for module in chain.from_iterable(stages[:count]):
        module.requires_grad_(False)
