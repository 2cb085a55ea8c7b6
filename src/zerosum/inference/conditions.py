"""Numeric conditions that users give as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from zerosum.data.codec import Codec
from zerosum.errors import BadInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec, leaf_specs
from zerosum.game.types import Sample


def repeat_condition(codec: Codec, numbers: Sequence[float], num_samples: int) -> Sample:
    """Return one numeric condition for all samples: (num_samples, ...), or a tree of such tensors.

    Args:
        codec: the codec of the samples, which knows the form of conditions.
        numbers: its values, in the order of the tensors in `Codec.condition_spec`.
        num_samples: number of samples.

    Raises:
        BadInput: if the generator takes no numbers, another number of them, or one is not finite.
    """
    spec = codec.condition_spec
    if spec is None:
        raise BadInput("`given`: this generator takes no numbers as a condition; leave it out")
    if names := codec.condition_names:
        raise BadInput(f"`given`: name what each value is, such as {names[0]}=VALUE ({', '.join(names)})")
    expected = sum(math.prod(leaf.shape) for leaf in leaf_specs(spec))
    if len(numbers) != expected or not all(map(math.isfinite, numbers)):
        raise BadInput(f"`given` of {len(numbers)} numbers: give {expected}, each of them finite")
    values = iter(numbers)

    def fill(inner: SampleSpec) -> Sample:
        if not isinstance(inner, TensorSpec):
            return {name: fill(leaf) for name, leaf in inner.items()}
        row = torch.tensor([next(values) for _ in range(math.prod(inner.shape))])
        return row.view(1, *inner.shape).expand(num_samples, *inner.shape)

    return fill(spec)
