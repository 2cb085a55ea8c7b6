"""The cheap judgement while a run is played: few samples, their kernel distance to held-out images, and its floor."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zerosum.data.dataset import Examples
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.extract import Observed, Observer
from zerosum.evaluation.features.table import Table
from zerosum.evaluation.metrics.manifold import Side, between, kernel_distance, side
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.metrics.thumbnails import NEIGHBOURS, spread
from zerosum.evaluation.protocol import Protocol
from zerosum.evaluation.request import sizes
from zerosum.evaluation.result import LOWER, Judged
from zerosum.evaluation.sample_sets import Made, Real
from zerosum.game import seeded_rng
from zerosum.game.game import Game
from zerosum.game.translation import Translation
from zerosum.run_folder import Row

REAL = 1_024
"""Held-out images that samples are held against, at most."""
SEED = 2**31
"""Of the samples: none that sheets or `zerosum sample` show."""


Make = Callable[[Any, int, int], Tensor]
"""From a game, a first number and a count to so many samples of it."""


def produced(game: Game, first: int, count: int) -> Tensor:
    """Samples of seeds that nobody else shows."""
    return game.produce(seeded_rng.seeds(SEED, first, count))


@dataclass(frozen=True)
class Answers:
    """What a game makes of the held-out pictures that may be given."""

    examples: Examples

    def __len__(self) -> int:
        return len(self.examples.asked(True))

    def __call__(self, game: Translation, first: int, count: int) -> Tensor:
        """So many of them; a `Make`."""
        return game.translate(self.examples.given(self.examples.asked(True)[first : first + count]))


class Reals(NamedTuple):
    """The held-out images, looked at."""

    seen: Observed
    floor: Score
    """The distance of as many training images."""
    spread: float
    """The mean distance between two of them; 0 where they are too few, or all the same."""
    side: Side | None
    """For coverage, where they have a spread."""
    covered: float
    """Their coverage by training images."""


@dataclass
class Watch:
    """Judges a game's samples; the real images are seen once, when it is first asked."""

    network: FeatureNetwork
    device: torch.device
    examples: Examples
    samples: int
    make: Make = produced

    def __post_init__(self) -> None:
        """Choose the real images; a folder for the samples' features."""
        self._scratch = tempfile.TemporaryDirectory(prefix="zerosum-")
        examples = self.examples
        self.answers = isinstance(self.make, Answers) and examples.truth
        real = Real.of(examples, examples.held_out, "held-out images").head(self.samples if self.answers else REAL)
        # a pair's two sides have one index
        self.real = replace(real, chosen=examples.asked(True)[: self.samples]) if self.answers else real
        self.partner = Real.of(examples, examples.train, "training images").head(self.samples)
        self._reals: Reals | None = None

    def __call__(self, game: Game, images: int) -> Row:
        """A line of scores.jsonl, by the kernel distance; see `zerosum.training.contest.Judge`."""
        reals = self._reals = self._reals or self._look_at_reals()
        made = Made(partial(self.make, game), self.samples, "the samples")
        fakes = self._see(made).features
        distance = kernel_distance(reals.seen.features, fakes, answers=self.answers)
        protocol = self._protocol()
        return {
            "images": images,
            "when": "training",
            "distance": distance.value,
            "line": protocol.line(),
            "protocol": protocol.as_dict(),
            "signals": _signals(fakes, reals),
            "scores": {protocol.score_name("kid"): Judged(distance, reals.floor, "kid" in LOWER).as_dict()},
        }

    def seconds(self) -> float:
        """How long a judgement takes here, from a small trial: features, and a half more for samples and distances."""
        few = self.partner.head(128)
        self._see(few.head(64))  # the first batch pays for what is made once
        began = time.monotonic()
        self._see(few)
        return 1.5 * (time.monotonic() - began) * self.samples / max(1, len(few))

    def _see(self, items: Real | Made, keep: bool = False) -> Observed:
        for file in Path(self._scratch.name).iterdir():
            file.unlink()
        return Observer(self.network, self.device, Path(self._scratch.name)).see(items, keep)

    def _look_at_reals(self) -> Reals:
        partner = self._see(self.partner, keep=True).in_memory()
        real = self._see(self.real, keep=True).in_memory()
        floor = kernel_distance(real.features, partner.features)
        few = min(len(real.features), len(partner.features)) < NEIGHBOURS + 2
        width = 0.0 if few else spread(_rows(real.features))
        if not width:
            return Reals(real, floor, 0.0, None, 0.0)
        own = side(real.features, NEIGHBOURS)
        return Reals(real, floor, width, own, between(own, side(partner.features, NEIGHBOURS)).coverage.value)

    def _protocol(self) -> Protocol:
        return Protocol(
            features=self.network.name, weights=self.network.version, resize=self.network.resize,
            images=sizes(self.examples), data=self.real.fingerprint, against="held-out",
            real=len(self.real), made=self.samples, source="averaged", seed=SEED, answers=self.answers,
        )  # fmt: skip


def _signals(fakes: Table, reals: Reals) -> dict[str, float]:
    """What the doctor reads: how samples vary and cover, in these features; nothing where the reals do not vary."""
    if reals.side is None:
        return {}
    shares = between(reals.side, side(fakes, NEIGHBOURS))
    return {
        "judged/spread": spread(_rows(fakes)) / reals.spread,
        "judged/recall": shares.recall.value,
        "judged/coverage": shares.coverage.value,
        "judged/coverage_floor": reals.covered,
    }


def _rows(table: Table) -> Tensor:
    """A table's rows (N, D) in memory: a judgement's few."""
    return table.take(np.arange(len(table)))
