"""The ward's faults: what is done to a run, and which findings name it rightly.

A fault is put into a run just before it is played: in its settings, or by tampering with the session that is about to
play (its stream, its players, its objective). Nothing of Zerosum knows of faults.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zerosum.data.dataset import Dataset
from zerosum.game.types import Batch, DiscriminatorOutput
from zerosum.training.trainer import Trainer

Tamper = Callable[[Trainer], None]
Respoil = Callable[[Dataset], Dataset]


def leave(session: Trainer) -> None:
    """Do nothing."""


def keep(examples: Dataset) -> Dataset:
    """Leave the data as they are."""
    return examples


@dataclass(frozen=True)
class Fault:
    """Something that is wrong with a run."""

    names: tuple[str, ...]
    """Findings that name it rightly."""
    recipes: tuple[str, ...]
    """On pictures, each in turn."""
    points: tuple[str, ...] = ()
    """On points; none where it makes no sense."""
    settings: dict[str, Any] = field(default_factory=dict)
    tamper: Tamper = leave
    data: Respoil = keep
    curable: bool = False
    """Settings can cure it."""
    always: bool = False
    """It is wrong however the run ends."""


# ---------------------------------------------------------------------- what tampers


class Altered(Iterator[Batch]):
    """A stream whose batches are altered on their way."""

    def __init__(self, stream: Any, alter: Callable[[Batch], Batch]) -> None:
        self.stream, self.alter = stream, alter

    def __next__(self) -> Batch:
        return self.alter(next(self.stream))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def reals(change: Callable[[Tensor], Tensor]) -> Tamper:
    """Change what the stream gives as real."""

    def tamper(session: Trainer) -> None:
        session.loader = Altered(session.loader, lambda batch: batch | {"real": change(batch["real"])})  # type: ignore[assignment]

    return tamper


def shuffled_labels(session: Trainer) -> None:
    """Labels that have nothing to do with the pictures."""
    dice = torch.Generator().manual_seed(1)

    def alter(batch: Batch) -> Batch:
        return batch | {"label": batch["label"][torch.randperm(len(batch["label"]), generator=dice)]}

    session.loader = Altered(session.loader, alter)  # type: ignore[assignment]


class Still:
    """A player's rule, at rate 0."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "rule":
            raise AttributeError(name)
        return getattr(self.rule, name)

    def adjust(self, optimizer: torch.optim.Optimizer, player: str, now: Any) -> float:
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        return 0.0


def frozen(player: str) -> Tamper:
    """A player that does not learn."""

    def tamper(session: Trainer) -> None:
        session.game.players[player].optimizer_config = Still(session.game.players[player].optimizer_config)  # type: ignore[assignment]

    return tamper


class Turned:
    """An objective, one player's side of it with the wrong sign."""

    def __init__(self, objective: Any, player: str) -> None:
        self.objective, self.player = objective, player

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("objective", "player"):
            raise AttributeError(name)
        return getattr(self.objective, name)

    def generator(self, play: Any) -> Tensor:
        return self.objective.generator(play) * (-1 if self.player == "generator" else 1)

    def discriminator(self, play: Any) -> Tensor:
        return self.objective.discriminator(play) * (-1 if self.player == "discriminator" else 1)


def turned(player: str) -> Tamper:
    """A sign error in a player's loss."""

    def tamper(session: Trainer) -> None:
        game: Any = session.game
        wrong = Turned(game.objective, player)
        moves = []
        for move in game.moves:
            score = getattr(wrong, move.player, None)
            main = move.loss.func.__name__ == "_main"
            loss = type(move.loss)(move.loss.func, move.player, score, *move.loss.args[2:]) if main else move.loss
            moves.append(dataclasses.replace(move, loss=loss))
        game.moves, game.objective = moves, wrong

    return tamper


class Nothing:
    """A prior whose latents are all zero."""

    def __init__(self, prior: Any) -> None:
        self.prior, self.size = prior, prior.size

    def draw(self, seed: Tensor, truncation: float = float("inf")) -> Tensor:
        return torch.zeros_like(self.prior.draw(seed))


def no_latent(session: Trainer) -> None:
    """The latent is multiplied by zero on its way."""
    game: Any = session.game
    game.prior = Nothing(game.prior)
    for network in (game.generator, game.averaged):
        network.register_forward_pre_hook(lambda module, given: (given[0] * 0, *given[1:]))


def half_scores(module: nn.Module, given: Any, verdict: DiscriminatorOutput) -> DiscriminatorOutput:
    """Scores that pass through 16 bits on a scale that is too large for them."""
    return verdict._replace(score=(verdict.score * 3e4).half().float() / 3e4)


def overflow(session: Trainer) -> None:
    """Scores overflow 16 bits once they are larger than about 2."""
    game: Any = session.game
    game.discriminator.register_forward_hook(half_scores)


# ---------------------------------------------------------------------- what spoils data


def few(count: int) -> Respoil:
    """So many training examples only."""

    def spoil(examples: Dataset) -> Dataset:
        train = np.random.default_rng(0).permutation(examples.train)[:count]
        summary = dataclasses.replace(examples.summary, train=count)
        return dataclasses.replace(examples, train=np.sort(train), survey=summary)

    return spoil


def copies(share: float) -> Respoil:
    """So large a share of the training examples are copies of a few."""

    def spoil(examples: Dataset) -> Dataset:
        train = examples.train.copy()
        random = np.random.default_rng(0)
        same = random.permutation(len(train))[: int(share * len(train))]
        train[same] = random.permutation(examples.train)[:10][random.integers(0, 10, len(same))]
        summary = dataclasses.replace(examples.summary, duplicates=len(same) - 10)
        return dataclasses.replace(examples, train=train, survey=summary)

    return spoil


def one_class(session: Trainer) -> None:
    """The loader gives pictures of one class alone."""
    loader: Any = session.loader
    source = loader.source
    labels = source.labels[source.train]
    loader.source = dataclasses.replace(source, train=source.train[labels == 1])


def constant(real: Tensor) -> Tensor:
    """The same picture again and again."""
    return real[:1].expand_as(real) * 0 + torch.linspace(-0.5, 0.5, real.shape[-1])


FAULTS: dict[str, Fault] = {
    "learning rate x30": Fault(
        ("learning-rate-too-high", "diverging", "nonfinite-values", "oscillation"), ("dcgan", "auto"), ("vanilla",),
        {"optimizer.lr_multipliers": {"discriminator": 30, "generator": 30}}, curable=True,
    ),
    "discriminator much larger": Fault(
        ("discriminator-too-strong", "vanishing-gradient"), ("dcgan", "vanilla"), ("vanilla",), {"generator": "tiny"},
        curable=True,
    ),
    "discriminator much smaller": Fault(
        ("discriminator-too-weak",), ("dcgan", "auto"), ("vanilla",), {"discriminator": "tiny"}, curable=True,
    ),
    "saturating loss, strong discriminator": Fault(
        ("vanishing-gradient", "discriminator-too-strong"), ("dcgan", "vanilla"), ("vanilla",),
        {"objective.kind": "minimax", "optimizer.lr_multipliers": {"discriminator": 4, "generator": 0.25}}, curable=True,
    ),
    "no penalty on a fragile objective": Fault(
        ("under-regularized", "diverging", "oscillation", "discriminator-too-strong"),
        ("wgan-gp", "r3gan"), ("wgan-gp",), {"terms": "none"}, curable=True,
    ),
    "penalty x1000": Fault(
        ("over-regularized", "discriminator-too-weak"), ("r3gan", "wgan-gp"), ("r3gan",), {"terms": 1000.0},
        curable=True,
    ),
    "penalty x0.001": Fault(
        ("under-regularized", "discriminator-too-strong", "oscillation", "diverging"),
        ("r3gan", "wgan-gp"), ("wgan-gp",), {"terms": 0.001}, curable=True,
    ),
    "latent times zero": Fault(
        ("latent-ignored", "mode-collapse"), ("dcgan", "auto"), ("r3gan",), tamper=no_latent,
        always=True,
    ),
    "condition shuffled": Fault(
        ("condition-ignored",), ("cgan", "cgan-projection"), tamper=shuffled_labels,
        always=True,
    ),
    "data in [0, 255]": Fault(
        ("wrong-range",), ("dcgan", "auto"), tamper=reals(lambda real: (real + 1) * 127.5),
        always=True,
    ),
    "data in [0, 1]": Fault(
        ("wrong-range",), ("dcgan", "auto"), tamper=reals(lambda real: (real + 1) / 2),
        always=True,
    ),
    "constant images": Fault(
        ("constant-data", "duplicate-data"), ("dcgan", "auto"), tamper=reals(constant),
        always=True,
    ),
    "95% duplicates": Fault(
        ("duplicate-data", "discriminator-overfitting", "memorization"), ("dcgan", "auto"), data=copies(0.95),
        always=True,
    ),
    "50 training images": Fault(
        ("too-little-data", "discriminator-overfitting", "memorization"), ("dcgan", "auto"),
        settings={"augment.kind": "none"}, data=few(50), curable=True, always=True,
    ),
    "frozen generator": Fault(
        ("generator-not-updating", "vanishing-gradient"), ("dcgan", "auto"), ("r3gan",), tamper=frozen("generator"),
        always=True,
    ),
    "frozen discriminator": Fault(
        ("discriminator-not-updating", "discriminator-too-weak"), ("dcgan", "auto"), ("r3gan",),
        tamper=frozen("discriminator"), always=True,
    ),
    "batch of 2": Fault(
        ("batch-too-small", "oscillation", "learning-rate-too-high"), ("dcgan", "auto"), ("vanilla",),
        {"training.batch_size": 2}, curable=True, always=True,
    ),
    "one class in the loader": Fault(
        ("data-loader-mismatch", "missing-modes", "mode-collapse"), ("dcgan", "auto"), tamper=one_class, always=True,
    ),
    "sign error in the generator's loss": Fault(
        ("discriminator-too-strong", "diverging", "vanishing-gradient", "wrong-loss-sign"), ("dcgan", "auto"),
        ("r3gan",), tamper=turned("generator"),
    ),
    "sign error in the discriminator's loss": Fault(
        ("discriminator-too-weak", "diverging", "wrong-loss-sign"), ("dcgan", "auto"), ("r3gan",),
        tamper=turned("discriminator"),
    ),
    "average too long": Fault(
        ("ema-too-slow",), ("dcgan", "auto"), ("r3gan",), {"ema.half_life": 10_000_000}, curable=True,
    ),
    "16-bit overflow": Fault(("nonfinite-values", "diverging"), ("dcgan", "auto"), ("r3gan",), tamper=overflow),
}  # fmt: skip
"""By what they are called in the tables."""
