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
class Block:
    """A span of the values of a sample that belong together, such as a column of a table.

    Example:
        >>> Block(categories=3, has_value=True).size
        4
    """

    categories: int = 0
    """Number of categories, of which exactly one is 1 and the others are 0; 0 for none. They come first."""
    has_value: bool = False
    """Whether a real number follows; after categories, it is free only where the last one is chosen."""
    category_values: tuple[float, ...] = ()
    """The number that each category but the last one stands for, where a number follows; (): 0."""

    def __post_init__(self) -> None:
        """Check the numbers of the categories.

        Raises:
            ValueError: their number is wrong.
        """
        if self.category_values and not (self.has_value and len(self.category_values) == self.categories - 1):
            raise ValueError(f"`category_values` {self.category_values}: give one for each category but the last one")

    @property
    def size(self) -> int:
        """The number of values."""
        return self.categories + self.has_value


@dataclass(frozen=True)
class NumberModel:
    """A normal distribution of the V numbers of a sample, given its categories: what networks learn is the rest.

    The numbers of a sample x (K,) have the mean `offsets + weights @ x` and the covariance `covariance`.
    """

    weights: tuple[tuple[float, ...], ...]
    """(V, K), 0 but for the categories of blocks that have no number."""
    offsets: tuple[float, ...]
    """(V,)"""
    covariance: tuple[tuple[float, ...], ...]
    """(V, V), positive definite."""


@dataclass(frozen=True)
class TokenSyntax:
    """What sequences of tokens are complete: brackets are balanced, and each mark occurs an even number of times.

    In texts of molecules, brackets are those of branches, and marks are the numbers that close rings.
    """

    depth_changes: tuple[int, ...]
    """(V,) By how much each of the V tokens changes the number of open brackets."""
    depths_needed: tuple[int, ...]
    """(V,) How many brackets must be open before a token, since it closes them."""
    marks: tuple[tuple[int, ...], ...]
    """(V,) The marks, by their numbers from 0 on, that a token has an odd number of times."""

    @property
    def num_marks(self) -> int:
        """The number of different marks."""
        return 1 + max((mark for own in self.marks for mark in own), default=-1)


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
    blocks: tuple[Block, ...] = ()
    """What the values of a sample of one axis are, in their order; (): numbers alone."""
    number_model: NumberModel | None = None
    """How its numbers depend on each other and on its categories; None: this is not known."""
    num_tokens: int = 0
    """Of a sequence, which has one axis: its values are whole numbers below this, each of which stands for a token; 0
    ends it, and fills the places after its end. 0: the values are no tokens."""
    syntax: TokenSyntax | None = None
    """Which sequences are complete; None: all."""
    one_hot: bool = False
    """Whether along the last axis exactly one value is 1 and the others are 0."""
    rate: int = 0
    """Of a waveform (C, T): values a second, in Hz. 0: the last axis is no time."""
    window: int = 0
    """Of a waveform: length of the window of the frames of its spectrograms, such as those it is made of; 0: it has
    none."""

    def __post_init__(self) -> None:
        """Check the shape.

        Raises:
            ValueError: a sample has no values, or is a plain number: give it the shape (1,). Or it
                has other values than its blocks, or is a sequence of several axes.
        """
        if self.num_tokens and len(self.shape) != 1:
            raise ValueError(f"`shape` {self.shape}: a sequence of tokens has one axis")
        if self.blocks and self.shape != (sum(block.size for block in self.blocks),):
            raise ValueError(f"`shape` {self.shape}: the blocks have {sum(block.size for block in self.blocks)} values")
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
