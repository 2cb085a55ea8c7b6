"""Running means of what the loop reports, kept on the device: nothing waits for the device between ticks."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.training.accelerator import Accelerator


class Meter:
    """Sums and counts by name since the last tick. Its state is part of a checkpoint, so that means are exact too."""

    def __init__(self) -> None:
        """Start empty."""
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, name: str, value: Tensor) -> None:
        """Count the mean of `value` (any shape)."""
        mean = value.detach().float().mean()
        self.sums[name] = self.sums[name] + mean if name in self.sums else mean
        self.counts[name] = self.counts.get(name, 0) + 1

    def pop_means(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over all ranks since the last call; starts anew."""
        if not self.sums:
            return {}
        means = accelerator.all_reduce_mean(
            torch.stack([total / self.counts[name] for name, total in self.sums.items()])
        )
        names = list(self.sums)
        self.sums, self.counts = {}, {}
        return dict(zip(names, means.tolist(), strict=True))

    def state_dict(self) -> dict[str, object]:
        """What a checkpoint keeps."""
        return {"sums": dict(self.sums), "counts": dict(self.counts)}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]], accelerator: Accelerator) -> None:
        """Go on from a checkpoint."""
        self.sums = {name: total.to(accelerator.device) for name, total in state["sums"].items()}
        self.counts = {name: int(count) for name, count in state["counts"].items()}
