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

from zerosum.diagnosis.sandbox import Try, double
from zerosum.game.adversarial import FAKE, Adversarial
from zerosum.game.play import Exhibit
from zerosum.game.schedule import Now
from zerosum.game.types import Batch

NUDGE = 0.01
"""How far beside its place a player begins to search, as a share of its weights."""


class Gap(NamedTuple):
    """What the players could win, in units of the discriminator's objective."""

    discriminator: float
    """By the discriminator's best response: max_D' M(G, D') - M(G, D)."""
    generator: float
    """By the generator's, or by making the data: M(G, D) - min_G' M(G', D)."""

    @property
    def total(self) -> float:
        """The duality gap."""
        return self.discriminator + self.generator


def duality_gap(game: Adversarial, batches: Sequence[Batch], unseen: Sequence[Batch], now: Now, attempt: Try) -> Gap:
    """How far from an equilibrium a game stands.

    Args:
        game: it is only looked at.
        batches: training data, one batch for each step of a best response.
        unseen: held-out data by which the objective is valued.
        now: when.
        attempt: makes a move.
    """
    with double(game) as same:
        stands = value(same, unseen, now)
    better = {
        name: _best_response(game, name, batches, unseen, now, attempt) for name in ("discriminator", "generator")
    }
    made = data_value(game, unseen, batches, now)
    # standing still is a response too, so that nobody is seen to lose; a search that runs away found nothing
    wins = (better["discriminator"] - stands,), (stands - better["generator"], stands - made)
    return Gap(*(max([0.0, *(win for win in each if math.isfinite(win))]) for each in wins))


def value(game: Adversarial, batches: Sequence[Batch], now: Now) -> float:
    """M(G, D) on these batches: minus the discriminator's loss, without its further terms."""
    with torch.no_grad():
        losses = [game.objective.discriminator(game.play(batch, now)).mean() for batch in batches]
    return -float(torch.stack(losses).mean())


def data_value(game: Adversarial, unseen: Sequence[Batch], known: Sequence[Batch], now: Now) -> float:
    """M(data, D): the objective where training examples take the fakes' place against held-out ones.

    Of a class-aware discriminator of a relativistic game it is a little too low, since the two are not of one class.
    """
    with double(game) as same, torch.no_grad():
        losses = []
        for batch, other in zip(unseen, cycle(known)):
            fewer = min(len(batch["seed"]), len(other["seed"]))
            real, fake = ({name: column[:fewer] for name, column in each.items()} for each in (batch, other))
            posed = partial(_posed, same, fake)
            losses.append(same.objective.discriminator(same.play(real, now, imagine=posed)).mean())
    return -float(torch.stack(losses).mean())


def _posed(game: Adversarial, fake: Batch, batch: Batch, now: Now) -> Exhibit:
    """Real examples, laid before the judge as if they were made."""
    return game.exhibit(game.show(fake, now), FAKE, fake, now)


def _best_response(
    game: Adversarial, name: str, batches: Sequence[Batch], unseen: Sequence[Batch], now: Now, attempt: Try
) -> float:
    """The objective's value once this player alone has moved on each batch."""
    with double(game) as trial:
        player = trial.players[name]
        player.rule = player.rule.eager()  # what can be won does not end with a schedule
        dice = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in player.parameters:
                beside = torch.randn(parameter.shape, generator=dice).to(parameter)
                parameter.add_(beside, alpha=NUDGE * float(parameter.norm()) / max(1, parameter.numel()) ** 0.5)
        moves = [move for move in trial.moves if move.player == name and move.every == 1]
        for batch in batches:
            for move in moves:
                attempt(trial, move, batch, now)
        return value(trial, unseen, now)
