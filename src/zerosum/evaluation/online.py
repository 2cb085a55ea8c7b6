"""Evaluation during training: few samples, their kernel distance to held-out images, and its floor."""

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
from zerosum.evaluation.metrics.kid import kernel_distance
from zerosum.evaluation.metrics.pairwise import SelfDistances, compute_cross_scores, compute_self_distances
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
"""Maximum number of held-out images that samples are compared with."""
SAMPLE_SEED = 2**31
"""Seed of the evaluated samples; preview images and `zerosum sample` use other seeds."""


GameSampleFn = Callable[[Any, int, int], Tensor]
"""`(game, start, count)` to samples number `start` to `start + count - 1` of the game: (count, ...)."""


def sample_from_seeds(game: Game, start: int, count: int) -> Tensor:
    """Generate `count` samples of the game from seeds that nothing else uses."""
    return game.sample(seeded_rng.derive_seeds(SAMPLE_SEED, start, count))


@dataclass(frozen=True)
class TranslatedSet:
    """A `GameSampleFn` that translates the held-out input images of a dataset."""

    dataset: Dataset

    def __len__(self) -> int:
        return len(self.dataset.input_indices(True))

    def __call__(self, game: TranslationGame, start: int, count: int) -> Tensor:
        """Translate held-out inputs number `start` to `start + count - 1`: (count, C, H, W)."""
        return game.translate(self.dataset.inputs(self.dataset.input_indices(True)[start : start + count]))


class RealReference(NamedTuple):
    """The features of the held-out images, and the floors that follow from them."""

    feature_set: FeatureSet
    floor: Score
    """Kernel distance of training images to them, as many as there are samples."""
    mean_pairwise_distance: float
    """Mean distance between two of them; 0 where they are too few or all the same."""
    self_distances: SelfDistances | None
    """Distances among them, for recall and coverage; None where `mean_pairwise_distance` is 0."""
    coverage_floor: float
    """Their coverage by training images."""


@dataclass
class OnlineEvaluator:
    """Evaluate a game's samples during training; features of real images are extracted once, at the first call."""

    feature_network: FeatureNetwork
    device: torch.device
    dataset: Dataset
    samples: int
    sample_fn: GameSampleFn = sample_from_seeds

    def __post_init__(self) -> None:
        """Choose the real images, and create a scratch folder for features."""
        self._scratch_folder = tempfile.TemporaryDirectory(prefix="zerosum-")
        dataset = self.dataset
        self.is_paired = isinstance(self.sample_fn, TranslatedSet) and dataset.has_targets
        real = RealSet.from_dataset(dataset, dataset.held_out, "held-out images").head(
            self.samples if self.is_paired else MAX_REFERENCE_IMAGES
        )
        # input and target of a pair have the same index
        self.real = replace(real, indices=dataset.input_indices(True)[: self.samples]) if self.is_paired else real
        self.floor_set = RealSet.from_dataset(dataset, dataset.train, "training images").head(self.samples)
        self._reference: RealReference | None = None

    def __call__(self, game: Game, examples: int) -> Row:
        """Return a row of scores.jsonl whose `distance` is the kernel distance.

        Args:
            game: the game in its current state.
            examples: training time so far.
        """
        reference = self._reference = self._reference or self._build_reference()
        sample_set = GeneratedSet(partial(self.sample_fn, game), self.samples, "the samples")
        generated = self._extract_features(sample_set).features
        distance = kernel_distance(reference.feature_set.features, generated, paired=self.is_paired)
        protocol = self._protocol()
        return {
            "examples": examples,
            "mode": "online",
            "distance": distance.value,
            "protocol_description": protocol.describe(),
            "protocol": protocol.as_dict(),
            "signals": _compute_signals(generated, reference),
            "scores": {
                protocol.score_name("kid"): ScoreWithFloor(
                    distance, reference.floor, "kid" in LOWER_IS_BETTER
                ).as_dict()
            },
        }

    def estimate_seconds(self) -> float:
        """Estimate the seconds of one evaluation on this device, from a small trial.

        The trial measures feature extraction; half as much again is added for sampling and distances.
        """
        trial_set = self.floor_set.head(128)
        self._extract_features(trial_set.head(64))  # warm-up: the first batch pays for what is set up once
        start_time = time.monotonic()
        self._extract_features(trial_set)
        return 1.5 * (time.monotonic() - start_time) * self.samples / max(1, len(trial_set))

    def _extract_features(self, sample_set: RealSet | GeneratedSet, use_cache: bool = False) -> FeatureSet:
        for file in Path(self._scratch_folder.name).iterdir():
            file.unlink()
        return FeatureExtractor(self.feature_network, self.device, Path(self._scratch_folder.name)).extract(
            sample_set, use_cache
        )

    def _build_reference(self) -> RealReference:
        train = self._extract_features(self.floor_set, use_cache=True).load_into_memory()
        real = self._extract_features(self.real, use_cache=True).load_into_memory()
        floor = kernel_distance(real.features, train.features)
        has_too_few = min(len(real.features), len(train.features)) < NUM_NEIGHBORS + 2
        mean_distance = 0.0 if has_too_few else mean_pairwise_distance(_load_rows(real.features))
        if not mean_distance:
            return RealReference(real, floor, 0.0, None, 0.0)
        self_distances = compute_self_distances(real.features, NUM_NEIGHBORS)
        floor_scores = compute_cross_scores(self_distances, compute_self_distances(train.features, NUM_NEIGHBORS))
        return RealReference(real, floor, mean_distance, self_distances, floor_scores.coverage.value)

    def _protocol(self) -> Protocol:
        return Protocol(
            features=self.feature_network.name,
            weights_hash=self.feature_network.version,
            resize_mode=self.feature_network.resize_mode,
            image_format=describe_images(self.dataset),
            real_fingerprint=self.real.fingerprint,
            reference_split="held-out",
            num_real=len(self.real),
            num_generated=self.samples,
            sample_source="ema",
            seed=SAMPLE_SEED,
            is_paired=self.is_paired,
        )


def _compute_signals(generated: FeatureTable, reference: RealReference) -> dict[str, float]:
    """Return the signals that the monitor reads: diversity, recall and coverage in these features.

    Empty where the real images have no diversity to compare with.
    """
    if reference.self_distances is None:
        return {}
    scores = compute_cross_scores(reference.self_distances, compute_self_distances(generated, NUM_NEIGHBORS))
    return {
        "evaluation/diversity": mean_pairwise_distance(_load_rows(generated)) / reference.mean_pairwise_distance,
        "evaluation/recall": scores.recall.value,
        "evaluation/coverage": scores.coverage.value,
        "evaluation/coverage_floor": reference.coverage_floor,
    }


def _load_rows(table: FeatureTable) -> Tensor:
    """Return all rows (N, D) of a table in memory; online evaluation has few."""
    return table.take(np.arange(len(table)))
