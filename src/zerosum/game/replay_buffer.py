"""Fakes of the past, shown to the discriminator again so that it does not forget them.

Shrivastava et al. 2016, "Learning from Simulated and Unsupervised Images through Adversarial Training",
arXiv:1612.07828, section 2.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.play import DiscriminatorInput


class ReplayBuffer(nn.Module):
    """So many past samples; buffers, so that a checkpoint of the game holds them."""

    samples: Tensor
    labels: Tensor
    num_stored: Tensor

    def __init__(self, capacity: int, sample_shape: tuple[int, ...]) -> None:
        """Room for `capacity` samples of this shape."""
        super().__init__()
        self.register_buffer("samples", torch.zeros(capacity, *sample_shape))
        self.register_buffer("labels", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("num_stored", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push_and_sample(self, fakes: DiscriminatorInput, seed: Tensor) -> DiscriminatorInput:
        """Put these samples in; each comes back as it is, or, once the pool is full, half of the time as an old one.

        Args:
            fakes: (N, ...) samples, at most as many as there is room for.
            seed: (N,) int64, from which it derives which samples stay and which are exchanged.
        """
        count, room = len(seed), len(self.samples)
        turns = room // count
        chance = seeded_rng.uniform(seed, 2, seeded_rng.RandomStream.REPLAY_BUFFER)
        order = torch.arange(count, device=seed.device)
        # the n-th of a batch only ever meets places n, n + N, ...: so no two of a batch want the same one
        full = self.num_stored >= turns * count
        turn = torch.where(full, (chance[:, 0] * turns).long(), self.num_stored // count)
        place = turn.clamp(max=turns - 1) * count + order
        old, label = self.samples[place], self.labels[place]
        recalled = full & (chance[:, 1] < 0.5)
        stored = recalled | ~full
        self.samples[place] = _where_per_sample(stored, fakes.sample.to(old.dtype), old)
        if fakes.label is not None:
            self.labels[place] = torch.where(stored, fakes.label, label)
        self.num_stored += torch.where(full, 0, count)
        sample = _where_per_sample(recalled, old.to(fakes.sample.dtype), fakes.sample)
        return DiscriminatorInput(sample, None if fakes.label is None else torch.where(recalled, label, fakes.label))


def _where_per_sample(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(condition.view(-1, *[1] * (yes.dim() - 1)), yes, no)
