"""What a kind of data is on the middle of its three floors: how samples are turned into features and scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.kind import DATA_KINDS
from zerosum.data.registry import KindRegistry
from zerosum.errors import BadInput
from zerosum.evaluation.features.registry import load_feature_network
from zerosum.evaluation.features.values import ValueFeatures
from zerosum.evaluation.metrics.base import ItemMetric

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.data.codec import Codec, Items
    from zerosum.data.dataset import Dataset
    from zerosum.data.kind import ProgressFn
    from zerosum.evaluation.features.base import FeatureNetwork
    from zerosum.evaluation.features.classifier import ClassifierFeatures
    from zerosum.evaluation.features.registry import FeatureLoader
    from zerosum.evaluation.kinds.pair_metrics import PairMetrics

MAX_FITTED_EXAMPLES = 10_000
"""Training examples by which values are standardized."""
CLASSIFIER = "classifier"
"""The name of features that are trained on the dataset's own classes."""


def fit_values(dataset: Dataset, device: torch.device, field: str) -> ValueFeatures:
    """Return the values of items as features, standardized by those of training examples."""
    kind, items = EVALUATION_KINDS.find(dataset.summary.kind), dataset.items(dataset.train[:MAX_FITTED_EXAMPLES])
    return ValueFeatures.fit(kind.network_input(items, torch.device("cpu"), dataset.codec))


class EvaluationKind:
    """How samples of a kind of data are evaluated; by default by their values, without a network.

    Example:
        >>> EvaluationKind().default_features()
        'values'
    """

    networks: ClassVar[Mapping[str, FeatureLoader]] = {"values": fit_values}
    """Feature networks by name, the default one first."""
    metrics: ClassVar[Sequence[ItemMetric]] = ()
    """Metrics of this kind of data alone; their floor is the score of real items of another part."""
    has_equal_items: ClassVar[bool] = False
    """Whether items that have nothing to do with each other are equal now and then: then copies alone say nothing."""
    has_class_probe: ClassVar[bool] = False
    """Whether classes are also recognized by a linear probe on the features of an evaluation."""
    notes: ClassVar[Sequence[str]] = ()
    """Sentences that every evaluation of this kind of data has."""
    captions: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Title and caption of each figure of `draw_figures`, by its name; `{noun}` is one item of the data."""
    max_neighbors_searched: ClassVar[int] = 1_000_000
    """Largest number of real items among which neighbors are searched, since the time grows with its square."""

    def default_features(self) -> str:
        """Return the name of the features that samples are evaluated by.

        Raises:
            BadInput: the weights of the network are not installed.
        """
        return next(iter(self.networks))

    def online_features(self, pretrained_features: str) -> str:
        """Return the name of the features of the evaluation during training; "none" for no evaluation.

        Args:
            pretrained_features: features that the generator is trained on, whose scores are biased; "" for none.
        """
        return "none"

    def unbiased_features(self, dataset: Dataset) -> str:
        """Return the name of features that no generator is trained on."""
        return self.default_features()

    def load_features(self, name: str, dataset: Dataset, device: torch.device, field: str) -> FeatureNetwork:
        """Load a feature network by name, or a custom one by its import path.

        Args:
            name: a key of `networks`, or "package.module:factory".
            dataset: what it is used for.
            device: where it computes.
            field: the argument or setting that names it, for messages.

        Raises:
            BadInput: there is no such network for these data, or it cannot be loaded.
        """
        return load_feature_network(name, self.networks, dataset, device, field)

    def train_classifier(
        self, dataset: Dataset, device: torch.device, progress: ProgressFn, field: str
    ) -> ClassifierFeatures | None:
        """Return a classifier of the dataset's classes, trained or from the cache; None if there is none."""
        return None

    def sample_network(self, network: FeatureNetwork) -> FeatureNetwork | None:
        """Return a network that takes samples (N, ...) as they are to the features of the items that they mean.

        Where decoding takes long, training is evaluated with it. None, by default: features are those of items.

        Args:
            network: a network of this kind, which takes items.
        """
        return None

    def pair_metrics(self, dataset: Dataset) -> PairMetrics:
        """Return the metrics that compare outputs of a translation with their targets one by one.

        Args:
            dataset: the targets.
        """
        raise AssertionError("samples of this kind of data have no inputs")

    def network_input(self, items: Items, device: torch.device, codec: Codec) -> Tensor:
        """Return items (N, ...) of a codec as feature networks take them: (N, ...) float32 on the device.

        Raises:
            BadInput: the items are not numbers, so that their kind must say what their values are.
        """
        if items.dtype.kind not in "biuf":
            raise BadInput(f"items of type {items.dtype} have no values: this kind of data needs a `network_input`")
        return torch.from_numpy(items).to(device).float()

    def input_key(self, codec: Codec) -> str:
        """Return what `network_input` depends on besides the items, for the key of cached features; "" for nothing."""
        return ""

    def normalize(self, items: Items) -> Items:
        """Return valid items (N, ...) in the form in which equal ones have equal values; by default themselves."""
        return items

    def thumbnails(self, items: Items, codec: Codec) -> NDArray[np.float32] | None:
        """Return thumbnails (N, D) of items (N, ...) by which near-copies are found; None: only exact copies are."""
        return None

    def draw_figures(self, generated: Items, real: Items, codec: Codec) -> Mapping[str, Image]:
        """Return images that compare samples (N, ...) with real items (M, ...), by the stem of their file's name."""
        return {}

    def describe(self, dataset: Dataset) -> str:
        """Return the form of the items of a dataset, as a protocol records it."""
        return f"{DATA_KINDS.find(dataset.summary.kind).noun}s"


EVALUATION_KINDS = KindRegistry[EvaluationKind](
    {
        "images": "zerosum.evaluation.kinds.images:IMAGE_EVALUATION",
        "image-pairs": "zerosum.evaluation.kinds.image_pairs:IMAGE_PAIR_EVALUATION",
        "points": "zerosum.evaluation.kinds.points:POINT_EVALUATION",
        "tables": "zerosum.evaluation.kinds.tables:TABLE_EVALUATION",
        "molecules": "zerosum.evaluation.kinds.molecules:MOLECULE_EVALUATION",
        "audio": "zerosum.evaluation.kinds.audio:AUDIO_EVALUATION",
    },
    floor="evaluation",
)
"""The evaluation of each kind of data; one line for each."""
