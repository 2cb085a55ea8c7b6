"""One generator against one discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from zerosum.game.game import Game, Move, Outcome
from zerosum.game.objective import Objective
from zerosum.game.optimizer import Adam
from zerosum.game.play import Judge, Play, Sample, at_least_float32
from zerosum.game.player import Player
from zerosum.game.prior import Prior
from zerosum.game.schedule import Now, Schedule, at
from zerosum.game.term import Term
from zerosum.game.verdict import Batch, Terms

Score = Callable[[Play], Tensor]


class Adversarial(Game):
    """One generator against one discriminator, the discriminator moving first.

    Subclasses say how a fake is imagined and what the discriminator is shown.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        prior: Prior,
        objective: Objective,
        terms: Mapping[str, Term],
        rule: Adam,
        half_life_images: Schedule = 500.0,
        discriminator_times: int = 1,
        alone: bool = False,
        share_fakes: bool = False,
    ) -> None:
        """Seat a generator (latents (N, L) to samples) and a discriminator (samples to a Verdict).

        Args:
            generator: from latents (N, L) to samples (N, ...).
            discriminator: from samples to a Verdict.
            prior: where latents come from.
            objective: what they play for.
            terms: further losses by name; each knows its player.
            rule: how both change their parameters.
            half_life_images: of the generator's average.
            discriminator_times: steps of the discriminator in a round.
            alone: the discriminator judges each sample by itself (it has no batch norm).
            share_fakes: the generator moves on the samples the discriminator has just moved on, made once for both,
                instead of on new ones.

        Raises:
            ValueError: a term is named like the objective's own part, "score".
        """
        super().__init__()
        if "score" in terms:
            raise ValueError('a term may not be named "score": that is the objective\'s own part')
        self.generator, self.discriminator = generator, discriminator
        self.prior, self.objective, self.alone, self.share_fakes = prior, objective, alone, share_fakes
        self._made: tuple[Batch, Sample] | None = None
        times = {"discriminator": discriminator_times, "generator": 1}
        scores: dict[str, Score] = {
            "discriminator": objective.discriminator,
            "generator": objective.generator,
        }
        lazy, main = [], []
        for player, score in scores.items():
            own = {name: term for name, term in terms.items() if term.player == player}
            prompt = {name: term for name, term in own.items() if term.every == 1}
            again = share_fakes and player == "generator"
            main.append(Move(player, partial(self._main, player, score, prompt), times=times[player], again=again))
            for name, term in own.items():
                if term.every > 1:
                    lazy.append(Move(player, partial(self._lazy, {name: term}), every=term.every))
        self.enter(
            [
                Player("discriminator", discriminator, rule),
                Player("generator", generator, rule, [half_life_images]),
            ],
            lazy + main,
        )

    def imagine(self, batch: Batch, now: Now) -> Sample:
        """The generator's samples for this batch, one for each of its seeds, at least float32 like the data."""
        return tree_map(at_least_float32, self.generator(self.prior.draw(batch["seed"])))

    def show(self, batch: Batch, now: Now) -> Sample:
        """What the discriminator is shown of the real data."""
        return batch["real"]

    def judge(self, batch: Batch, now: Now) -> Judge:
        """The discriminator, as a function of a sample alone."""
        return self.discriminator

    def play(
        self,
        batch: Batch,
        now: Now,
        slopes: frozenset[str] = frozenset(),
        together: bool = False,
        imagine: Callable[[Batch, Now], Sample] | None = None,
    ) -> Play:
        """Lay out a play on this batch."""
        make = partial(imagine or self.imagine, batch, now)
        judge, real = self.judge(batch, now), self.show(batch, now)
        return Play(self, judge, real, make, batch, now, slopes, together, self.differentiate)

    def _main(self, player: str, score: Score, terms: Mapping[str, Term], batch: Batch, now: Now) -> Outcome:
        together = self.alone and player == "discriminator"
        imagine = partial(self._share, player) if self.share_fakes else None
        play = self.play(batch, now, _slopes(terms), together, imagine)
        outcome = {"score": score(play)} | _weighed(terms, play)
        return Outcome(outcome, self._watch(play) if player == "discriminator" else {})

    def _share(self, player: str, batch: Batch, now: Now) -> Sample:
        """The samples of this batch: the discriminator's are kept, with what made them, for the generator's move."""
        if player == "generator":
            if self._made is None or self._made[0] is not batch:
                return self.imagine(batch, now)
            (_, sample), self._made = self._made, None
            return sample
        self._made = None  # lets what made the last ones go before new ones are made
        with self.players["generator"].thawed():
            sample = self.imagine(batch, now)
        self._made = batch, sample
        return tree_map(torch.Tensor.detach, sample)

    def _lazy(self, terms: Mapping[str, Term], batch: Batch, now: Now) -> Outcome:
        return Outcome(_weighed(terms, self.play(batch, now, _slopes(terms))), {})

    @torch.no_grad()
    def _watch(self, play: Play) -> Terms:
        """How well the discriminator tells real from fake, from scores its move has worked out anyway."""
        boundary = self.objective.boundary(play)
        return {
            "real_accuracy": (play.real_score > boundary).float(),
            "fake_accuracy": (play.fake_score < boundary).float(),
            "real_score": play.real_score,
            "fake_score": play.fake_score,
        }

    def produce(self, seed: Tensor) -> Tensor:
        """Samples of the averaged generator: (N,) int64 seeds to (N, ...) samples."""
        with torch.no_grad():
            device = next(self.generator.parameters()).device
            sample: Tensor = self.averaged(self.prior.draw(seed).to(device))
            return sample

    @property
    def averaged(self) -> nn.Module:
        """The generator that is shown and shipped: the average, in evaluation mode."""
        return self.players["generator"].averages[0].network


def _slopes(terms: Mapping[str, Term]) -> frozenset[str]:
    return frozenset().union(*(term.slopes for term in terms.values()))


def _weighed(terms: Mapping[str, Term], play: Play) -> Terms:
    return {name: at(term.weight, play.now) * term(play) for name, term in terms.items()}
