"""One generator against one discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.augment.config import Augment
from zerosum.game.config import AdversarialGame
from zerosum.game.discriminator_input import Lens
from zerosum.game.game import Game, Move, Outcome
from zerosum.game.latent import Prior
from zerosum.game.objective import Objective
from zerosum.game.optimizer import Rule, Sign
from zerosum.game.play import Exhibit, Judge, Play, Sample, at_least_float32
from zerosum.game.player import Player
from zerosum.game.replay_buffer import Pool
from zerosum.game.schedule import Now, Schedule, at
from zerosum.game.terms import Term
from zerosum.game.types import Batch, Terms, Verdict

Score = Callable[[Play], Tensor]
REAL, FAKE = 0, 1
"""A lens changes a real sample and the fake of the same seed independently."""


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
        rule: Rule,
        half_life_images: Schedule = 500.0,
        *,
        rules: AdversarialGame | None = None,
        alone: bool = False,
        augment: Augment | None = None,
        shares: Sequence[float] = (),
        shape: tuple[int, ...] = (),
        batch: int = 32,
    ) -> None:
        """Seat a generator (latents (N, L) to samples) and a discriminator (samples to a Verdict).

        What else the networks are called with, they name in `takes`: "label", "seed".

        Args:
            generator: from latents (N, L) to samples (N, ...).
            discriminator: from samples to a Verdict.
            prior: where latents come from.
            objective: what they play for.
            terms: further losses by name; each knows its player.
            rule: how both change their parameters.
            half_life_images: of the generator's average.
            rules: how often each moves, and on what.
            alone: the discriminator judges each sample by itself (it has no batch norm).
            augment: how samples are varied before they are judged.
            shares: of each class among the data; empty where the networks take no classes.
            shape: of one sample; for a replay of old fakes.
            batch: samples of a step over all ranks; for the speed at which augmentation adapts.

        Raises:
            ValueError: a term is named like the objective's own part, "score".
        """
        super().__init__()
        if "score" in terms:
            raise ValueError('a term may not be named "score": that is the objective\'s own part')
        rules = rules or AdversarialGame()
        self.generator, self.discriminator = generator, discriminator
        self.prior, self.objective, self.alone, self.share_fakes = prior, objective, alone, rules.share_fakes
        self.shares = torch.tensor(shares, dtype=torch.float64)
        device = next(generator.parameters()).device
        learning = augment.learning(batch) if augment else None
        self.lens = Lens(augment, rules.instance_noise, learning).to(device)
        self.pool = Pool(rules.replay, shape).to(device) if rules.replay else None
        self._made: tuple[Batch, Tensor] | None = None
        players = [
            Player("discriminator", discriminator, rule, _histories("discriminator", terms)),
            Player("generator", generator, rule, [half_life_images, *self._kept(), *_histories("generator", terms)]),
        ]
        moves = self._moves(terms, rules)
        if learning:
            players.append(Player("augmentation", self.lens, Sign(step=learning.step, most=learning.most)))
            loss = partial(self._adapt, learning.target)
            moves.append(Move("augmentation", loss, every=learning.every, again=True))
        self.enter(players, moves)

    def _kept(self) -> list[Schedule]:
        """The half-lives of further averages of the generator that a game keeps, after the one that is shown."""
        return []

    def _moves(self, terms: Mapping[str, Term], rules: AdversarialGame) -> list[Move]:
        """The two players' moves, lazy terms before the main ones."""
        times = {"discriminator": rules.discriminator_times, "generator": 1}
        scores: dict[str, Score] = {
            "discriminator": self.objective.discriminator,
            "generator": self.objective.generator,
        }
        lazy, main = [], []
        for player, score in scores.items():
            own = {name: term for name, term in terms.items() if term.player == player}
            prompt = {name: term for name, term in own.items() if term.every == 1}
            again = self.share_fakes and player == "generator"
            main.append(Move(player, partial(self._main, player, score, prompt), times=times[player], again=again))
            for name, term in own.items():
                if term.every > 1:
                    lazy.append(Move(player, partial(self._lazy, {name: term}), every=term.every))
        return lazy + main

    # ------------------------------------------------------------------ what is laid before the judge

    def imagine(self, batch: Batch, now: Now) -> Tensor:
        """The generator's samples for this batch, one for each of its seeds, at least float32 like the data."""
        return at_least_float32(self.generator(self.prior.draw(batch["seed"]), **told(self.generator, batch)))

    def show(self, batch: Batch, now: Now) -> Tensor:
        """What the discriminator is shown of the real data."""
        return batch["real"]

    def judge(self, exhibit: Sample) -> Verdict:
        """The discriminator, as a function of an exhibit alone."""
        verdict: Verdict = self.discriminator(exhibit.sample, **told(self.discriminator, exhibit._asdict()))
        return verdict

    def exhibit(self, sample: Tensor, which: int, batch: Batch, now: Now) -> Exhibit:
        """A sample (REAL or FAKE) as it is laid before the judge."""
        seen = self.lens(sample, seeded_rng.fork(batch["seed"], which), now)
        return Exhibit(seen, batch["label"] if len(self.shares) else None)

    def play(
        self,
        batch: Batch,
        now: Now,
        slopes: frozenset[str] = frozenset(),
        together: bool = False,
        imagine: Callable[[Batch, Now], Exhibit] | None = None,
    ) -> Play:
        """Lay out a play on this batch; `imagine` makes the fakes, if not the generator anew."""
        make = partial(imagine or self._imagined, batch, now)
        real = self.exhibit(self.show(batch, now), REAL, batch, now)
        judge: Judge = self.judge
        return Play(self, judge, real, make, batch, now, slopes, together, self.differentiate)

    def _imagined(self, batch: Batch, now: Now) -> Exhibit:
        return self.exhibit(self.imagine(batch, now), FAKE, batch, now)

    # ------------------------------------------------------------------ moves

    def _main(self, player: str, score: Score, terms: Mapping[str, Term], batch: Batch, now: Now) -> Outcome:
        together = self.alone and player == "discriminator"
        play = self.play(batch, now, _slopes(terms), together, partial(self._fakes, player))
        outcome = self._score(player, score, play) | _weighed(terms, play)
        return Outcome(outcome, self._watch(play) if player == "discriminator" else {})

    def _score(self, player: str, score: Score, play: Play) -> Terms:
        """The objective's own part of a player's move."""
        return {"score": score(play)}

    def _fakes(self, player: str, batch: Batch, now: Now) -> Exhibit:
        """The fakes that a player moves on."""
        made = self._share(player, batch, now) if self.share_fakes else self.imagine(batch, now)
        if self.pool is None or player == "generator":
            return self.exhibit(made, FAKE, batch, now)
        fakes = self.pool.exchange(Exhibit(made, batch["label"] if len(self.shares) else None), batch["seed"])
        return fakes._replace(sample=self.lens(fakes.sample, seeded_rng.fork(batch["seed"], FAKE), now))

    def _share(self, player: str, batch: Batch, now: Now) -> Tensor:
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
        return sample.detach()

    def _lazy(self, terms: Mapping[str, Term], batch: Batch, now: Now) -> Outcome:
        return Outcome(_weighed(terms, self.play(batch, now, _slopes(terms))), {})

    def _adapt(self, target: float, batch: Batch, now: Now) -> Outcome:
        """More augmentation where the discriminator is surer of the training data than `target`, less where not.

        r = E[sign(D(x) - boundary)] tells its overfitting (Karras et al. 2020, arXiv:2006.06676, section 3.1). The loss
        is (target - r) p, so that p's gradient is averaged over micro-batches and ranks like any other.
        """
        with torch.no_grad():
            play = self.play(batch, now)
            sure = (play.real_score - self.objective.boundary(play)).sign().mean()
        p = self.lens.p
        assert p is not None, "only a lens whose strength is learned has this move"
        return Outcome({"adapt": (target - sure) * p}, {"overfitting": sure, "augmentation": p})

    @torch.no_grad()
    def _watch(self, play: Play) -> Terms:
        """How well the discriminator tells real from fake, from scores its move has worked out anyway; what it sees."""
        boundary, real = self.objective.boundary(play), play.batch["real"]
        return {
            "real_accuracy": (play.real_score > boundary).float(),
            "fake_accuracy": (play.fake_score < boundary).float(),
            "real_score": play.real_score,
            "fake_score": play.fake_score,
            "real_mean": real,
            "real_variance": _variance(real),
            "fake_variance": _variance(play.fake_pictures),
        }

    # ------------------------------------------------------------------ for people

    def produce(self, seed: Tensor, label: Tensor | None = None) -> Tensor:
        """Samples of the averaged generator: (N,) int64 seeds to (N, ...) samples.

        Of these classes, (N,) int64, or of classes as common as in the data, where the generator takes any.
        """
        with torch.no_grad():
            device = next(self.generator.parameters()).device
            if label is None and len(self.shares):
                label = seeded_rng.pick(seed, self.shares)
            given = {"seed": seed.to(device)} | ({} if label is None else {"label": label.to(device)})
            sample: Tensor = self.averaged(self.prior.draw(seed).to(device), **told(self.averaged, given))
            return sample

    @property
    def averaged(self) -> nn.Module:
        """The generator that is shown and shipped: the average, in evaluation mode."""
        return self.players["generator"].averages[0].network


def told(network: nn.Module, known: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a network wants to be called with beside its input."""
    return {name: known[name] for name in getattr(network, "takes", ())}


def _variance(samples: Tensor) -> Tensor:
    """(N / 2,) how much samples (N, ...) differ: half the squared difference of each two neighbours, on average.

    Its mean is the variance, place by place, however a batch is cut into parts of even size.
    """
    pairs = at_least_float32(samples[: len(samples) // 2 * 2]).flatten(1)
    return (pairs[::2] - pairs[1::2]).square().mean(1) / 2


def _histories(player: str, terms: Mapping[str, Term]) -> list[Schedule]:
    """The half-lives of further averages that a player's terms ask to be kept."""
    return [term.memory_images for term in terms.values() if term.player == player and term.memory_images is not None]


def _slopes(terms: Mapping[str, Term]) -> frozenset[str]:
    return frozenset().union(*(term.slopes for term in terms.values()))


def _weighed(terms: Mapping[str, Term], play: Play) -> Terms:
    return {name: at(term.weight, play.now) * term(play) for name, term in terms.items()}
