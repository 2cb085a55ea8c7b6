"""The adversarial game in the latent space of an autoencoder.

The autoencoder is a player that moves first and alone, for a part of training; then it is frozen, and generator and
discriminator play on its codes. Networks of images see codes as images of fewer pixels, whose values are not bounded.

Rombach, Blattmann, Lorenz, Esser, Ommer 2022, "High-Resolution Image Synthesis with Latent Diffusion Models",
arXiv:2112.10752, has the autoencoder's losses. Differences: its codes are standardized, and noise of a fixed standard
deviation on them, instead of a KL term, limits what they carry; the patches' weight is a setting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame, LossFn, measure_values
from zerosum.game.autoencoder_stage import AUTOENCODER_PLAYERS
from zerosum.game.config import LatentSpaceGameConfig
from zerosum.game.game import Move, MoveLosses, StartingNetwork
from zerosum.game.given_values import GivenValues
from zerosum.game.objective import Hinge
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.player import Player
from zerosum.game.sample_spec import require_single_tensor
from zerosum.game.sample_tree import arrange, map_tensors, single_tensor
from zerosum.game.schedule import Progress, value_at
from zerosum.game.seeded_rng import RandomStream
from zerosum.game.types import Batch, DiscriminatorOutput, NamedTensors, Reconstruction, Sample, at_least_float32

_PATCH_OBJECTIVE = Hinge()
"""The objective of the discriminator of patches."""


class LatentSpaceGame(AdversarialGame):
    """An autoencoder learns codes of samples; then generator and discriminator play on codes, and samples are decoded.

    The autoencoder is in evaluation mode, whose codes do not depend on the batch, everywhere but in its own move.
    """

    def __init__(self, parts: GameParts, config: LatentSpaceGameConfig) -> None:
        """Create the game.

        Args:
            parts: the networks, of which generator and discriminator are networks of codes; their losses and
                optimizers; and the autoencoder.
            config: game settings, including those of the autoencoder's stage, with all schedules in examples.
        """
        assert parts.autoencoder is not None, "a game in a latent space is built with an autoencoder"
        assert config.autoencoder.examples, "the length of the stage is resolved before the game is built"
        self._autoencoder_parts, self._stage = parts.autoencoder, config.autoencoder
        self._end_of_stage, self._prediction_weight = config.autoencoder.examples, config.prediction_weight
        self._encoded: tuple[Sample, Tensor] | None = None
        self._completed: tuple[Batch, Batch] | None = None
        super().__init__(parts, config)
        self.perceptual_distance = parts.perceptual_distance
        for player in self.players.values():  # the log shows the rates of players that have not moved yet
            player.optimizer_config.prepare_step(player.optimizer, player.name, Progress())

    def register_players_and_moves(self, players: Sequence[Player], moves: Sequence[Move]) -> None:
        """Add the players of the first stage, and their moves; those of the game are played after it."""
        parts, end = self._autoencoder_parts, self._end_of_stage
        self.autoencoder = parts.network.eval()
        stage_players = [Player("autoencoder", parts.network, self._stage.optimizer)]
        stage_moves = [Move("autoencoder", self._compute_autoencoder_losses, during=(0, end))]
        if parts.discriminator is not None:
            self.patch_discriminator = parts.discriminator
            stage_players.append(Player("patch_discriminator", parts.discriminator, self._stage.optimizer))
            stage_moves.append(
                Move("patch_discriminator", self._compute_patch_losses, reuses_batch=True, during=(0, end))
            )
        super().register_players_and_moves(
            [*stage_players, *players], [*stage_moves, *(replace(move, during=(end, math.inf)) for move in moves)]
        )

    def starting_networks(self) -> dict[str, StartingNetwork]:
        """Return the networks of codes, and those of the first stage."""
        stage = {
            name: StartingNetwork(player.network, f"{name}.", (f"{name}.",))
            for name, player in self.players.items()
            if name in AUTOENCODER_PLAYERS
        }
        return super().starting_networks() | stage

    def train(self, mode: bool = True) -> LatentSpaceGame:
        """Keep the autoencoder in evaluation mode, also when the game is set to training mode."""
        super().train(mode)
        self.autoencoder.eval()
        return self

    def can_sample(self, progress: Progress) -> bool:
        """Return whether the autoencoder's stage is over; before, no move trains the generator."""
        return progress.examples > self._end_of_stage

    # ------------------------------------------------------------------ codes

    def read_real(self, batch: Batch) -> Tensor:
        """Return the codes of the real samples of a batch."""
        real = batch["real"]
        if self._encoded is None or self._encoded[0] is not real:
            with torch.no_grad():
                self._encoded = real, at_least_float32(self.autoencoder.encode(real))
        return self._encoded[1]

    @torch.no_grad()
    def complete_batch(self, batch: Batch) -> Batch:
        """Return a batch in which predictions stand for what the data do not know of its samples."""
        if self._completed is None or self._completed[0] is not batch:
            predicted = self.autoencoder.predict(self.read_real(batch)) if "condition" in batch else None
            if predicted is None:
                return batch
            completed = batch | {"condition": GivenValues.of(batch["condition"]).complete(predicted)}
            self._completed = batch, completed
        return self._completed[1]

    def _compute_objective(self, player: str, loss_fn: LossFn, play: Play) -> NamedTensors:
        """Return the objective's loss, and the generator's difference from what its codes were asked for."""
        losses = super()._compute_objective(player, loss_fn, play)
        weight = value_at(self._prediction_weight, play.progress)
        if player != "generator" or not weight or "condition" not in play.batch:
            return losses
        predicted = self.autoencoder.predict(single_tensor(play.fake_samples))
        assert predicted is not None, "a game with such a weight is built with a predictor"
        return losses | {"prediction": weight * GivenValues.of(play.batch["condition"]).squared_distance(predicted)}

    def decode(self, sample: Sample, batch: Batch) -> Sample:
        """Return the samples of generated codes, at least float32."""
        names = self.autoencoder.condition_inputs
        decoded = self.autoencoder.decode(
            single_tensor(sample),
            batch["seed"] if "seed" in names else None,
            batch["condition"] if "condition" in names else None,
        )
        return map_tensors(at_least_float32, arrange(decoded, self._autoencoder_parts.sample_spec))

    def _generate_samples(self, available: Batch) -> Sample:
        """Return decoded samples of the EMA generator."""
        return self.decode(super()._generate_samples(available), available)

    def _compute_signals(self, play: Play) -> NamedTensors:
        """Return the signals of a play on codes; those of real samples, and variances, in units of the data."""
        signals, measured = super()._compute_signals(play), measure_values(play.batch["real"])
        scale = measured["real_variance"].mean() / signals["real_variance"].mean().clamp_min(1e-12)
        return signals | measured | {"fake_variance": signals["fake_variance"] * scale}

    # ------------------------------------------------------------------ moves of the autoencoder's stage

    def _reconstruct(self, batch: Batch, progress: Progress) -> Reconstruction:
        """Return reconstructions from noisy codes, with the statistics of the batch."""
        shape = require_single_tensor(self.sample_spec, "an autoencoder").shape
        noise = seeded_rng.normal(batch["seed"], math.prod(shape), RandomStream.CODE_NOISE)
        deviation = self._draw_deviations(batch["seed"], progress)
        condition = batch["condition"] if "condition" in self.autoencoder.condition_inputs else None
        self.autoencoder.train()
        try:
            scaled = (deviation[:, None] * noise).view(-1, *shape)
            reconstruction: Reconstruction = self.autoencoder(batch["real"], scaled, deviation, condition)
        finally:
            self.autoencoder.eval()
        return reconstruction

    def _draw_deviations(self, seed: Tensor, progress: Progress) -> Tensor:
        """Return the standard deviation of the noise on the codes of samples with these seeds (N,): (N,)."""
        largest, power = value_at(self._stage.noise, progress), self._stage.noise_power
        if not power:
            return torch.full_like(seed, largest, dtype=torch.float32)
        return largest * seeded_rng.uniform(seed, 1, RandomStream.NOISE_LEVEL)[:, 0] ** power

    def _compute_autoencoder_losses(self, batch: Batch, progress: Progress) -> MoveLosses:
        """Return the reconstruction loss, and the perceptual and the adversarial loss where they have a weight."""
        reconstruction = self._reconstruct(batch, progress)
        losses: NamedTensors = {"reconstruction": reconstruction.loss}
        if weight := value_at(self._stage.perceptual_weight, progress):
            losses["perceptual"] = weight * self._measure_perceptual_distance(reconstruction.sample, batch["real"])
        if weight := value_at(self._stage.adversarial_weight, progress):
            play = self._play_patches(reconstruction.sample, batch, progress)
            losses["adversarial"] = weight * _PATCH_OBJECTIVE.generator_loss(play)
        return MoveLosses(losses, {})

    def _measure_perceptual_distance(self, reconstructed: Sample, sample: Sample) -> Tensor:
        assert self.perceptual_distance is not None, "a game with a perceptual loss is built with the distance"
        first, second = single_tensor(reconstructed), single_tensor(sample)
        count = max(1, round(self._stage.perceptual_fraction * len(first)))
        return self.perceptual_distance(first[:count], second[:count])

    def _compute_patch_losses(self, batch: Batch, progress: Progress) -> MoveLosses:
        """Return the loss of the discriminator of patches."""
        with torch.no_grad():
            reconstructed = self._reconstruct(batch, progress).sample
        play = self._play_patches(reconstructed, batch, progress)
        return MoveLosses({"objective": _PATCH_OBJECTIVE.discriminator_loss(play)}, {})

    def _play_patches(self, reconstructed: Sample, batch: Batch, progress: Progress) -> Play:
        """Return a play of real samples against reconstructed ones, scored by the discriminator of patches."""
        return Play(
            self,
            self._discriminate_patches,
            DiscriminatorInput(batch["real"]),
            partial(DiscriminatorInput, reconstructed),
            batch,
            progress,
        )

    def _discriminate_patches(self, discriminator_input: DiscriminatorInput) -> DiscriminatorOutput:
        output: DiscriminatorOutput = self.patch_discriminator(discriminator_input.sample)
        return output
