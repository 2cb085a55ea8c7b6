"""What watches a run while it is trained: the monitor, and the evaluation that keeps the best networks."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch

from zerosum.data.dataset import Dataset
from zerosum.diagnosis.monitor import Monitor
from zerosum.diagnosis.probe import GameProbe
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.translation_probe import TranslationProbe
from zerosum.errors import BadInput
from zerosum.evaluation.evaluator import feature_network
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.online import OnlineEvaluator, TranslatedSet
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Decision
from zerosum.run_folder import RunFolder
from zerosum.training.best_model import BestModelTracker
from zerosum.training.loop import dry_step
from zerosum.workflows.recover import can_recover
from zerosum.workflows.setup import TrainingSetup


def build_monitor(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> Monitor | None:
    """Who watches the run, on the first rank."""
    if setup.accelerator.rank > 0:
        return None
    settings, training = setup.recipe.diagnostics, setup.recipe.training
    probe = None
    if settings.probe and settings.every_examples:
        part = min(training.batch_size // training.accumulate // setup.accelerator.world_size, settings.samples)
        reference_set = ReferenceSet(dataset, settings.samples // part * part, part, setup.accelerator.device)
        kind = TranslationProbe if setup.recipe.is_translation else GameProbe
        probe = kind(reference_set, dry_step(setup.accelerator.single_process()))
    every = settings.every_examples if probe else None
    return Monitor(
        probe,
        every,
        settings.duality_gap_every,
        folder,
        partial(can_recover, folder, setup.recipe),
        setup.reporter.finding,
    )


def build_best_model_tracker(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> BestModelTracker | None:
    """The contest within the run, where there is one."""
    judging = setup.recipe.evaluation
    if judging.every_examples is None or judging.features in {"none", "auto"}:
        return None
    network = feature_network(judging.features, dataset, setup.accelerator.device, setup.reporter)
    watch = _build_online_evaluator(setup, network, dataset)
    return BestModelTracker(folder, watch, judging.every_examples, judging.patience)


def _build_online_evaluator(setup: TrainingSetup, feature_network: FeatureNetwork, dataset: Dataset) -> OnlineEvaluator:
    """Who judges samples while they are trained: of seeds, or of held-out pictures that are given."""
    samples = setup.recipe.evaluation.samples
    if not setup.recipe.is_translation:
        return OnlineEvaluator(feature_network, setup.accelerator.device, dataset, samples)
    answers = TranslatedSet(dataset)
    return OnlineEvaluator(feature_network, setup.accelerator.device, dataset, min(samples, len(answers)), answers)


def choose_evaluation_features(setup: TrainingSetup, dataset: Dataset) -> str:
    """The name of what judges samples while they are trained; "none" if nothing does."""
    name = setup.recipe.evaluation.features
    usual = "pixels" if setup.recipe.pretrained_features else "lite0" if is_lite0_installed() else "none"
    return (usual if dataset.bounded else "none") if name == "auto" else name


def schedule_evaluation(
    setup: TrainingSetup, dataset: Dataset, features: str, seconds_per_round: float
) -> tuple[TrainingSetup, list[Decision]]:
    """The stage with the schedule of its judgements settled."""
    judging, training = setup.recipe.evaluation, setup.recipe.training
    takes = (training.examples or 0) / training.batch_size * seconds_per_round
    asked = judging.every_examples is not None or judging.patience > 0
    if features == "none" or (takes < defaults.EVALUATION_MIN_SECONDS and not asked):
        settled = judging.model_copy(update={"features": "none"})
        return replace(setup, recipe=setup.recipe.model_copy(update={"evaluation": settled})), []
    device = setup.accelerator.device
    try:
        watch = _build_online_evaluator(setup, feature_network(features, dataset, device, setup.reporter), dataset)
    except BadInput as error:
        raise BadInput(str(error).replace("--features", "--evaluation.features")) from error
    each = setup.accelerator.all_reduce_mean(torch.tensor(watch.estimate_seconds(), device=device)).item()
    recipe, decisions = defaults.choose_evaluation_schedule(setup.recipe, takes, each, features)
    return replace(setup, recipe=recipe), decisions
