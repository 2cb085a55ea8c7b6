"""The layer that scales color differences."""

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.chroma import ChromaGain
from zerosum.networks.configs.dcgan import DCGANDiscriminatorConfig
from zerosum.networks.heads import ScoreHead


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


@pytest.mark.parametrize("channels", [3, 4])
def test_a_discriminator_sees_enlarged_color_differences(channels: int) -> None:
    networks = [
        DCGANDiscriminatorConfig(width=4, norm="none", chroma_gain=gain).build_network(
            TensorSpec((channels, 32, 32), bounded=True), ScoreHead
        )
        for gain in (1, 2)
    ]
    networks[1].load_state_dict(networks[0].state_dict())
    image = torch.rand(2, channels, 32, 32)
    plain, enlarged = (network(image).score for network in networks)
    assert torch.equal(enlarged, networks[0](ChromaGain(2)(image)).score)
    assert not torch.equal(enlarged, plain)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_samples_without_color_are_refused(channels: int) -> None:
    DCGANDiscriminatorConfig().check_shape((channels, 32, 32))
    for colors in (3, 4):
        DCGANDiscriminatorConfig(chroma_gain=2).check_shape((colors, 32, 32))
    with pytest.raises(BadInput, match="chroma_gain"):
        DCGANDiscriminatorConfig(chroma_gain=2).check_shape((channels, 32, 32))
