"""Evaluation during training: few samples, their kernel distance to held-out examples, and its floor."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from zerosum.data.codec import Codec, Items
from zerosum.data.dataset import Dataset
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.extract import FeatureExtractor, FeatureSet
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.kinds.base import EVALUATION_KINDS, EvaluationKind
from zerosum.evaluation.metrics.embeddings import NUM_NEIGHBORS, mean_pairwise_distance
from zerosum.evaluation.metrics.kid import KID, kernel_distance
from zerosum.evaluation.metrics.pairwise import SelfDistances, compute_cross_scores, compute_self_distances
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.protocol import Protocol as EvaluationProtocol
from zerosum.evaluation.result import ScoreWithFloor
from zerosum.evaluation.sample_sets import GeneratedSet, ItemFn, RealSet, decode_finite, require_finite
from zerosum.game import seeded_rng
from zerosum.game.game import Game
from zerosum.game.sample_tree import leaves
from zerosum.game.translation import TranslationGame
from zerosum.run_folder import Row

MAX_REFERENCE_EXAMPLES = 1_024
"""Maximum number of held-out examples that samples are compared with."""
DECODED_IN_TRIAL = 8
"""Examples that are decoded in a trial."""
SAMPLE_SEED = 2**31
"""Seed of the evaluated samples; previews and `zerosum sample` use other seeds."""


class GameSamples(Protocol):
    """The samples of a game that are evaluated, always the same ones."""

    def __call__(self, game: Game, start: int, count: int) -> Items:
        """Return items number `start` to `start + count - 1` of the game."""


@dataclass(frozen=True)
class SeededSamples:
    """Samples from seeds that nothing else uses."""

    codec: Codec

    def __call__(self, game: Game, start: int, count: int) -> Items:
        """Generate items number `start` to `start + count - 1`."""
        seeds = seeded_rng.derive_seeds(SAMPLE_SEED, start, count)
        return decode_finite(self.codec, game.sample(seeds), seeds)


@dataclass(frozen=True)
class UndecodedSamples:
    """Samples themselves, from the same seeds, for a network that takes them as they are."""

    def __call__(self, game: Game, start: int, count: int) -> Items:
        """Generate samples number `start` to `start + count - 1`, float32 (n, ...)."""
        (samples,) = leaves(game.sample(seeded_rng.derive_seeds(SAMPLE_SEED, start, count)))
        require_finite(samples)
        return np.asarray(samples.detach().float().cpu().numpy())


@dataclass(frozen=True)
class TranslatedSamples:
    """Translations of the held-out inputs of a dataset."""

    dataset: Dataset

    def __len__(self) -> int:
        return len(self.dataset.input_indices(True))

    def __call__(self, game: Game, start: int, count: int) -> Items:
        """Translate held-out inputs number `start` to `start + count - 1`."""
        assert isinstance(game, TranslationGame), "checked when the recipe is validated"
        outputs = game.translate(self.dataset.inputs(self.dataset.input_indices(True)[start : start + count]))
        return decode_finite(self.dataset.codec, outputs, torch.zeros(len(outputs), dtype=torch.int64))


@dataclass
class CountedSamples:
    """Samples of which it is counted how many are valid, see `Codec.find_invalid`."""

    item_fn: ItemFn
    codec: Codec
    drawn: int = 0
    valid: int = 0

    def __call__(self, start: int, count: int) -> Items:
        """Return items number `start` to `start + count - 1`."""
        items = self.item_fn(start, count)
        if self.codec.may_be_invalid:
            self.drawn += len(items)
            self.valid += int((~self.codec.find_invalid(items)).sum())
        return items

    def signals(self) -> dict[str, float]:
        """Return the valid fraction of those that this rank has made; {} where all samples are valid."""
        return {"evaluation/valid": self.valid / self.drawn} if self.drawn else {}


class RealReference(NamedTuple):
    """The features of the held-out examples, and the floors that follow from them."""

    feature_set: FeatureSet
    floor: Score
    """Kernel distance of training examples to them, as many as there are samples."""
    mean_pairwise_distance: float
    """Mean distance between two of them; 0 where they are too few or all the same."""
    self_distances: SelfDistances | None
    """Distances among them, for recall and coverage; None where `mean_pairwise_distance` is 0."""
    coverage_floor: float
    """Their coverage by training examples."""


@dataclass
class OnlineEvaluator:
    """Evaluate a game's samples during training; features of real examples are extracted once, at the first call."""

    feature_network: FeatureNetwork
    device: torch.device
    dataset: Dataset
    samples: int
    game_samples: GameSamples
    is_paired: bool = False
    """Whether sample i was generated from the input of real item i."""
    sample_network: FeatureNetwork | None = None
    """Takes samples in place of `feature_network`, where `game_samples` are not decoded; None where they are."""

    def __post_init__(self) -> None:
        """Choose the real examples, and create a scratch folder for features."""
        self._scratch_folder = tempfile.TemporaryDirectory(prefix="zerosum-")
        dataset, noun = self.dataset, self.dataset.summary.noun
        real = RealSet.from_dataset(dataset, dataset.held_out, f"held-out {noun}s").head(
            self.samples if self.is_paired else MAX_REFERENCE_EXAMPLES
        )
        # input and target of a pair have the same index
        self.real = replace(real, indices=dataset.input_indices(True)[: self.samples]) if self.is_paired else real
        self.floor_set = RealSet.from_dataset(dataset, dataset.train, f"training {noun}s").head(self.samples)
        self._reference: RealReference | None = None

    def __call__(self, game: Game, examples: int) -> Row:
        """Return a row of scores.jsonl whose `distance` is the kernel distance.

        Args:
            game: the game in its current state.
            examples: training time so far.
        """
        reference = self._reference = self._reference or self._build_reference()
        samples = CountedSamples(partial(self.game_samples, game), self.dataset.codec)
        sample_set = GeneratedSet(samples, self.samples, "the samples")
        generated = self._extract_generated(sample_set).features
        distance = kernel_distance(reference.feature_set.features, generated, paired=self.is_paired)
        protocol = self._protocol()
        return {
            "examples": examples,
            "mode": "online",
            "distance": distance.value,
            "protocol_description": protocol.describe(),
            "protocol": protocol.as_dict(),
            "signals": samples.signals() | _compute_signals(generated, reference),
            "scores": {KID.full_name(protocol): ScoreWithFloor(KID, distance, reference.floor).as_dict()},
        }

    def estimate_seconds(self) -> float:
        """Estimate the seconds of one evaluation on this device, from a small trial.

        The trial measures feature extraction and decoding; half of the former is added for sampling and distances.
        """
        trial_set = self.floor_set.head(128)
        self._extract_features(trial_set.head(64))  # warm-up: the first batch pays for what is set up once
        start_time = time.monotonic()
        self._extract_features(trial_set)
        seconds = 1.5 * (time.monotonic() - start_time) / max(1, len(trial_set))
        return (seconds + self._time_decoding()) * self.samples

    def _time_decoding(self) -> float:
        """Return the seconds that it takes to make an item of a sample, from a small trial with real ones."""
        rows = self.floor_set.indices[:DECODED_IN_TRIAL]
        if self.sample_network or not len(rows):
            return 0.0
        samples, seeds = self.dataset.samples(rows), torch.zeros(len(rows), dtype=torch.int64)
        self.dataset.codec.decode(samples, seeds)
        start_time = time.monotonic()
        self.dataset.codec.decode(samples, seeds)
        return (time.monotonic() - start_time) / len(rows)

    def _extract_generated(self, sample_set: GeneratedSet) -> FeatureSet:
        if self.sample_network is None:
            return self._extract_features(sample_set)
        self._clear_scratch_folder()
        extractor = FeatureExtractor(
            self.sample_network, lambda samples, device: torch.from_numpy(samples).to(device), self.device,
            Path(self._scratch_folder.name),
        )  # fmt: skip
        return extractor.extract(sample_set)

    def _clear_scratch_folder(self) -> None:
        for file in Path(self._scratch_folder.name).iterdir():
            file.unlink()

    def _extract_features(self, sample_set: RealSet | GeneratedSet, use_cache: bool = False) -> FeatureSet:
        self._clear_scratch_folder()
        codec = self.dataset.codec
        network_input = partial(self._kind.network_input, codec=codec)
        return FeatureExtractor(
            self.feature_network, network_input, self.device, Path(self._scratch_folder.name),
            self._kind.input_key(codec),
        ).extract(sample_set, use_cache)  # fmt: skip

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

    @property
    def _kind(self) -> EvaluationKind:
        return EVALUATION_KINDS.find(self.dataset.summary.kind)

    def _protocol(self) -> EvaluationProtocol:
        return EvaluationProtocol(
            features=self.feature_network.name,
            weights_hash=self.feature_network.version,
            resize_mode=self.feature_network.resize_mode,
            image_format=self._kind.describe(self.dataset),
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

    Empty where the real examples have no diversity to compare with.
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
