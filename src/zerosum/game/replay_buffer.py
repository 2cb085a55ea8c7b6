"""A replay buffer of past fakes, which keeps the discriminator from forgetting them.

Shrivastava et al. 2016, "Learning from Simulated and Unsupervised Images through Adversarial Training",
arXiv:1612.07828, section 2.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.play import DiscriminatorInput


class ReplayBuffer(nn.Module):
    """A fixed number of past samples, stored in buffers so that checkpoints contain them."""

    samples: Tensor
    labels: Tensor
    num_stored: Tensor

    def __init__(self, capacity: int, sample_shape: tuple[int, ...]) -> None:
        """Allocate `capacity` samples of shape `sample_shape`."""
        super().__init__()
        self.register_buffer("samples", torch.zeros(capacity, *sample_shape))
        self.register_buffer("labels", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("num_stored", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push_and_sample(self, fakes: DiscriminatorInput, seed: Tensor) -> DiscriminatorInput:
        """Store samples, and return a batch of the same size for the discriminator.

        While the buffer fills up, it stores and returns every sample. Once it is full, each sample with probability 1/2
        replaces a random stored sample, which is returned instead; otherwise the sample itself is returned.

        Args:
            fakes: (N, ...) samples, N at most the capacity.
            seed: (N,) int64, which determines the exchanged samples.

        Returns:
            (N, ...) samples with their labels.
        """
        batch_size, capacity = len(seed), len(self.samples)
        num_slots = capacity // batch_size
        draws = seeded_rng.uniform(seed, 2, seeded_rng.RandomStream.REPLAY_BUFFER)
        order = torch.arange(batch_size, device=seed.device)
        # sample n of a batch only uses the indices n, n + N, ..., so that no two samples of a batch share an index
        full = self.num_stored >= num_slots * batch_size
        slot = torch.where(full, (draws[:, 0] * num_slots).long(), self.num_stored // batch_size)
        index = slot.clamp(max=num_slots - 1) * batch_size + order
        old_sample, old_label = self.samples[index], self.labels[index]
        exchanged = full & (draws[:, 1] < 0.5)
        stored = exchanged | ~full
        self.samples[index] = _where_per_sample(stored, fakes.sample.to(old_sample.dtype), old_sample)
        if fakes.label is not None:
            self.labels[index] = torch.where(stored, fakes.label, old_label)
        self.num_stored += torch.where(full, 0, batch_size)
        sample = _where_per_sample(exchanged, old_sample.to(fakes.sample.dtype), fakes.sample)
        label = None if fakes.label is None else torch.where(exchanged, old_label, fakes.label)
        return DiscriminatorInput(sample, label)


def _where_per_sample(condition: Tensor, true_value: Tensor, false_value: Tensor) -> Tensor:
    return torch.where(condition.view(-1, *[1] * (true_value.dim() - 1)), true_value, false_value)
