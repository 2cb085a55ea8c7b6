"""Evaluation of sounds: by aiSFX features, by those of a classifier of their classes, or by their spectrograms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from zerosum.data.audio.codec import AudioCodec, SpectrogramCodec
from zerosum.data.dataset import Dataset
from zerosum.data.kind import ignore_progress
from zerosum.errors import BadInput
from zerosum.evaluation.features.aisfx import INSTALL, AisfxFeatures, find_aisfx
from zerosum.evaluation.features.classifier import ClassifierFeatures, load_or_train_classifier
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.kinds.audio_pairs import SoundPairMetrics
from zerosum.evaluation.kinds.base import CLASSIFIER, EvaluationKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zerosum.data.audio.log_mel import LogMel
    from zerosum.data.codec import Codec, Items
    from zerosum.data.kind import ProgressFn
    from zerosum.evaluation.features.base import FeatureNetwork, FeatureOutput
    from zerosum.evaluation.features.registry import FeatureLoader

THUMBNAIL_SIZE = 16
"""Bands and frames of the thumbnails by which near-copies are found, at the ratio that images have.

Of 64 held-out drum hits it finds 10 among 451 training hits, and by the waveform these are the same hits, from other
kits: their largest cross-correlation is 1.00 (8 of them), 0.98 and 0.94. The next ones have 0.99 and 0.65, at ratios of
0.19 and 0.20. Copies that start 3 ms later are found, and half of those saved as MP3."""


@dataclass(frozen=True)
class SpectrogramFeatures:
    """The values of log-mel spectrograms, at most 32 bands and frames: no weights."""

    log_mel: LogMel
    name: ClassVar[str] = "log_mel"
    is_cacheable: ClassVar[bool] = True
    version: ClassVar[str] = "00000001"
    """Increase this whenever the same sound would get other features."""

    @property
    def resize_mode(self) -> str:
        """How spectrograms are resized."""
        return PixelFeatures().resize_mode

    @torch.inference_mode()
    def __call__(self, sounds: Tensor) -> FeatureOutput:
        """Return features (N, D) of sounds (N, T)."""
        return PixelFeatures()(self.log_mel.spectrogram(sounds))


class SoundClassifier(ClassifierFeatures):
    """A classifier of spectrograms, as a feature network of sounds."""

    def __init__(self, classifier: ClassifierFeatures, log_mel: LogMel, device: torch.device) -> None:
        """Wrap a classifier of the samples of a dataset."""
        super().__init__(classifier.network, classifier.classes, classifier.image_size, classifier.accuracy, device)
        self._log_mel = log_mel

    @torch.inference_mode()
    def __call__(self, sounds: Tensor) -> FeatureOutput:
        """Return features (N, 128) and class probabilities (N, K) of sounds (N, T)."""
        return super().__call__(self._log_mel.spectrogram(sounds))


def as_spectrograms(dataset: Dataset) -> Dataset:
    """Return the sounds of a dataset as samples that are spectrograms, without inputs and symmetries."""
    return Dataset(
        dataset.values, dataset.labels, dataset.classes, dataset.content_hashes, dataset.train, dataset.held_out,
        dataset.summary, SpectrogramCodec.of(_audio_codec(dataset.codec)),
    )  # fmt: skip


def load_classifier(dataset: Dataset, device: torch.device, field: str) -> SoundClassifier:
    """Return a classifier of the dataset's classes, trained without a report of progress or from the cache."""
    return train_sound_classifier(dataset, device, ignore_progress, field)


def train_sound_classifier(dataset: Dataset, device: torch.device, progress: ProgressFn, field: str) -> SoundClassifier:
    """Return a classifier of the dataset's classes, trained or from the cache.

    Raises:
        BadInput: there are no classes.
    """
    if len(dataset.classes) < 2:
        raise BadInput(
            f"`{field}` {CLASSIFIER}: {dataset.summary.source} has no classes; put the sounds of each class in a "
            f"folder of their own, or choose `{field}` aisfx or log_mel"
        )
    found = load_or_train_classifier(as_spectrograms(dataset), device, progress, field)
    return SoundClassifier(found, _audio_codec(dataset.codec).log_mel, device)


class AudioEvaluation(EvaluationKind):
    """Sounds are compared by aiSFX features, and their classes by a classifier of their spectrograms."""

    networks: ClassVar[Mapping[str, FeatureLoader]] = {
        "aisfx": lambda dataset, device, field: AisfxFeatures.load(_audio_codec(dataset.codec).rate, device, field),
        "log_mel": lambda dataset, device, field: SpectrogramFeatures(_audio_codec(dataset.codec).log_mel),
        CLASSIFIER: load_classifier,
    }
    has_class_probe: ClassVar[bool] = True

    def default_features(self) -> str:
        """Return "aisfx".

        Raises:
            BadInput: its weights are not installed.
        """
        if find_aisfx() is None:
            raise BadInput(
                f"the default feature network aisfx is not installed: {INSTALL}, or choose `features` log_mel (no "
                "weights, less accurate)"
            )
        return "aisfx"

    def online_features(self, pretrained_features: str) -> str:
        """Return "log_mel": 512 samples take a second, and by aisfx a minute, half of which makes sounds of them."""
        return "log_mel"

    def sample_network(self, network: FeatureNetwork) -> FeatureNetwork | None:
        """Return the features of spectrograms for "log_mel", since that is what samples are; None for others."""
        return PixelFeatures() if isinstance(network, SpectrogramFeatures) else None

    def unbiased_features(self, dataset: Dataset) -> str:
        """Return the classifier if there are classes, else spectrograms."""
        return CLASSIFIER if len(dataset.classes) > 1 else "log_mel"

    def train_classifier(
        self, dataset: Dataset, device: torch.device, progress: ProgressFn, field: str
    ) -> SoundClassifier:
        """Return a classifier of the dataset's classes, trained or from the cache."""
        return train_sound_classifier(dataset, device, progress, field)

    def pair_metrics(self, dataset: Dataset) -> SoundPairMetrics:
        """Return distances of spectrograms, and the ratio of signal and distortion."""
        return SoundPairMetrics(_audio_codec(dataset.codec).log_mel)

    def input_key(self, codec: Codec) -> str:
        """Return the rate and the form of spectrograms, which the same numbers of a sound depend on."""
        return f"{dict(codec.settings())}"

    def thumbnails(self, items: Items, codec: Codec) -> NDArray[np.float32]:
        """Return spectrograms at 16 bands and frames (N, 256), in [-1, 1]."""
        spectrograms = _audio_codec(codec).encode_sounds(items)
        pooled: NDArray[np.float32] = functional.adaptive_avg_pool2d(spectrograms, THUMBNAIL_SIZE).flatten(1).numpy()
        return pooled

    def describe(self, dataset: Dataset) -> str:
        """Return the length and the rate of the sounds, and the form of their spectrograms."""
        codec = _audio_codec(dataset.codec)
        return f"{codec.seconds:.3g} s at {codec.rate:,} Hz, {codec.bands} bands x {codec.frames} frames"


AUDIO_EVALUATION = AudioEvaluation()
"""Evaluation of sounds: their features and their classes."""


def _audio_codec(codec: Codec) -> AudioCodec:
    assert isinstance(codec, AudioCodec), "sounds have no other codec"
    return codec
