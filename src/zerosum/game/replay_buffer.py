"""A replay buffer of past fakes, which keeps the discriminator from forgetting them.

Shrivastava et al. 2016, "Learning from Simulated and Unsupervised Images through Adversarial Training",
arXiv:1612.07828, section 2.3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.play import DiscriminatorInput
from zerosum.game.sample_spec import SampleSpec, TensorSpec, leaf_specs
from zerosum.game.sample_tree import leaves, replace_leaves
from zerosum.game.types import Sample


class ReplayBuffer(nn.Module):
    """A fixed number of past samples with their conditions, stored in buffers so that checkpoints contain them.

    The buffer of samples that are one tensor is `samples`; those of a tree are `samples_0`, `samples_1`, ...
    """

    labels: Tensor
    num_stored: Tensor

    def __init__(self, capacity: int, spec: SampleSpec, condition_spec: SampleSpec | None = None) -> None:
        """Allocate `capacity` samples.

        Args:
            capacity: number of samples.
            spec: what a sample is.
            condition_spec: what a numeric condition is; None if samples have none.
        """
        super().__init__()
        self.capacity = capacity
        single = isinstance(spec, TensorSpec)
        self._sample_names = self._allocate("samples", [leaf.shape for leaf in leaf_specs(spec)], single)
        self.register_buffer("labels", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("num_stored", torch.zeros((), dtype=torch.int64))
        condition_shapes = [] if condition_spec is None else [leaf.shape for leaf in leaf_specs(condition_spec)]
        self._condition_names = self._allocate("conditions", condition_shapes)

    def _allocate(self, name: str, shapes: Sequence[tuple[int, ...]], single: bool = False) -> list[str]:
        """Register a buffer for each of these shapes, and return their names."""
        names = [name] if single else [f"{name}_{index}" for index in range(len(shapes))]
        for buffer_name, shape in zip(names, shapes, strict=True):
            self.register_buffer(buffer_name, torch.zeros(self.capacity, *shape))
        return names

    @torch.no_grad()
    def push_and_sample(self, fakes: DiscriminatorInput, seed: Tensor) -> DiscriminatorInput:
        """Store samples, and return a batch of the same size for the discriminator.

        While the buffer fills up, it stores and returns every sample. Once it is full, each sample with probability 1/2
        replaces a random stored sample, which is returned instead; otherwise the sample itself is returned.

        Args:
            fakes: (N, ...) samples, N at most the capacity.
            seed: (N,) int64, which determines the exchanged samples.

        Returns:
            (N, ...) samples with their labels and conditions.
        """
        batch_size = len(seed)
        num_slots = self.capacity // batch_size
        draws = seeded_rng.uniform(seed, 2, seeded_rng.RandomStream.REPLAY_BUFFER)
        order = torch.arange(batch_size, device=seed.device)
        # sample n of a batch only uses the indices n, n + N, ..., so that no two samples of a batch share an index
        full = self.num_stored >= num_slots * batch_size
        slot = torch.where(full, (draws[:, 0] * num_slots).long(), self.num_stored // batch_size)
        index = slot.clamp(max=num_slots - 1) * batch_size + order
        exchanged = full & (draws[:, 1] < 0.5)
        exchange = partial(_exchange, index, exchanged, exchanged | ~full)
        sample = self._exchange_leaves(self._sample_names, fakes.sample, exchange)
        label = None if fakes.label is None else exchange(self.labels, fakes.label)
        condition = fakes.condition
        if condition is not None:
            condition = self._exchange_leaves(self._condition_names, condition, exchange)
        self.num_stored += torch.where(full, 0, batch_size)
        return fakes._replace(sample=sample, label=label, condition=condition)

    def _exchange_leaves(
        self, names: Sequence[str], sample: Sample, exchange: Callable[[Tensor, Tensor], Tensor]
    ) -> Sample:
        pairs = zip(names, leaves(sample), strict=True)
        return replace_leaves(sample, [exchange(self.get_buffer(name), leaf) for name, leaf in pairs])


def _exchange(index: Tensor, exchanged: Tensor, stored: Tensor, buffer: Tensor, new: Tensor) -> Tensor:
    """Store new values in a buffer, and return those that the discriminator receives.

    Args:
        index: (N,) the position in the buffer of each sample.
        exchanged: (N,) whether the stored value is returned.
        stored: (N,) whether the new value is stored.
        buffer: (capacity, ...), changed in place.
        new: (N, ...).

    Returns:
        (N, ...) in the type of `new`.
    """
    old = buffer[index]
    buffer[index] = _where_per_sample(stored, new.to(old.dtype), old)
    return _where_per_sample(exchanged, old.to(new.dtype), new)


def _where_per_sample(condition: Tensor, true_value: Tensor, false_value: Tensor) -> Tensor:
    return torch.where(condition.view(-1, *[1] * (true_value.dim() - 1)), true_value, false_value)
