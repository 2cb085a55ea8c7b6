"""The whole judgement of a generator: every score beside its floor, what it memorised, and what it does not make."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.features.extract import Observed
from zerosum.evaluation.metrics.frechet import frechet
from zerosum.evaluation.metrics.inception_score import inception_score
from zerosum.evaluation.metrics.manifold import Pairwise, between, pairwise, side
from zerosum.evaluation.metrics.memorization import Copying, copying
from zerosum.evaluation.metrics.modes import Bins, assign, bins, clusters
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.protocol import Protocol

LOWER = frozenset({"fd", "kid", "different modes"})
"""Scores of which less is better; of the others more is."""
FEW = 3
"""Images for each feature on either side, below which a Fréchet distance between good sets is mostly bias."""
MOST_MODES, LEAST_IN_MODE = 50, 40
"""Clusters of the real images: at most, and images a cluster should hold on average."""
SIZELESS = frozenset({"kid", "authentic", "different modes"})
"""Scores that depend on how many images there are only by chance, or that are worked out on as many as the floor."""
COPYING = -3.0
"""C_T over its standard deviation by chance, below which samples are copies: of honest generators, one in 700 is."""


@dataclass(frozen=True)
class Judged:
    """A score, and the same score between two parts of the real images of the same sizes."""

    score: Score
    floor: Score | None
    lower: bool
    """Less is better."""
    alike: bool = True
    """The floor is of as many images as the score, where that matters; else the two are not compared."""

    def ratio(self) -> tuple[float, bool] | None:
        """Score over floor, and whether that is only a lower bound, the floor being within its error of 0."""
        if self.floor is None or not self.alike or not math.isfinite(self.score.value):
            return None
        floor, error = self.floor.value, 0.0 if math.isnan(self.floor.error) else self.floor.error
        if self.lower and floor <= 2 * error:
            return (max(0.0, self.score.value) / (max(floor, 0.0) + 2 * error), True) if error else None
        return (self.score.value / floor, False) if floor else None

    def as_dict(self) -> dict[str, float | bool | None]:
        """For scores.jsonl; what is not a number is null."""
        ratio = self.ratio()
        return {
            "value": _plain(self.score.value),
            "error": _plain(self.score.error),
            "floor": _plain(self.floor.value) if self.floor else None,
            "floor_error": _plain(self.floor.error) if self.floor else None,
            "ratio": _plain(ratio[0]) if ratio else None,
            "at_least": bool(ratio and ratio[1]),
        }


@dataclass(frozen=True, eq=False)
class Modes:
    """How samples spread over clusters of the real images."""

    found: Bins
    """Of all samples: which clusters are missing."""
    same: Bins
    """Of as many samples as the floor has images: how many shares are wrong."""
    floor: Bins
    examples: Mapping[int, NDArray[np.int64]]
    """For each missing cluster, rows of the real images that samples are held against, nearest to its centre first."""


@dataclass(frozen=True, eq=False)
class Judgement:
    """What there is to say of a generator."""

    protocol: Protocol
    scores: Mapping[str, Judged]
    """By short name: fd, kid, is, precision, recall, density, coverage, ..."""
    rows: Pairwise
    modes: Modes | None = None
    copies: Copying | None = None
    classes: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()

    def as_row(self, images: int) -> dict[str, Any]:
        """A line of scores.jsonl for a generator after `images` images."""
        name = self.protocol.score_name
        return {
            "images": images,
            "line": self.protocol.line(),
            "protocol": self.protocol.as_dict(),
            "scores": {name(short): judged.as_dict() for short, judged in self.scores.items()},
            "modes": _modes_row(self.modes) if self.modes else None,
            "copies": _copies_row(self.copies) if self.copies else None,
            "classes": dict(self.classes) or None,
            "warnings": list(self.warnings),
        }


def scores_between(real: Observed, made: Observed, neighbours: int) -> dict[str, Score]:
    """Every score of the samples `made` against `real`, by short name."""
    return _named(real, made, pairwise(real.features, made.features, neighbours))


def _named(real: Observed, made: Observed, rows: Pairwise) -> dict[str, Score]:
    scores = {"kid": rows.kernel, "fd": frechet(real.features, made.features)}
    scores |= {name: getattr(rows, name) for name in ("precision", "recall", "density", "coverage")}
    if made.chances is not None:
        scores["is"] = inception_score(made.chances)
    return scores


def judge(
    protocol: Protocol,
    real: Observed,
    made: Observed,
    partner: Observed,
    taught: tuple[Observed, Observed] | None,
    said: Callable[[str], None],
) -> Judgement:
    """Judge samples.

    Args:
        protocol: how the sets came about.
        real: the real images that samples are held against, which the generator has not seen.
        made: the samples.
        partner: real images of another part, as many as there are samples where there are so many: the floor is
            theirs, and modes are found among them.
        taught: the images the generator was trained on, which it may have memorised, and real ones it was not trained
            on; None: not known.
        said: told what is being worked out.
    """
    said("distances and manifolds")
    k = protocol.neighbours
    reals = side(real.features, k)
    rows = between(reals, side(made.features, k), protocol.answers)
    found = _named(real, made, rows)
    said("the floor: real against real")
    floors = _named(real, partner, between(reals, side(partner.features, k)))
    if protocol.answers:
        del floors["fd"]  # answers near their own real ones make it too good: it is not of as independent sets
    modes = _modes(real, made, partner, said)
    if modes:
        found["different modes"] = Score(float(modes.same.different))
        floors["different modes"] = Score(float(modes.floor.different))
    copies = None
    if taught:
        said("copies of training images")
        copies = copying(taught[0].features, taught[1].features, made.features)
        found["authentic"], floors["authentic"] = copies.authentic, copies.authentic_floor
    alike = len(partner) >= len(made)
    scores = {n: Judged(score, floors.get(n), n in LOWER, alike or n in SIZELESS) for n, score in found.items()}
    warnings = [*_few(real, made, partner, protocol.answers), *_collapsed(made), *_copied(copies)]
    return Judgement(protocol, scores, rows, modes, copies, {}, warnings)


def _modes(real: Observed, made: Observed, partner: Observed, said: Callable[[str], None]) -> Modes | None:
    """Clusters of half of the partner's images, and how the samples, and its other half, spread over them.

    The images that made the clusters are not counted: they lie nearer to the centres than any others. The samples whose
    share is compared are as many as the partner's other half, so that the floor is of the same sizes.
    """
    half = len(partner) // 2
    count = min(MOST_MODES, half // LEAST_IN_MODE, len(real) // LEAST_IN_MODE)
    if count < 2:
        return None
    said("modes that are not made")
    centres = clusters(partner.features.head(half), count)
    places, away = assign(real.features, centres)
    reals, samples = np.bincount(places, minlength=count), assign(made.features, centres)[0]
    others = assign(partner.features, centres)[0][half:]
    found, same, floor = (
        bins(reals, np.bincount(each, minlength=count)) for each in (samples, samples[: len(others)], others)
    )
    nearest = {m.bin: np.flatnonzero(places == m.bin)[np.argsort(away[places == m.bin])][:8] for m in found.missing}
    return Modes(found, same, floor, nearest)


def _few(real: Observed, made: Observed, partner: Observed, answers: bool) -> list[str]:
    fewest, wide = min(len(real), len(made)), real.features.width
    warnings = []
    if fewest < FEW * wide:
        also = "" if answers else ", or compare with the floor, which is biased alike"
        warnings.append(
            f"{fewest:,} images are few for a Fréchet distance of {wide:,} features: it is biased upwards; read the "
            f"kernel distance (kid) instead{also}"
        )
    if len(partner) < len(made):
        warnings.append(
            f"the floor is of {len(partner):,} real images, since there are no {len(made):,} of them: where sizes "
            f"matter, scores are not held against it; --n {len(partner)} makes them alike"
        )
    return warnings


def _collapsed(made: Observed) -> list[str]:
    first = made.features.block(0)[:1]
    if all(bool((block == first).all()) for block in made.features.blocks()):
        return [f"all {len(made):,} samples are one and the same image: the generator has collapsed"]
    return []


def _copied(copies: Copying | None) -> list[str]:
    if copies is None or not copies.c_t < COPYING * copies.c_t_error:
        return []
    sure = copies.c_t / copies.c_t_error
    return [
        f"samples lie nearer to the training images than other real images do (C_T {copies.c_t:.1f}, which is "
        f"{sure:.1f} times what chance gives): the generator memorises; look at the nearest neighbours"
    ]


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _modes_row(modes: Modes) -> dict[str, Any]:
    missing = [
        {"bin": m.bin, "real": m.real, "expected": round(m.expected, 1), "found": m.found} for m in modes.found.missing
    ]
    both = {"different": modes.same.different, "floor_different": modes.floor.different}
    divergences = {"js": modes.same.js, "floor_js": modes.floor.js}
    return {"clusters": modes.found.count, **both, **divergences, "missing": missing}


def _copies_row(copies: Copying) -> dict[str, Any]:
    c_t = {"c_t": _plain(copies.c_t), "c_t_error": _plain(copies.c_t_error)}
    return c_t | {"authentic": copies.authentic.value, "exact": copies.exact}
