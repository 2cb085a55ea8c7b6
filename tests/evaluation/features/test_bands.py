"""Networks for RGB see the shown bands of other images, and scores say which; other features see all bands."""

import numpy as np
import torch

from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.evaluation.features.bands import BandFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.kinds.images import IMAGE_EVALUATION

CPU = torch.device("cpu")


def make_dataset(codec: ImageCodec) -> Dataset:
    channels, height, width = codec.shape
    values = np.random.default_rng(0).uniform(*codec.value_range, (8, height, width, channels)).astype(codec.dtype)
    indices, summary = np.arange(8), ImageSummary("noise", "images", 8)
    return Dataset(values, np.zeros(8, np.int64), (), indices.astype(np.uint64), indices, indices[:0], summary, codec)


def test_features_of_bands_are_those_of_the_network() -> None:
    images = torch.rand(3, 8, 4, 4)
    features = BandFeatures(PixelFeatures(), (0, 4, 7))
    assert torch.equal(features(images).features, images[:, [0, 4, 7]].flatten(1))
    assert features.resize_mode.endswith(", bands 1, 5, 8 only")
    assert (features.name, features.version) == (PixelFeatures.name, PixelFeatures.version)


def test_pretrained_networks_see_three_of_eight_bands_and_pixels_all() -> None:
    dataset = make_dataset(ImageCodec((8, 32, 32), "float32", (-1.0, 3.0)))
    lite0 = IMAGE_EVALUATION.load_features("lite0", dataset, CPU, "features")
    assert isinstance(lite0, BandFeatures)
    images = IMAGE_EVALUATION.network_input(dataset.items(np.arange(4)), CPU, dataset.codec)
    assert torch.equal(images, dataset.samples(np.arange(4)))
    assert lite0(images).features.shape == (4, 1280)
    assert IMAGE_EVALUATION.load_features("pixels", dataset, CPU, "features")(images).features.shape == (4, 8 * 32 * 32)
    assert IMAGE_EVALUATION.describe(dataset) == "32x32 8 bands of float32, fit by "


def test_the_same_values_have_other_features_in_another_range() -> None:
    keys = {IMAGE_EVALUATION.input_key(ImageCodec((1, 32, 32), "uint16", (0.0, high))) for high in (4095.0, 65535.0)}
    assert len(keys) == 2
    assert IMAGE_EVALUATION.input_key(ImageCodec((1, 32, 32))) == ""


def test_gray_of_16_bits_is_seen_whole() -> None:
    dataset = make_dataset(ImageCodec((1, 32, 32), "uint16", (0.0, 65535.0)))
    assert not isinstance(IMAGE_EVALUATION.load_features("lite0", dataset, CPU, "features"), BandFeatures)
