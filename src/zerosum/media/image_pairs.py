"""Input and target images as media: like single images."""

from __future__ import annotations

from zerosum.media.images import ImageMedia


class ImagePairMedia(ImageMedia):
    """Pairs of images; what is generated and written are the targets."""


IMAGE_PAIR_MEDIA = ImagePairMedia()
