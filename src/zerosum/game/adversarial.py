"""One generator against one discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.augment.config import AugmentConfig
from zerosum.game.config import AdversarialGameConfig
from zerosum.game.discriminator_input import DiscriminatorInputTransform
from zerosum.game.game import Game, Move, MoveLosses
from zerosum.game.latent import Latent
from zerosum.game.objective import Objective
from zerosum.game.optimizer import OptimizerConfig, SignSGD
from zerosum.game.play import DiscriminatorFn, DiscriminatorInput, Play, Sample, at_least_float32
from zerosum.game.player import Player
from zerosum.game.replay_buffer import ReplayBuffer
from zerosum.game.schedule import Progress, Schedule, value_at
from zerosum.game.terms import Term
from zerosum.game.types import Batch, DiscriminatorOutput, NamedTensors

LossFn = Callable[[Play], Tensor]
REAL, FAKE = 0, 1
"""A lens changes a real sample and the fake of the same seed independently."""


class AdversarialGame(Game):
    """One generator against one discriminator, the discriminator moving first.

    Subclasses say how a fake is imagined and what the discriminator is shown.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        latent_distribution: Latent,
        objective: Objective,
        terms: Mapping[str, Term],
        optimizer_config: OptimizerConfig,
        half_life: Schedule = 500.0,
        *,
        config: AdversarialGameConfig | None = None,
        per_sample: bool = False,
        augment: AugmentConfig | None = None,
        class_priors: Sequence[float] = (),
        sample_shape: tuple[int, ...] = (),
        batch_size: int = 32,
    ) -> None:
        """Seat a generator (latents (N, L) to samples) and a discriminator (samples to a Verdict).

        What else the networks are called with, they name in `takes`: "label", "seed".

        Args:
            generator: from latents (N, L) to samples (N, ...).
            discriminator: from samples to a Verdict.
            latent_distribution: where latents come from.
            objective: what they play for.
            terms: further losses by name; each knows its player.
            optimizer_config: how both change their parameters.
            half_life: of the generator's average.
            config: how often each moves, and on what.
            per_sample: the discriminator judges each sample by itself (it has no batch norm).
            augment: how samples are varied before they are judged.
            class_priors: of each class among the data; empty where the networks take no classes.
            sample_shape: of one sample; for a replay of old fakes.
            batch_size: samples of a step over all ranks; for the speed at which augmentation adapts.

        Raises:
            ValueError: a term is named like the objective's own part, "objective".
        """
        super().__init__()
        if "objective" in terms:
            raise ValueError('a term may not be named "objective": that is the objective\'s own part')
        config = config or AdversarialGameConfig()
        self.generator, self.discriminator = generator, discriminator
        self.latent_distribution, self.objective, self.per_sample, self.reuse_fakes = (
            latent_distribution,
            objective,
            per_sample,
            config.reuse_fakes,
        )
        self.class_priors = torch.tensor(class_priors, dtype=torch.float64)
        device = next(generator.parameters()).device
        learning = augment.adaptive_probability(batch_size) if augment else None
        self.discriminator_input_transform = DiscriminatorInputTransform(augment, config.instance_noise, learning).to(
            device
        )
        self.replay_buffer = (
            ReplayBuffer(config.replay_buffer, sample_shape).to(device) if config.replay_buffer else None
        )
        self._reusable_fakes: tuple[Batch, Tensor] | None = None
        players = [
            Player("discriminator", discriminator, optimizer_config, _term_ema_half_lives("discriminator", terms)),
            Player(
                "generator",
                generator,
                optimizer_config,
                [half_life, *self._extra_ema_half_lives(), *_term_ema_half_lives("generator", terms)],
            ),
        ]
        moves = self._build_moves(terms, config)
        if learning:
            players.append(
                Player(
                    "augmentation",
                    self.discriminator_input_transform,
                    SignSGD(lr=learning.step_size, max_value=learning.max_p),
                )
            )
            loss = partial(self._compute_augmentation_loss, learning.target)
            moves.append(Move("augmentation", loss, every_rounds=learning.every_rounds, reuses_batch=True))
        self.register_players(players, moves)

    def _extra_ema_half_lives(self) -> list[Schedule]:
        """The half-lives of further averages of the generator that a game keeps, after the one that is shown."""
        return []

    def _build_moves(self, terms: Mapping[str, Term], config: AdversarialGameConfig) -> list[Move]:
        """The two players' moves, lazy terms before the main ones."""
        times = {"discriminator": config.discriminator_steps, "generator": 1}
        scores: dict[str, LossFn] = {
            "discriminator": self.objective.discriminator_loss,
            "generator": self.objective.generator_loss,
        }
        lazy, main = [], []
        for player, score in scores.items():
            own = {name: term for name, term in terms.items() if term.player == player}
            prompt = {name: term for name, term in own.items() if term.every_rounds == 1}
            again = self.reuse_fakes and player == "generator"
            main.append(
                Move(
                    player,
                    partial(self._compute_main_losses, player, score, prompt),
                    steps=times[player],
                    reuses_batch=again,
                )
            )
            for name, term in own.items():
                if term.every_rounds > 1:
                    lazy.append(
                        Move(player, partial(self._compute_lazy_losses, {name: term}), every_rounds=term.every_rounds)
                    )
        return lazy + main

    # ------------------------------------------------------------------ what is laid before the judge

    def generate(self, batch: Batch, progress: Progress) -> Tensor:
        """The generator's samples for this batch, one for each of its seeds, at least float32 like the data."""
        return at_least_float32(
            self.generator(self.latent_distribution.sample(batch["seed"]), **conditioning_inputs(self.generator, batch))
        )

    def prepare_real(self, batch: Batch, progress: Progress) -> Tensor:
        """What the discriminator is shown of the real data."""
        return batch["real"]

    def discriminate(self, discriminator_input: Sample) -> DiscriminatorOutput:
        """The discriminator, as a function of an exhibit alone."""
        output: DiscriminatorOutput = self.discriminator(
            discriminator_input.sample, **conditioning_inputs(self.discriminator, discriminator_input._asdict())
        )
        return output

    def prepare_discriminator_input(
        self, sample: Tensor, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        """A sample (REAL or FAKE) as it is laid before the judge."""
        seen = self.discriminator_input_transform(sample, seeded_rng.fork_seed(batch["seed"], real_or_fake), progress)
        return DiscriminatorInput(seen, batch["label"] if len(self.class_priors) else None)

    def build_play(
        self,
        batch: Batch,
        progress: Progress,
        input_gradients_at: frozenset[str] = frozenset(),
        concat_real_fake: bool = False,
        generate: Callable[[Batch, Progress], DiscriminatorInput] | None = None,
    ) -> Play:
        """Lay out a play on this batch; `generate` makes the fakes, if not the generator anew."""
        make = partial(generate or self._generate_discriminator_input, batch, progress)
        real = self.prepare_discriminator_input(self.prepare_real(batch, progress), REAL, batch, progress)
        judge: DiscriminatorFn = self.discriminate
        return Play(
            self, judge, real, make, batch, progress, input_gradients_at, concat_real_fake, self.input_gradient_fn
        )

    def _generate_discriminator_input(self, batch: Batch, progress: Progress) -> DiscriminatorInput:
        return self.prepare_discriminator_input(self.generate(batch, progress), FAKE, batch, progress)

    # ------------------------------------------------------------------ moves

    def _compute_main_losses(
        self, player: str, loss_fn: LossFn, terms: Mapping[str, Term], batch: Batch, progress: Progress
    ) -> MoveLosses:
        together = self.per_sample and player == "discriminator"
        play = self.build_play(
            batch, progress, _input_gradients_at(terms), together, partial(self._prepare_fakes, player)
        )
        outcome = self._compute_objective(player, loss_fn, play) | _compute_weighted_terms(terms, play)
        return MoveLosses(outcome, self._compute_signals(play) if player == "discriminator" else {})

    def _compute_objective(self, player: str, loss_fn: LossFn, play: Play) -> NamedTensors:
        """The objective's own part of a player's move."""
        return {"objective": loss_fn(play)}

    def _prepare_fakes(self, player: str, batch: Batch, progress: Progress) -> DiscriminatorInput:
        """The fakes that a player moves on."""
        made = (
            self._generate_or_reuse_fakes(player, batch, progress)
            if self.reuse_fakes
            else self.generate(batch, progress)
        )
        if self.replay_buffer is None or player == "generator":
            return self.prepare_discriminator_input(made, FAKE, batch, progress)
        fakes = self.replay_buffer.push_and_sample(
            DiscriminatorInput(made, batch["label"] if len(self.class_priors) else None), batch["seed"]
        )
        return fakes._replace(
            sample=self.discriminator_input_transform(fakes.sample, seeded_rng.fork_seed(batch["seed"], FAKE), progress)
        )

    def _generate_or_reuse_fakes(self, player: str, batch: Batch, progress: Progress) -> Tensor:
        """The samples of this batch: the discriminator's are kept, with what made them, for the generator's move."""
        if player == "generator":
            if self._reusable_fakes is None or self._reusable_fakes[0] is not batch:
                return self.generate(batch, progress)
            (_, sample), self._reusable_fakes = self._reusable_fakes, None
            return sample
        self._reusable_fakes = None  # lets what made the last ones go before new ones are made
        with self.players["generator"].unfrozen():
            sample = self.generate(batch, progress)
        self._reusable_fakes = batch, sample
        return sample.detach()

    def _compute_lazy_losses(self, terms: Mapping[str, Term], batch: Batch, progress: Progress) -> MoveLosses:
        return MoveLosses(
            _compute_weighted_terms(terms, self.build_play(batch, progress, _input_gradients_at(terms))), {}
        )

    def _compute_augmentation_loss(self, target: float, batch: Batch, progress: Progress) -> MoveLosses:
        """More augmentation where the discriminator is surer of the training data than `target`, less where not.

        r = E[sign(D(x) - boundary)] tells its overfitting (Karras et al. 2020, arXiv:2006.06676, section 3.1). The loss
        is (target - r) p, so that p's gradient is averaged over micro-batches and ranks like any other.
        """
        with torch.no_grad():
            play = self.build_play(batch, progress)
            sure = (play.real_score - self.objective.decision_threshold(play)).sign().mean()
        p = self.discriminator_input_transform.augment_probability
        assert p is not None, "only a lens whose strength is learned has this move"
        return MoveLosses({"adapt": (target - sure) * p}, {"overfitting": sure, "augmentation_probability": p})

    @torch.no_grad()
    def _compute_signals(self, play: Play) -> NamedTensors:
        """How well the discriminator tells real from fake, from scores its move has worked out anyway; what it sees."""
        boundary, real = self.objective.decision_threshold(play), play.batch["real"]
        return {
            "real_accuracy": (play.real_score > boundary).float(),
            "fake_accuracy": (play.fake_score < boundary).float(),
            "real_score": play.real_score,
            "fake_score": play.fake_score,
            "real_mean": real,
            "real_variance": _pairwise_variance(real),
            "fake_variance": _pairwise_variance(play.fake_samples),
        }

    # ------------------------------------------------------------------ for people

    def sample(self, seed: Tensor, label: Tensor | None = None) -> Tensor:
        """Samples of the averaged generator: (N,) int64 seeds to (N, ...) samples.

        Of these classes, (N,) int64, or of classes as common as in the data, where the generator takes any.
        """
        with torch.no_grad():
            device = next(self.generator.parameters()).device
            if label is None and len(self.class_priors):
                label = seeded_rng.sample_classes(seed, self.class_priors)
            given = {"seed": seed.to(device)} | ({} if label is None else {"label": label.to(device)})
            sample: Tensor = self.ema_generator(
                self.latent_distribution.sample(seed).to(device), **conditioning_inputs(self.ema_generator, given)
            )
            return sample

    @property
    def ema_generator(self) -> nn.Module:
        """The generator that is shown and shipped: the average, in evaluation mode."""
        return self.players["generator"].emas[0].network


def conditioning_inputs(network: nn.Module, available: Mapping[str, Any]) -> dict[str, Tensor]:
    """What a network wants to be called with beside its input."""
    return {name: available[name] for name in getattr(network, "condition_inputs", ())}


def _pairwise_variance(samples: Tensor) -> Tensor:
    """(N / 2,) how much samples (N, ...) differ: half the squared difference of each two neighbours, on average.

    Its mean is the variance, place by place, however a batch is cut into parts of even size.
    """
    pairs = at_least_float32(samples[: len(samples) // 2 * 2]).flatten(1)
    return (pairs[::2] - pairs[1::2]).square().mean(1) / 2


def _term_ema_half_lives(player: str, terms: Mapping[str, Term]) -> list[Schedule]:
    """The half-lives of further averages that a player's terms ask to be kept."""
    return [term.ema_half_life for term in terms.values() if term.player == player and term.ema_half_life is not None]


def _input_gradients_at(terms: Mapping[str, Term]) -> frozenset[str]:
    return frozenset().union(*(term.input_gradients_at for term in terms.values()))


def _compute_weighted_terms(terms: Mapping[str, Term], play: Play) -> NamedTensors:
    return {name: value_at(term.weight, play.progress) * term(play) for name, term in terms.items()}
