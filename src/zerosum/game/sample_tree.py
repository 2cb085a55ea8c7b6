"""Functions of samples that are one tensor or a tree of tensors (see `zerosum.game.types.Sample`).

A tensor is its own only leaf. Leaves come in the order of `zerosum.game.sample_spec.leaf_specs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map, tree_structure, tree_unflatten

from zerosum.game import seeded_rng
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.types import Sample


def leaves(sample: Sample) -> list[Tensor]:
    """Return the tensors of a sample.

    Example:
        >>> import torch
        >>> from zerosum.game.sample_tree import leaves
        >>> [tuple(leaf.shape) for leaf in leaves({"atoms": torch.zeros(2, 9), "bonds": torch.zeros(2, 9, 9)})]
        [(2, 9), (2, 9, 9)]
    """
    tensors: list[Tensor] = tree_leaves(sample)
    return tensors


def single_tensor(sample: Sample) -> Tensor:
    """Return a sample of which the settings' checks ensure that it is one tensor."""
    assert isinstance(sample, Tensor), "only samples that are one tensor get here: checked when the game is built"
    return sample


def arrange(sample: Sample, spec: SampleSpec) -> Sample:
    """Return a sample with its tensors in the order of its specification.

    Raises:
        ValueError: the sample has other tensors.
    """
    if isinstance(spec, TensorSpec) and isinstance(sample, Tensor):
        return sample
    if isinstance(spec, TensorSpec) or isinstance(sample, Tensor) or sample.keys() != spec.keys():
        found, wanted = (
            "one tensor" if isinstance(tree, Tensor | TensorSpec) else ", ".join(tree) for tree in (sample, spec)
        )
        raise ValueError(f"the network returns {found}, and a sample of these data is {wanted}: choose another network")
    return {name: arrange(sample[name], inner) for name, inner in spec.items()}


def replace_leaves(sample: Sample, tensors: list[Tensor]) -> Sample:
    """Return a sample of the same structure with other tensors."""
    replaced: Sample = tree_unflatten(tensors, tree_structure(sample))
    return replaced


def concat_samples(parts: Sequence[Sample]) -> Sample:
    """Concatenate batches of samples of one structure along the first axis."""
    return map_tensors(lambda *tensors: torch.cat(tensors), *parts)


def map_tensors(function: Callable[..., Tensor], *samples: Sample) -> Sample:
    """Apply a function to corresponding tensors of samples of one structure, and return the sample of the results."""
    mapped: Sample = tree_map(function, *samples)
    return mapped


def map_with_seeds(function: Callable[[Tensor, Tensor], Tensor], sample: Sample, seed: Tensor) -> Sample:
    """Apply a function to each tensor of a sample and a seed of its own.

    Args:
        function: from a tensor (N, ...) and seeds (N,) to a tensor.
        sample: the sample.
        seed: (N,) int64. The first tensor gets these seeds themselves, further ones get independent forks of them.

    Returns:
        The sample of the results.
    """
    seeds = [seeded_rng.fork_seed(seed, index) if index else seed for index in range(len(leaves(sample)))]
    return replace_leaves(sample, [function(leaf, own) for leaf, own in zip(leaves(sample), seeds, strict=True)])


def flatten_samples(sample: Sample) -> Tensor:
    """Return all values of each sample in one row: (N, D)."""
    return concat_rows([leaf.flatten(1) for leaf in leaves(sample)])


def concat_rows(parts: list[Tensor]) -> Tensor:
    """Concatenate (N, Di) along the second axis; a single tensor is returned without a copy."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def mean_abs_difference(first: Sample, second: Sample) -> Tensor:
    """Return the mean absolute difference of each two samples, in which all tensors of a tree weigh the same: (N,)."""
    parts = [(x - y).abs().flatten(1) for x, y in zip(leaves(first), leaves(second), strict=True)]
    sizes = [part.shape[1] for part in parts]
    if len(set(sizes)) > 1:
        parts = [part * (sum(sizes) / (len(sizes) * size)) for part, size in zip(parts, sizes, strict=True)]
    return concat_rows(parts).mean(1)
