"""Evaluate translation against targets, pair by pair and as sets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zerosum.data.codec import Items
from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.kind import load_dataset
from zerosum.evaluation.evaluator import evaluation_kind
from zerosum.evaluation.kinds.image_pair_metrics import PERCEPTUAL_METRIC, PERCEPTUAL_NETWORK
from zerosum.evaluation.request import EvaluationTask
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet, decode_finite
from zerosum.game.sample_spec import require_single_tensor
from zerosum.inference.load import located_recipe
from zerosum.inference.translator import Translator, batch_ranges, subsample_evenly
from zerosum.media import raster
from zerosum.media.kind import MEDIA_KINDS
from zerosum.reporter import Reporter
from zerosum.run_folder import Row, RunFolder
from zerosum.workflows.run_data import load_options, load_other_data, read_run_data, report_intake

if TYPE_CHECKING:
    from zerosum.data.config import DataConfig
    from zerosum.recipes.recipe import Recipe

BATCH_SIZE, GRID_EXAMPLES = 16, 24
"""Inputs that are translated at a time; examples in the grid."""


@dataclass(frozen=True, eq=False)
class TranslationSet:
    """Inputs of a translator, and the targets to compare its outputs with."""

    dataset: Dataset
    indices: np.ndarray
    """(N,) indices of the inputs, ordered by content."""
    real: RealSet
    """The targets; for pairs, those of the same indices."""

    @classmethod
    def from_dataset(cls, dataset: Dataset, held_out: bool) -> TranslationSet:
        """Return the held-out part of the data of a run, or, for other data, all of them."""
        part, noun = dataset.held_out if held_out else dataset.train, dataset.summary.noun
        kind = f"the held-out target {noun}s" if held_out else f"the target {noun}s"
        name, indices = f"{kind} of {dataset.summary.source}", dataset.input_indices(held_out)
        # the input and the target of a pair have one index
        return cls(
            dataset,
            indices,
            RealSet(dataset, indices, name) if dataset.has_targets else RealSet.from_dataset(dataset, part, name),
        )

    def head(self, count: int) -> TranslationSet:
        """Return the first `count` inputs and, for pairs, their targets."""
        real = self.real.head(count) if self.dataset.has_targets else self.real
        return TranslationSet(self.dataset, self.indices[:count], real)

    def inputs(self, rows: range) -> Tensor:
        """Return the inputs of these rows: (n, ...) in [-1, 1]."""
        return as_tensor(self.dataset.inputs(self.indices[rows.start : rows.stop]))

    def targets(self, rows: range) -> Tensor:
        """Return the targets of these rows: (n, ...) in [-1, 1]; for pairs only."""
        return as_tensor(self.dataset.samples(self.indices[rows.start : rows.stop]))

    def generate(self, translator: Translator) -> GeneratedSet:
        """Return the translations of all inputs, computed when they are read."""

        def translate(first: int, count: int) -> Items:
            outputs = translator(self.inputs(range(first, first + count)))
            return decode_finite(self.dataset.codec, outputs, torch.zeros(count, dtype=torch.int64))

        return GeneratedSet(translate, len(self.indices), "the translations of this run")


def load_translation_data(
    folder: RunFolder, recipe: Recipe, data: str, paired: bool, reverse: bool, reporter: Reporter
) -> tuple[Dataset, TranslationSet]:
    """Load the data of a run, and the examples to evaluate: its held-out part, or all of `data`.

    Args:
        folder: the run folder.
        recipe: the recipe of the run.
        data: other data to evaluate on; "" for those of the run.
        paired: whether files with equal names in `data` are pairs.
        reverse: whether to evaluate the direction from target to input.
        reporter: receives the progress.

    Raises:
        BadInput: the data do not exist, have changed, or have another shape than the run needs.
    """
    dataset = read_run_data(folder, recipe, reporter)
    report_intake(dataset, reporter)
    located = located_recipe(folder, recipe)
    if reverse:
        dataset = load_dataset(_data_for_direction(located.data, False, reverse), load_options(reporter))
    if not data:
        return dataset, TranslationSet.from_dataset(dataset, held_out=True)
    directed = _data_for_direction(located.data, paired, reverse)
    external = load_other_data(directed.with_source(data), dataset, reporter)
    return dataset, TranslationSet.from_dataset(external, held_out=False)


def _data_for_direction(data: DataConfig, paired: bool, reverse: bool) -> DataConfig:
    """Return settings that read the data as pairs, if they are, and with input and target swapped for `reverse`."""
    directed = data.reversed() if reverse else data
    return directed.as_paired() if paired else directed


def build_translation_task(
    translator: Translator, train_dataset: Dataset, translation_set: TranslationSet, pretrained_features: str
) -> EvaluationTask:
    """Return the task of comparing the translations of a set with its targets.

    Args:
        translator: the translator to evaluate.
        train_dataset: the data of the run.
        translation_set: the inputs and targets.
        pretrained_features: the features that the generator was trained on; "" for none.
    """
    summary = train_dataset.summary
    train = RealSet.from_dataset(
        train_dataset, train_dataset.train, f"the training {summary.noun}s of {summary.source}"
    )
    is_external = translation_set.dataset is not train_dataset
    warnings = []
    if pretrained_features == PERCEPTUAL_NETWORK and translation_set.dataset.has_targets:
        warnings.append(
            f"the generator was trained on {PERCEPTUAL_NETWORK} features, so its {PERCEPTUAL_METRIC} is too good; "
            "psnr, ssim and l1 are unbiased"
        )
    # without memorization: the input decides what a translation looks like, not chance
    return EvaluationTask(
        translation_set.generate(translator), translation_set.real, train.head(len(translation_set.indices)), None,
        None, "all" if is_external else "held-out", tuple(warnings), is_paired=translation_set.dataset.has_targets,
        train_items=train,
    )  # fmt: skip


# ---------------------------------------------------------------------- pairs


def compare_pairs(translator: Translator, translation_set: TranslationSet, reporter: Reporter) -> Row:
    """Return what a record of an evaluation says of pairs: their scores, and what the baseline is."""
    scores = compute_paired_scores(translator, translation_set, reporter)
    return {"paired_metrics": scores, "paired_baseline": translation_set.dataset.baseline_name}


def compute_paired_scores(translator: Translator, translation_set: TranslationSet, reporter: Reporter) -> Row:
    """Compare each translation with its target, and each input with its target as a baseline.

    The error takes pairs of one content hash, such as the pieces of a recording, as one.

    Returns:
        By metric, such as l1: `value`, `error`, and `input`, the value of the input itself in the form of a target,
        see `Dataset.baseline`: an image at its size (enlarged bicubically; gray repeated to three channels).
    """
    dataset, kind = translation_set.dataset, evaluation_kind(translation_set.dataset)
    output_metrics, input_metrics = kind.pair_metrics(dataset), kind.pair_metrics(dataset)
    count = len(translation_set.indices)
    for rows in batch_ranges(count, BATCH_SIZE):
        inputs = translation_set.inputs(rows)
        targets = translation_set.targets(rows)
        output_metrics.update(translator(inputs), targets)
        input_metrics.update(dataset.baseline(inputs, _target_shape(translation_set)), targets)
        reporter.progress(rows.stop, count, "comparing pairs")
    groups = dataset.content_hashes[translation_set.indices]
    baseline = input_metrics.compute(groups)
    return {
        name: {"value": value, "error": error, "input": baseline[name][0]}
        for name, (value, error) in output_metrics.compute(groups).items()
    }


def _target_shape(translation_set: TranslationSet) -> tuple[int, ...]:
    """Return the shape (C, H, W) of a target."""
    return require_single_tensor(translation_set.dataset.spec, "translation").shape


def save_example_grid(translator: Translator, translation_set: TranslationSet, path: Path) -> Path:
    """Save a grid with an input, its translation and, for pairs, its target side by side."""
    shown = TranslationSet(
        translation_set.dataset, subsample_evenly(translation_set.indices, GRID_EXAMPLES), translation_set.real
    )
    rows, shape = range(len(shown.indices)), _target_shape(translation_set)
    inputs = shown.inputs(rows)
    codec = translation_set.dataset.codec
    columns = [translation_set.dataset.baseline(inputs, shape), translator(inputs)]
    if translation_set.dataset.has_targets:
        columns.append(shown.targets(rows))
    grid = torch.stack(columns, 1).flatten(0, 1)
    items = codec.preview_samples(grid, torch.zeros(len(grid), dtype=torch.int64))
    media = MEDIA_KINDS.find(translation_set.dataset.summary.kind)
    raster.save_image(media.draw(items, columns=3 * len(columns)), path)
    return path
