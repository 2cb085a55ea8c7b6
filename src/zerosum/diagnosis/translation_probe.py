"""A probe of translation during training: the generator's outputs for held-out inputs.

Like `zerosum.diagnosis.probe` it runs on a copy of the game and does not change the training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from zerosum.diagnosis import measures, translation_measures
from zerosum.diagnosis.fault_probe import MAX_PAIRS, pair_fault_signals
from zerosum.diagnosis.measures import ProbeOutputs, Signals
from zerosum.diagnosis.probe import (
    BEST_RESPONSE_STEPS,
    decision_threshold,
    duality_gap_signals,
    flatten_scores,
    play_and_collect_fakes,
    round_signals,
)
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.sandbox import TrialStepFn, sandboxed_copy
from zerosum.diagnosis.translation_measures import BYTE_STEP, TranslationDirection, worst_direction
from zerosum.diagnosis.translation_reference_set import TranslationReferenceSet
from zerosum.evaluation.metrics.embeddings import mean_pairwise_distance
from zerosum.game.cycle import CycleGame
from zerosum.game.sample_tree import concat_samples, flatten_samples, leaves, replace_leaves, single_tensor
from zerosum.game.schedule import Progress
from zerosum.game.translation import TranslationGame
from zerosum.game.types import Batch, Sample

if TYPE_CHECKING:
    from zerosum.data.codec import Codec
    from zerosum.data.dataset import Dataset

NOISE_STD_BYTE_LEVELS = 3
"""Standard deviation, in 8-bit levels, of the barely visible noise that destroys hidden information in an output."""


@dataclass
class TranslationProbe:
    """Probe of a game that translates images, or sounds.

    Args:
        reference_set: real examples and seeds.
        trial_step: makes a move in a copy of the game.
    """

    reference_set: ReferenceSet
    trial_step: TrialStepFn

    def __call__(
        self, game: TranslationGame, progress: Progress, with_duality_gap: bool = False, with_gradients: bool = True
    ) -> Signals:
        """Return the signals of a game, by log keys "monitor/...".

        Args:
            game: the game; it is not changed.
            progress: the position in the training; it selects the training examples of the trial round.
            with_duality_gap: also compute the duality gap, where there is a discriminator.
            with_gradients: also play a trial round.

        Returns:
            Finite numbers. `{"monitor/finite": 0.0}` alone where an output is not finite.

        Raises:
            BadInput: if too few examples are held out.
        """
        is_adversarial = any(move.player == "discriminator" and move.has_weight(progress) for move in game.moves)
        reference_set, batch_size = self._translation_reference_set, self.reference_set.batch_size
        held_out_batches, train_batches = reference_set.held_out_batches(), reference_set.train_batches()
        with sandboxed_copy(game) as copied_game:
            outputs = _collect_outputs(copied_game, held_out_batches, train_batches if is_adversarial else [], progress)
            fakes = concat_samples(outputs.fakes)
            if not all(bool(images.isfinite().all()) for images in leaves(fakes)):
                return {"monitor/finite": 0.0}
            signals = measures.score_signals(outputs) if is_adversarial else {}
            real = concat_samples([copied_game.read_real(batch) for batch in train_batches])
            signals |= measures.value_range_signals(_concat_directions(fakes), _concat_directions(real))
            dataset = self.reference_set.dataset
            directions = _translation_directions(copied_game, held_out_batches, fakes, progress, dataset)
            signals |= self._measure_samples(directions)
            signals |= self._measure_ema_outputs(copied_game, held_out_batches, fakes)
            if isinstance(copied_game, CycleGame):
                signals |= _cycle_consistency(copied_game, held_out_batches, outputs.fakes)
            if with_gradients:
                batch = reference_set.train_batches(batch_size, offset=progress.examples + 1)[0]
                signals |= round_signals(copied_game, batch, progress, self.trial_step)
        if with_duality_gap and is_adversarial:
            batches = reference_set.train_batches(batch_size * BEST_RESPONSE_STEPS, offset=progress.examples + 1)
            signals |= duality_gap_signals(game, batches, held_out_batches, progress, self.trial_step)
        return {"monitor/finite": 1.0} | {name: value for name, value in signals.items() if math.isfinite(value)}

    @cached_property
    def _translation_reference_set(self) -> TranslationReferenceSet:
        return TranslationReferenceSet(self.reference_set)

    def _measure_samples(self, directions: Sequence[TranslationDirection]) -> Signals:
        """Return the signals that follow from inputs, outputs and targets, each of the worse direction."""
        has_targets = self._translation_reference_set.has_targets
        signals = worst_direction(
            [translation_measures.distance_signals(direction, has_targets) for direction in directions],
            "monitor/change_from_input",
        )
        # where input and output differ in size there is no change from the input, and one direction
        signals = signals or translation_measures.distance_signals(directions[0], has_targets)
        signals |= worst_direction(
            [translation_measures.input_sensitivity_signals(direction) for direction in directions],
            "monitor/input_sensitivity",
        )
        # other samples may be compared as images, such as spectrograms, which have neither colors nor pixels
        return signals | (self._measure_pixels(directions) if self.reference_set.codec.shown_bands else {})

    def _measure_pixels(self, directions: Sequence[TranslationDirection]) -> Signals:
        """Return the signals of samples that are images, each of the worse direction."""
        has_targets = self._translation_reference_set.has_targets
        signals = worst_direction(
            [translation_measures.color_signals(direction, has_targets) for direction in directions],
            "monitor/brightness_correlation",
        )
        return signals | worst_direction(
            [translation_measures.checkerboard_signals(direction) for direction in directions],
            "monitor/checkerboard_rms",
            higher_is_worse=True,
        )

    def _measure_ema_outputs(self, game: TranslationGame, held_out_batches: Sequence[Batch], fakes: Sample) -> Signals:
        """Return the signals of the outputs of the EMA generator, in the forward direction."""
        outputs = torch.cat([game.translate(batch["inputs"], batch["seed"]) for batch in held_out_batches])
        targets = torch.cat([single_tensor(batch["real"]) for batch in held_out_batches])
        codec = self.reference_set.codec
        signals = _ema_lag(outputs, leaves(fakes)[0], targets, codec)
        if not self._translation_reference_set.has_targets:
            return signals
        seeds = torch.cat([batch["seed"] for batch in held_out_batches])[:MAX_PAIRS].cpu()
        return signals | pair_fault_signals(codec, outputs[:MAX_PAIRS], targets[:MAX_PAIRS], seeds)


@torch.no_grad()
def _collect_outputs(
    game: TranslationGame, held_out_batches: Sequence[Batch], train_batches: Sequence[Batch], progress: Progress
) -> ProbeOutputs:
    """Run the players of the copy on all batches; without training batches, the generator alone."""
    outputs = ProbeOutputs()
    for batch in held_out_batches:
        if not train_batches:
            outputs.fakes.append(game.generate(batch, progress))
            continue
        play = play_and_collect_fakes(game, batch, progress, outputs.fakes)
        outputs.fake_scores.append(flatten_scores(play.fake_score))
        outputs.held_out_scores.append(flatten_scores(play.real_score))
        outputs.decision_thresholds.append(decision_threshold(game, play))
    outputs.train_scores += [flatten_scores(game.build_play(batch, progress).real_score) for batch in train_batches]
    return outputs


@torch.no_grad()
def _translation_directions(
    game: TranslationGame, held_out_batches: Sequence[Batch], fakes: Sample, progress: Progress, dataset: Dataset
) -> list[TranslationDirection]:
    """Return inputs, outputs and targets of each direction, as images that can be compared."""
    inputs = concat_samples([game.read_inputs(batch) for batch in held_out_batches])
    targets = concat_samples([game.read_real(batch) for batch in held_out_batches])
    # with one seed for all, only the input makes a difference
    fixed_batches: list[Batch] = [batch | {"seed": torch.zeros_like(batch["seed"])} for batch in held_out_batches]
    fixed = concat_samples([game.generate(batch, progress) for batch in fixed_batches])
    compared, samples = dataset.codec.compared, (fakes, targets, fixed)
    parts = [
        [dataset.compared_inputs(images) for images in _images_per_direction(inputs)],
        *([compared(images) for images in _images_per_direction(sample)] for sample in samples),
    ]
    return [TranslationDirection(*direction) for direction in zip(*parts, strict=True)]


def _images_per_direction(sample: Sample) -> list[Tensor]:
    """Return the images (N, C, H, W) of each direction, float32 on the CPU."""
    if isinstance(sample, Tensor):
        return [sample.float().cpu()]
    # in one memory format, so that a sum does not depend on that of the networks
    return [images.float().cpu().contiguous() for images in leaves(sample)]


def _concat_directions(sample: Sample) -> Tensor:
    """Return the values of images as they are, or those of both directions in one row per sample."""
    return sample if isinstance(sample, Tensor) else flatten_samples(sample)


def _ema_lag(outputs: Tensor, fakes: Tensor, targets: Tensor, codec: Codec) -> Signals:
    """Return how far outputs of the EMA generator are from those of the generator, all (N, ...)."""
    scale = mean_pairwise_distance(codec.embed(targets))
    distance = codec.embed(fakes) - codec.embed(outputs)
    return {"monitor/ema_lag": float(distance.norm(dim=1).mean()) / max(scale, 1e-6)}


@torch.no_grad()
def _cycle_consistency(
    game: CycleGame, held_out_batches: Sequence[Batch], fakes_per_batch: Sequence[Sample]
) -> Signals:
    """Return the cycle errors from the outputs, and from the outputs as 8-bit images with a little noise.

    A generator can close the cycle by hiding the input invisibly in its output (steganography): Chu, Zhmoginov and
    Sandler 2017, "CycleGAN, a Master of Steganography", arXiv:1712.02950. The signals are those of the direction that
    loses clearly more by noise, else of the forward direction.
    """
    pairs = list(zip(fakes_per_batch, held_out_batches, strict=True))
    inputs = concat_samples([game.read_inputs(batch) for batch in held_out_batches])
    clean = concat_samples([game.cycle_batch(fakes, batch) for fakes, batch in pairs])
    noisy = concat_samples([game.cycle_batch(add_byte_noise(fakes), batch) for fakes, batch in pairs])
    parts = [_images_per_direction(sample) for sample in (inputs, clean, noisy)]
    signals_per_direction = [translation_measures.cycle_signals(*direction) for direction in zip(*parts, strict=True)]
    # rounded, so that the direction does not change randomly between probes while neither loses anything
    return max(
        signals_per_direction,
        key=lambda signals: round(
            signals.get("monitor/cycle_error_noisy", 0.0) - signals.get("monitor/cycle_error", 0.0), 1
        ),
    )


def add_byte_noise(samples: Sample) -> Sample:
    """Round images in [-1, 1] to 8 bits after adding noise of a few levels; always the same noise.

    Args:
        samples: images (N, ...), or a tree of them, whose tensors get independent noise.
    """
    flat, rng = flatten_samples(samples), torch.Generator().manual_seed(0)
    noise = NOISE_STD_BYTE_LEVELS * BYTE_STEP * torch.randn(flat.shape, generator=rng).to(flat)
    parts = torch.split(noise, [images[0].numel() for images in leaves(samples)], 1)
    noisy = [images + part.view(images.shape) for images, part in zip(leaves(samples), parts, strict=True)]
    return replace_leaves(samples, [round_to_byte_levels(images) for images in noisy])


def round_to_byte_levels(images: Tensor) -> Tensor:
    """Round images of any shape in [-1, 1] to 8 bits; values outside are clipped."""
    return ((images.clamp(-1, 1) + 1) / BYTE_STEP).round() * BYTE_STEP - 1
