"""What is asked of a judgement: which samples, against which real images, and which of those no one may have seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data.dataset import Dataset
from zerosum.data.images.summary import CHANNEL_NAMES
from zerosum.errors import BadInput
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet, SampleSet
from zerosum.inference.generator import Generator

DEFAULT_SAMPLES = 10_000
"""Samples that are judged, where the training images are as many."""
DEFAULT_COPY_CANDIDATES = 20_000
"""Training images among which copies are looked for."""
REFERENCE_SPLITS = ("held-out", "train")


@dataclass(frozen=True)
class EvaluationOptions:
    """What the user asked for."""

    features: str
    num_samples: int | None
    seed: int
    truncation: float
    reference_split: str
    copy_candidates: int
    neighbors: int
    sample_source: str
    """"ema", "raw" or "files"."""


@dataclass(frozen=True, eq=False)
class EvaluationTask:
    """Samples to be judged, and the real images they are held against."""

    generated: SampleSet
    real: RealSet
    floor_set: RealSet
    """Real images of another part, for the floor; as many as there are samples, where there are so many."""
    train: RealSet | None
    """Images the generator was trained on, which it may have memorised; None: not known."""
    unseen: RealSet | None
    """Real images it was not trained on, whose distances to `train` are those of an honest generator."""
    reference_split: str
    warnings: tuple[str, ...] = ()
    is_paired: bool = False
    """Sample i was made as an answer to real image i."""

    def without_memorization(self, reason: str) -> EvaluationTask:
        """The question without the part about memorization, and why."""
        return replace(self, train=None, unseen=None, warnings=(*self.warnings, reason))


def check_options(reference_split: str, num_samples: int | None, neighbors: int, copy_candidates: int) -> None:
    """Refuse what cannot be asked for, before anything is read.

    Raises:
        BadInput: see its sentence.
    """
    if reference_split not in REFERENCE_SPLITS:
        raise BadInput(f"--split {reference_split}: scores are held against {', '.join(REFERENCE_SPLITS)}")
    if not 1 <= neighbors <= 100:
        raise BadInput(f"--neighbors {neighbors}: choose 1 to 100; 5 is usual")
    if num_samples is not None and num_samples < neighbors + 2:
        raise BadInput(
            f"--num-samples {num_samples}: too few to judge with {neighbors} neighbours; give at least {neighbors + 2}"
        )
    if copy_candidates and copy_candidates < 16:
        raise BadInput(
            f"--copy-candidates {copy_candidates}: copies are looked for among 16 training images or more; {DEFAULT_COPY_CANDIDATES:,} is usual"
        )


def build_run_task(
    generator: Generator, dataset: Dataset, external: Dataset | None, options: EvaluationOptions
) -> EvaluationTask:
    """A run's samples against its data, or against data from elsewhere."""
    name = dataset.summary.source
    train = RealSet.from_dataset(dataset, dataset.train, f"the training images of {name}")
    held_out = RealSet.from_dataset(dataset, dataset.held_out, f"the held-out images of {name}")
    n = options.num_samples or min(DEFAULT_SAMPLES, len(train))
    classes = generator.draw_labels(n, options.seed)
    made = GeneratedSet(
        partial(_generate_samples, generator, options.seed, options.truncation), n, "the samples of this run",
        None if classes is None else classes.numpy(),
    )  # fmt: skip
    searched = train.head(options.copy_candidates)
    if external:
        real = RealSet.from_dataset(external, np.arange(len(external)), f"the images of {external.summary.source}")
        return EvaluationTask(made, real, train.head(n), searched, held_out, "all", describe_train_overlap(real, train))
    if options.reference_split == "train":
        return EvaluationTask(made, train, held_out.head(n), searched, held_out, "train")
    return EvaluationTask(made, held_out, train.head(n), searched, held_out, "held-out")


def _generate_samples(generator: Generator, seed: int, truncation: float, start: int, count: int) -> torch.Tensor:
    return generator.sample(count, seed=seed, truncation=truncation, first=start)


def build_folders_task(
    fakes: Dataset, reals: Dataset, train: Dataset | None, options: EvaluationOptions
) -> tuple[EvaluationTask, Dataset]:
    """Images of any origin against real ones; also gives the data that a classifier of the classes may learn from.

    Without training images, half of the real ones are held against the other half for the floor.
    """
    if fakes.shape != reals.shape:
        raise BadInput(
            f"{fakes.summary.source} holds images {_describe_shape(fakes)} and {reals.summary.source} images {_describe_shape(reals)}; "
            f"give both the same with --size and --channels"
        )
    made = RealSet.from_dataset(fakes, np.arange(len(fakes)), f"the images of {fakes.summary.source}")
    made = made.head(options.num_samples or len(made))
    whole = RealSet.from_dataset(reals, np.arange(len(reals)), f"the images of {reals.summary.source}")
    if train:
        taught = RealSet.from_dataset(train, np.arange(len(train)), f"the images of {train.summary.source}")
        question = EvaluationTask(
            made, whole, taught.head(len(made)), taught.head(options.copy_candidates), whole, "all"
        )
        if warned := describe_train_overlap(whole, taught):
            question = question.without_memorization(warned[0])
        return question, train
    require_distinct(whole)
    middle = np.median(np.unique(reals.keys).astype(np.float64))  # by content, so that copies stay on one side
    below = reals.keys.astype(np.float64) < middle
    real, partner = (
        RealSet.from_dataset(reals, np.flatnonzero(side), f"half of {reals.summary.source}") for side in (below, ~below)
    )
    halves = replace(reals, train=partner.indices, held_out=real.indices)
    return EvaluationTask(made, real, partner.head(len(made)), None, None, "half"), halves


def _describe_shape(dataset: Dataset) -> str:
    channels, height, width = dataset.shape
    return f"of {width}x{height} pixels, {CHANNEL_NAMES[channels]},"


def describe_train_overlap(real: RealSet, train: RealSet) -> tuple[str, ...]:
    """A warning where real images are among those the generator was trained on."""
    count = int(np.isin(real.content_hashes, train.content_hashes).sum())
    if not count:
        return ()
    return (
        f"{count:,} of {real.name} are among the training images: scores and floor are too good, and copies of them "
        f"tell nothing; give real images that were not trained on",
    )


def require_enough_examples(task: EvaluationTask, neighbors: int) -> None:
    """Refuse sets that no score can be made of.

    Raises:
        BadInput: too few images, or real images that are all the same.
    """
    require_distinct(task.real)
    for items in (task.generated, task.real, task.floor_set):
        if len(items) < neighbors + 2:
            raise BadInput(
                f"{items.name} are only {len(items)}: too few to judge with {neighbors} neighbours; add images, or "
                f"ask for fewer neighbours with --neighbors"
            )


def require_distinct(real: RealSet) -> None:
    """Refuse real images that are one image many times.

    Raises:
        BadInput: they are.
    """
    if len(np.unique(real.content_hashes)) == 1:
        raise BadInput(f"{real.name} are one image, {len(real)} times: nothing can be held against it; add real images")


def describe_images(dataset: Dataset) -> str:
    """Size, colours and fit of images in words."""
    if not dataset.bounded:
        return "points"
    channels, height, width = dataset.shape
    return f"{width}x{height} {CHANNEL_NAMES[channels]}, fit by {dataset.summary.fit}"


def get_class_labels(sample_set: SampleSet, classes: tuple[str, ...]) -> NDArray[np.int64] | None:
    """The classes that images come with, where they are these; or that samples were asked to be of."""
    if isinstance(sample_set, GeneratedSet):
        return sample_set.requested_labels
    return sample_set.labels if isinstance(sample_set, RealSet) and sample_set.dataset.classes == classes else None
