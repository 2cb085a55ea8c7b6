"""Build what observes a run during training: the monitor, and the online evaluation that keeps the best networks."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import torch

from zerosum.data.dataset import Dataset
from zerosum.diagnosis.monitor import Monitor
from zerosum.diagnosis.probe import GameProbe
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.translation_probe import TranslationProbe
from zerosum.evaluation.evaluator import evaluation_kind, feature_network
from zerosum.evaluation.online import OnlineEvaluator, SeededSamples, TranslatedSamples, UndecodedSamples
from zerosum.recipes import defaults
from zerosum.recipes.probe_schedule import DETAILS
from zerosum.run_folder import RunFolder
from zerosum.settings import Decision
from zerosum.training.best_model import BestModelTracker
from zerosum.training.loop import trial_step
from zerosum.workflows.recover import can_recover
from zerosum.workflows.setup import TrainingSetup


def build_monitor(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> Monitor | None:
    """Return the monitor of a run; None on every rank but the first."""
    if setup.accelerator.rank > 0:
        return None
    settings, training = setup.recipe.diagnostics, setup.recipe.training
    probe = None
    if settings.probe and settings.every_examples:
        samples = settings.samples or DETAILS[0].samples
        batch_size = min(training.batch_size // training.accumulate // setup.accelerator.world_size, samples)
        num_samples = samples // batch_size * batch_size
        reference_set = ReferenceSet(dataset, num_samples, batch_size, setup.accelerator.device)
        probe_class = TranslationProbe if setup.recipe.is_translation else GameProbe
        probe = probe_class(reference_set, trial_step(setup.accelerator.single_process()))
    return Monitor(
        probe,
        settings.every_examples if probe else None,
        settings.duality_gap_every or DETAILS[0].duality_gap_every,
        folder,
        settings.gradients_every or DETAILS[0].gradients_every,
        settings.max_time_fraction or math.inf,
        partial(can_recover, folder, setup.recipe),
        setup.reporter.finding,
    )


def build_best_model_tracker(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> BestModelTracker | None:
    """Return the online evaluation of a run, which keeps its best networks; None if the run is not evaluated."""
    settings = setup.recipe.evaluation
    if settings.every_examples is None or settings.features in {"none", "auto"}:
        return None
    evaluator = _build_online_evaluator(setup, settings.features, dataset)
    return BestModelTracker(folder, evaluator, settings.every_examples, settings.patience)


def _build_online_evaluator(setup: TrainingSetup, features: str, dataset: Dataset) -> OnlineEvaluator:
    """Return the evaluator of samples from fixed seeds or, for translation, of translated held-out inputs."""
    device, samples = setup.accelerator.device, setup.recipe.evaluation.samples
    network = feature_network(features, dataset, device, setup.reporter, "evaluation.features")
    if not setup.recipe.is_translation:
        sample_network = evaluation_kind(dataset).sample_network(network)
        drawn = UndecodedSamples() if sample_network else SeededSamples(dataset.codec)
        return OnlineEvaluator(network, device, dataset, samples, drawn, sample_network=sample_network)
    translated = TranslatedSamples(dataset)
    num_translated = min(samples, len(translated))
    return OnlineEvaluator(network, device, dataset, num_translated, translated, is_paired=dataset.has_targets)


def choose_evaluation_features(setup: TrainingSetup, dataset: Dataset) -> str:
    """Return the name of the feature network of the online evaluation; "none" if the run is not evaluated."""
    settings, kind = setup.recipe.evaluation, evaluation_kind(dataset)
    if settings.features != "auto":
        return settings.features
    features = kind.online_features(setup.recipe.pretrained_features)
    is_requested = settings.every_examples is not None or settings.patience > 0
    return kind.default_features() if features == "none" and is_requested else features


def schedule_evaluation(
    setup: TrainingSetup, dataset: Dataset, features: str, seconds_per_round: float
) -> tuple[TrainingSetup, list[Decision]]:
    """Choose how often the run is evaluated, from the measured duration of one evaluation.

    Args:
        setup: the setup, whose training length is resolved.
        dataset: the data.
        features: the name of the feature network, or "none".
        seconds_per_round: the measured duration of a training round.

    Returns:
        The setup with its evaluation settings resolved, and the decisions with their reasons.

    Raises:
        BadInput: `features` does not name a feature network that can be used with these data.
    """
    settings, training = setup.recipe.evaluation, setup.recipe.training
    training_seconds = (training.examples or 0) / training.batch_size * seconds_per_round
    is_requested = settings.every_examples is not None or settings.patience > 0
    if features == "none" or (training_seconds < defaults.EVALUATION_MIN_SECONDS and not is_requested):
        disabled = settings.model_copy(update={"features": "none"})
        return replace(setup, recipe=setup.recipe.model_copy(update={"evaluation": disabled})), []
    evaluator = _build_online_evaluator(setup, features, dataset)
    estimate = torch.tensor(evaluator.estimate_seconds(), device=setup.accelerator.device)
    seconds = setup.accelerator.all_reduce_mean(estimate).item()
    recipe, decisions = defaults.choose_evaluation_schedule(setup.recipe, training_seconds, seconds, features)
    return replace(setup, recipe=recipe), decisions
