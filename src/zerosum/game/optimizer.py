"""How a player changes its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from pydantic import Field, field_validator

from zerosum.game.schedule import Progress, Schedule, schedule_endpoints, value_at
from zerosum.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

LrMultiplier = Annotated[float, Field(gt=0, le=1000)]
WeightBound = Annotated[float, Field(gt=0)]


class OptimizerConfig(Protocol):
    """How a player changes its parameters."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of one player's parameters."""
        ...

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Set what the schedules say for now; returns the learning rate."""
        ...

    def clip_weights(self, player: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Bring the parameters back within their bounds after a step."""
        ...

    def with_max_lr(self) -> OptimizerConfig:
        """The same at the highest rate of its schedule, always."""
        ...


class _BaseOptimizerConfig(Settings):
    """What all of them can be told."""

    lr: Schedule = 2e-4
    """Learning rate."""
    lr_multipliers: dict[str, LrMultiplier] = Field(default_factory=dict)
    """A player's own multiple of lr: `rates.discriminator = 4` gives two time scales (arXiv:1706.08500)."""
    weight_clip: dict[str, WeightBound] = Field(default_factory=dict)
    """Bounds a player's weights are cut off at after every step: `clip.discriminator = 0.01` is WGAN's
    (arXiv:1701.07875)."""

    def with_max_lr(self) -> Self:
        """The same at the highest rate of its schedule, always."""
        return self.model_copy(update={"lr": max(schedule_endpoints(self.lr))})

    def clip_weights(self, player: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Cut the player's weights off at its bound, if it has one."""
        import torch

        if player in self.weight_clip:
            with torch.no_grad():
                for parameter in parameters:
                    parameter.clamp_(-self.weight_clip[player], self.weight_clip[player])


class Adam(_BaseOptimizerConfig):
    """Adam (Kingma and Ba 2014, arXiv:1412.6980), its rate and second moment's decay on a schedule."""

    kind: Literal["adam"] = "adam"
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the first moment (momentum); 0 or 0.5 for GANs."""
    beta2: Schedule = 0.99
    """Decay of the second moment, below 1."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the root of the second moment."""

    @field_validator("beta2")
    @classmethod
    def _check_beta2(cls, beta2: Schedule) -> Schedule:
        if max(schedule_endpoints(beta2)) >= 1:
            raise ValueError("must be below 1; 0.9 to 0.999 are usual")
        return beta2

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of one player's parameters, fused where the device has it."""
        import torch

        parameters = list(parameters)
        fused = all(p.device.type in {"cpu", "cuda"} for p in parameters)
        # betas must be floats: torch's fused Adam refuses integers
        return torch.optim.Adam(parameters, lr=1.0, betas=(float(self.beta1), 0.5), eps=self.eps, fused=fused)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Set what the schedules say for now; returns the learning rate."""
        rate = value_at(self.lr, progress) * self.lr_multipliers.get(player, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
            group["betas"] = (float(self.beta1), float(value_at(self.beta2, progress)))
        return rate


class RMSprop(_BaseOptimizerConfig):
    """Steps divided by the root of the gradient's mean square (Tieleman and Hinton 2012), as WGAN's authors used it."""

    kind: Literal["rmsprop"] = "rmsprop"
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the mean square."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to its root."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of one player's parameters."""
        import torch

        return torch.optim.RMSprop(list(parameters), lr=1.0, alpha=float(self.alpha), eps=self.eps, foreach=True)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Set what the schedules say for now; returns the learning rate."""
        rate = value_at(self.lr, progress) * self.lr_multipliers.get(player, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate
        return rate


AnyOptimizer = Annotated[Adam | RMSprop, Field(discriminator="kind")]


class SignSGD(Settings):
    """Steps of one size against the gradient's sign, the parameters kept in [0, most]: for a probability."""

    lr: Annotated[float, Field(gt=0, le=1)]
    """The size."""
    max_value: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The upper bound."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of one player's parameters."""
        import torch

        return torch.optim.SGD(list(parameters), lr=self.lr)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Leave nothing of the gradient but its sign; returns the size of a step."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.sign_()
        return self.lr

    def with_max_lr(self) -> Self:
        """Its step has one size."""
        return self

    def clip_weights(self, player: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Cut off at 0 and at the upper bound."""
        import torch

        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(0, self.max_value)
