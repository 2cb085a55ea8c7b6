"""How a player changes its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from zerosum.game.schedule import Now, Schedule, at, ends
from zerosum.setting import Setting

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

Rate = Annotated[float, Field(gt=0, le=1000)]


class Adam(Setting):
    """Adam (Kingma and Ba 2014, arXiv:1412.6980), its rate and second moment's decay on a schedule."""

    kind: Literal["adam"] = "adam"
    lr: Schedule = 2e-4
    """Learning rate."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the first moment (momentum); 0 or 0.5 for GANs."""
    beta2: Schedule = 0.99
    """Decay of the second moment, below 1."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the second moment."""
    rates: dict[str, Rate] = Field(default_factory=dict)
    """A player's own multiple of lr: `rates.discriminator = 4` gives two time scales (arXiv:1706.08500)."""

    @field_validator("beta2")
    @classmethod
    def _below_one(cls, beta2: Schedule) -> Schedule:
        if max(ends(beta2)) >= 1:
            raise ValueError("must be below 1; 0.9 to 0.999 are usual")
        return beta2

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of one player's parameters, fused where the device has it."""
        import torch

        parameters = list(parameters)
        fused = all(p.device.type in {"cpu", "cuda"} for p in parameters)
        # betas must be floats: torch's fused Adam refuses integers
        return torch.optim.Adam(parameters, lr=1.0, betas=(float(self.beta1), 0.5), eps=self.eps, fused=fused)

    def adjust(self, optimizer: torch.optim.Optimizer, player: str, now: Now) -> float:
        """Set what the schedules say for now; returns the learning rate."""
        rate = at(self.lr, now) * self.rates.get(player, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
            group["betas"] = (float(self.beta1), float(at(self.beta2, now)))
        return rate
