"""What to evaluate: the samples, the real items to compare with, and the items the generator was trained on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import Items
from zerosum.data.dataset import Dataset
from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS
from zerosum.evaluation.kinds.base import EVALUATION_KINDS
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet, SampleSet, block_row_indices, decode_finite
from zerosum.game import seeded_rng
from zerosum.inference.generator import Generator

DEFAULT_SAMPLES = 10_000
"""Default number of samples; fewer if there are fewer training examples."""
DEFAULT_COPY_CANDIDATES = 20_000
"""Default number of training examples that are searched for copies."""
MAX_SAMPLES = 100_000
"""Largest number of samples and of copy candidates. Published scores take 50,000, and neighbors cost its square."""
MAX_REPEATED = 0.05
"""Fraction of training items that equal another one, above which copies by chance would look like memorization."""
REFERENCE_SPLITS = ("held-out", "train")


@dataclass(frozen=True)
class EvaluationOptions:
    """The options of an evaluation, as the user chose them."""

    features: str
    """Name of the feature network; empty: choose one."""
    num_samples: int | None
    """Number of samples; None: the default."""
    seed: int
    truncation: float
    reference_split: str
    copy_candidates: int
    """Number of training examples that are searched for copies."""
    neighbors: int
    """k of precision, recall, density and coverage."""
    sample_source: str
    """The generator's weights, "ema" or "raw" weights; "files" for samples read from files."""


@dataclass(frozen=True, eq=False)
class EvaluationTask:
    """Samples to evaluate, and the real items they are compared with."""

    generated: SampleSet
    real: RealSet
    floor_set: RealSet
    """Real items of another part, for the floor: as many as there are samples, or all there are."""
    train: RealSet | None
    """Items the generator was trained on, which it may have memorized; None: not known."""
    held_out: RealSet | None
    """Real items it was not trained on: their distances to `train` are those of a generator that does not copy."""
    reference_split: str
    warnings: tuple[str, ...] = ()
    is_paired: bool = False
    """Sample i was generated from the input of real item i."""
    real_items: RealSet | None = None
    """All real items, where `real` is a part of them; None: `real`."""
    train_items: RealSet | None = None
    """All items the generator was trained on, which samples and real items may be copies of; None: not known."""
    all_samples: SampleSet | None = None
    """All samples, where `generated` are those that are items of their kind; None: `generated`."""

    def without_memorization(self, reason: str) -> EvaluationTask:
        """Return the task without the memorization test, with the reason as a warning."""
        return replace(self, train=None, held_out=None, warnings=(*self.warnings, reason))


def check_options(reference_split: str, num_samples: int | None, neighbors: int, copy_candidates: int) -> None:
    """Raise if an option is out of range; called before any data are read.

    Raises:
        BadInput: an option is out of range.
    """
    if reference_split not in REFERENCE_SPLITS:
        raise BadInput(f"`reference_split` {reference_split}: choose one of {', '.join(REFERENCE_SPLITS)}")
    if not 1 <= neighbors <= 100:
        raise BadInput(f"`neighbors` {neighbors}: choose 1 to 100; the default is 5")
    if num_samples is not None and num_samples < neighbors + 2:
        raise BadInput(
            f"`num_samples` {num_samples}: too few for `neighbors` {neighbors}; give at least {neighbors + 2}"
        )
    if max(num_samples or 0, copy_candidates) > MAX_SAMPLES:
        name = "num_samples" if (num_samples or 0) > MAX_SAMPLES else "copy_candidates"
        raise BadInput(f"`{name}`: give at most {MAX_SAMPLES:,}, since the time grows with its square")
    if copy_candidates and copy_candidates < 16:
        raise BadInput(
            f"`copy_candidates` {copy_candidates}: the search for copies needs at least 16 training examples; the "
            f"default is {DEFAULT_COPY_CANDIDATES:,}"
        )


def build_run_task(
    generator: Generator, dataset: Dataset, external: Dataset | None, options: EvaluationOptions
) -> EvaluationTask:
    """Compare a run's samples with its own dataset, or with an external one."""
    source, nouns = dataset.summary.source, f"{dataset.summary.noun}s"
    train = RealSet.from_dataset(dataset, dataset.train, f"the training {nouns} of {source}")
    held_out = RealSet.from_dataset(dataset, dataset.held_out, f"the held-out {nouns} of {source}")
    n = options.num_samples or min(DEFAULT_SAMPLES, len(train))
    labels = generator.draw_labels(n, options.seed)
    generated = GeneratedSet(
        partial(_generate_items, generator, options.seed, options.truncation), n, "the samples of this run",
        None if labels is None else labels.numpy(),
    )  # fmt: skip
    candidates = train.head(options.copy_candidates)
    if external:
        real = RealSet.from_dataset(external, np.arange(len(external)), _items_name(external))
        return EvaluationTask(generated, real, train.head(n), candidates, held_out, "all", train_items=train)
    if options.reference_split == "train":
        return EvaluationTask(generated, train, held_out.head(n), candidates, held_out, "train", train_items=train)
    return EvaluationTask(generated, held_out, train.head(n), candidates, held_out, "held-out", train_items=train)


def _generate_items(generator: Generator, seed: int, truncation: float, start: int, count: int) -> Items:
    samples = generator.draw_samples(count, seed=seed, truncation=truncation, first=start)
    return decode_finite(generator.codec, samples, seeded_rng.derive_seeds(seed, start, count))


def build_folders_task(
    fakes: Dataset, reals: Dataset, train: Dataset | None, options: EvaluationOptions
) -> tuple[EvaluationTask, Dataset]:
    """Compare items of any origin with real ones.

    Without training items, samples are compared with one half of the real items, and the floor compares the other
    half with it.

    Returns:
        The task, and the dataset that a classifier of the classes may be trained on.

    Raises:
        BadInput: the items differ in form, or the real ones are all the same.
    """
    if fakes.spec != reals.spec:
        fake_form, real_form = (EVALUATION_KINDS.find(side.summary.kind).describe(side) for side in (fakes, reals))
        raise BadInput(
            f"{fakes.summary.source} holds {fakes.summary.noun}s of {fake_form}, and {reals.summary.source} of "
            f"{real_form}; bring both to the same form"
        )
    generated = RealSet.from_dataset(fakes, np.arange(len(fakes)), _items_name(fakes))
    generated = generated.head(options.num_samples or len(generated))
    real = RealSet.from_dataset(reals, np.arange(len(reals)), _items_name(reals))
    if train:
        train_set = RealSet.from_dataset(train, np.arange(len(train)), _items_name(train))
        candidates = train_set.head(options.copy_candidates)
        task = EvaluationTask(
            generated, real, train_set.head(len(generated)), candidates, real, "all", train_items=train_set
        )
        by_chance = len(real) // 2 if EVALUATION_KINDS.find(reals.summary.kind).has_equal_items else 0
        if (count := count_shared(real, train_set)) > by_chance:
            noun = real.dataset.summary.noun
            task = task.without_memorization(
                f"memorization is not measured: {count:,} of {len(real):,} real {noun}s are training {noun}s"
            )
        return task, train
    require_distinct(real)
    all_real = real
    # split by content, so that copies stay together
    median = np.median(np.unique(reals.content_hashes).astype(np.float64))
    is_below = reals.content_hashes.astype(np.float64) < median
    real, floor_set = (
        RealSet.from_dataset(reals, np.flatnonzero(mask), f"half of {reals.summary.source}")
        for mask in (is_below, ~is_below)
    )
    halves = replace(reals, train=floor_set.indices, held_out=real.indices)
    floor_set = floor_set.head(len(generated))
    return EvaluationTask(generated, real, floor_set, None, None, "half", real_items=all_real), halves


def _items_name(dataset: Dataset) -> str:
    """Return what all items of a dataset are called in messages."""
    return f"the {dataset.summary.noun}s of {dataset.summary.source}"


def count_shared(first: RealSet, second: RealSet) -> int:
    """Return how many items of one set have the content of an item of another."""
    return int(np.isin(first.content_hashes, second.content_hashes).sum())


def without_repeated(task: EvaluationTask, train: RealSet) -> EvaluationTask:
    """Return a task without the memorization test if many of the training items equal another one.

    Held-out items then differ from all training items, since a content is on one side, though new ones would not.
    """
    counts = np.unique(train.content_hashes, return_counts=True)[1]
    if counts[counts > 1].sum() <= MAX_REPEATED * len(train):
        return task
    return task.without_memorization(
        f"C_T and authenticity are not measured: {counts[counts > 1].sum() / len(train):.0%} of the training "
        f"{train.dataset.summary.noun}s equal another one, so samples do by chance; see `exact_copies`"
    )


def without_invalid(task: EvaluationTask, neighbors: int, progress: ProgressFn = ignore_progress) -> EvaluationTask:
    """Return a task without the samples that are no items of their kind, and with as many real items for the floor.

    Where a kind of data has such samples, all of them are generated here once, and are in memory.

    Raises:
        BadInput: fewer than `neighbors` + 2 samples are valid.
    """
    dataset, samples = task.real.dataset, task.generated
    if not dataset.codec.may_be_invalid:
        return task
    items = _take_all(samples, progress)
    kept = np.flatnonzero(~dataset.codec.find_invalid(items))
    if len(kept) < neighbors + 2:
        raise BadInput(
            f"{samples.name}: of {len(items):,}, only {len(kept):,} are valid {dataset.summary.noun}s, too few for a "
            "score; train for a longer time"
        )
    labels = samples.requested_labels if isinstance(samples, GeneratedSet) else None
    all_samples = GeneratedSet(partial(_take_items, items), len(items), samples.name, labels)
    normal = EVALUATION_KINDS.find(dataset.summary.kind).normalize(items[kept])
    own_labels = None if labels is None else labels[kept]
    valid = GeneratedSet(partial(_take_items, normal), len(kept), samples.name, own_labels)
    return replace(task, generated=valid, floor_set=task.floor_set.head(len(kept)), all_samples=all_samples)


def _take_all(samples: SampleSet, progress: ProgressFn) -> Items:
    """Return all items (N, ...) of a set, block by block."""
    blocks: list[Items] = []
    for index in range(-(-len(samples) // BLOCK_ROWS)):
        blocks.append(samples.take(block_row_indices(samples, index)))
        progress(min((index + 1) * BLOCK_ROWS, len(samples)), len(samples))
    return np.concatenate(blocks)


def _take_items(items: Items, start: int, count: int) -> Items:
    return items[start : start + count]


def hold_the_same(first: Dataset, second: Dataset) -> bool:
    """Return whether two datasets hold the same items, in any order."""
    return np.array_equal(np.sort(first.content_hashes), np.sort(second.content_hashes))


def require_enough_examples(task: EvaluationTask, neighbors: int) -> None:
    """Raise if a set is too small to be scored.

    Raises:
        BadInput: a set has fewer than `neighbors` + 2 items, or all real items are the same.
    """
    require_distinct(task.real)
    for sample_set in (task.generated, task.real, task.floor_set):
        if len(sample_set) < neighbors + 2:
            raise BadInput(
                f"{sample_set.name} are only {len(sample_set)}, too few for `neighbors` {neighbors}: add more, or "
                f"choose fewer `neighbors`"
            )


def require_distinct(real: RealSet) -> None:
    """Raise if all real items are the same.

    Raises:
        BadInput: all of them have the same content.
    """
    noun = real.dataset.summary.noun
    if len(np.unique(real.content_hashes)) == 1:
        raise BadInput(f"{real.name} are one {noun}, {len(real)} times: no score can be computed; add real {noun}s")


def get_class_labels(sample_set: SampleSet, classes: tuple[str, ...]) -> NDArray[np.int64] | None:
    """Return the class labels (N,) of a set.

    For generated samples these are the labels they were conditioned on; for real ones those of their dataset. None
    where there are none, or where the dataset's classes are not `classes`.
    """
    if isinstance(sample_set, GeneratedSet):
        return sample_set.requested_labels
    return sample_set.labels if isinstance(sample_set, RealSet) and sample_set.dataset.classes == classes else None
