"""Running means of losses and signals, kept on the device so that nothing waits for the device between ticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from zerosum.training.accelerator import Accelerator


class Meter:
    """Sums and counts by name since the last tick. Checkpoints contain them, so a resumed run logs the same means."""

    def __init__(self) -> None:
        """Create an empty meter."""
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Add the mean of `value` (any shape)."""
        mean = value.detach().float().mean()
        self.sums[name] = self.sums[name] + mean if name in self.sums else mean
        self.counts[name] = self.counts.get(name, 0) + 1

    def pop_means(self, accelerator: Accelerator) -> dict[str, float]:
        """Return the means over all ranks since the last call, and reset the meter."""
        if not self.sums:
            return {}
        means = accelerator.all_reduce_mean(
            torch.stack([total / self.counts[name] for name, total in self.sums.items()])
        )
        names = list(self.sums)
        self.sums, self.counts = {}, {}
        return dict(zip(names, means.tolist(), strict=True))

    def state_dict(self) -> dict[str, object]:
        """Return the state for a checkpoint."""
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def gather_sums(self, accelerator: Accelerator) -> list[dict[str, Tensor]]:
        """Return the sums of every rank, for a checkpoint. All ranks call it together."""
        if accelerator.world_size == 1 or not self.sums:
            return [dict(self.sums)] * accelerator.world_size
        gathered = accelerator.all_gather(torch.stack(list(self.sums.values())))
        return [dict(zip(self.sums, sums, strict=True)) for sums in gathered]

    def load_state_dict(
        self,
        state: Mapping[str, Mapping[str, Tensor]],
        rank_sums: Sequence[Mapping[str, Tensor]],
        accelerator: Accelerator,
    ) -> None:
        """Restore the state of a checkpoint.

        Args:
            state: the state of rank 0, from `state_dict`.
            rank_sums: the sums of each rank; of another number of ranks, each one gets their mean.
            accelerator: of this rank.
        """
        sums = state["sums"]
        if len(rank_sums) == accelerator.world_size:
            sums = rank_sums[accelerator.rank]
        elif rank_sums:
            sums = {name: torch.stack([each[name] for each in rank_sums]).mean(0) for name in sums}
        self.sums = {name: total.to(accelerator.device) for name, total in sums.items()}
        self.counts = {name: int(count) for name, count in state["counts"].items()}
