"""Checks that the tests of all translators share: receptive field, image sizes, independence of samples."""

import copy

import torch
from torch import Tensor, nn


def random_images(count: int, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    """Return uniform images (count, *shape) in [-1, 1]."""
    return 2 * torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed)) - 1


def measure_radius(network: nn.Module, channels: int, side: int, factor: int = 1) -> int:
    """Return the largest distance from an output pixel to an input pixel that affects it, over all phases and axes."""
    network = copy.deepcopy(network).double()
    center, radius = side // network.size_multiple // 2 * network.size_multiple, 0
    inputs = random_images(1, (channels, side, side)).double().requires_grad_(True)
    outputs = network(inputs)
    for pixel in range(network.size_multiple * factor):
        input_index, output_index = center + pixel // factor, center * factor + pixel
        (gradient,) = torch.autograd.grad(outputs[0, :, output_index, output_index].sum(), inputs, retain_graph=True)
        for axis in (1, 2):
            affected = (gradient[0].abs().amax((0, axis)) > 0).nonzero().flatten()
            radius = max(radius, input_index - int(affected.min()), int(affected.max()) - input_index)
    return radius


def assert_tiles_equal_the_full_image(network: nn.Module, channels: int, side: int, factor: int = 1) -> None:
    """Check that a tile at a size multiple, with a margin of the receptive field, is translated as in the full
    image."""
    network = copy.deepcopy(network).double().eval()
    margin = -(-network.receptive_field_radius // network.size_multiple) * network.size_multiple
    start, tile = margin, 2 * network.size_multiple + 3
    inputs = random_images(1, (channels, side, side)).double()
    assert start + tile + margin < side
    crop = inputs[:, :, : start + tile + margin, : start + tile + margin]
    with torch.no_grad():
        full_tile, tile_alone = (
            outputs[:, :, start * factor : (start + tile) * factor, start * factor : (start + tile) * factor]
            for outputs in (network(inputs), network(crop))
        )
    torch.testing.assert_close(full_tile, tile_alone, rtol=0, atol=1e-12)


def assert_any_size(network: nn.Module, channels: int, out_channels: int, factor: int = 1) -> None:
    """Check that odd, narrow and minimal images are translated, the same in training and evaluation mode."""
    for height, width in ((8, 8), (9, 21), (30, 13)):
        inputs = random_images(2, (channels, height, width))
        seeds = {"seed": torch.tensor([3, 4])} if network.condition_inputs else {}
        with torch.no_grad():
            outputs = network.train()(inputs, **seeds)
            assert outputs.shape == (2, out_channels, height * factor, width * factor)
            assert torch.equal(network.eval()(inputs, **seeds), outputs)


def assert_per_sample(network: nn.Module, channels: int, side: int = 16) -> None:
    """Check that the translation of an image does not depend on the rest of the batch."""
    inputs, seed = random_images(3, (channels, side, side)), torch.tensor([5, 6, 7])
    seeds, *single_seeds = [{"seed": part} for part in (seed, *seed.split(1))] if network.condition_inputs else [{}] * 4
    with torch.no_grad():
        singles = [network(image, **kwargs) for image, kwargs in zip(inputs.split(1), single_seeds, strict=True)]
        torch.testing.assert_close(network(inputs, **seeds), torch.cat(singles), rtol=1e-4, atol=1e-5)
