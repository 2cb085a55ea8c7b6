"""Judging what turns pictures into others: against the pictures that were wanted, one by one and as sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from zerosum.data.dataset import Dataset
from zerosum.data.load import load_dataset, load_external_dataset
from zerosum.errors import BadInput
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.metrics.class_counts import mean_score
from zerosum.evaluation.metrics.paired import PairedMetrics
from zerosum.evaluation.request import EvaluationTask, describe_train_overlap
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.inference.load import data_paths, with_data_paths
from zerosum.inference.translator import Translator, batch_ranges, bicubic_baseline, subsample_evenly
from zerosum.media import images
from zerosum.reporter import Reporter
from zerosum.run_folder import Row, RunFolder

if TYPE_CHECKING:
    from zerosum.networks.perceptual import PerceptualDistance
    from zerosum.recipes.recipe import Recipe

BATCH_SIZE, GRID_EXAMPLES = 16, 24
"""Pictures that go through at a time; pictures on the sheet of examples."""
BYTE_ROUNDING_PSNR_DB = 10 * np.log10(255**2 * 12)
"""58.9 dB: what rounding to bytes alone leaves, which pairs that are equal to the byte are counted with."""
PERCEPTUAL_NETWORK, PERCEPTUAL_METRIC = "lite0", "perceptual_lite0"
"""EfficientNet-Lite0, and the distance in its eyes, place by place."""


@dataclass(frozen=True, eq=False)
class TranslationSet:
    """Pictures that are given to a translator, and what is wanted."""

    dataset: Dataset
    indices: np.ndarray
    """(N,) indices of what is given, in the order of content."""
    real: RealSet
    """The wanted pictures; of pairs those of the same rows."""

    @classmethod
    def from_dataset(cls, dataset: Dataset, held_out: bool) -> TranslationSet:
        """The held-out pictures of a run's data; all pictures of data from elsewhere."""
        part = dataset.held_out if held_out else dataset.train
        what = "the held-out wanted pictures" if held_out else "the wanted pictures"
        name, chosen = f"{what} of {dataset.summary.source}", dataset.input_indices(held_out)
        # a pair's two sides have one index
        return cls(
            dataset,
            chosen,
            RealSet(dataset, chosen, name) if dataset.has_targets else RealSet.from_dataset(dataset, part, name),
        )

    def head(self, count: int) -> TranslationSet:
        """The first `count`; of pairs, of both sides."""
        real = self.real.head(count) if self.dataset.has_targets else self.real
        return TranslationSet(self.dataset, self.indices[:count], real)

    def inputs(self, rows: range) -> Tensor:
        """(n, Ci, h, w): some of what is given."""
        return self.dataset.inputs(self.indices[rows.start : rows.stop])

    def targets(self, rows: range) -> Tensor:
        """(n, C, H, W): what is wanted of them, where that is known."""
        return self.dataset.scale(self.dataset.take(self.indices[rows.start : rows.stop]))

    def generate(self, translator: Translator) -> GeneratedSet:
        """What a translator makes of them."""

        def make(first: int, count: int) -> Tensor:
            return translator(self.inputs(range(first, first + count)))

        return GeneratedSet(make, len(self.indices), "what the run makes of them")


def load_translation_data(
    folder: RunFolder, recipe: Recipe, data: str, paired: bool, reverse: bool, reporter: Reporter
) -> tuple[Dataset, TranslationSet]:
    """A run's own data, and the pictures it is to be asked about: its held-out ones, or all from `data`.

    Raises:
        BadInput: they are gone or have changed, or are not what the run takes.
    """

    def progress(done: int, total: int) -> None:
        reporter.progress(done, total, "reading")

    placed = with_data_paths(recipe, *data_paths(folder))
    own = load_dataset(placed.data, progress, both=placed.game.bidirectional)
    if own.fingerprint != folder.read_json("data.json").get("fingerprint"):
        raise BadInput(
            f"{placed.data.source} has changed since {folder.path} was trained on it, so what was held out is no "
            f"longer known; put the data back as they were"
        )
    turned = _recipe_for_direction(placed, paired, reverse)
    own = (
        load_dataset(_recipe_for_direction(placed, False, reverse).data, progress, both=placed.game.bidirectional)
        if reverse
        else own
    )
    if not data:
        return own, TranslationSet.from_dataset(own, held_out=True)
    dataset = load_external_dataset(turned.data, data, "", progress, turned.game.bidirectional)
    if dataset.shape != own.shape or dataset.input_shape != own.input_shape:
        raise BadInput(f"--data {data}: does not hold what the run takes and makes; give data of the same kind")
    return own, TranslationSet.from_dataset(dataset, held_out=False)


def _recipe_for_direction(recipe: Recipe, paired: bool, reverse: bool) -> Recipe:
    """The recipe as it reads what it is asked about: as pairs if they are, and the other way round for the way back."""
    data = recipe.data
    changes: dict[str, Any] = {"pairs": "paired"} if paired else {}
    if reverse:
        changes |= {"input": data.target, "target": data.input}
        changes |= {"source": data.target_source, "target_source": data.source} if data.target_source else {}
    return recipe.model_copy(update={"data": data.model_copy(update=changes)}) if changes else recipe


def build_translation_task(
    translator: Translator, train_dataset: Dataset, translation_set: TranslationSet, pretrained_features: str
) -> EvaluationTask:
    """What a translator makes of these pictures, against the wanted ones."""
    train = RealSet.from_dataset(
        train_dataset, train_dataset.train, f"the training pictures of {train_dataset.summary.source}"
    )
    elsewhere = translation_set.dataset is not train_dataset
    warnings = [*(describe_train_overlap(translation_set.real, train) if elsewhere else ())]
    if pretrained_features == PERCEPTUAL_NETWORK and translation_set.dataset.has_targets:
        warnings.append(
            f"the generator was trained to please what {PERCEPTUAL_NETWORK} sees, so {PERCEPTUAL_METRIC} flatters it; psnr, ssim and l1 do not"
        )
    # whether a translation copies training pictures is no question of chance: what is given decides
    return EvaluationTask(
        translation_set.generate(translator), translation_set.real, train.head(len(translation_set.indices)), None, None,
        "all" if elsewhere else "held-out", tuple(warnings), is_paired=translation_set.dataset.has_targets,
    )  # fmt: skip


# ---------------------------------------------------------------------- pairs


def compute_paired_scores(translator: Translator, translation_set: TranslationSet, reporter: Reporter) -> Row:
    """How alike what is made and what is wanted are, pair by pair, beside the same of what was given.

    Returns:
        By name (l1, psnr, ssim, perceptual_lite0): `value`, `error`, and `given`, the value of what was given itself,
        brought to the wanted shape (enlarged bicubically, grey in three channels).
    """
    made, given = (
        _PairedAccumulator(translation_set.real.dataset.shape),
        _PairedAccumulator(translation_set.real.dataset.shape),
    )
    count = len(translation_set.indices)
    for rows in batch_ranges(count, BATCH_SIZE):
        pictures_ = translation_set.inputs(rows)
        wanted = translation_set.targets(rows)
        made.update(translator(pictures_), wanted)
        given.update(bicubic_baseline(pictures_, translation_set.dataset.shape), wanted)
        reporter.progress(rows.stop, count, "comparing pair by pair")
    before = given.compute()
    return {
        name: {"value": score[0], "error": score[1], "input": before[name][0]} for name, score in made.compute().items()
    }


class _PairedAccumulator:
    """Gathers what pairs are like."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._metrics, self._perceptual_distances = PairedMetrics(), list[Tensor]()
        self._perceptual_distance = _load_perceptual_distance(max(shape[1:])) if is_lite0_installed() else None

    def update(self, generated: Tensor, target: Tensor) -> None:
        # as bytes, as they would be in files
        generated = generated.add(1).mul(127.5).round().div(127.5).sub(1)
        self._metrics.update(generated, target)
        if self._perceptual_distance is not None:
            with torch.no_grad():
                self._perceptual_distances.append(self._perceptual_distance(generated, target))

    def compute(self) -> Mapping[str, tuple[float | None, float | None]]:
        values = self._metrics.per_pair_values()
        values["psnr"] = np.minimum(values["psnr"], BYTE_ROUNDING_PSNR_DB)  # a flat tile may be met exactly
        found = {name: (score.value, score.error) for name, each in values.items() for score in [mean_score(each)]}
        if self._perceptual_distances:
            score = mean_score(torch.cat(self._perceptual_distances).double().numpy())
            found[PERCEPTUAL_METRIC] = (score.value, score.error)
        return {name: (_finite_or_none(value), _finite_or_none(error)) for name, (value, error) in found.items()}


def _load_perceptual_distance(image_size: int) -> PerceptualDistance:
    from zerosum.networks.perceptual import PerceptualDistance

    return PerceptualDistance(image_size).eval()


def _finite_or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def save_example_grid(translator: Translator, translation_set: TranslationSet, path: Path) -> Path:
    """A sheet of what was given, what was made of it, and what was wanted where that is known."""
    shown = TranslationSet(
        translation_set.dataset, subsample_evenly(translation_set.indices, GRID_EXAMPLES), translation_set.real
    )
    rows, shape = range(len(shown.indices)), translation_set.dataset.shape
    given = shown.inputs(rows)
    columns = [bicubic_baseline(given, shape), translator(given)]
    if translation_set.dataset.has_targets:
        columns.append(shown.targets(rows))
    sheet = torch.stack(columns, 1).flatten(0, 1)
    images.save_image(images.make_grid(images.to_uint8(sheet), columns=3 * len(columns)), path)
    return path
