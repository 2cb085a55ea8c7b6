"""Optimizer settings of the players."""

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
    """Settings of a player's optimizer."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of one player's parameters."""
        ...

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Set the scheduled hyperparameters before a step, and return the learning rate."""
        ...

    def clip_weights(self, player: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Clip the parameters to their bounds after a step."""
        ...

    def with_max_lr(self) -> OptimizerConfig:
        """Return a copy whose learning rate is constant, at the maximum of its schedule."""
        ...


class _BaseOptimizerConfig(Settings):
    """Settings shared by all optimizers."""

    lr: Schedule = 2e-4
    """Learning rate."""
    lr_multipliers: dict[str, LrMultiplier] = Field(default_factory=dict)
    """Factor on `lr` per player: `lr_multipliers.discriminator = 4` gives TTUR, two time scales (arXiv:1706.08500)."""
    weight_clip: dict[str, WeightBound] = Field(default_factory=dict)
    """Bound per player to which all weights are clipped after every step: `weight_clip.discriminator = 0.01` is
    WGAN's (arXiv:1701.07875)."""
    max_grad_norm: dict[str, WeightBound] = Field(default_factory=dict)
    """Largest norm of a player's gradient, to which longer ones are scaled down: `max_grad_norm.autoencoder = 1` keeps
    recurrent networks from a step too far (Pascanu, Mikolov, Bengio 2012, arXiv:1211.5063)."""

    def with_max_lr(self) -> Self:
        """Return a copy whose learning rate is constant, at the maximum of its schedule."""
        return self.model_copy(update={"lr": max(schedule_endpoints(self.lr))})

    def _clip_gradient(self, optimizer: torch.optim.Optimizer, player: str) -> None:
        """Scale the player's gradient down to its largest norm, if it has one."""
        import torch

        if player in self.max_grad_norm:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.max_grad_norm[player])

    def clip_weights(self, player: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Clip the player's weights to [-bound, bound], if it has a bound."""
        import torch

        if player in self.weight_clip:
            with torch.no_grad():
                for parameter in parameters:
                    parameter.clamp_(-self.weight_clip[player], self.weight_clip[player])


class Adam(_BaseOptimizerConfig):
    """Adam (Kingma and Ba 2014, arXiv:1412.6980) with schedules for the learning rate and beta2."""

    kind: Literal["adam"] = "adam"
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay of the first moment (momentum); 0 or 0.5 are usual for GANs."""
    beta2: Schedule = 0.99
    """Decay of the second moment, below 1."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the square root of the second moment for numerical stability."""

    @field_validator("beta2")
    @classmethod
    def _check_beta2(cls, beta2: Schedule) -> Schedule:
        if max(schedule_endpoints(beta2)) >= 1:
            raise ValueError("must be below 1; 0.9 to 0.999 are usual")
        return beta2

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of one player's parameters, fused where the device supports it."""
        import torch

        parameters = list(parameters)
        fused = all(p.device.type in {"cpu", "cuda"} for p in parameters)
        # betas must be floats: torch's fused Adam rejects integers
        return torch.optim.Adam(parameters, lr=1.0, betas=(float(self.beta1), 0.5), eps=self.eps, fused=fused)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Clip the gradient and set the scheduled hyperparameters before a step, and return the learning rate."""
        self._clip_gradient(optimizer, player)
        lr = value_at(self.lr, progress) * self.lr_multipliers.get(player, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr
            group["betas"] = (float(self.beta1), float(value_at(self.beta2, progress)))
        return lr


class RMSprop(_BaseOptimizerConfig):
    """RMSprop (Tieleman and Hinton 2012), as in the WGAN paper."""

    kind: Literal["rmsprop"] = "rmsprop"
    alpha: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """Decay of the running mean of the squared gradient."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Added to the square root of that mean for numerical stability."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of one player's parameters."""
        import torch

        return torch.optim.RMSprop(list(parameters), lr=1.0, alpha=float(self.alpha), eps=self.eps, foreach=True)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Clip the gradient and set the scheduled hyperparameters before a step, and return the learning rate."""
        self._clip_gradient(optimizer, player)
        lr = value_at(self.lr, progress) * self.lr_multipliers.get(player, 1.0)
        for group in optimizer.param_groups:
            group["lr"] = lr
        return lr


AnyOptimizer = Annotated[Adam | RMSprop, Field(discriminator="kind")]


class SignSGD(Settings):
    """Sign SGD: steps of constant size against the sign of the gradient, with parameters in [0, max_value].

    It trains the probability of adaptive augmentation.
    """

    lr: Annotated[float, Field(gt=0, le=1)]
    """Step size."""
    max_value: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Upper bound of the parameters."""

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return an optimizer of one player's parameters."""
        import torch

        return torch.optim.SGD(list(parameters), lr=self.lr)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Progress) -> float:
        """Replace the gradients by their signs, and return the step size."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.grad.sign_()
        return self.lr

    def with_max_lr(self) -> Self:
        """Return self: the step size is constant."""
        return self

    def clip_weights(self, player: str, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Clip the parameters to [0, max_value]."""
        import torch

        with torch.no_grad():
            for parameter in parameters:
                parameter.clamp_(0, self.max_value)
