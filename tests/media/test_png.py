"""PNG files of our encoder are read by Pillow without loss, and are hardly larger than Pillow's."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zerosum.media.png import encode_png


def smooth_images(count: int, height: int, width: int, channels: int) -> np.ndarray:
    """Waves of random frequencies, with a little noise."""
    rng, axes = np.random.default_rng(0), np.mgrid[:height, :width]
    waves = np.einsum("nck,khw->nhwc", rng.uniform(-0.2, 0.2, (count, channels, 2)), axes)
    return np.clip(128 + 100 * np.sin(waves) + rng.normal(0, 2, waves.shape), 0, 255).astype(np.uint8)


def pillow_file(image: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 5), (64, 64)])
def test_every_pixel_is_kept(height: int, width: int, channels: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (2, height, width, channels), dtype=np.uint8)
    for images in (noise, smooth_images(3, height, width, channels), np.zeros((1, height, width, channels), np.uint8)):
        for image, file in zip(images, encode_png(images), strict=True):
            with Image.open(BytesIO(file)) as opened:
                opened.load()  # checks the checksums
                assert opened.mode == ("L", "LA", "RGB", "RGBA")[channels - 1]
                assert np.array_equal(np.asarray(opened).reshape(image.shape), image)


@pytest.mark.parametrize("turned", [False, True])
def test_files_are_hardly_larger_than_those_of_pillow(turned: bool) -> None:
    """Stripes along either axis: each image gets the filter that suits it."""
    images = np.broadcast_to(np.random.default_rng(0).integers(0, 256, (1, 64, 1, 3), dtype=np.uint8), (2, 64, 64, 3))
    images = np.ascontiguousarray(images.transpose(0, 2, 1, 3) if turned else images)
    for image in (*images, *smooth_images(4, 64, 64, 3)):
        (file,) = encode_png(image[None])
        assert len(file) <= 1.25 * len(pillow_file(image)) + 200


def test_the_file_of_an_image_does_not_depend_on_the_others() -> None:
    images = smooth_images(5, 16, 16, 3)
    assert [next(iter(encode_png(image[None]))) for image in images] == list(encode_png(images))
