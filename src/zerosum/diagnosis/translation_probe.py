"""An examination of a game that makes pictures from pictures: what its generator makes of held-out questions.

It is made on a double of the game like any other (`zerosum.diagnosis.examination`), and changes no bit of training.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zerosum.diagnosis import measures, translation_measures
from zerosum.diagnosis.measures import ProbeOutputs, Signals
from zerosum.diagnosis.probe import (
    BEST_RESPONSE_STEPS,
    duality_gap_signals,
    flatten_scores,
    play_and_collect_fakes,
    round_signals,
)
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.sandbox import DryStepFn, sandboxed_copy
from zerosum.diagnosis.translation_measures import BYTE_STEP, TranslationDirection, worst_direction
from zerosum.diagnosis.translation_reference_set import TranslationReferenceSet
from zerosum.evaluation.metrics.thumbnails import mean_pairwise_distance, thumbnail_features
from zerosum.game.schedule import Progress
from zerosum.game.translation import TranslationGame
from zerosum.game.types import Batch

NOISE_STD_BYTE_LEVELS = 3
"""Levels of a byte: the deviation of the noise that is laid over a picture, hardly seen, to blur what it hides."""


@dataclass
class TranslationProbe:
    """Examines a game that makes pictures from pictures."""

    reference_set: ReferenceSet
    dry_step: DryStepFn
    """Makes a move in a double."""

    def __call__(self, game: TranslationGame, progress: Progress, with_duality_gap: bool = False) -> Signals:
        """All signals, "monitor/..."; a deep examination works out the duality gap too.

        Raises:
            BadInput: too few pictures are held out.
        """
        judged = any(move.player == "discriminator" for move in game.moves)
        unseen, known = (
            self._translation_reference_set.held_out_batches(game.bidirectional),
            self._translation_reference_set.train_batches(game.bidirectional),
        )
        with sandboxed_copy(game) as copied_game:
            seen = _collect_outputs(copied_game, unseen, known if judged else [], progress)
            fakes = torch.cat(seen.fakes)
            if not bool(fakes.isfinite().all()):
                return {"monitor/finite": 0.0}
            found = measures.score_signals(seen) if judged else {}
            found |= measures.value_range_signals(fakes, torch.cat([batch["real"] for batch in known]))
            found |= self._measure_samples(_translation_directions(copied_game, unseen, fakes, progress))
            found |= _ema_lag(copied_game, unseen, fakes) | (
                _cycle_consistency(copied_game, unseen, seen.fakes, progress) if game.bidirectional else {}
            )
            batch = self._translation_reference_set.train_batches(
                game.bidirectional, self.reference_set.batch_size, offset=progress.examples + 1
            )[0]
            found |= round_signals(copied_game, batch, progress, self.dry_step)
        if with_duality_gap and judged:
            batches = self._translation_reference_set.train_batches(
                game.bidirectional, self.reference_set.batch_size * BEST_RESPONSE_STEPS, offset=progress.examples + 1
            )
            found |= duality_gap_signals(game, batches, unseen, progress, self.dry_step)
        return {"monitor/finite": 1.0} | {name: value for name, value in found.items() if math.isfinite(value)}

    @cached_property
    def _translation_reference_set(self) -> TranslationReferenceSet:
        return TranslationReferenceSet(self.reference_set)

    def _measure_samples(self, directions: Sequence[TranslationDirection]) -> Signals:
        """What pictures show by themselves, of the worse way where there are two."""
        truth = self._translation_reference_set.has_targets
        found = worst_direction(
            [translation_measures.distance_signals(way, truth) for way in directions], "monitor/change_from_input"
        )
        # where sizes differ nothing is like what was given, and there is one way
        found = found or translation_measures.distance_signals(directions[0], truth)
        found |= worst_direction(
            [translation_measures.input_sensitivity_signals(way) for way in directions], "monitor/input_sensitivity"
        )
        found |= worst_direction(
            [translation_measures.color_signals(way, truth) for way in directions], "monitor/brightness_correlation"
        )
        return found | worst_direction(
            [translation_measures.checkerboard_signals(way) for way in directions],
            "monitor/checkerboard_rms",
            higher_is_worse=True,
        )


@torch.no_grad()
def _collect_outputs(
    game: TranslationGame, held_out_batches: Sequence[Batch], train_batches: Sequence[Batch], progress: Progress
) -> ProbeOutputs:
    """Let the double's players look at all parts; no training questions where nobody judges."""
    seen = ProbeOutputs()
    for batch in held_out_batches:
        if not train_batches:
            seen.fakes.append(game.generate(batch, progress))
            continue
        play = play_and_collect_fakes(game, batch, progress, seen.fakes)
        seen.fake_scores.append(flatten_scores(play.fake_score))
        seen.held_out_scores.append(flatten_scores(play.real_score))
        seen.decision_boundaries.append(torch.as_tensor(game.objective.decision_threshold(play)).float().mean().cpu())
    seen.train_scores += [flatten_scores(game.build_play(batch, progress).real_score) for batch in train_batches]
    return seen


@torch.no_grad()
def _translation_directions(
    game: TranslationGame, held_out_batches: Sequence[Batch], fakes: Tensor, progress: Progress
) -> list[TranslationDirection]:
    """What was asked, made and wanted, way by way."""
    given, wanted = (torch.cat([batch[name] for batch in held_out_batches]) for name in ("inputs", "real"))
    # what is left to chance is held fast, so that only what is given makes a difference
    one = [game.generate(batch | {"seed": torch.zeros_like(batch["seed"])}, progress) for batch in held_out_batches]
    parts = [each.float().cpu() for each in (given, fakes, wanted, torch.cat(one))]
    return (
        [TranslationDirection(*(part[:, way] for part in parts)) for way in (0, 1)]
        if game.bidirectional
        else [TranslationDirection(*parts)]
    )


def _ema_lag(game: TranslationGame, held_out_batches: Sequence[Batch], fakes: Tensor) -> Signals:
    """How far the averaged generator's pictures are from the playing one's, the way there."""
    there = [(batch["inputs"][:, 0], batch["real"][:, 0]) if game.bidirectional else (batch["inputs"], batch["real"])
             for batch in held_out_batches]  # fmt: skip
    averaged = [game.translate(given, batch["seed"]) for (given, _), batch in zip(there, held_out_batches, strict=True)]
    size = mean_pairwise_distance(thumbnail_features(torch.cat([real for _, real in there])))
    apart = thumbnail_features(fakes[:, 0] if game.bidirectional else fakes) - thumbnail_features(torch.cat(averaged))
    return {"monitor/ema_lag": float(apart.norm(dim=1).mean()) / max(size, 1e-6)}


@torch.no_grad()
def _cycle_consistency(
    game: TranslationGame, held_out_batches: Sequence[Batch], fakes_per_batch: Sequence[Tensor], progress: Progress
) -> Signals:
    """Whether pictures come back, from what was made of them and from the same as a file with a little noise.

    A cycle is also closed by hiding in the sample, where nobody sees it, what the sample is not to show: Chu, Zhmoginov
    and Sandler 2017, "CycleGAN, a Master of Steganography", arXiv:1712.02950. Of the two ways, the one that clearly
    loses more; else the way there.
    """
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for batch, fakes in zip(held_out_batches, fakes_per_batch, strict=True):
        back = [
            game.translate_batch(each.flip(1), batch).flip(1).float().cpu() for each in (fakes, add_byte_noise(fakes))
        ]
        parts.append((batch["inputs"].float().cpu(), back[0], back[1]))
    given, again, roughly = (torch.cat(each) for each in zip(*parts, strict=True))
    found = [translation_measures.cycle_signals(given[:, way], again[:, way], roughly[:, way]) for way in (0, 1)]
    # rounded, so that chance does not change the way from look to look while neither loses anything
    return max(
        found,
        key=lambda each: round(each.get("monitor/cycle_error_noisy", 0.0) - each.get("monitor/cycle_error", 0.0), 1),
    )


def add_byte_noise(images: Tensor) -> Tensor:
    """Pictures of any shape in [-1, 1] as bytes, with noise of a few levels over them; always the same noise."""
    dice = torch.Generator().manual_seed(0)
    rough = images + NOISE_STD_BYTE_LEVELS * BYTE_STEP * torch.randn(images.shape, generator=dice).to(images)
    return ((rough.clamp(-1, 1) + 1) / BYTE_STEP).round() * BYTE_STEP - 1
