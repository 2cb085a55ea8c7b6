"""What is asked of a judgement: which samples, against which real images, and which of those no one may have seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data.dataset import Examples
from zerosum.data.images.summary import CHANNEL_NAMES
from zerosum.errors import BadInput
from zerosum.evaluation.sample_sets import Items, Made, Real
from zerosum.inference.generator import Generator

SAMPLES = 10_000
"""Samples that are judged, where the training images are as many."""
AMONG = 20_000
"""Training images among which copies are looked for."""
PARTS = ("held-out", "train")


@dataclass(frozen=True)
class Asked:
    """What the user asked for."""

    features: str
    n: int | None
    seed: int
    truncation: float
    against: str
    among: int
    neighbours: int
    source: str
    """"averaged", "live" or "files"."""


@dataclass(frozen=True, eq=False)
class Question:
    """Samples to be judged, and the real images they are held against."""

    made: Items
    real: Real
    partner: Real
    """Real images of another part, for the floor; as many as there are samples, where there are so many."""
    train: Real | None
    """Images the generator was trained on, which it may have memorised; None: not known."""
    unseen: Real | None
    """Real images it was not trained on, whose distances to `train` are those of an honest generator."""
    against: str
    warnings: tuple[str, ...] = ()
    answers: bool = False
    """Sample i was made as an answer to real image i."""

    def without_copies(self, why: str) -> Question:
        """The question without the part about memorising, and why."""
        return replace(self, train=None, unseen=None, warnings=(*self.warnings, why))


def check(against: str, n: int | None, neighbours: int, among: int) -> None:
    """Refuse what cannot be asked for, before anything is read.

    Raises:
        BadInput: see its sentence.
    """
    if against not in PARTS:
        raise BadInput(f"--against {against}: scores are held against {', '.join(PARTS)}")
    if not 1 <= neighbours <= 100:
        raise BadInput(f"--neighbours {neighbours}: choose 1 to 100; 5 is usual")
    if n is not None and n < neighbours + 2:
        raise BadInput(f"--n {n}: too few to judge with {neighbours} neighbours; give at least {neighbours + 2}")
    if among and among < 16:
        raise BadInput(f"--among {among}: copies are looked for among 16 training images or more; {AMONG:,} is usual")


def about_run(generator: Generator, examples: Examples, elsewhere: Examples | None, asked: Asked) -> Question:
    """A run's samples against its data, or against data from elsewhere."""
    name = examples.survey.source
    train = Real.of(examples, examples.train, f"the training images of {name}")
    held_out = Real.of(examples, examples.held_out, f"the held-out images of {name}")
    n = asked.n or min(SAMPLES, len(train))
    classes = generator.labels(n, asked.seed)
    made = Made(
        partial(_make, generator, asked.seed, asked.truncation), n, "the samples of this run",
        None if classes is None else classes.numpy(),
    )  # fmt: skip
    searched = train.head(asked.among)
    if elsewhere:
        real = Real.of(elsewhere, np.arange(len(elsewhere)), f"the images of {elsewhere.survey.source}")
        return Question(made, real, train.head(n), searched, held_out, "all", shared(real, train))
    if asked.against == "train":
        return Question(made, train, held_out.head(n), searched, held_out, "train")
    return Question(made, held_out, train.head(n), searched, held_out, "held-out")


def _make(generator: Generator, seed: int, truncation: float, first: int, count: int) -> torch.Tensor:
    return generator.sample(count, seed=seed, truncation=truncation, first=first)


def about_folders(fakes: Examples, reals: Examples, train: Examples | None, asked: Asked) -> tuple[Question, Examples]:
    """Images of any origin against real ones; also gives the data that a classifier of the classes may learn from.

    Without training images, half of the real ones are held against the other half for the floor.
    """
    if fakes.shape != reals.shape:
        raise BadInput(
            f"{fakes.survey.source} holds images {_about(fakes)} and {reals.survey.source} images {_about(reals)}; "
            f"give both the same with --size and --channels"
        )
    made = Real.of(fakes, np.arange(len(fakes)), f"the images of {fakes.survey.source}")
    made = made.head(asked.n or len(made))
    whole = Real.of(reals, np.arange(len(reals)), f"the images of {reals.survey.source}")
    if train:
        taught = Real.of(train, np.arange(len(train)), f"the images of {train.survey.source}")
        question = Question(made, whole, taught.head(len(made)), taught.head(asked.among), whole, "all")
        if warned := shared(whole, taught):
            question = question.without_copies(warned[0])
        return question, train
    refuse_one(whole)
    middle = np.median(np.unique(reals.keys).astype(np.float64))  # by content, so that copies stay on one side
    below = reals.keys.astype(np.float64) < middle
    real, partner = (Real.of(reals, np.flatnonzero(side), f"half of {reals.survey.source}") for side in (below, ~below))
    halves = replace(reals, train=partner.chosen, held_out=real.chosen)
    return Question(made, real, partner.head(len(made)), None, None, "half"), halves


def _about(examples: Examples) -> str:
    channels, height, width = examples.shape
    return f"of {width}x{height} pixels, {CHANNEL_NAMES[channels]},"


def shared(real: Real, train: Real) -> tuple[str, ...]:
    """A warning where real images are among those the generator was trained on."""
    count = int(np.isin(real.keys, train.keys).sum())
    if not count:
        return ()
    return (
        f"{count:,} of {real.name} are among the training images: scores and floor are too good, and copies of them "
        f"tell nothing; give real images that were not trained on",
    )


def refuse_hopeless(question: Question, neighbours: int) -> None:
    """Refuse sets that no score can be made of.

    Raises:
        BadInput: too few images, or real images that are all the same.
    """
    refuse_one(question.real)
    for items in (question.made, question.real, question.partner):
        if len(items) < neighbours + 2:
            raise BadInput(
                f"{items.name} are only {len(items)}: too few to judge with {neighbours} neighbours; add images, or "
                f"ask for fewer neighbours with --neighbours"
            )


def refuse_one(real: Real) -> None:
    """Refuse real images that are one image many times.

    Raises:
        BadInput: they are.
    """
    if len(np.unique(real.keys)) == 1:
        raise BadInput(f"{real.name} are one image, {len(real)} times: nothing can be held against it; add real images")


def sizes(examples: Examples) -> str:
    """Size, colours and fit of images in words."""
    if not examples.bounded:
        return "points"
    channels, height, width = examples.shape
    return f"{width}x{height} {CHANNEL_NAMES[channels]}, fit by {examples.survey.fit}"


def labels_of(items: Items, classes: tuple[str, ...]) -> NDArray[np.int64] | None:
    """The classes that images come with, where they are these; or that samples were asked to be of."""
    if isinstance(items, Made):
        return items.asked
    return items.labels if isinstance(items, Real) and items.examples.classes == classes else None
