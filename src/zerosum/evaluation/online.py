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

from zerosum.data.dataset import Dataset
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.extract import FeatureExtractor, FeatureSet
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.manifold import (
    SelfDistances,
    compute_cross_scores,
    compute_self_distances,
    kernel_distance,
)
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.metrics.thumbnails import NUM_NEIGHBORS, mean_pairwise_distance
from zerosum.evaluation.protocol import Protocol
from zerosum.evaluation.request import describe_images
from zerosum.evaluation.result import LOWER_IS_BETTER, ScoreWithFloor
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.game import seeded_rng
from zerosum.game.game import Game
from zerosum.game.translation import TranslationGame
from zerosum.run_folder import Row

MAX_REFERENCE_IMAGES = 1_024
"""Held-out images that samples are held against, at most."""
SAMPLE_SEED = 2**31
"""Of the samples: none that sheets or `zerosum sample` show."""


GameSampleFn = Callable[[Any, int, int], Tensor]
"""From a game, a first number and a count to so many samples of it."""


def sample_from_seeds(game: Game, start: int, count: int) -> Tensor:
    """Samples of seeds that nobody else shows."""
    return game.sample(seeded_rng.derive_seeds(SAMPLE_SEED, start, count))


@dataclass(frozen=True)
class TranslatedSet:
    """What a game makes of the held-out pictures that may be given."""

    dataset: Dataset

    def __len__(self) -> int:
        return len(self.dataset.input_indices(True))

    def __call__(self, game: TranslationGame, start: int, count: int) -> Tensor:
        """So many of them; a `Make`."""
        return game.translate(self.dataset.inputs(self.dataset.input_indices(True)[start : start + count]))


class RealReference(NamedTuple):
    """The held-out images, looked at."""

    feature_set: FeatureSet
    floor: Score
    """The distance of as many training images."""
    mean_pairwise_distance: float
    """The mean distance between two of them; 0 where they are too few, or all the same."""
    self_distances: SelfDistances | None
    """For coverage, where they have a spread."""
    coverage_floor: float
    """Their coverage by training images."""


@dataclass
class OnlineEvaluator:
    """Judges a game's samples; the real images are seen once, when it is first asked."""

    feature_network: FeatureNetwork
    device: torch.device
    dataset: Dataset
    samples: int
    sample_fn: GameSampleFn = sample_from_seeds

    def __post_init__(self) -> None:
        """Choose the real images; a folder for the samples' features."""
        self._scratch_folder = tempfile.TemporaryDirectory(prefix="zerosum-")
        dataset = self.dataset
        self.is_paired = isinstance(self.sample_fn, TranslatedSet) and dataset.has_targets
        real = RealSet.from_dataset(dataset, dataset.held_out, "held-out images").head(
            self.samples if self.is_paired else MAX_REFERENCE_IMAGES
        )
        # a pair's two sides have one index
        self.real = replace(real, indices=dataset.input_indices(True)[: self.samples]) if self.is_paired else real
        self.floor_set = RealSet.from_dataset(dataset, dataset.train, "training images").head(self.samples)
        self._reference: RealReference | None = None

    def __call__(self, game: Game, examples: int) -> Row:
        """A line of scores.jsonl, by the kernel distance; see `zerosum.training.contest.Judge`."""
        reals = self._reference = self._reference or self._build_reference()
        made = GeneratedSet(partial(self.sample_fn, game), self.samples, "the samples")
        fakes = self._extract_features(made).features
        distance = kernel_distance(reals.feature_set.features, fakes, paired=self.is_paired)
        protocol = self._protocol()
        return {
            "examples": examples,
            "mode": "online",
            "distance": distance.value,
            "protocol_description": protocol.describe(),
            "protocol": protocol.as_dict(),
            "signals": _compute_signals(fakes, reals),
            "scores": {
                protocol.score_name("kid"): ScoreWithFloor(distance, reals.floor, "kid" in LOWER_IS_BETTER).as_dict()
            },
        }

    def estimate_seconds(self) -> float:
        """How long a judgement takes here, from a small trial: features, and a half more for samples and distances."""
        few = self.floor_set.head(128)
        self._extract_features(few.head(64))  # the first batch pays for what is made once
        began = time.monotonic()
        self._extract_features(few)
        return 1.5 * (time.monotonic() - began) * self.samples / max(1, len(few))

    def _extract_features(self, sample_set: RealSet | GeneratedSet, keep: bool = False) -> FeatureSet:
        for file in Path(self._scratch_folder.name).iterdir():
            file.unlink()
        return FeatureExtractor(self.feature_network, self.device, Path(self._scratch_folder.name)).extract(
            sample_set, keep
        )

    def _build_reference(self) -> RealReference:
        partner = self._extract_features(self.floor_set, keep=True).load_into_memory()
        real = self._extract_features(self.real, keep=True).load_into_memory()
        floor = kernel_distance(real.features, partner.features)
        few = min(len(real.features), len(partner.features)) < NUM_NEIGHBORS + 2
        width = 0.0 if few else mean_pairwise_distance(_load_rows(real.features))
        if not width:
            return RealReference(real, floor, 0.0, None, 0.0)
        own = compute_self_distances(real.features, NUM_NEIGHBORS)
        return RealReference(
            real,
            floor,
            width,
            own,
            compute_cross_scores(own, compute_self_distances(partner.features, NUM_NEIGHBORS)).coverage.value,
        )

    def _protocol(self) -> Protocol:
        return Protocol(
            features=self.feature_network.name, weights_hash=self.feature_network.version, resize_mode=self.feature_network.resize_mode,
            image_format=describe_images(self.dataset), real_fingerprint=self.real.fingerprint, reference_split="held-out",
            num_real=len(self.real), num_generated=self.samples, sample_source="ema", seed=SAMPLE_SEED, is_paired=self.is_paired,
        )  # fmt: skip


def _compute_signals(fakes: FeatureTable, reference: RealReference) -> dict[str, float]:
    """What the doctor reads: how samples vary and cover, in these features; nothing where the reals do not vary."""
    if reference.self_distances is None:
        return {}
    shares = compute_cross_scores(reference.self_distances, compute_self_distances(fakes, NUM_NEIGHBORS))
    return {
        "evaluation/diversity": mean_pairwise_distance(_load_rows(fakes)) / reference.mean_pairwise_distance,
        "evaluation/recall": shares.recall.value,
        "evaluation/coverage": shares.coverage.value,
        "evaluation/coverage_floor": reference.coverage_floor,
    }


def _load_rows(table: FeatureTable) -> Tensor:
    """A table's rows (N, D) in memory: a judgement's few."""
    return table.take(np.arange(len(table)))
