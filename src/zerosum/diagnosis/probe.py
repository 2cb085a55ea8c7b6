"""A probe of a game during training: scores, samples, gradients and a trial round, as signals for the log.

It runs on a copy of the game with seeds of its own, so it does not change the training.
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
from zerosum.diagnosis.block_probe import BlockProbe
from zerosum.diagnosis.duality_gap import duality_gap
from zerosum.diagnosis.fault_probe import FaultProbe
from zerosum.diagnosis.item_probe import ItemProbe
from zerosum.diagnosis.measures import ProbeOutputs, Signals
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.sandbox import TrialStepFn, sandboxed_copy, trial_round
from zerosum.game.adversarial import FAKE, AdversarialGame
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.sample_tree import concat_samples, leaves, map_tensors
from zerosum.game.schedule import Progress
from zerosum.game.types import Batch, DiscriminatorOutput, Sample

LATENT_PERTURBATION = 0.1
"""Standard deviation of the perturbation of latents, whose own is about 1."""
BEST_RESPONSE_STEPS = 10
"""Steps of a best response in the duality gap."""


@dataclass
class GameProbe:
    """Probe of a game that generates samples from latents.

    Args:
        reference_set: real examples and seeds.
        trial_step: makes a move in a copy of the game.
    """

    reference_set: ReferenceSet
    trial_step: TrialStepFn

    def __call__(
        self, game: AdversarialGame, progress: Progress, with_duality_gap: bool = False, with_gradients: bool = True
    ) -> dict[str, float | str]:
        """Return the signals of a game, by log keys "monitor/...".

        Args:
            game: the game; it is not changed.
            progress: the position in the training; it selects the training examples of the trial round.
            with_duality_gap: also compute the duality gap.
            with_gradients: also play a trial round, and measure the sensitivity to the latent and the gradients of loss
                and score at samples.

        Returns:
            Finite numbers, and texts that name what they are about. `{"monitor/finite": 0.0}` alone where a sample is
            not finite; while no move trains what samples come from, what can be said of an autoencoder.
        """
        if not game.can_sample(progress):
            return dict(self._item_probe.measure_reconstruction(game))
        with sandboxed_copy(game) as copied_game:
            outputs = self._collect_outputs(copied_game, progress)
            with torch.no_grad():
                batches = self.reference_set.train_batches()
                fakes = concat_samples(list(map(game.decode, outputs.fakes, batches)))
            if not all(bool(leaf.isfinite().all()) for leaf in leaves(fakes)):
                return {"monitor/finite": 0.0}
            signals = self._measure_samples(game, outputs, fakes)
            signals |= self._measure_class_conditioning(copied_game, progress)
            details = self._block_probe(copied_game, progress) | self._item_probe(game) | self._fault_probe(game)
            if with_gradients:
                signals |= self._measure_sensitivity(copied_game, progress)
                signals |= self._measure_round(copied_game, progress)
        if with_duality_gap:
            signals |= self._measure_duality_gap(game, progress)
        finite: dict[str, float | str] = {name: value for name, value in signals.items() if math.isfinite(value)}
        return {"monitor/finite": 1.0} | finite | details

    # ------------------------------------------------------------------ outputs

    def _collect_outputs(self, game: AdversarialGame, progress: Progress) -> ProbeOutputs:
        """Run the players of the copy on all batches, as in a round."""
        outputs = ProbeOutputs()
        with torch.no_grad(), capture_last_layer_input(game.discriminator) as captured:
            for train_batch, held_out_batch in zip(
                self.reference_set.train_batches(), self.reference_set.held_out_batches(), strict=True
            ):
                play = play_and_collect_fakes(game, train_batch, progress, outputs.fakes)
                outputs.train_scores.append(flatten_scores(play.real_score))
                outputs.train_features.append(captured[-1])
                outputs.fake_scores.append(flatten_scores(play.fake_score))
                outputs.fake_features.append(captured[-1])
                outputs.held_out_scores.append(flatten_scores(game.build_play(held_out_batch, progress).real_score))
                outputs.decision_thresholds.append(decision_threshold(game, play))
        return outputs

    @cached_property
    def _block_probe(self) -> BlockProbe:
        return BlockProbe(self.reference_set)

    @cached_property
    def _item_probe(self) -> ItemProbe:
        return ItemProbe(self.reference_set)

    @cached_property
    def _fault_probe(self) -> FaultProbe:
        return FaultProbe(self.reference_set)

    @cached_property
    def _floors(self) -> Signals:
        return measures.floor_signals(self.reference_set)

    @cached_property
    def _train_samples(self) -> Sample:
        return concat_samples([batch["real"] for batch in self.reference_set.train_batches()])

    def _embed(self, sample: Sample) -> Tensor:
        """Return the embeddings (N, D) of samples."""
        return self.reference_set.codec.embed(sample)

    def _measure_samples(self, game: AdversarialGame, outputs: ProbeOutputs, fakes: Sample) -> Signals:
        """Return the signals that follow from scores and samples."""
        features, reference_set = self._embed(fakes), self.reference_set
        ema_samples = [
            game.sample(batch["seed"].cpu(), _batch_labels(game, batch), batch.get("condition"))
            for batch in reference_set.train_batches()
        ]
        signals = (
            measures.discriminator_signals(outputs)
            | measures.diversity_signals(features, reference_set)
            | self._floors
            | measures.mode_signals(features, reference_set)
            | measures.value_range_signals(fakes, self._train_samples)
            | measures.trajectory_signals(features, reference_set)
            | measures.ema_signals(features, self._embed(concat_samples(ema_samples)), reference_set)
        )
        if not len(game.class_priors):
            return signals
        return (
            signals
            | measures.intra_class_signals(features, reference_set)
            | measures.class_consistency_signals(features, reference_set)
        )

    # ------------------------------------------------------------------ sensitivity

    def _measure_sensitivity(self, game: AdversarialGame, progress: Progress) -> Signals:
        """Return how much samples change with the latent, and the gradients of loss and score at samples."""
        batch = self.reference_set.train_batches()[0]
        with torch.no_grad():
            fakes = game.generate(batch, progress)
            with perturbed_latents(game.generator):
                perturbed = game.generate(batch, progress)
            features, perturbed_features = (self._embed(game.decode(sample, batch)) for sample in (fakes, perturbed))
        change = (perturbed_features - features).norm(dim=1).mean() / LATENT_PERTURBATION
        inputs = map_tensors(lambda leaf: leaf.detach().requires_grad_(True), fakes)

        def present_inputs(batch: Batch, progress: Progress) -> DiscriminatorInput:
            return game.prepare_discriminator_input(inputs, FAKE, batch, progress)

        play = game.build_play(batch, progress, generate_input=present_inputs)
        loss_gradient = _rms_gradient_norm(game.objective.generator_loss(play).sum(), inputs)
        score_gradient = _rms_gradient_norm(flatten_scores(play.fake_score, keep_graph=True).sum(), inputs)
        scale = self.reference_set.mean_pairwise_distance
        return {
            "monitor/latent_sensitivity": float(change) / scale,
            "monitor/loss_input_gradient": loss_gradient * scale,
            "monitor/score_input_gradient": score_gradient * scale,
        }

    def _measure_class_conditioning(self, game: AdversarialGame, progress: Progress) -> Signals:
        """Return how much samples and scores change with the class; nothing for fewer than two classes."""
        if len(game.class_priors) < 2:
            return {}
        with torch.no_grad():
            effects = [
                self._class_change_effects(game, batch, progress) for batch in self.reference_set.held_out_batches()
            ]
        change, right, wrong = (torch.cat(parts) for parts in zip(*effects, strict=True))
        sensitivity = (right - wrong).square().mean().sqrt() / right.std().clamp_min(1e-12)
        accuracy = ((right > wrong).float() + (right == wrong).float() / 2).mean()
        return {
            "monitor/generator_class_sensitivity": float(change.mean()) / self.reference_set.mean_pairwise_distance,
            "monitor/discriminator_class_sensitivity": float(sensitivity),
            "monitor/class_ranking_accuracy": float(accuracy),
        }

    def _class_change_effects(
        self, game: AdversarialGame, batch: Batch, progress: Progress
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return (n,) distances between samples of two classes, and (n,) scores of reals for both classes."""
        num_classes = len(game.class_priors)
        shift = 1 + batch["seed"].remainder(num_classes - 1)
        other = batch.copy()
        other["label"] = (batch["label"] + shift) % num_classes
        samples = [game.decode(game.generate(labeled, progress), labeled) for labeled in (other, batch)]
        change = (self._embed(samples[0]) - self._embed(samples[1])).norm(dim=1)
        right, wrong = (
            _class_match_scores(game.build_play(labeled, progress).real_output, labeled) for labeled in (batch, other)
        )
        return change, right, wrong

    def _measure_round(self, game: AdversarialGame, progress: Progress) -> Signals:
        batch = self.reference_set.train_batches(self.reference_set.batch_size, offset=progress.examples + 1)[0]
        return round_signals(game, batch, progress, self.trial_step)

    def _measure_duality_gap(self, game: AdversarialGame, progress: Progress) -> Signals:
        batches = self.reference_set.train_batches(
            self.reference_set.batch_size * BEST_RESPONSE_STEPS, offset=progress.examples + 1
        )
        return duality_gap_signals(game, batches, self.reference_set.held_out_batches(), progress, self.trial_step)


def round_signals(game: AdversarialGame, batch: Batch, progress: Progress, trial_step: TrialStepFn) -> Signals:
    """Play a round on a sandboxed copy, which changes its weights, and return its effect on the players."""
    effects, losses = trial_round(game, batch, progress, trial_step)
    signals: Signals = {}
    for player, effect in effects.items():
        signals |= {f"monitor/{name}/{player}": value for name, value in effect._asdict().items()}
    objective = abs(losses.get("discriminator/objective", math.nan))
    sizes = {name: abs(value) for name, value in losses.items() if name.startswith("discriminator/")}
    penalties = sum(sizes.values()) - sizes.get("discriminator/objective", 0.0)
    return signals | {"monitor/penalty_ratio": penalties / max(objective, 1e-6)}


def duality_gap_signals(
    game: AdversarialGame,
    train_batches: Sequence[Batch],
    held_out_batches: Sequence[Batch],
    progress: Progress,
    trial_step: TrialStepFn,
) -> Signals:
    """Return the duality gap and each player's part of it; see `duality_gap` for the arguments."""
    gap = duality_gap(game, train_batches, held_out_batches, progress, trial_step)
    return {
        "monitor/duality_gap": gap.total,
        "monitor/duality_gap/discriminator": gap.discriminator,
        "monitor/duality_gap/generator": gap.generator,
    }


def flatten_scores(score: Tensor, keep_graph: bool = False) -> Tensor:
    """Average patch scores over each sample.

    Args:
        score: (N,), or (N, 1, h, w) of patches.
        keep_graph: keep the autograd graph and the device.

    Returns:
        (N,) float32; on the CPU and detached unless `keep_graph`.
    """
    flat = score.float().flatten(1).mean(1) if score.dim() > 1 else score.float()
    return flat if keep_graph else flat.detach().cpu()


def decision_threshold(game: AdversarialGame, play: Play) -> Tensor:
    """Return the score () above which the discriminator classifies as real, float32 on the CPU."""
    return torch.as_tensor(game.objective.decision_threshold(play)).float().mean().cpu()


def play_and_collect_fakes(game: AdversarialGame, batch: Batch, progress: Progress, fakes: list[Sample]) -> Play:
    """Return a play that appends its fakes to `fakes` as they are before augmentation."""

    def generate_input(batch: Batch, progress: Progress) -> DiscriminatorInput:
        fakes.append(game.generate(batch, progress))
        return game.prepare_discriminator_input(fakes[-1], FAKE, batch, progress)

    return game.build_play(batch, progress, generate_input=generate_input)


@contextmanager
def capture_last_layer_input(network: nn.Module) -> Iterator[list[Tensor]]:
    """Capture the input of the network's last layer with floating-point inputs.

    Yields:
        A list to which each call of the network appends an (N, D) float32 tensor on the CPU.
    """
    captured: list[Tensor] = []
    newest: list[Tensor] = []

    def save_input(module: nn.Module, inputs: tuple[object, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].is_floating_point() and inputs[0].dim() > 1:
            newest[:] = [inputs[0]]

    def append_last_input(module: nn.Module, inputs: object, output: object) -> None:
        captured.append(newest[0].detach().float().flatten(1).cpu())

    # a parametrized layer (spectral norm) has its parametrization as a child, which holds its weight
    layers = [m for m in network.modules() if (is_parametrized(m) or not list(m.children())) and list(m.parameters())]
    hooks = [layer.register_forward_pre_hook(save_input) for layer in layers] + [
        network.register_forward_hook(append_last_input)
    ]
    try:
        yield captured
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def perturbed_latents(generator: nn.Module) -> Iterator[None]:
    """Add the same small noise to the latents (N, L) of each call of the generator."""

    def perturb(module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        rng = torch.Generator().manual_seed(0)
        noise = torch.randn(inputs[0].shape, generator=rng).to(inputs[0])
        return (inputs[0] + LATENT_PERTURBATION * noise, *inputs[1:])

    hook = generator.register_forward_pre_hook(perturb)
    try:
        yield
    finally:
        hook.remove()


def _rms_gradient_norm(total: Tensor, inputs: Sample) -> float:
    """Return the root mean square, over samples (N, ...), of the norm of the gradient of `total` () by them."""
    if not total.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(total, leaves(inputs), retain_graph=True, allow_unused=True)
    squares = [gradient.flatten(1).square().sum(1) for gradient in gradients if gradient is not None]
    return float(torch.stack(squares).sum(0).mean().sqrt()) if squares else 0.0


def _batch_labels(game: AdversarialGame, batch: Batch) -> Tensor | None:
    return batch["label"] if len(game.class_priors) else None


def _class_match_scores(output: DiscriminatorOutput, batch: Batch) -> Tensor:
    """Return how well reals match their label (N,): the logit of the class where there is one, else the score."""
    if output.class_logits is None:
        return flatten_scores(output.score)
    return output.class_logits.gather(1, batch["label"][:, None])[:, 0].float().cpu()
