"""The layer that scales color differences."""

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.networks.chroma import ChromaGain
from zerosum.networks.configs.dcgan import DCGANDiscriminatorConfig


@pytest.mark.parametrize("channels", [3, 4])
def test_brightness_and_alpha_stay_and_color_differences_are_scaled(channels: int) -> None:
    image = torch.rand(2, channels, 4, 4)
    scaled = ChromaGain(3.0)(image)
    assert scaled.shape == image.shape
    torch.testing.assert_close(scaled[:, :3].mean(1), image[:, :3].mean(1))
    torch.testing.assert_close(scaled[:, 0] - scaled[:, 1], 3 * (image[:, 0] - image[:, 1]))
    assert torch.equal(scaled[:, 3:], image[:, 3:])
    gray = torch.rand(2, 1, 4, 4).expand(-1, 3, -1, -1)
    torch.testing.assert_close(ChromaGain(3.0)(gray), gray)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_samples_without_color_are_refused(channels: int) -> None:
    DCGANDiscriminatorConfig().check_shape((channels, 32, 32))
    for colors in (3, 4):
        DCGANDiscriminatorConfig(chroma_gain=2).check_shape((colors, 32, 32))
    with pytest.raises(BadInput, match="chroma_gain"):
        DCGANDiscriminatorConfig(chroma_gain=2).check_shape((channels, 32, 32))
