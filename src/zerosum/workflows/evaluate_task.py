"""Choose the features of an evaluation task, compute its scores, and record them in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.files import remove_temporary_files, replaced_folder
from zerosum.reporter import Reporter
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    import torch

    from zerosum.data.dataset import Dataset
    from zerosum.evaluation.request import EvaluationOptions, EvaluationTask


def choose_unbiased_features(
    options: EvaluationOptions, task: EvaluationTask, pretrained_features: str, dataset: Dataset
) -> tuple[EvaluationOptions, EvaluationTask]:
    """Choose features other than the `pretrained_features` that the generator was trained on.

    If the user chose these very features, they are used and a warning is added to the task.
    """
    from zerosum.evaluation.evaluator import evaluation_kind

    if not pretrained_features:
        return options, task
    unbiased = evaluation_kind(dataset).unbiased_features(dataset)
    options = replace(options, features=options.features or unbiased)
    if options.features == pretrained_features:
        warning = (
            f"the generator was trained on {pretrained_features} features, so its scores by {pretrained_features} are "
            f"too good; `features` {unbiased} is unbiased"
        )
        task = replace(task, warnings=(*task.warnings, warning))
    return options, task


def evaluate_and_record(
    task: EvaluationTask,
    options: EvaluationOptions,
    classifier_dataset: Dataset,
    device: torch.device,
    reporter: Reporter,
    folder: RunFolder,
    is_rank_zero: bool,
    metadata: Row,
    save_more_figures: Callable[[Path], list[Path]] = lambda folder: [],
    baseline: EvaluationTask | None = None,
) -> Row:
    """Extract features, compute the scores, save the figures, append a row to scores.jsonl, and report the scores.

    Args:
        task: the samples and the real images.
        options: the options of the user.
        classifier_dataset: the data that a classifier of the classes is trained on, if one is needed.
        device: the device to compute on.
        reporter: receives progress and scores.
        folder: the folder of scores.jsonl and of the figures.
        is_rank_zero: whether this is the first rank, which alone writes files.
        metadata: further keys of the row, about the generator; with "checkpoint" and "examples".
        save_more_figures: writes additional figures into a folder and returns their paths.
        baseline: the same task with samples of what the generator has to be better than; None if there is nothing.

    Returns:
        The row; {} on every rank but the first.
    """
    from zerosum.evaluation import evaluator
    from zerosum.evaluation.features.classifier import ClassifierFeatures
    from zerosum.evaluation.figures import save_figures
    from zerosum.reporting.scores_section import report_scores

    kind = evaluator.evaluation_kind(classifier_dataset)
    options = replace(options, features=options.features or kind.default_features())
    network = evaluator.feature_network(options.features, classifier_dataset, device, reporter)
    classifier = network if isinstance(network, ClassifierFeatures) else None
    if classifier is None and len(classifier_dataset.classes) > 1:
        classifier = evaluator.train_classifier(classifier_dataset, device, reporter)
    with evaluator.open_feature_extractor(network, classifier_dataset, device) as extractor:
        result, _ = evaluator.run_evaluation(task, options, extractor, classifier, reporter)
        if baseline:
            reporter.message(f"evaluating the baseline: {metadata['baseline']}")
            result = result.with_baseline(
                evaluator.run_evaluation(baseline, options, extractor, classifier, reporter)[0]
            )
    if not is_rank_zero:
        return {}
    name = f"{metadata['checkpoint']}-{result.protocol.score_name('kid')}-{result.protocol.key}-seed{options.seed}"
    figures_folder = folder.path / "scores" / name
    with replaced_folder(figures_folder) as drawn:  # of an earlier evaluation with the same protocol
        paths = [*save_figures(result, task, drawn), *save_more_figures(drawn)]
    figures = [figures_folder / path.name for path in paths]
    remove_temporary_files(folder.path)
    row = evaluator.record_result(folder, result, metadata, figures)
    report_scores(row, reporter.message, classifier_dataset.summary.noun)
    for path in figures:
        reporter.message(f"  look at  {path}")
    return row
