"""Input and target images as media: like single images."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zerosum.data.images.page_files import make_output_codec
from zerosum.media import images_script
from zerosum.media.images import ImageMedia
from zerosum.media.kind import Shape
from zerosum.media.script import ScriptPart

if TYPE_CHECKING:
    from zerosum.data.config import DataConfig


class ImagePairMedia(ImageMedia):
    """Pairs of images; what is generated and written are the targets."""

    def translation_script(self, data: DataConfig, input_shape: Shape, target_shape: Shape) -> ScriptPart:
        """Return how scripts read input images and write output images."""
        inputs = make_output_codec(input_shape, data.dtype_of_inputs, data.range_of_inputs)
        outputs = make_output_codec(target_shape, data.dtype_of_outputs, data.range_of_outputs)
        channels = inputs.shape[0] - data.fills_holes
        without_mask = replace(inputs, shape=(channels, *inputs.shape[1:]))
        return images_script.translation_script(without_mask, outputs, data.fills_holes, data.pages_are_bands)


IMAGE_PAIR_MEDIA = ImagePairMedia()
