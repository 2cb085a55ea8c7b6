"""The scores of benchmarks/audio.py: of any sounds with classes, by the same means."""

from __future__ import annotations

import csv
import time
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.audio.codec import AudioCodec
from zerosum.data.audio.config import AudioDataConfig
from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions, ignore_progress, load_dataset
from zerosum.evaluation.features.aisfx import AisfxFeatures
from zerosum.evaluation.features.linear_probe import LinearProbe
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.kinds.audio import train_sound_classifier
from zerosum.evaluation.metrics.embeddings import median_nn_distance
from zerosum.evaluation.metrics.kid import kernel_distance

CPU = torch.device("cpu")
SIZE, RATE, SECONDS = 64, 16_000, 1.024
"""The form of the sounds: 64 mel bands and frames, 16,384 numbers."""
MIXED_CLASS = "other"
"""A class of sounds that have nothing in common: the unseen kits' are other ones than the training kits'."""
TIMED = 32
"""Sounds whose decoding is timed."""
Sounds = NDArray[np.float32]


class Scorer:
    """Scores sounds against those of a folder with `train` and `test`, whose sub-folders are classes."""

    def __init__(self, data: Path) -> None:
        """Load the sounds of both."""
        self.data = data
        self.train = self._load(data / "train", LoadOptions())
        self.unseen = self._load(data / "test", LoadOptions(held_out_fraction=0.0, for_evaluation=True))
        self.codec = self.train.codec
        assert isinstance(self.codec, AudioCodec)
        self.train_sounds, self.train_labels = self._take(self.train, np.arange(len(self.train)))
        self.unseen_sounds, self.unseen_labels = self._take(self.unseen, np.arange(len(self.unseen)))

    @staticmethod
    def _load(folder: Path, options: LoadOptions) -> Dataset:
        return load_dataset(AudioDataConfig(source=str(folder), size=SIZE, rate=RATE, seconds=SECONDS), options)

    def _take(self, dataset: Dataset, rows: NDArray[np.int64]) -> tuple[Sounds, NDArray[np.int64]]:
        """Return sounds (N, T) and their classes (N,) as numbers of the training classes."""
        numbers = np.array([self.train.classes.index(name) for name in dataset.classes])
        return np.asarray(dataset.items(rows), np.float32), numbers[dataset.labels[rows]]

    def read(self, folder: Path) -> tuple[Sounds, NDArray[np.int64]]:
        """Return the sounds (N, T) that `zerosum sample` wrote, and their classes (N,)."""
        import soundfile

        with (folder / "labels.csv").open(encoding="utf8", newline="") as file:
            rows = list(csv.DictReader(file))
        sounds = [soundfile.read(folder / row["file"], dtype="float32")[0] for row in rows]
        return np.stack(sounds), np.array([self.train.classes.index(row["label"]) for row in rows])

    # ------------------------------------------------------------------ scores

    @cached_property
    def _aisfx(self) -> AisfxFeatures:
        return AisfxFeatures.load(RATE, CPU)

    def _features(self, sounds: Sounds) -> Tensor:
        """Return aiSFX features (N, 512)."""
        with torch.inference_mode():
            parts = [self._aisfx(part).features for part in torch.split(torch.from_numpy(sounds), TIMED)]
        return torch.cat(parts).clone()

    @cached_property
    def _train_features(self) -> Tensor:
        return self._features(self.train_sounds)

    @cached_property
    def _unseen_features(self) -> Tensor:
        return self._features(self.unseen_sounds)

    @cached_property
    def _probe(self) -> LinearProbe:
        return LinearProbe.fit(self._train_features, self.train_labels, len(self.train.classes))

    def _hear(self, sounds: Sounds) -> NDArray[np.int64]:
        """Return the class (N,) that the classifier of spectrograms hears."""
        classifier = train_sound_classifier(self.train, CPU, ignore_progress, "features")
        probabilities = classifier(torch.from_numpy(sounds)).probabilities
        assert probabilities is not None, "a classifier has a head"
        heard: NDArray[np.int64] = probabilities.argmax(1).numpy()
        return heard

    def score(self, sounds: Sounds, labels: NDArray[np.int64]) -> dict[str, float]:
        """Return the scores of sounds (N, T) of classes (N,)."""
        features = self._features(sounds)
        return self._score(features, self._hear(sounds), labels)

    def score_unseen(self) -> dict[str, float]:
        """Return the scores of the unseen kits' sounds: what new sounds can have."""
        return self._score(self._unseen_features, self._hear(self.unseen_sounds), self.unseen_labels)

    def _score(self, features: Tensor, heard: NDArray[np.int64], labels: NDArray[np.int64]) -> dict[str, float]:
        probed = self._probe.predict(features)
        is_pure = labels != self.train.classes.index(MIXED_CLASS) if MIXED_CLASS in self.train.classes else labels >= 0
        tables = [FeatureTable.from_tensor(each) for each in (self._train_features, features)]
        nearest = [median_nn_distance(each, self._train_features) for each in (features, self._unseen_features)]
        return {
            "class_own": float((heard == labels).mean()),
            "class_own_without_other": float((heard == labels)[is_pure].mean()),
            "class_probe": float((probed == labels).mean()),
            "class_probe_without_other": float((probed == labels)[is_pure].mean()),
            "kid_aisfx": kernel_distance(*tables).value,
            "nearest_ratio": nearest[0] / nearest[1],
        }

    def time_decoding(self) -> float:
        """Return the CPU seconds in which a sound is made of a spectrogram."""
        samples = self.codec.encode_sounds(self.train_sounds[:TIMED])  # type: ignore[attr-defined]
        self.codec.decode(samples[:2], torch.arange(2))
        start = time.process_time()
        self.codec.decode(samples, torch.arange(len(samples)))
        return (time.process_time() - start) / len(samples)
