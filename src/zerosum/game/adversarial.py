"""The game of one generator against one discriminator."""

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
from zerosum.game.play import DiscriminatorFn, DiscriminatorInput, Play, Sample
from zerosum.game.player import Player
from zerosum.game.replay_buffer import ReplayBuffer
from zerosum.game.schedule import Progress, Schedule, value_at
from zerosum.game.terms import Term
from zerosum.game.types import Batch, DiscriminatorOutput, NamedTensors, at_least_float32, condition_inputs

LossFn = Callable[[Play], Tensor]
REAL, FAKE = 0, 1
"""Seed fork indices: a real sample and the fake of the same seed are augmented independently."""


class AdversarialGame(Game):
    """One generator against one discriminator; in every round the discriminator moves first.

    Subclasses override how fakes are generated and what the discriminator receives.
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
        """Register the two networks as players and build their moves.

        A network lists its further keyword arguments in the attribute `condition_inputs`: "label",
        "inputs", "seed".

        Args:
            generator: maps latents (N, L) to samples (N, ...).
            discriminator: maps samples (N, ...) to a `DiscriminatorOutput`.
            latent_distribution: distribution of the latents.
            objective: losses of both players.
            terms: further losses by name; each term names its player.
            optimizer_config: optimizer settings of both players.
            half_life: half-life of the generator's EMA, in examples.
            config: number of moves, reuse of fakes, instance noise and replay buffer.
            per_sample: whether the discriminator scores each sample independently (it has no batch norm).
            augment: augmentation of the discriminator's input.
            class_priors: (K,) relative frequency of each class in the dataset; empty for networks without classes.
            sample_shape: shape of one sample; the replay buffer needs it.
            batch_size: samples of a step over all ranks; sets the step size of adaptive augmentation.

        Raises:
            ValueError: a term is named "objective", which is reserved for the objective's loss.
        """
        super().__init__()
        if "objective" in terms:
            raise ValueError(
                '`terms.objective`: the name "objective" is reserved for the loss of the objective; rename it'
            )
        config = config or AdversarialGameConfig()
        self.generator, self.discriminator = generator, discriminator
        self.latent_distribution, self.objective = latent_distribution, objective
        self.per_sample, self.reuse_fakes = per_sample, config.reuse_fakes
        self.class_priors = torch.tensor(class_priors, dtype=torch.float64)
        device = next(generator.parameters()).device
        adaptive = augment.adaptive_probability(batch_size) if augment else None
        self.discriminator_input_transform = DiscriminatorInputTransform(augment, config.instance_noise, adaptive).to(
            device
        )
        self.replay_buffer = (
            ReplayBuffer(config.replay_buffer, sample_shape).to(device) if config.replay_buffer else None
        )
        self._reusable_fakes: tuple[Batch, Tensor] | None = None
        players = self._build_players(optimizer_config, half_life, terms)
        moves = self._build_moves(terms, config)
        if adaptive:
            optimizer = SignSGD(lr=adaptive.step_size, max_value=adaptive.max_p)
            players.append(Player("augmentation", self.discriminator_input_transform, optimizer))
            loss_fn = partial(self._compute_augmentation_loss, adaptive.target)
            moves.append(Move("augmentation", loss_fn, every_rounds=adaptive.every_rounds, reuses_batch=True))
        self.register_players_and_moves(players, moves)

    def _build_players(
        self, optimizer_config: OptimizerConfig, half_life: Schedule, terms: Mapping[str, Term]
    ) -> list[Player]:
        generator_half_lives = [
            half_life,
            *self._extra_ema_half_lives(),
            *_term_ema_half_lives("generator", terms),
        ]
        return [
            Player("discriminator", self.discriminator, optimizer_config, _term_ema_half_lives("discriminator", terms)),
            Player("generator", self.generator, optimizer_config, generator_half_lives),
        ]

    def _extra_ema_half_lives(self) -> list[Schedule]:
        """Return the half-lives of further EMAs of the generator, which follow the EMA that is evaluated."""
        return []

    def _build_moves(self, terms: Mapping[str, Term], config: AdversarialGameConfig) -> list[Move]:
        """Return the moves of both players: first the lazy terms, then the main moves."""
        steps = {"discriminator": config.discriminator_steps, "generator": 1}
        loss_fns: dict[str, LossFn] = {
            "discriminator": self.objective.discriminator_loss,
            "generator": self.objective.generator_loss,
        }
        lazy_moves, main_moves = [], []
        for player, loss_fn in loss_fns.items():
            player_terms = {name: term for name, term in terms.items() if term.player == player}
            main_terms = {name: term for name, term in player_terms.items() if term.every_rounds == 1}
            main_moves.append(
                Move(
                    player,
                    partial(self._compute_main_losses, player, loss_fn, main_terms),
                    steps=steps[player],
                    reuses_batch=self.reuse_fakes and player == "generator",
                )
            )
            for name, term in player_terms.items():
                if term.every_rounds > 1:
                    lazy_loss_fn = partial(self._compute_lazy_losses, {name: term})
                    lazy_moves.append(Move(player, lazy_loss_fn, every_rounds=term.every_rounds))
        return lazy_moves + main_moves

    # ------------------------------------------------------------------ discriminator inputs

    def generate(self, batch: Batch, progress: Progress) -> Tensor:
        """Return one generated sample per seed of the batch, at least float32 as the data are."""
        return at_least_float32(
            self.generator(self.latent_distribution.sample(batch["seed"]), **conditioning_inputs(self.generator, batch))
        )

    def prepare_real(self, batch: Batch, progress: Progress) -> Tensor:
        """Return the real samples that the discriminator receives, before augmentation."""
        return batch["real"]

    def discriminate(self, discriminator_input: Sample) -> DiscriminatorOutput:
        """Return the discriminator's output for a `DiscriminatorInput`."""
        output: DiscriminatorOutput = self.discriminator(
            discriminator_input.sample, **conditioning_inputs(self.discriminator, discriminator_input._asdict())
        )
        return output

    def prepare_discriminator_input(
        self, sample: Tensor, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        """Augment samples (`REAL` or `FAKE`) and add their class labels."""
        augmented = self.discriminator_input_transform(
            sample, seeded_rng.fork_seed(batch["seed"], real_or_fake), progress
        )
        return DiscriminatorInput(augmented, batch["label"] if len(self.class_priors) else None)

    def build_play(
        self,
        batch: Batch,
        progress: Progress,
        input_gradients_at: frozenset[str] = frozenset(),
        concat_real_fake: bool = False,
        generate_input: Callable[[Batch, Progress], DiscriminatorInput] | None = None,
    ) -> Play:
        """Return a play on this batch; see `Play` for the options.

        Args:
            batch: the batch.
            progress: time at which schedules are evaluated.
            input_gradients_at: subset of {"real", "fake"} at which the gradient of the score is computed.
            concat_real_fake: score real and fake samples in one forward pass.
            generate_input: returns the fakes as discriminator inputs; by default the generator makes new ones.
        """
        generate_fakes = partial(generate_input or self._generate_discriminator_input, batch, progress)
        real = self.prepare_discriminator_input(self.prepare_real(batch, progress), REAL, batch, progress)
        discriminate: DiscriminatorFn = self.discriminate
        return Play(
            self,
            discriminate,
            real,
            generate_fakes,
            batch,
            progress,
            input_gradients_at,
            concat_real_fake,
            self.input_gradient_fn,
        )

    def _generate_discriminator_input(self, batch: Batch, progress: Progress) -> DiscriminatorInput:
        return self.prepare_discriminator_input(self.generate(batch, progress), FAKE, batch, progress)

    # ------------------------------------------------------------------ moves

    def _compute_main_losses(
        self, player: str, loss_fn: LossFn, terms: Mapping[str, Term], batch: Batch, progress: Progress
    ) -> MoveLosses:
        concat_real_fake = self.per_sample and player == "discriminator"
        play = self.build_play(
            batch, progress, _input_gradients_at(terms), concat_real_fake, partial(self._prepare_fakes, player)
        )
        losses = self._compute_objective(player, loss_fn, play) | _compute_weighted_terms(terms, play)
        return MoveLosses(losses, self._compute_signals(play) if player == "discriminator" else {})

    def _compute_objective(self, player: str, loss_fn: LossFn, play: Play) -> NamedTensors:
        """Return the objective's loss of a player's move."""
        return {"objective": loss_fn(play)}

    def _prepare_fakes(self, player: str, batch: Batch, progress: Progress) -> DiscriminatorInput:
        """Return the fakes of a player's move; the discriminator's pass through the replay buffer, if there is one."""
        fakes = (
            self._generate_or_reuse_fakes(player, batch, progress)
            if self.reuse_fakes
            else self.generate(batch, progress)
        )
        if self.replay_buffer is None or player == "generator":
            return self.prepare_discriminator_input(fakes, FAKE, batch, progress)
        replayed = self.replay_buffer.push_and_sample(
            DiscriminatorInput(fakes, batch["label"] if len(self.class_priors) else None), batch["seed"]
        )
        seed = seeded_rng.fork_seed(batch["seed"], FAKE)
        return replayed._replace(sample=self.discriminator_input_transform(replayed.sample, seed, progress))

    def _generate_or_reuse_fakes(self, player: str, batch: Batch, progress: Progress) -> Tensor:
        """Return the fakes of this batch; those of the discriminator's move keep their graph for the generator's."""
        if player == "generator":
            if self._reusable_fakes is None or self._reusable_fakes[0] is not batch:
                return self.generate(batch, progress)
            (_, sample), self._reusable_fakes = self._reusable_fakes, None
            return sample
        self._reusable_fakes = None  # frees the graph of the last fakes before the new ones are generated
        with self.players["generator"].unfrozen():
            sample = self.generate(batch, progress)
        self._reusable_fakes = batch, sample
        return sample.detach()

    def _compute_lazy_losses(self, terms: Mapping[str, Term], batch: Batch, progress: Progress) -> MoveLosses:
        return MoveLosses(
            _compute_weighted_terms(terms, self.build_play(batch, progress, _input_gradients_at(terms))), {}
        )

    def _compute_augmentation_loss(self, target: float, batch: Batch, progress: Progress) -> MoveLosses:
        """Return the loss that raises the augmentation probability p while r > `target`, and lowers it otherwise.

        r = E[sign(D(x) - threshold)] over real samples measures the overfitting of the discriminator (Karras et al.
        2020, arXiv:2006.06676, section 3.1). The loss is (target - r) p, so that the gradient of p is averaged over
        micro-batches and ranks like every other gradient.
        """
        with torch.no_grad():
            play = self.build_play(batch, progress)
            overfitting = (play.real_score - self.objective.decision_threshold(play)).sign().mean()
        p = self.discriminator_input_transform.augment_probability
        assert p is not None, "only an adaptive augmentation has this move"
        return MoveLosses(
            {"adapt": (target - overfitting) * p}, {"overfitting": overfitting, "augmentation_probability": p}
        )

    @torch.no_grad()
    def _compute_signals(self, play: Play) -> NamedTensors:
        """Return accuracies and scores, which the discriminator's move has already computed, and sample statistics."""
        threshold, real = self.objective.decision_threshold(play), play.batch["real"]
        return {
            "real_accuracy": (play.real_score > threshold).float(),
            "fake_accuracy": (play.fake_score < threshold).float(),
            "real_score": play.real_score,
            "fake_score": play.fake_score,
            "real_mean": real,
            "real_variance": _pairwise_variance(real),
            "fake_variance": _pairwise_variance(play.fake_samples),
        }

    # ------------------------------------------------------------------ sampling

    def sample(self, seed: Tensor, label: Tensor | None = None) -> Tensor:
        """Return samples of the EMA generator.

        Args:
            seed: (N,) int64, one seed per sample.
            label: (N,) int64 classes; by default a conditional game draws them from the class priors.

        Returns:
            (N, ...) samples on the device of the generator.
        """
        with torch.no_grad():
            device = next(self.generator.parameters()).device
            if label is None and len(self.class_priors):
                label = seeded_rng.sample_classes(seed, self.class_priors)
            available = {"seed": seed.to(device)} | ({} if label is None else {"label": label.to(device)})
            sample: Tensor = self.ema_generator(
                self.latent_distribution.sample(seed).to(device), **conditioning_inputs(self.ema_generator, available)
            )
            return sample

    @property
    def ema_generator(self) -> nn.Module:
        """The EMA of the generator, in evaluation mode: the network that is evaluated and exported."""
        return self.players["generator"].emas[0].network


def conditioning_inputs(network: nn.Module, available: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the keyword arguments that a network lists in `condition_inputs`, taken from `available`."""
    return {name: available[name] for name in condition_inputs(network)}


def _pairwise_variance(samples: Tensor) -> Tensor:
    """Return half the mean squared difference of each two consecutive samples: (N, ...) to (N / 2,).

    Its mean estimates the variance of each element over the batch, averaged over elements, and does not depend on how
    a batch is split into micro-batches of even size.
    """
    pairs = at_least_float32(samples[: len(samples) // 2 * 2]).flatten(1)
    return (pairs[::2] - pairs[1::2]).square().mean(1) / 2


def _term_ema_half_lives(player: str, terms: Mapping[str, Term]) -> list[Schedule]:
    """Return the half-lives of the EMAs that the terms of a player need."""
    return [term.ema_half_life for term in terms.values() if term.player == player and term.ema_half_life is not None]


def _input_gradients_at(terms: Mapping[str, Term]) -> frozenset[str]:
    return frozenset().union(*(term.input_gradients_at for term in terms.values()))


def _compute_weighted_terms(terms: Mapping[str, Term], play: Play) -> NamedTensors:
    return {name: value_at(term.weight, play.progress) * term(play) for name, term in terms.items()}
