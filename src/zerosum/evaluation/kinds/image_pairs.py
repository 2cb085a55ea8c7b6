"""Evaluation of translated images as a set; pairs are compared one by one in `zerosum.evaluation.metrics.paired`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.evaluation.kinds.image_pair_metrics import ImagePairMetrics
from zerosum.evaluation.kinds.images import ImageEvaluation

if TYPE_CHECKING:
    from zerosum.data.dataset import Dataset


class ImagePairEvaluation(ImageEvaluation):
    """Targets are evaluated like other images."""

    def pair_metrics(self, dataset: Dataset) -> ImagePairMetrics:
        """Return L1, PSNR, SSIM and the perceptual distance."""
        return ImagePairMetrics(dataset)


IMAGE_PAIR_EVALUATION = ImagePairEvaluation()
