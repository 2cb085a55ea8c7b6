"""What a sample is: one tensor or a tree of tensors, each with a shape and a range of values.

A specification describes a sample without the batch axis. It says everything that networks and games need to know of
the data, so that neither asks which kind of data they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from zerosum.errors import BadInput


@dataclass(frozen=True)
class TensorSpec:
    """One tensor of a sample.

    Example:
        >>> TensorSpec((3, 64, 64), bounded=True).shape
        (3, 64, 64)
    """

    shape: tuple[int, ...]
    """The shape without the batch axis: (C, H, W) of images, (F,) of points and rows."""
    bounded: bool = False
    """Whether the values lie in [-1, 1], so that generators end with tanh; else they are real numbers."""

    def __post_init__(self) -> None:
        """Check the shape.

        Raises:
            ValueError: a sample has no values, or is a plain number: give it the shape (1,).
        """
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"`shape` {self.shape}: a tensor of a sample needs at least one axis, and a value on each")


SampleSpec: TypeAlias = "TensorSpec | Mapping[str, SampleSpec]"
"""A tensor, or a tree of named tensors."""


def leaf_specs(spec: SampleSpec) -> list[TensorSpec]:
    """Return the tensors of a sample, in the order in which `torch.utils._pytree.tree_leaves` lists them."""
    if isinstance(spec, TensorSpec):
        return [spec]
    return [leaf for inner in spec.values() for leaf in leaf_specs(inner)]


def is_bounded(spec: SampleSpec) -> bool:
    """Return whether all values of a sample lie in [-1, 1]."""
    return all(leaf.bounded for leaf in leaf_specs(spec))


def require_single_tensor(spec: SampleSpec, needed_by: str) -> TensorSpec:
    """Return the specification of samples that are one tensor.

    Args:
        spec: the specification of a sample.
        needed_by: what needs a single tensor, at the beginning of the message.

    Raises:
        BadInput: the samples are trees of tensors.
    """
    if isinstance(spec, TensorSpec):
        return spec
    raise BadInput(
        f"{needed_by} needs samples that are one tensor, but these consist of {' and '.join(spec)}: choose networks "
        "that are made for these data"
    )
