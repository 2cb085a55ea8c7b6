"""What tests of translators share: how far a network sees, and that pictures of any size go through."""

import copy

import torch
from torch import Tensor, nn


def pictures(count: int, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return 2 * torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed)) - 1


def seen(network: nn.Module, channels: int, side: int, factor: int = 1) -> int:
    """How far from an output pixel the farthest input pixel lies that counts for it, over all phases, both ways."""
    network = copy.deepcopy(network).double()
    middle, farthest = side // network.multiple // 2 * network.multiple, 0
    given = pictures(1, (channels, side, side)).double().requires_grad_(True)
    made = network(given)
    for pixel in range(network.multiple * factor):
        place, at = middle + pixel // factor, middle * factor + pixel
        (slope,) = torch.autograd.grad(made[0, :, at, at].sum(), given, retain_graph=True)
        for axis in (1, 2):
            touched = (slope[0].abs().amax((0, axis)) > 0).nonzero().flatten()
            farthest = max(farthest, place - int(touched.min()), int(touched.max()) - place)
    return farthest


def assert_tiles_are_the_whole(network: nn.Module, channels: int, side: int, factor: int = 1) -> None:
    """A tile from a multiple, with a margin of the network's reach, is made as in the whole picture."""
    network = copy.deepcopy(network).double().eval()
    margin = -(-network.reach // network.multiple) * network.multiple
    first, tile = margin, 2 * network.multiple + 3
    given = pictures(1, (channels, side, side)).double()
    assert first + tile + margin < side
    part = given[:, :, : first + tile + margin, : first + tile + margin]
    with torch.no_grad():
        whole, alone = (
            made[:, :, first * factor : (first + tile) * factor, first * factor : (first + tile) * factor]
            for made in (network(given), network(part))
        )
    torch.testing.assert_close(whole, alone, rtol=0, atol=1e-12)


def assert_any_size(network: nn.Module, channels: int, outside: int, factor: int = 1) -> None:
    """Odd, narrow and smallest pictures go through, the same in training and in use."""
    for height, width in ((8, 8), (9, 21), (30, 13)):
        given = pictures(2, (channels, height, width))
        conditioning = {"seed": torch.tensor([3, 4])} if network.takes else {}
        with torch.no_grad():
            made = network.train()(given, **conditioning)
            assert made.shape == (2, outside, height * factor, width * factor)
            assert torch.equal(network.eval()(given, **conditioning), made)


def assert_alone(network: nn.Module, channels: int, side: int = 16) -> None:
    """A picture is made the same whatever stands beside it in the batch."""
    given, seed = pictures(3, (channels, side, side)), torch.tensor([5, 6, 7])
    conditioning = [{"seed": part} for part in (seed, *seed.split(1))] if network.takes else [{}] * 4
    with torch.no_grad():
        each = [network(one, **more) for one, more in zip(given.split(1), conditioning[1:], strict=True)]
        torch.testing.assert_close(network(given, **conditioning[0]), torch.cat(each), rtol=1e-4, atol=1e-5)
