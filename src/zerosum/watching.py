"""The cheap judgement while a run is played: few samples, their kernel distance to held-out images, and its floor."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from zerosum.data.examples import Examples
from zerosum.evaluation.gather import Observed, Observer
from zerosum.evaluation.items import Made, Real
from zerosum.evaluation.judgement import LOWER, Judged
from zerosum.evaluation.network import FeatureNetwork
from zerosum.evaluation.pairwise import kernel_distance
from zerosum.evaluation.protocol import Protocol
from zerosum.evaluation.score import Score
from zerosum.game import noise
from zerosum.game.game import Game
from zerosum.question import sizes
from zerosum.run import Row

REAL = 1_024
"""Held-out images that samples are held against, at most."""
SEED = 2**31
"""Of the samples: none that sheets or `zerosum sample` show."""


@dataclass
class Watch:
    """Judges a game's samples; the real images are seen once, when it is first asked."""

    network: FeatureNetwork
    device: torch.device
    examples: Examples
    samples: int

    def __post_init__(self) -> None:
        """Choose the real images; a folder for the samples' features."""
        self._scratch = tempfile.TemporaryDirectory(prefix="zerosum-")
        examples = self.examples
        self.real = Real.of(examples, examples.held_out, "held-out images").head(REAL)
        self.partner = Real.of(examples, examples.train, "training images").head(self.samples)
        self._seen: Observed | None = None
        self._floor = Score(0.0)

    def __call__(self, game: Game, images: int) -> Row:
        """A line of scores.jsonl, by the kernel distance; see `zerosum.training.contest.Judge`."""
        if self._seen is None:
            self._seen, self._floor = self._look_at_reals()
        made = Made(lambda first, n: game.produce(noise.seeds(SEED, first, n)), self.samples, "the samples")
        distance = kernel_distance(self._seen.features, self._see(made).features)
        protocol = self._protocol()
        return {
            "images": images,
            "when": "training",
            "distance": distance.value,
            "line": protocol.line(),
            "protocol": protocol.as_dict(),
            "scores": {protocol.score_name("kid"): Judged(distance, self._floor, "kid" in LOWER).as_dict()},
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

    def _look_at_reals(self) -> tuple[Observed, Score]:
        partner = self._see(self.partner, keep=True).in_memory()
        real = self._see(self.real, keep=True).in_memory()
        return real, kernel_distance(real.features, partner.features)

    def _protocol(self) -> Protocol:
        return Protocol(
            features=self.network.name, weights=self.network.version, resize=self.network.resize,
            images=sizes(self.examples), data=self.real.fingerprint, against="held-out",
            real=len(self.real), made=self.samples, source="averaged", seed=SEED,
        )  # fmt: skip
