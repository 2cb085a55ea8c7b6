"""The duality gap: what each player could still win if the other stood still. At a Nash equilibrium, nothing.

M(G, D) is the discriminator's objective, which it maximises and the generator minimises. The gap is
max_D' M(G, D') - min_G' M(G', D): Grnarova et al. 2019, arXiv:1811.05512, section 3. Best responses are found by a few
of the players' own moves on training data, begun from where they stand, a little beside it (a stationary point that is
no equilibrium would otherwise hide: Sidheekh et al. 2021, arXiv:2012.06723), and valued on held-out data. The generator
has one more response that needs no search: to make the data. A few moves never find it from a collapse, and against a
discriminator that tells real from fake hardly any is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import cycle
from typing import NamedTuple

import torch

from zerosum.diagnosis.sandbox import DryStepFn, sandboxed_copy
from zerosum.game.adversarial import FAKE, AdversarialGame
from zerosum.game.play import DiscriminatorInput
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch

WEIGHT_PERTURBATION = 0.01
"""How far beside its place a player begins to search, as a share of its weights."""


class DualityGap(NamedTuple):
    """What the players could win, in units of the discriminator's objective."""

    discriminator: float
    """By the discriminator's best response: max_D' M(G, D') - M(G, D)."""
    generator: float
    """By the generator's, or by making the data: M(G, D) - min_G' M(G', D)."""

    @property
    def total(self) -> float:
        """The duality gap."""
        return self.discriminator + self.generator


def duality_gap(
    game: AdversarialGame,
    train_batches: Sequence[Batch],
    held_out_batches: Sequence[Batch],
    progress: Progress,
    dry_step: DryStepFn,
) -> DualityGap:
    """How far from an equilibrium a game stands.

    Args:
        game: it is only looked at.
        train_batches: training data, one batch for each step of a best response.
        held_out_batches: held-out data by which the objective is valued.
        progress: when.
        dry_step: makes a move.
    """
    with sandboxed_copy(game) as same:
        stands = objective_value(same, held_out_batches, progress)
    better = {
        name: _best_response_value(game, name, train_batches, held_out_batches, progress, dry_step)
        for name in ("discriminator", "generator")
    }
    made = real_data_objective_value(game, held_out_batches, train_batches, progress)
    # standing still is a response too, so that nobody is seen to lose; a search that runs away found nothing
    wins = (better["discriminator"] - stands,), (stands - better["generator"], stands - made)
    return DualityGap(*(max([0.0, *(win for win in each if math.isfinite(win))]) for each in wins))


def objective_value(game: AdversarialGame, batches: Sequence[Batch], progress: Progress) -> float:
    """M(G, D) on these batches: minus the discriminator's loss, without its further terms."""
    with torch.no_grad():
        losses = [game.objective.discriminator_loss(game.build_play(batch, progress)).mean() for batch in batches]
    return -float(torch.stack(losses).mean())


def real_data_objective_value(
    game: AdversarialGame, held_out_batches: Sequence[Batch], train_batches: Sequence[Batch], progress: Progress
) -> float:
    """M(data, D): the objective where training examples take the fakes' place against held-out ones.

    Of a class-aware discriminator of a relativistic game it is a little too low, since the two are not of one class.
    """
    with sandboxed_copy(game) as same, torch.no_grad():
        losses = []
        for batch, other in zip(held_out_batches, cycle(train_batches)):
            fewer = min(len(batch["seed"]), len(other["seed"]))
            real, fake = ({name: column[:fewer] for name, column in each.items()} for each in (batch, other))
            posed = partial(_present_real_as_fake, same, fake)
            losses.append(same.objective.discriminator_loss(same.build_play(real, progress, generate=posed)).mean())
    return -float(torch.stack(losses).mean())


def _present_real_as_fake(game: AdversarialGame, fake: Batch, batch: Batch, progress: Progress) -> DiscriminatorInput:
    """Real examples, laid before the judge as if they were made."""
    return game.prepare_discriminator_input(game.prepare_real(fake, progress), FAKE, fake, progress)


def _best_response_value(
    game: AdversarialGame,
    player_name: str,
    train_batches: Sequence[Batch],
    held_out_batches: Sequence[Batch],
    progress: Progress,
    dry_step: DryStepFn,
) -> float:
    """The objective's value once this player alone has moved on each batch."""
    with sandboxed_copy(game) as trial:
        player = trial.players[player_name]
        player.optimizer_config = player.optimizer_config.with_max_lr()  # what can be won does not end with a schedule
        dice = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in player.parameters:
                beside = torch.randn(parameter.shape, generator=dice).to(parameter)
                parameter.add_(
                    beside, alpha=WEIGHT_PERTURBATION * float(parameter.norm()) / max(1, parameter.numel()) ** 0.5
                )
        moves = [move for move in trial.moves if move.player == player_name and move.every_rounds == 1]
        for batch in train_batches:
            for move in moves:
                dry_step(trial, move, batch, progress)
        return objective_value(trial, held_out_batches, progress)
