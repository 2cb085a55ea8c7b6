"""Test the palette: pixels are mixtures of the sample's colors, in range, and gradients reach both parts."""

import pytest
import torch

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import DCGANGeneratorConfig
from zerosum.networks.palette import SHARPNESS, PaletteOutput


def test_a_pixel_is_the_mean_of_the_colors_weighted_by_its_softmax() -> None:
    torch.manual_seed(0)
    layer = PaletteOutput(latent_size=5, channels=3, colors=4)
    logits, latent = torch.randn(2, 6, 6, 7), torch.randn(2, 5)
    black_and_white = torch.tensor([-1.0, 1.0]).expand(2, 3, 2)
    colors = torch.cat([layer.network(latent).view(2, 3, 4), black_and_white], 2)
    expected = torch.einsum("nck,nkhw->nchw", colors, (SHARPNESS * logits).softmax(1))
    torch.testing.assert_close(layer(logits, latent), expected)


def test_a_certain_pixel_has_exactly_one_color_of_its_own_sample() -> None:
    layer = PaletteOutput(latent_size=5, channels=3, colors=4)
    logits, latent = torch.full((2, 6, 2, 2), -1e4), torch.randn(2, 5)
    logits[:, 2, 0], logits[:, 5, 1] = 1e4, 1e4
    colors = layer.network(latent).view(2, 3, 4)
    torch.testing.assert_close(layer(logits, latent)[..., 0, 1], colors[..., 2])
    assert (layer(logits, latent)[..., 1, :] == 1).all()  # white
    assert not torch.equal(colors[0], colors[1])


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize("full_resolution_channels", [0, 4])
@pytest.mark.parametrize("output_skips", [False, True])
@pytest.mark.parametrize("shape", [(3, 32, 32), (4, 48, 96), (1, 16, 16)])
def test_generators_with_a_palette(
    upsampling: str, full_resolution_channels: int, output_skips: bool, shape: tuple[int, ...]
) -> None:
    config = DCGANGeneratorConfig(
        width=4,
        max_width=8,
        palette_colors=8,
        upsampling=upsampling,
        full_resolution_channels=full_resolution_channels,
        output_skips=output_skips,
    )
    latent = 50 * torch.randn(2, 8)
    images = config.build(8, TensorSpec(shape, bounded=True))(latent)
    assert images.shape == (2, *shape)
    assert images.abs().max() <= 1
    generator = config.build(8, TensorSpec(shape))
    generator(latent).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().max() > 0 for parameter in generator.parameters())


def test_new_colors_cover_the_range() -> None:
    torch.manual_seed(0)
    layer = PaletteOutput(latent_size=32, channels=3, colors=8)
    colors = layer.network(torch.randn(500, 32))
    assert colors.std() > 0.5  # uniform values have 0.58
    assert colors.abs().mean() > 0.4
