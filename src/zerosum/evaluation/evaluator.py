"""Run an evaluation task: extract features, compute scores, and record the result."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from zerosum.data.codec import Items
from zerosum.data.dataset import Dataset
from zerosum.errors import BadInput
from zerosum.evaluation.class_probe import probe_classes
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.classifier import ClassifierFeatures
from zerosum.evaluation.features.extract import FeatureExtractor, FeatureSet
from zerosum.evaluation.kinds.base import CLASSIFIER, EVALUATION_KINDS, EvaluationKind
from zerosum.evaluation.metrics.base import ItemComparison, SharedResults
from zerosum.evaluation.metrics.per_class import evaluate_per_class
from zerosum.evaluation.metrics.registry import check_names, find_described
from zerosum.evaluation.overlap import Contents, RecordingSet, find_overlaps
from zerosum.evaluation.protocol import Protocol, truncation_or_none
from zerosum.evaluation.request import (
    MAX_SAMPLES,
    EvaluationOptions,
    EvaluationTask,
    get_class_labels,
    require_enough_examples,
    without_invalid,
    without_repeated,
)
from zerosum.evaluation.result import EvaluationResult, ScoreWithFloor, evaluate_samples
from zerosum.evaluation.sample_sets import RealSet, SampleSet
from zerosum.reporter import Reporter
from zerosum.run_folder import Json, Row, RunFolder

# ---------------------------------------------------------------------- features and scores


@contextmanager
def open_feature_extractor(
    network: FeatureNetwork, dataset: Dataset, device: torch.device
) -> Iterator[FeatureExtractor]:
    """Yield a feature extractor of such items as a dataset holds; its scratch folder is removed when the block ends."""
    kind, codec = evaluation_kind(dataset), dataset.codec
    network_input = partial(kind.network_input, codec=codec)
    with tempfile.TemporaryDirectory(prefix="zerosum-") as scratch:
        yield FeatureExtractor(network, network_input, device, Path(scratch), kind.input_key(codec))


def evaluation_kind(dataset: Dataset) -> EvaluationKind:
    """Return how samples of the kind of a dataset are evaluated."""
    return EVALUATION_KINDS.find(dataset.summary.kind)


def feature_network(
    name: str, dataset: Dataset, device: torch.device, reporter: Reporter, field: str = "features"
) -> FeatureNetwork:
    """Return the feature network of a name; train a classifier of the dataset's classes for "classifier".

    Args:
        name: the name, or the import path of a custom network.
        dataset: what it is used for.
        device: where it computes.
        reporter: receives the progress of training a classifier.
        field: the argument or setting that names it, for messages.

    Raises:
        BadInput: there is no such network for these data, or it cannot be loaded.
    """
    if name != CLASSIFIER:
        return evaluation_kind(dataset).load_features(name, dataset, device, field)
    classifier = train_classifier(dataset, device, reporter, field)
    if classifier is None:
        raise BadInput(
            f"`{field}` {CLASSIFIER}: there is no classifier of the {dataset.summary.noun}s of "
            f"{dataset.summary.source}; leave `{field}` unset"
        )
    return classifier


def train_classifier(
    dataset: Dataset, device: torch.device, reporter: Reporter, field: str = "features"
) -> ClassifierFeatures | None:
    """Return a classifier of the dataset's classes, trained or loaded from the cache; None if this kind has none."""
    progress = partial(_report_progress, reporter, "training a classifier of the dataset's classes")
    return evaluation_kind(dataset).train_classifier(dataset, device, progress, field)


def _report_progress(reporter: Reporter, description: str, done: int, total: int) -> None:
    reporter.progress(done, total, description)


def run_evaluation(
    task: EvaluationTask,
    options: EvaluationOptions,
    extractor: FeatureExtractor,
    classifier: ClassifierFeatures | None,
    reporter: Reporter,
) -> tuple[EvaluationResult, dict[str, FeatureSet]]:
    """Extract the features of all sets of a task and compute every score.

    Returns:
        The result, and the feature sets by name: "real", "floor", "generated", "train", "held_out". Scores of the items
        themselves are in the result of the first rank alone.

    Raises:
        BadInput: a set has too few items, all real items are the same, or two metrics have one name.
    """
    require_enough_examples(task, options.neighbors)
    kind = evaluation_kind(task.real.dataset)
    check_names([*find_described(), *kind.metrics])
    task = without_invalid(task, options.neighbors, partial(_report_progress, reporter, "drawing samples"))
    if isinstance(extractor.network, ClassifierFeatures):
        task = task.without_memorization(
            "memorization is not measured: the classifier was trained on these training "
            f"{task.real.dataset.summary.noun}s, so its features "
            "separate them from all others; `features` lite0 measures it"
        )
    item_task = task
    if kind.has_equal_items and task.train:
        task = without_repeated(task, task.train)
    feature_sets, contents = _extract_features(task, extractor, reporter)
    result = evaluate_samples(
        _build_protocol(task, options, extractor.network),
        feature_sets["real"], feature_sets["generated"], feature_sets["floor"],
        (feature_sets["train"], feature_sets["held_out"]) if task.train and task.held_out else None,
        lambda step: reporter.message(f"computing {step}"),
        task.real.dataset.summary.noun,
        kind.max_neighbors_searched,
    )  # fmt: skip
    overlaps = find_overlaps(task, contents)
    result = replace(result, warnings=[*result.warnings, *task.warnings], overlaps=overlaps)
    result = _add_item_scores(result, item_task, reporter)
    if classifier:
        result = replace(result, per_class=_evaluate_classes(task, classifier, extractor, result, feature_sets))
    return result, feature_sets


def _extract_features(
    task: EvaluationTask, extractor: FeatureExtractor, reporter: Reporter
) -> tuple[dict[str, FeatureSet], dict[str, Contents]]:
    """Return the features of the sets of a task by their names, and the contents of those that were read."""
    thumbnails = partial(evaluation_kind(task.real.dataset).thumbnails, codec=task.real.dataset.codec)
    sample_sets: dict[str, SampleSet | None] = {
        "real": task.real, "floor": task.floor_set, "generated": task.generated, "train": task.train,
        "held_out": task.held_out,
    }  # fmt: skip
    feature_sets: dict[str, FeatureSet] = {}
    contents: dict[str, Contents] = {}
    for name, sample_set in sample_sets.items():
        if sample_set is task.real and name != "real":
            feature_sets[name] = feature_sets["real"]
        elif sample_set is not None:
            progress = partial(_report_progress, reporter, f"extracting features of {sample_set.name}")
            recorded = RecordingSet(sample_set, thumbnails)
            feature_sets[name] = extractor.extract(recorded, isinstance(sample_set, RealSet), progress)
            contents[name] = recorded.contents()
    return feature_sets, contents


def _add_item_scores(result: EvaluationResult, task: EvaluationTask, reporter: Reporter) -> EvaluationResult:
    """Return a result with the scores that only this kind of data has, which compare the items themselves.

    Features hold no items, so every sample is generated once more, and all items are in memory. The first rank alone
    does it, since it alone records the scores; the others return the result unchanged.
    """
    kind = evaluation_kind(task.real.dataset)
    if not kind.metrics or (dist.is_initialized() and dist.get_rank() > 0):
        return result
    shared = SharedResults(partial(_report_progress, reporter, f"comparing {task.real.dataset.summary.noun}s"))
    comparison = _compare_items(task, shared)
    floor_comparison = replace(comparison, generated=_take_all(task.floor_set))
    is_size_matched = len(task.floor_set) >= len(task.generated)
    scores, parts, notes = dict(result.scores), dict(result.parts), list(result.warnings)
    for metric in kind.metrics:
        reporter.message(f"computing {metric.name}")
        if (score := metric.compute(comparison)) is None:
            continue
        floor = metric.floor(comparison) if metric.floor else metric.compute(floor_comparison)
        scores[metric.name] = ScoreWithFloor(metric, score, floor, is_size_matched)
        if metric.parts:
            parts[metric.name] = metric.parts(comparison)
        if metric.explain:
            notes += metric.explain(comparison, score, floor)
    return replace(result, scores=scores, parts=parts, warnings=[*notes, *kind.notes])


def _compare_items(task: EvaluationTask, shared: SharedResults) -> ItemComparison:
    """Return the items of a task, of which the samples may be invalid."""
    train = task.train_items or task.train if task.train else None
    return ItemComparison(
        _take_all(task.all_samples or task.generated),
        _take_all(task.real),
        _take_all(train.head(MAX_SAMPLES)) if train else None,
        len(train or ()),
        _take_all(task.held_out) if train and task.held_out else None,
        task.real.dataset,
        train,
        shared,
    )


def _take_all(sample_set: SampleSet) -> Items:
    return sample_set.take(np.arange(len(sample_set)))


def _build_protocol(task: EvaluationTask, options: EvaluationOptions, network: FeatureNetwork) -> Protocol:
    return Protocol(
        features=network.name,
        weights_hash=network.version,
        resize_mode=network.resize_mode,
        image_format=evaluation_kind(task.real.dataset).describe(task.real.dataset),
        real_fingerprint=task.real.fingerprint,
        reference_split=task.reference_split,
        num_real=len(task.real),
        num_generated=len(task.all_samples or task.generated),
        sample_source=options.sample_source,
        truncation=truncation_or_none(options.truncation),
        neighbors=options.neighbors,
        is_paired=task.is_paired,
        seed=options.seed,
        auxiliary_fingerprints=f"{task.floor_set.fingerprint} {task.train.fingerprint if task.train else ''}".strip(),
    )


def _evaluate_classes(
    task: EvaluationTask,
    classifier: ClassifierFeatures,
    extractor: FeatureExtractor,
    result: EvaluationResult,
    feature_sets: dict[str, FeatureSet],
) -> dict[str, Json]:
    """Return the per-class scores, with samples classified by a classifier of the dataset's classes."""
    classifier_extractor = replace(extractor, network=classifier)
    is_same_network = extractor.network is classifier
    real, generated = (
        feature_sets[name]
        if is_same_network
        else classifier_extractor.extract(sample_set, use_cache=isinstance(sample_set, RealSet))
        for name, sample_set in (("real", task.real), ("generated", task.generated))
    )
    assert real.probabilities, "a classifier has a head"
    assert generated.probabilities, "a classifier has a head"
    row = evaluate_per_class(
        classifier.classes,
        (real.probabilities, generated.probabilities),
        (feature_sets["real"].features, feature_sets["generated"].features),
        get_class_labels(task.real, classifier.classes),
        get_class_labels(task.generated, classifier.classes),
        result.pairwise,
    )
    if task.is_paired:  # the rows of a class on the two sides are not the same pairs
        row["kid"] = [None] * len(classifier.classes)
    row |= {"classifier": {"accuracy": classifier.accuracy, "weights": classifier.version}}
    if evaluation_kind(task.real.dataset).has_class_probe and not is_same_network:
        row["probe"] = probe_classes(task, feature_sets, classifier.classes)
    return row


# ---------------------------------------------------------------------- records


def record_result(folder: RunFolder, result: EvaluationResult, generator_info: Row, image_paths: Sequence[Path]) -> Row:
    """Append a result to scores.jsonl.

    Args:
        folder: the folder of the run or of the evaluation.
        result: the scores.
        generator_info: further keys of the row; `examples` is the generator's training time in examples.
        image_paths: the figures, which lie within the folder.

    Returns:
        The new row.
    """
    row = result.as_row(int(generator_info["examples"])) | {"mode": "offline"} | generator_info
    row["image_files"] = [str(path.relative_to(folder.path)) for path in image_paths]
    folder.append("scores.jsonl", row)
    return row
