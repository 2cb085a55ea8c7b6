"""Fakes of the past, shown to the discriminator again so that it does not forget them.

Shrivastava et al. 2016, "Learning from Simulated and Unsupervised Images through Adversarial Training",
arXiv:1612.07828, section 2.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.play import Exhibit


class Pool(nn.Module):
    """So many past samples; buffers, so that a checkpoint of the game holds them."""

    samples: Tensor
    labels: Tensor
    held: Tensor

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        """Room for `size` samples of this shape."""
        super().__init__()
        self.register_buffer("samples", torch.zeros(size, *shape))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        self.register_buffer("held", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, made: Exhibit, seed: Tensor) -> Exhibit:
        """Put these samples in; each comes back as it is, or, once the pool is full, half of the time as an old one.

        Args:
            made: (N, ...) samples, at most as many as there is room for.
            seed: (N,) int64, from which it derives which samples stay and which are exchanged.
        """
        count, room = len(seed), len(self.samples)
        turns = room // count
        chance = seeded_rng.uniform(seed, 2, seeded_rng.Purpose.RECALL)
        order = torch.arange(count, device=seed.device)
        # the n-th of a batch only ever meets places n, n + N, ...: so no two of a batch want the same one
        full = self.held >= turns * count
        turn = torch.where(full, (chance[:, 0] * turns).long(), self.held // count)
        place = turn.clamp(max=turns - 1) * count + order
        old, label = self.samples[place], self.labels[place]
        recalled = full & (chance[:, 1] < 0.5)
        stored = recalled | ~full
        self.samples[place] = _choose(stored, made.sample.to(old.dtype), old)
        if made.label is not None:
            self.labels[place] = torch.where(stored, made.label, label)
        self.held += torch.where(full, 0, count)
        sample = _choose(recalled, old.to(made.sample.dtype), made.sample)
        return Exhibit(sample, None if made.label is None else torch.where(recalled, label, made.label))


def _choose(which: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(which.view(-1, *[1] * (yes.dim() - 1)), yes, no)
