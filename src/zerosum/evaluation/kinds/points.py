"""Evaluation of points: by their coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.kinds.base import EvaluationKind

if TYPE_CHECKING:
    from zerosum.evaluation.features.registry import FeatureLoader


class PointEvaluation(EvaluationKind):
    """Points are compared by their coordinates, under the name of the values of images."""

    networks: ClassVar[Mapping[str, FeatureLoader]] = {
        "pixels": lambda dataset, device, field: PixelFeatures(max_size=None)
    }


POINT_EVALUATION = PointEvaluation()
