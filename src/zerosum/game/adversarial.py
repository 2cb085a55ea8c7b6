"""The game of one generator against one discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.config import AdversarialGameConfig, BaseGameConfig
from zerosum.game.discriminator_input import DiscriminatorInputTransform
from zerosum.game.game import Game, Move, MoveLosses, StartingNetwork
from zerosum.game.optimizer import SignSGD
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.player import Player
from zerosum.game.replay_buffer import ReplayBuffer
from zerosum.game.sample_statistics import compare_values
from zerosum.game.sample_tree import arrange, concat_rows, flatten_samples, leaves, map_tensors
from zerosum.game.schedule import Progress, Schedule, value_at
from zerosum.game.terms import Term
from zerosum.game.types import (
    Batch,
    DiscriminatorOutput,
    NamedTensors,
    Sample,
    TransformsSamples,
    at_least_float32,
    condition_inputs,
)

LossFn = Callable[[Play], Tensor]
REAL, FAKE = 0, 1
"""Seed fork indices: a real sample and the fake of the same seed are augmented independently."""


class AdversarialGame(Game):
    """One generator against one discriminator; in every round the discriminator moves first.

    Subclasses override how fakes are generated and what the discriminator receives.
    """

    def __init__(self, parts: GameParts, config: BaseGameConfig | None = None) -> None:
        """Register the two networks as players and build their moves.

        Args:
            parts: the networks, their losses and their optimizers.
            config: number of moves, reuse of fakes, instance noise and replay buffer.

        Raises:
            ValueError: a term is named "objective", which is reserved for the objective's loss.
        """
        super().__init__()
        if "objective" in parts.terms:
            raise ValueError(
                '`terms.objective`: the name "objective" is reserved for the loss of the objective; rename it'
            )
        config = config or AdversarialGameConfig()
        self.generator, self.discriminator = parts.generator, parts.discriminator
        self.sample_spec = parts.sample_spec
        self.latent_distribution, self.objective = parts.latent, parts.objective
        self.per_sample, self.reuse_fakes = parts.per_sample, config.reuse_fakes
        self.class_priors = torch.tensor(parts.class_priors, dtype=torch.float64)
        self.draw_conditions = parts.draw_conditions
        device = next(parts.generator.parameters()).device
        adaptive = parts.augment.adaptive_probability(parts.batch_size)
        self.discriminator_input_transform = DiscriminatorInputTransform(
            parts.augment, config.instance_noise, adaptive
        ).to(device)
        self.replay_buffer = _build_replay_buffer(config.replay_buffer, parts, device)
        self._reusable_fakes: tuple[Batch, Sample] | None = None
        players = self._build_players(parts)
        moves = self._build_moves(parts.terms, config)
        if adaptive:
            optimizer = SignSGD(lr=adaptive.step_size, max_value=adaptive.max_p)
            players.append(Player("augmentation", self.discriminator_input_transform, optimizer))
            loss_fn = partial(self._compute_augmentation_loss, adaptive.target)
            moves.append(Move("augmentation", loss_fn, every_rounds=adaptive.every_rounds, reuses_batch=True))
        self.register_players_and_moves(players, moves)

    def starting_networks(self) -> dict[str, StartingNetwork]:
        """Return both networks; a generator starts from the EMA, whose samples are the better ones."""
        saved = {"generator": ("emas.generator.0.network.", "generator."), "discriminator": ("discriminator.",)}
        return {
            name: StartingNetwork(self.players[name].network, f"{name}.", prefixes) for name, prefixes in saved.items()
        }

    def _build_players(self, parts: GameParts) -> list[Player]:
        generator_half_lives = [
            parts.ema_half_life,
            *self._extra_ema_half_lives(),
            *_term_ema_half_lives("generator", parts.terms),
        ]
        discriminator_half_lives = _term_ema_half_lives("discriminator", parts.terms)
        return [
            Player("discriminator", self.discriminator, parts.optimizer, discriminator_half_lives),
            Player("generator", self.generator, parts.optimizer, generator_half_lives),
        ]

    def _extra_ema_half_lives(self) -> list[Schedule]:
        """Return the half-lives of further EMAs of the generator, which follow the EMA that is evaluated."""
        return []

    def _build_moves(self, terms: Mapping[str, Term], config: BaseGameConfig) -> list[Move]:
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
                    weights=(self._objective_weight(player), *(term.weight for term in main_terms.values())),
                )
            )
            for name, term in player_terms.items():
                if term.every_rounds > 1:
                    lazy_loss_fn = partial(self._compute_lazy_losses, {name: term})
                    lazy_moves.append(
                        Move(player, lazy_loss_fn, every_rounds=term.every_rounds, weights=(term.weight,))
                    )
        return lazy_moves + main_moves

    def _objective_weight(self, player: str) -> Schedule:
        """Return the weight of the objective in the loss of a player."""
        return 1.0

    # ------------------------------------------------------------------ discriminator inputs

    def generate(self, batch: Batch, progress: Progress) -> Sample:
        """Return one generated sample per seed of the batch, at least float32 as the data are."""
        latent = self.latent_distribution.sample(batch["seed"])
        sample: Sample = self.generator(latent, **conditioning_inputs(self.generator, batch))
        return map_tensors(at_least_float32, arrange(sample, self.sample_spec))

    def read_real(self, batch: Batch) -> Sample:
        """Return the real samples of a batch, in the structure of generated ones."""
        return batch["real"]

    def prepare_real(self, batch: Batch, progress: Progress) -> Sample:
        """Return the real samples that the discriminator receives, before augmentation."""
        return self.read_real(batch)

    def discriminate(self, discriminator_input: DiscriminatorInput) -> DiscriminatorOutput:
        """Return the discriminator's output for a `DiscriminatorInput`."""
        output: DiscriminatorOutput = self.discriminator(
            discriminator_input.sample, **conditioning_inputs(self.discriminator, discriminator_input._asdict())
        )
        return output

    def prepare_discriminator_input(
        self, sample: Sample, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        """Augment samples (`REAL` or `FAKE`) and add the conditions of the batch."""
        if isinstance(self.discriminator, TransformsSamples):
            sample = self.discriminator.transform_samples(sample)
        return self._augment(self._add_conditions(sample, batch), real_or_fake, batch, progress)

    def _add_conditions(self, sample: Sample, batch: Batch) -> DiscriminatorInput:
        """Return samples with what the discriminator is conditioned on: class labels and numeric conditions."""
        return DiscriminatorInput(
            sample,
            label=batch["label"] if len(self.class_priors) else None,
            condition=batch["condition"] if "condition" in condition_inputs(self.discriminator) else None,
        )

    def _augment(
        self, discriminator_input: DiscriminatorInput, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        seed = seeded_rng.fork_seed(batch["seed"], real_or_fake)
        sample = self.discriminator_input_transform(discriminator_input.sample, seed, progress)
        return discriminator_input._replace(sample=sample)

    def complete_batch(self, batch: Batch) -> Batch:
        """Return a batch with what the players' moves need and the data do not have."""
        return batch

    def build_play(
        self,
        batch: Batch,
        progress: Progress,
        input_gradients_at: frozenset[str] = frozenset(),
        concat_real_fake: bool = False,
        generate_input: Callable[[Batch, Progress], DiscriminatorInput] | None = None,
        float32_scores_at: frozenset[str] = frozenset(),
    ) -> Play:
        """Return a play on this batch; see `Play` for the options.

        Args:
            batch: the batch.
            progress: time at which schedules are evaluated.
            input_gradients_at: subset of {"real", "fake"} at which the gradient of the score is computed.
            concat_real_fake: score real and fake samples in one forward pass.
            generate_input: returns the fakes as discriminator inputs; by default the generator makes new ones.
            float32_scores_at: subset of {"real", "fake"} whose scores are computed in float32.
        """
        batch = self.complete_batch(batch)
        generate_fakes = partial(generate_input or self._generate_discriminator_input, batch, progress)
        real = self.prepare_discriminator_input(self.prepare_real(batch, progress), REAL, batch, progress)
        return Play(
            self,
            self.discriminate,
            real,
            generate_fakes,
            batch,
            progress,
            input_gradients_at,
            concat_real_fake,
            self.input_gradient_fn,
            float32_scores_at,
        )

    def _generate_discriminator_input(self, batch: Batch, progress: Progress) -> DiscriminatorInput:
        return self.prepare_discriminator_input(self.generate(batch, progress), FAKE, batch, progress)

    # ------------------------------------------------------------------ moves

    def _compute_main_losses(
        self, player: str, loss_fn: LossFn, terms: Mapping[str, Term], batch: Batch, progress: Progress
    ) -> MoveLosses:
        concat_real_fake = self.per_sample and player == "discriminator"
        active_terms = {name: term for name, term in terms.items() if value_at(term.weight, progress)}
        play = self.build_play(
            batch, progress, _input_gradients_at(active_terms), concat_real_fake, partial(self._prepare_fakes, player),
            _float32_scores_at(active_terms),
        )  # fmt: skip
        losses = self._compute_objective(player, loss_fn, play) | _compute_weighted_terms(active_terms, play)
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
        replayed = self.replay_buffer.push_and_sample(self._add_conditions(fakes, batch), batch["seed"])
        return self._augment(replayed, FAKE, batch, progress)

    def _generate_or_reuse_fakes(self, player: str, batch: Batch, progress: Progress) -> Sample:
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
        return map_tensors(Tensor.detach, sample)

    def _compute_lazy_losses(self, terms: Mapping[str, Term], batch: Batch, progress: Progress) -> MoveLosses:
        play = self.build_play(batch, progress, _input_gradients_at(terms), float32_scores_at=_float32_scores_at(terms))
        return MoveLosses(_compute_weighted_terms(terms, play), {})

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
        threshold, real = self.objective.decision_threshold(play), self.read_real(play.batch)
        return {
            "real_accuracy": (play.real_score > threshold).float(),
            "fake_accuracy": (play.fake_score < threshold).float(),
            "real_score": play.real_score,
            "fake_score": play.fake_score,
            **measure_values(real),
            "fake_variance": pairwise_variance(play.fake_samples),
            **compare_values(real, play.fake_samples),
        }

    # ------------------------------------------------------------------ sampling

    def decode(self, sample: Sample, batch: Batch) -> Sample:
        """Return the samples of the data that samples (N, ...) generated for a batch stand for.

        They are these themselves, in most games.
        """
        return sample

    @torch.no_grad()
    def sample(self, seed: Tensor, label: Tensor | None = None, condition: Sample | None = None) -> Sample:
        """Return samples of the EMA generator.

        Args:
            seed: (N,) int64, one seed per sample.
            label: (N,) int64 classes; by default a conditional game draws them from the class priors.
            condition: (N, ...) numeric conditions; by default a game with such conditions draws them.

        Returns:
            (N, ...) samples on the device of the generator.
        """
        device = next(self.generator.parameters()).device
        available: Batch = {"seed": seed.to(device)}
        if label is None and len(self.class_priors):
            label = seeded_rng.sample_classes(seed, self.class_priors)
        if label is not None:
            available["label"] = label.to(device)
        if condition is None:
            condition = self.draw_conditions(seed.cpu(), None if label is None else label.cpu())
        if condition is not None:
            available["condition"] = map_tensors(lambda tensor: tensor.to(device), condition)
        return self._generate_samples(available)

    def _generate_samples(self, available: Batch) -> Sample:
        """Return samples of the EMA generator under the seeds and conditions of a batch without real samples."""
        latent = self.latent_distribution.sample(available["seed"].cpu()).to(available["seed"].device)
        sample: Sample = self.ema_generator(latent, **conditioning_inputs(self.ema_generator, available))
        return arrange(sample, self.sample_spec)

    @property
    def ema_generator(self) -> nn.Module:
        """The EMA of the generator, in evaluation mode: the network that is evaluated and exported."""
        return self.players["generator"].emas[0].network


def conditioning_inputs(network: nn.Module, available: Mapping[str, object]) -> dict[str, object]:
    """Return the keyword arguments that a network lists in `condition_inputs`, taken from `available`."""
    return {name: available[name] for name in condition_inputs(network)}


def _build_replay_buffer(capacity: int, parts: GameParts, device: torch.device) -> ReplayBuffer | None:
    """Return the replay buffer of a game; None for a capacity of 0."""
    if not capacity:
        return None
    return ReplayBuffer(capacity, parts.sample_spec, parts.condition_spec).to(device)


def measure_values(real: Sample) -> NamedTensors:
    """Return the values of real samples, and their variance over the batch, as the log has their means."""
    return {"real_mean": _concat_values(real), "real_variance": pairwise_variance(real)}


def _concat_values(sample: Sample) -> Tensor:
    """Return all values of a batch in one tensor, for their mean."""
    if isinstance(sample, Tensor):
        return sample
    # channels last, the order in which images lie in memory: a sum in another order has other last digits
    return concat_rows([leaf.movedim(1, -1).flatten(1) for leaf in leaves(sample)])


def pairwise_variance(samples: Sample) -> Tensor:
    """Return half the mean squared difference of each two consecutive samples: (N, ...) to (N / 2,).

    Its mean estimates the variance of each element over the batch, averaged over elements, and does not depend on how
    a batch is split into micro-batches of even size.
    """
    rows = flatten_samples(samples)
    pairs = at_least_float32(rows[: len(rows) // 2 * 2])
    return (pairs[::2] - pairs[1::2]).square().mean(1) / 2


def _term_ema_half_lives(player: str, terms: Mapping[str, Term]) -> list[Schedule]:
    """Return the half-lives of the EMAs that the terms of a player need."""
    return [term.ema_half_life for term in terms.values() if term.player == player and term.ema_half_life is not None]


def _input_gradients_at(terms: Mapping[str, Term]) -> frozenset[str]:
    return frozenset().union(*(term.input_gradients_at for term in terms.values()))


def _float32_scores_at(terms: Mapping[str, Term]) -> frozenset[str]:
    return frozenset().union(*(term.float32_scores_at for term in terms.values()))


def _compute_weighted_terms(terms: Mapping[str, Term], play: Play) -> NamedTensors:
    return {name: value_at(term.weight, play.progress) * term(play) for name, term in terms.items()}
