"""Faults to inject into runs, and the findings that detect each of them.

A fault is injected just before training: through the settings, the dataset, or the trainer (its loader, players or
objective). The package itself knows nothing of faults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.images.summary import ImageSummary
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.trainer import Trainer

TrainerFault = Callable[[Trainer], None]
"""Changes a trainer in place."""
DatasetFault = Callable[[Dataset], Dataset]
"""Returns a faulty dataset."""


def keep_trainer(trainer: Trainer) -> None:
    """Do not change the trainer."""


def keep_dataset(dataset: Dataset) -> Dataset:
    """Return the dataset unchanged."""
    return dataset


@dataclass(frozen=True)
class Fault:
    """A fault, and the runs it is injected into."""

    findings: tuple[str, ...]
    """Names of the findings that detect it."""
    image_recipes: tuple[str, ...]
    """Recipes for images, each of which is trained."""
    point_recipes: tuple[str, ...] = ()
    """Recipes for points; none where the fault needs images."""
    settings: dict[str, Any] = field(default_factory=dict)
    change_trainer: TrainerFault = keep_trainer
    change_dataset: DatasetFault = keep_dataset
    has_remedy: bool = False
    """Whether settings can remedy it."""
    is_always_effective: bool = False
    """Whether the run is faulty even if its samples are good."""


# ---------------------------------------------------------------------- faults of the trainer


class ModifiedLoader(Iterator[Batch]):
    """A loader whose batches are modified."""

    def __init__(self, loader: Any, modify: Callable[[Batch], Batch]) -> None:
        self.loader, self.modify = loader, modify

    def __next__(self) -> Batch:
        return self.modify(next(self.loader))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def modify_reals(modify: Callable[[Tensor], Tensor]) -> TrainerFault:
    """Modify the real examples of each batch."""

    def change_trainer(trainer: Trainer) -> None:
        trainer.loader = ModifiedLoader(  # type: ignore[assignment]
            trainer.loader, lambda batch: batch | {"real": modify(as_tensor(batch["real"]))}
        )

    return change_trainer


def shuffle_labels(trainer: Trainer) -> None:
    """Shuffle the labels of each batch."""
    rng = torch.Generator().manual_seed(1)

    def modify(batch: Batch) -> Batch:
        return batch | {"label": batch["label"][torch.randperm(len(batch["label"]), generator=rng)]}

    trainer.loader = ModifiedLoader(trainer.loader, modify)  # type: ignore[assignment]


class ZeroLearningRate:
    """Optimizer settings of a player, with a learning rate of 0."""

    def __init__(self, optimizer_config: Any) -> None:
        self.optimizer_config = optimizer_config

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "optimizer_config":
            raise AttributeError(name)
        return getattr(self.optimizer_config, name)

    def prepare_step(self, optimizer: torch.optim.Optimizer, player: str, progress: Any) -> float:
        """Set the learning rate to 0."""
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        return 0.0


def freeze_player(player: str) -> TrainerFault:
    """Set the learning rate of a player to 0."""

    def change_trainer(trainer: Trainer) -> None:
        frozen = trainer.game.players[player]
        frozen.optimizer_config = ZeroLearningRate(frozen.optimizer_config)

    return change_trainer


class NegatedObjective:
    """An objective with the wrong sign for one player."""

    def __init__(self, objective: Any, player: str) -> None:
        self.objective, self.player = objective, player

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("objective", "player"):
            raise AttributeError(name)
        return getattr(self.objective, name)

    def generator_loss(self, play: Any) -> Tensor:
        """Return the generator's loss."""
        return self.objective.generator_loss(play) * (-1 if self.player == "generator" else 1)

    def discriminator_loss(self, play: Any) -> Tensor:
        """Return the discriminator's loss."""
        return self.objective.discriminator_loss(play) * (-1 if self.player == "discriminator" else 1)


def negate_loss(player: str) -> TrainerFault:
    """Negate the loss of a player."""

    def change_trainer(trainer: Trainer) -> None:
        game: Any = trainer.game
        objective = NegatedObjective(game.objective, player)
        losses = {"generator": objective.generator_loss, "discriminator": objective.discriminator_loss}
        moves = []
        for move in game.moves:
            loss_fn = move.loss_fn
            if loss_fn.func.__name__ == "_compute_main_losses":
                loss_fn = partial(loss_fn.func, move.player, losses[move.player], *loss_fn.args[2:])
            moves.append(dataclasses.replace(move, loss_fn=loss_fn))
        game.moves, game.objective = moves, objective

    return change_trainer


class ZeroLatent:
    """A latent distribution whose samples are all zero."""

    def __init__(self, latent_distribution: Any) -> None:
        self.latent_distribution, self.size = latent_distribution, latent_distribution.size

    def sample(self, seed: Tensor, truncation: float = float("inf")) -> Tensor:
        """Return zeros (N, size)."""
        return torch.zeros_like(self.latent_distribution.sample(seed))


def zero_latent(trainer: Trainer) -> None:
    """Multiply the latent by zero."""
    game: Any = trainer.game
    game.latent_distribution = ZeroLatent(game.latent_distribution)
    for network in (game.generator, game.ema_generator):
        network.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 0, *inputs[1:]))


def scale_to_half_precision(
    module: nn.Module, inputs: tuple[Tensor, ...], output: DiscriminatorOutput
) -> DiscriminatorOutput:
    """Compute the scores in float16 at a scale that is too large for it."""
    return output._replace(score=(output.score * 3e4).half().float() / 3e4)


def overflow_scores(trainer: Trainer) -> None:
    """Let scores overflow float16 once they are larger than about 2."""
    game: Any = trainer.game
    game.discriminator.register_forward_hook(scale_to_half_precision)


def keep_one_class(trainer: Trainer) -> None:
    """Load examples of one class only."""
    loader: Any = trainer.loader
    source = loader.source
    labels = source.labels[source.train]
    loader.source = dataclasses.replace(source, train=source.train[labels == 1])


def saturate(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Push all values of samples to the upper end of [-1, 1], where they get no gradient."""
    return (output + 4).clamp(max=1.0)


def saturate_outputs(trainer: Trainer) -> None:
    """Make all samples white, as a generator is whose last layer has been pushed to the end of its range."""
    game: Any = trainer.game
    for network in (game.generator, game.ema_generator):
        network.register_forward_hook(saturate)


def constant_images(real: Tensor) -> Tensor:
    """Replace all images by the same gradient."""
    return real[:1].expand_as(real) * 0 + torch.linspace(-0.5, 0.5, real.shape[-1])


# ---------------------------------------------------------------------- faults of the dataset


def keep_few(count: int) -> DatasetFault:
    """Keep `count` training examples."""

    def change_dataset(dataset: Dataset) -> Dataset:
        train = np.random.default_rng(0).permutation(dataset.train)[:count]
        summary = dataclasses.replace(dataset.summary, train=count)
        return dataclasses.replace(dataset, train=np.sort(train), summary=summary)

    return change_dataset


def duplicate(fraction: float) -> DatasetFault:
    """Replace a fraction of the training examples by copies of ten of them."""

    def change_dataset(dataset: Dataset) -> Dataset:
        train = dataset.train.copy()
        rng = np.random.default_rng(0)
        copies = rng.permutation(len(train))[: int(fraction * len(train))]
        train[copies] = rng.permutation(dataset.train)[:10][rng.integers(0, 10, len(copies))]
        assert isinstance(dataset.summary, ImageSummary), "the fault is for images only"
        summary = dataclasses.replace(dataset.summary, duplicates=len(copies) - 10)
        return dataclasses.replace(dataset, train=train, summary=summary)

    return change_dataset


FAULTS: dict[str, Fault] = {
    "learning rate x30": Fault(
        ("learning-rate-too-high", "diverging", "nonfinite-values", "oscillation", "loss-explosion"),
        ("dcgan", "auto"), ("vanilla",),
        {"optimizer.lr_multipliers": {"discriminator": 30, "generator": 30}}, has_remedy=True,
    ),
    "discriminator much larger": Fault(
        ("discriminator-too-strong", "vanishing-gradient", "discriminator-loss-zero", "generator-loss-rising",
         "discriminator-too-large"),
        ("dcgan", "vanilla"), ("vanilla",), {"generator": "tiny"},
        has_remedy=True,
    ),
    "discriminator much smaller": Fault(
        ("discriminator-too-weak",), ("dcgan", "auto"), ("vanilla",), {"discriminator": "tiny"}, has_remedy=True,
    ),
    "saturating loss, strong discriminator": Fault(
        ("vanishing-gradient", "discriminator-too-strong", "discriminator-loss-zero", "generator-loss-rising"),
        ("dcgan", "vanilla"), ("vanilla",),
        {"objective.kind": "minimax", "optimizer.lr_multipliers": {"discriminator": 4, "generator": 0.25}},
        has_remedy=True,
    ),
    "no penalty on a fragile objective": Fault(
        ("under-regularized", "diverging", "oscillation", "discriminator-too-strong", "loss-explosion",
         "discriminator-loss-zero", "generator-loss-rising"),
        ("wgan-gp", "r3gan"), ("wgan-gp",), {"terms": "none"}, has_remedy=True,
    ),
    "penalty x1000": Fault(
        ("over-regularized", "discriminator-too-weak"), ("r3gan", "wgan-gp"), ("r3gan",), {"terms": 1000.0},
        has_remedy=True,
    ),
    "penalty x0.001": Fault(
        ("under-regularized", "discriminator-too-strong", "oscillation", "diverging", "loss-explosion",
         "discriminator-loss-zero", "generator-loss-rising"),
        ("r3gan", "wgan-gp"), ("wgan-gp",), {"terms": 0.001}, has_remedy=True,
    ),
    "latent times zero": Fault(
        ("latent-ignored", "mode-collapse", "constant-output"), ("dcgan", "auto"), ("r3gan",),
        change_trainer=zero_latent, is_always_effective=True,
    ),
    "shuffled labels": Fault(
        ("condition-ignored",), ("cgan", "cgan-projection"), change_trainer=shuffle_labels, is_always_effective=True,
    ),
    "data in [0, 255]": Fault(
        ("wrong-range",), ("dcgan", "auto"), change_trainer=modify_reals(lambda real: (real + 1) * 127.5),
        is_always_effective=True,
    ),
    "data in [0, 1]": Fault(
        ("wrong-range",), ("dcgan", "auto"), change_trainer=modify_reals(lambda real: (real + 1) / 2),
        is_always_effective=True,
    ),
    "constant images": Fault(
        ("constant-data", "duplicate-data"), ("dcgan", "auto"), change_trainer=modify_reals(constant_images),
        is_always_effective=True,
    ),
    "95% duplicates": Fault(
        ("duplicate-data", "discriminator-overfitting", "memorization"), ("dcgan", "auto"),
        change_dataset=duplicate(0.95), is_always_effective=True,
    ),
    "50 training images": Fault(
        ("too-little-data", "discriminator-overfitting", "memorization"), ("dcgan", "auto"),
        settings={"augment.kind": "none"}, change_dataset=keep_few(50), has_remedy=True, is_always_effective=True,
    ),
    "frozen generator": Fault(
        ("generator-not-updating", "vanishing-gradient", "discriminator-loss-zero", "generator-loss-rising"),
        ("dcgan", "auto"), ("r3gan",),
        change_trainer=freeze_player("generator"), is_always_effective=True,
    ),
    "frozen discriminator": Fault(
        ("discriminator-not-updating", "discriminator-too-weak"), ("dcgan", "auto"), ("r3gan",),
        change_trainer=freeze_player("discriminator"), is_always_effective=True,
    ),
    "batch of 2": Fault(
        ("batch-too-small", "oscillation", "learning-rate-too-high"), ("dcgan", "auto"), ("vanilla",),
        {"training.batch_size": 2}, has_remedy=True, is_always_effective=True,
    ),
    "one class in the loader": Fault(
        ("data-loader-mismatch", "missing-modes", "mode-collapse"), ("dcgan", "auto"), change_trainer=keep_one_class,
        is_always_effective=True,
    ),
    "sign error in the generator's loss": Fault(
        ("discriminator-too-strong", "diverging", "vanishing-gradient", "wrong-loss-sign", "loss-explosion",
         "discriminator-loss-zero", "generator-loss-rising"),
        ("dcgan", "auto"), ("r3gan",), change_trainer=negate_loss("generator"),
    ),
    "sign error in the discriminator's loss": Fault(
        ("discriminator-too-weak", "diverging", "wrong-loss-sign", "loss-explosion"), ("dcgan", "auto"), ("r3gan",),
        change_trainer=negate_loss("discriminator"),
    ),
    "EMA half-life too long": Fault(
        ("ema-too-slow",), ("dcgan", "auto"), ("r3gan",), {"ema.half_life": 10_000_000}, has_remedy=True,
    ),
    "learning rate far too low": Fault(
        ("learning-rate-too-low",), ("auto",), ("r3gan",), {"optimizer.lr": 1e-7}, has_remedy=True,
        is_always_effective=True,
    ),
    "discriminator rate x100": Fault(
        ("learning-rate-too-high", "diverging", "nonfinite-values", "oscillation", "loss-explosion",
         "discriminator-too-strong", "discriminator-too-weak", "vanishing-gradient"),
        ("auto",), ("r3gan",), {"optimizer.lr_multipliers": {"discriminator": 100, "generator": 1}}, has_remedy=True,
    ),
    "output at the end of its range": Fault(
        ("constant-output", "saturated-outputs", "latent-ignored", "mode-collapse"), ("auto",),
        change_trainer=saturate_outputs, is_always_effective=True,
    ),
    "16-bit overflow": Fault(
        ("nonfinite-values", "diverging", "loss-explosion"), ("dcgan", "auto"), ("r3gan",),
        change_trainer=overflow_scores,
    ),
}  # fmt: skip
"""Faults by their names in the tables."""
