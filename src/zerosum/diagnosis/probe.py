"""An examination: everything a game shows of itself at one moment, as numbers for the log.

It is made on a double of the game with seeds of its own, so it changes no bit of training.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from zerosum.diagnosis import measures
from zerosum.diagnosis.duality_gap import duality_gap
from zerosum.diagnosis.measures import ProbeOutputs, Signals
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.sandbox import DryStepFn, dry_run_round, sandboxed_copy
from zerosum.evaluation.metrics.thumbnails import thumbnail_features
from zerosum.game.adversarial import FAKE, AdversarialGame
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, DiscriminatorOutput

LATENT_PERTURBATION = 0.1
"""How far latents are moved to see what follows; their deviation is about 1."""
BEST_RESPONSE_STEPS = 10
"""Moves of a best response, for the duality gap."""


@dataclass
class GameProbe:
    """Examines a game."""

    reference_set: ReferenceSet
    dry_step: DryStepFn
    """Makes a move in a double."""

    def __call__(self, game: AdversarialGame, progress: Progress, with_duality_gap: bool = False) -> Signals:
        """All signals, "monitor/..."; a deep examination works out the duality gap too."""
        with sandboxed_copy(game) as copied_game:
            seen = self._collect_outputs(copied_game, progress)
            fakes = torch.cat(seen.fakes)
            if not bool(fakes.isfinite().all()):
                return {"monitor/finite": 0.0}
            found = self._measure_samples(game, seen, fakes)
            found |= self._measure_sensitivity(copied_game, progress) | self._measure_class_conditioning(
                copied_game, progress
            )
            found |= self._measure_round(copied_game, progress)
        if with_duality_gap:
            found |= self._measure_duality_gap(game, progress)
        return {"monitor/finite": 1.0} | {name: value for name, value in found.items() if math.isfinite(value)}

    # ------------------------------------------------------------------ looking

    def _collect_outputs(self, game: AdversarialGame, progress: Progress) -> ProbeOutputs:
        """Let the double's players look at all parts, as they would in a round."""
        seen = ProbeOutputs()
        with torch.no_grad(), capture_last_layer_input(game.discriminator) as inner:
            for known, unseen in zip(
                self.reference_set.train_batches(), self.reference_set.held_out_batches(), strict=True
            ):
                play = play_and_collect_fakes(game, known, progress, seen.fakes)
                seen.train_scores.append(flatten_scores(play.real_score))
                seen.train_features.append(inner[-1])
                seen.fake_scores.append(flatten_scores(play.fake_score))
                seen.fake_features.append(inner[-1])
                seen.held_out_scores.append(flatten_scores(game.build_play(unseen, progress).real_score))
                seen.decision_boundaries.append(
                    torch.as_tensor(game.objective.decision_threshold(play)).float().mean().cpu()
                )
        return seen

    @cached_property
    def _floors(self) -> Signals:
        return measures.floor_signals(self.reference_set)

    @cached_property
    def _train_samples(self) -> Tensor:
        return torch.cat([batch["real"] for batch in self.reference_set.train_batches()])

    def _measure_samples(self, game: AdversarialGame, outputs: ProbeOutputs, fakes: Tensor) -> Signals:
        """What follows from what was seen."""
        rows, reference_set = thumbnail_features(fakes), self.reference_set
        parts = [
            game.sample(batch["seed"].cpu(), _batch_labels(game, batch)) for batch in reference_set.train_batches()
        ]
        found = (
            measures.discriminator_signals(outputs)
            | measures.diversity_signals(rows, reference_set)
            | self._floors
            | measures.mode_signals(rows, reference_set)
        )
        found |= measures.value_range_signals(fakes, self._train_samples) | measures.trajectory_signals(
            rows, reference_set
        )
        found |= measures.ema_signals(rows, thumbnail_features(torch.cat(parts)), reference_set)
        if not len(game.class_priors):
            return found
        return (
            found
            | measures.intra_class_signals(rows, reference_set)
            | measures.class_consistency_signals(rows, reference_set)
        )

    # ------------------------------------------------------------------ touching

    def _measure_sensitivity(self, game: AdversarialGame, progress: Progress) -> Signals:
        """How the generator's loss and its samples answer to a small change."""
        batch = self.reference_set.train_batches()[0]
        with torch.no_grad():
            still = game.generate(batch, progress)
            with perturbed_latents(game.generator):
                moved = game.generate(batch, progress)
        answer = (thumbnail_features(moved) - thumbnail_features(still)).norm(dim=1).mean() / LATENT_PERTURBATION
        leaf = still.detach().requires_grad_(True)

        play = game.build_play(
            batch, progress, generate=lambda batch, now: game.prepare_discriminator_input(leaf, FAKE, batch, now)
        )
        push = _rms_gradient_norm(game.objective.generator_loss(play).sum(), leaf)
        steep = _rms_gradient_norm(flatten_scores(play.fake_score, keep_graph=True).sum(), leaf)
        size = self.reference_set.mean_pairwise_distance
        return {
            "monitor/latent_sensitivity": float(answer) / size,
            "monitor/loss_input_gradient": push * size,
            "monitor/score_input_gradient": steep * size,
        }

    def _measure_class_conditioning(self, game: AdversarialGame, progress: Progress) -> Signals:
        """Whether a change of class changes samples and verdicts."""
        if len(game.class_priors) < 2:
            return {}
        with torch.no_grad():
            parts = [
                self._class_change_effects(game, batch, progress) for batch in self.reference_set.held_out_batches()
            ]
        effect, right, wrong = (torch.cat(each) for each in zip(*parts, strict=True))
        heard = (right - wrong).square().mean().sqrt() / right.std().clamp_min(1e-12)
        fits = ((right > wrong).float() + (right == wrong).float() / 2).mean()
        effects = {
            "monitor/generator_class_sensitivity": float(effect.mean()) / self.reference_set.mean_pairwise_distance
        }
        return effects | {
            "monitor/discriminator_class_sensitivity": float(heard),
            "monitor/class_ranking_accuracy": float(fits),
        }

    def _class_change_effects(
        self, game: AdversarialGame, batch: Batch, progress: Progress
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) how far samples move with their class; how well reals fit their own class, and another."""
        classes = len(game.class_priors)
        away = 1 + batch["seed"].remainder(classes - 1)
        other = batch | {"label": (batch["label"] + away) % classes}
        effect = (
            thumbnail_features(game.generate(other, progress)) - thumbnail_features(game.generate(batch, progress))
        ).norm(dim=1)
        right, wrong = (
            _class_match_scores(game.build_play(each, progress).real_output, each) for each in (batch, other)
        )
        return effect, right, wrong

    def _measure_round(self, game: AdversarialGame, progress: Progress) -> Signals:
        batch = self.reference_set.train_batches(self.reference_set.batch_size, offset=progress.examples + 1)[0]
        return round_signals(game, batch, progress, self.dry_step)

    def _measure_duality_gap(self, game: AdversarialGame, progress: Progress) -> Signals:
        batches = self.reference_set.train_batches(
            self.reference_set.batch_size * BEST_RESPONSE_STEPS, offset=progress.examples + 1
        )
        return duality_gap_signals(game, batches, self.reference_set.held_out_batches(), progress, self.dry_step)


def round_signals(game: AdversarialGame, batch: Batch, progress: Progress, dry_step: DryStepFn) -> Signals:
    """What a round does to the players. The double is not itself any more afterwards."""
    trials, terms = dry_run_round(game, batch, progress, dry_step)
    found: Signals = {}
    for player, trial in trials.items():
        found |= {f"monitor/{what}/{player}": value for what, value in trial._asdict().items()}
    score = abs(terms.get("discriminator/objective", math.nan))
    own = {name: abs(value) for name, value in terms.items() if name.startswith("discriminator/")}
    more = sum(own.values()) - own.get("discriminator/objective", 0.0)
    return found | {"monitor/penalty_ratio": more / max(score, 1e-6)}


def duality_gap_signals(
    game: AdversarialGame,
    train_batches: Sequence[Batch],
    held_out_batches: Sequence[Batch],
    progress: Progress,
    dry_step: DryStepFn,
) -> Signals:
    """The duality gap, and each player's part of it."""
    gap = duality_gap(game, train_batches, held_out_batches, progress, dry_step)
    return {
        "monitor/duality_gap": gap.total,
        "monitor/duality_gap/discriminator": gap.discriminator,
        "monitor/duality_gap/generator": gap.generator,
    }


def flatten_scores(score: Tensor, keep_graph: bool = False) -> Tensor:
    """Scores (N,) or of patches (N, 1, h, w) as (N,) float32, on the CPU unless they are kept where they are."""
    each = score.float().flatten(1).mean(1) if score.dim() > 1 else score.float()
    return each if keep_graph else each.detach().cpu()


def play_and_collect_fakes(game: AdversarialGame, batch: Batch, progress: Progress, fakes: list[Tensor]) -> Play:
    """A play whose fakes are put into `fakes` as they were before anything varied them."""

    def generate(batch: Batch, progress: Progress) -> DiscriminatorInput:
        fakes.append(game.generate(batch, progress))
        return game.prepare_discriminator_input(fakes[-1], FAKE, batch, progress)

    return game.build_play(batch, progress, generate=generate)


@contextmanager
def capture_last_layer_input(network: nn.Module) -> Iterator[list[Tensor]]:
    """What the last of a network's layers that is called with numbers is given, a (N, D) CPU tensor each call."""
    found: list[Tensor] = []
    newest: list[Tensor] = []

    def save_input(module: nn.Module, inputs: tuple[object, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].is_floating_point() and inputs[0].dim() > 1:
            newest[:] = [inputs[0]]

    def append_last_input(module: nn.Module, inputs: object, output: object) -> None:
        found.append(newest[0].detach().float().flatten(1).cpu())

    # a layer whose weight is constrained holds the constraint as a child, and its weight in there
    layers = [m for m in network.modules() if (is_parametrized(m) or not list(m.children())) and list(m.parameters())]
    hooks = [layer.register_forward_pre_hook(save_input) for layer in layers] + [
        network.register_forward_hook(append_last_input)
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def perturbed_latents(generator: nn.Module) -> Iterator[None]:
    """While it lasts, the generator is given latents (N, L) a little beside those it is called with."""

    def perturb(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        dice = torch.Generator().manual_seed(0)
        beside = torch.randn(inputs[0].shape, generator=dice).to(inputs[0])
        return (inputs[0] + LATENT_PERTURBATION * beside, *inputs[1:])

    hook = generator.register_forward_pre_hook(perturb)
    try:
        yield
    finally:
        hook.remove()


def _rms_gradient_norm(total: Tensor, leaf: Tensor) -> float:
    """The root mean square over samples of the norm of the gradient of a sum over samples."""
    if not total.requires_grad:
        return 0.0
    (gradient,) = torch.autograd.grad(total, leaf, retain_graph=True, allow_unused=True)
    return 0.0 if gradient is None else float(gradient.flatten(1).square().sum(1).mean().sqrt())


def _batch_labels(game: AdversarialGame, batch: Batch) -> Tensor | None:
    return batch["label"] if len(game.class_priors) else None


def _class_match_scores(output: DiscriminatorOutput, batch: Batch) -> Tensor:
    """How well reals fit the class they are said to be of: by the guess of their class, where there is one."""
    if output.class_logits is None:
        return flatten_scores(output.score)
    return output.class_logits.gather(1, batch["label"][:, None])[:, 0].float().cpu()
