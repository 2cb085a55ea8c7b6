"""What an examination makes of what it has seen: each sense gives signals by name, as `signals.SIGNALS` explains them.

All distances are in terms of the mean distance between two real examples.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from zerosum.diagnosis.reference_set import Bench
from zerosum.evaluation.metrics.manifold import between
from zerosum.evaluation.metrics.modes import bins
from zerosum.evaluation.metrics.thumbnails import Crowd, auc, echo, far, separation, spread

Signals = dict[str, float]
TRACED = 16
"""Samples whose way through a run is followed."""
CENTRED = 8
"""Directions along which their middle is followed."""
SATURATED = 0.99
"""Beyond this a number of a picture counts as black or white."""


@dataclass
class Seen:
    """What two players made of the same examples, part by part."""

    known: list[Tensor] = field(default_factory=list)
    """Scores of training examples, (n,) each."""
    unseen: list[Tensor] = field(default_factory=list)
    """Scores of held-out examples."""
    fake: list[Tensor] = field(default_factory=list)
    """Scores of samples."""
    middle: list[Tensor] = field(default_factory=list)
    """The scores above which a sample is called real."""
    made: list[Tensor] = field(default_factory=list)
    """The samples, before anything varied them."""
    inner_known: list[Tensor] = field(default_factory=list)
    """What the discriminator's last layer is given for training examples, (n, D) each."""
    inner_fake: list[Tensor] = field(default_factory=list)
    """The same for samples."""


def verdicts(seen: Seen) -> Signals:
    """How well the discriminator tells, and what it knows by heart."""
    known, unseen, fake = (torch.cat(scores) for scores in (seen.known, seen.unseen, seen.fake))
    middle = float(torch.stack(seen.middle).mean())
    return {
        "exam/auc": auc(known, fake),
        "exam/auc_unseen": auc(unseen, fake),
        "exam/known": auc(known, unseen),
        "exam/separation": separation(known, fake),
        "exam/separation_unseen": separation(unseen, fake),
        "exam/rt": float((known - middle).sign().mean()),
        "exam/rv": float((unseen - middle).sign().mean()),
        "exam/dx": float((unseen - middle).sigmoid().mean()),
        "exam/dgz": float((fake - middle).sigmoid().mean()),
    }


def judgement(seen: Seen) -> Signals:
    """The same, and how much samples differ in the discriminator's eyes."""
    inner = spread(torch.cat(seen.inner_fake)) / max(spread(torch.cat(seen.inner_known)), 1e-12)
    return verdicts(seen) | {"exam/inner_spread": inner}


def variety(rows: Tensor, bench: Bench) -> Signals:
    """How the samples' looks (N, D) lie among themselves, and among the real ones."""
    crowd = Crowd.of(rows)
    found = {
        "exam/distance": bench.energy(rows, crowd.spread),
        "exam/spread": crowd.spread / bench.spread,
        "exam/echo": echo(crowd, bench.known),
        "exam/nearest": float(crowd.nearest.median() / bench.known.nearest.median().clamp_min(1e-6)),
        "exam/copies": far(rows, bench.memory) / max(far(bench.unseen.rows, bench.memory), 1e-6),
    }
    if bench.unseen.spread <= 1e-6:  # data without any variety: nothing can be covered
        return found
    shares = between(bench.unseen.side, crowd.side)
    return found | {
        "exam/precision": shares.precision.value,
        "exam/recall": shares.recall.value,
        "exam/coverage": shares.coverage.value,
    }


def floors(bench: Bench) -> Signals:
    """What the same numbers are for real examples."""
    if bench.unseen.spread <= 1e-6:
        return {}
    alike = between(bench.unseen.side, bench.known.side)
    return {"exam/coverage_floor": alike.coverage.value, "exam/recall_floor": alike.recall.value}


def kinds(rows: Tensor, bench: Bench) -> Signals:
    """How many kinds of the data the samples hardly show."""
    many = int(bench.kinds.max()) + 1
    real, fake = (np.bincount(each, minlength=many) for each in (bench.kinds, bench.kinds_of(rows)))
    counted = bins(real, fake)
    return {"exam/kinds": float(many), "exam/kinds_missing": float(len(counted.missing)), "exam/kinds_js": counted.js}


def within_classes(rows: Tensor, bench: Bench) -> Signals:
    """The samples' spread within the class asked for, against the reals': in the least varied class, and the median."""
    labels = bench.labels
    shares = []
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        real = np.flatnonzero(bench.memory_labels == label)[: 4 * len(own)]
        if min(len(own), len(real)) >= 4:
            shares.append(spread(rows[own]) / max(spread(bench.memory[real]), 1e-6))
    if not shares:
        return {}
    return {"exam/spread_least_class": min(shares), "exam/spread_class": float(np.median(shares))}


def obedience(rows: Tensor, bench: Bench) -> Signals:
    """How many samples look like the class they were asked to be of, by their nearest example; and held-out ones."""
    real = bench.class_of(bench.unseen.rows) == bench.unseen_labels
    return {"exam/obeyed": float((bench.class_of(rows) == bench.labels).mean()), "exam/obeyed_real": float(real.mean())}


def pictures(fakes: Tensor, real: Tensor) -> Signals:
    """Ends of the range, and how much lies there, for samples and training examples (N, ...) of any shape."""
    return {
        "exam/low": float(fakes.min()),
        "exam/high": float(fakes.max()),
        "exam/saturated": float((fakes.abs() > SATURATED).float().mean()),
        "exam/saturated_real": float((real.abs() > SATURATED).float().mean()),
        "exam/real_mean": float(real.float().mean()),
        "exam/real_variance": float(real.float().var(0).mean()),
    }


def trace(rows: Tensor, bench: Bench) -> Signals:
    """Where the first samples are, each by one number, along a direction of its own; and where the middle of all is.

    A change of such numbers has, root mean square, the length of the way gone (Johnson and Lindenstrauss 1984).
    """
    directions = torch.randn(TRACED + CENTRED, rows.shape[1], generator=torch.Generator().manual_seed(0))
    places = (rows[:TRACED] * directions[:TRACED]).sum(1) / bench.spread
    middle = directions[TRACED:] @ rows.mean(0) / bench.spread
    found = {f"exam/trace/{number}": float(place) for number, place in enumerate(places)}
    return found | {f"exam/middle/{number}": float(place) for number, place in enumerate(middle)}


def average(rows: Tensor, averaged: Tensor, bench: Bench) -> Signals:
    """How far the averaged generator's looks (N, D) are from the playing one's, and how much they cover."""
    lag, apart = float((rows - averaged).norm(dim=1).mean()) / bench.spread, spread(averaged)
    found = {"exam/lag": lag, "exam/spread_average": apart / bench.spread}
    found["exam/distance_average"] = bench.energy(averaged, apart)
    if bench.unseen.spread > 1e-6:
        found["exam/coverage_average"] = between(bench.unseen.side, Crowd.of(averaged).side).coverage.value
    return found
