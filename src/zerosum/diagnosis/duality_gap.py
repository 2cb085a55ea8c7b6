"""The duality gap: how much each player could improve while the other stays fixed; 0 at a Nash equilibrium.

M(G, D) is the discriminator's objective, which it maximizes and the generator minimizes. The gap is
max_D' M(G, D') - min_G' M(G', D): Grnarova et al. 2019, arXiv:1811.05512, section 3.

Best responses are searched by a few of the player's own moves on training data and valued on held-out data. The search
starts from slightly perturbed weights: otherwise a stationary point that is no equilibrium would have a gap of 0
(Sidheekh et al. 2021, arXiv:2012.06723). The generator has one more response that needs no search, the data
distribution itself. A few moves never find it from mode collapse, and against a discriminator that separates real from
fake hardly any response is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import NamedTuple

import torch
from torch.utils._pytree import tree_map

from zerosum.diagnosis.sandbox import TrialStepFn, sandboxed_copy
from zerosum.game.adversarial import FAKE, AdversarialGame
from zerosum.game.play import DiscriminatorInput
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch

WEIGHT_PERTURBATION = 0.01
"""Norm of the perturbation of a parameter before the search, as a fraction of the parameter's norm."""


class DualityGap(NamedTuple):
    """Possible improvements of the players, in units of the discriminator's objective."""

    discriminator: float
    """By the discriminator's best response: max_D' M(G, D') - M(G, D)."""
    generator: float
    """By the generator's best response, or by the data distribution: M(G, D) - min_G' M(G', D)."""

    @property
    def total(self) -> float:
        """The duality gap."""
        return self.discriminator + self.generator


def duality_gap(
    game: AdversarialGame,
    train_batches: Sequence[Batch],
    held_out_batches: Sequence[Batch],
    progress: Progress,
    trial_step: TrialStepFn,
) -> DualityGap:
    """Estimate the duality gap of a game.

    Args:
        game: the game; it is not changed.
        train_batches: training data, one batch for each step of a best response.
        held_out_batches: held-out data on which the objective is evaluated.
        progress: the position in the training.
        trial_step: makes a move.

    Returns:
        Both parts, at least 0 and finite.
    """
    with sandboxed_copy(game) as copied_game:
        current = objective_value(copied_game, held_out_batches, progress)
    responses = {
        name: _best_response_value(game, name, train_batches, held_out_batches, progress, trial_step)
        for name in ("discriminator", "generator")
    }
    data_value = real_data_objective_value(game, held_out_batches, train_batches, progress)
    # no change is a response too, so no part is negative; a search that diverges counts as no response
    gains = (responses["discriminator"] - current,), (current - responses["generator"], current - data_value)
    return DualityGap(*(max([0.0, *(gain for gain in part if math.isfinite(gain))]) for part in gains))


def objective_value(game: AdversarialGame, batches: Sequence[Batch], progress: Progress) -> float:
    """Return M(G, D) on these batches: minus the discriminator's loss, without its other terms."""
    with torch.no_grad():
        losses = [game.objective.discriminator_loss(game.build_play(batch, progress)).mean() for batch in batches]
    return -float(torch.stack(losses).mean())


def real_data_objective_value(
    game: AdversarialGame, held_out_batches: Sequence[Batch], train_batches: Sequence[Batch], progress: Progress
) -> float:
    """Return M(data, D): the objective with training examples as fakes against held-out examples as reals.

    It is slightly too low for a class-conditional discriminator of a relativistic game, since the two examples of a
    pair are not of one class.
    """
    with sandboxed_copy(game) as copied_game, torch.no_grad():
        losses = []
        for held_out_batch, train_batch in zip(held_out_batches, cycle(train_batches)):
            count = min(len(held_out_batch["seed"]), len(train_batch["seed"]))
            real, fake = (_first_examples(batch, count) for batch in (held_out_batch, train_batch))
            play = copied_game.build_play(
                real, progress, generate_input=partial(_present_real_as_fake, copied_game, fake)
            )
            losses.append(copied_game.objective.discriminator_loss(play).mean())
    return -float(torch.stack(losses).mean())


def _first_examples(batch: Batch, count: int) -> Batch:
    """Return the first `count` examples of a batch, whose entries may be trees of tensors."""
    first: Batch = tree_map(lambda tensor: tensor[:count], batch)
    return first


def _present_real_as_fake(game: AdversarialGame, fake: Batch, batch: Batch, progress: Progress) -> DiscriminatorInput:
    """Return the real examples of `fake` as the discriminator's fake inputs."""
    return game.prepare_discriminator_input(game.prepare_real(fake, progress), FAKE, fake, progress)


def _best_response_value(
    game: AdversarialGame,
    player_name: str,
    train_batches: Sequence[Batch],
    held_out_batches: Sequence[Batch],
    progress: Progress,
    trial_step: TrialStepFn,
) -> float:
    """Return the objective's value after this player alone has moved once on each training batch."""
    with sandboxed_copy(game) as copied_game:
        player = copied_game.players[player_name]
        player.optimizer_config = player.optimizer_config.with_max_lr()  # independent of the learning rate's decay
        rng = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in player.parameters:
                noise = torch.randn(parameter.shape, generator=rng).to(parameter)
                parameter.add_(
                    noise, alpha=WEIGHT_PERTURBATION * float(parameter.norm()) / max(1, parameter.numel()) ** 0.5
                )
        moves = [
            move
            for move in copied_game.moves
            if move.player == player_name and move.every_rounds == 1 and move.has_weight(progress)
        ]
        for batch in train_batches:
            for move in moves:
                trial_step(copied_game, move, batch, progress)
        return objective_value(copied_game, held_out_batches, progress)
