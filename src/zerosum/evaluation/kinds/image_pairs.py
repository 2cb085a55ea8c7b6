"""Evaluation of translated images as a set; pairs are compared one by one in `zerosum.evaluation.metrics.paired`."""

from __future__ import annotations

from zerosum.evaluation.kinds.images import ImageEvaluation


class ImagePairEvaluation(ImageEvaluation):
    """Targets are evaluated like other images."""


IMAGE_PAIR_EVALUATION = ImagePairEvaluation()
