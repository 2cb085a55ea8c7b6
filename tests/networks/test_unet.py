"""The U-Net: sizes, how far it sees, its skips, dropout that is a function of the seed."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from translator_checks import assert_alone, assert_any_size, assert_tiles_are_the_whole, pictures, seen

from zerosum.errors import BadInput
from zerosum.networks.configs import UNetGeneratorConfig
from zerosum.networks.layers import InstanceNorm
from zerosum.networks.unet import UNet

SHAPE = (3, 16, 16)


def built(
    given: tuple[int, ...] = (1, 16, 16), shape: tuple[int, ...] = SHAPE, seed: int = 0, **fields: object
) -> UNet:
    torch.manual_seed(seed)
    network = UNetGeneratorConfig.model_validate({"width": 4, "max_width": 8, **fields}).build(0, shape, True, 0, given)
    assert isinstance(network, UNet)
    return network


@pytest.mark.parametrize(
    "fields",
    [{}, {"norm": "none"}, {"detail": 4}, {"dropout": 0.5}, {"depth": 5}, {"depth": 1}, {"depth": 1, "detail": 2}],
)
def test_any_size(fields: dict[str, object]) -> None:
    network = built(**fields)
    assert_any_size(network, 1, 3)
    assert_alone(network, 1)
    assert network(50 * pictures(1, (1, 16, 16)), seed=torch.tensor([1])).abs().max() <= 1


def test_the_papers_network() -> None:
    """64 to 512 channels and 8 halvings at 256 pixels, ups over as many maps again; 3x3 where the paper has 4x4."""
    with torch.device("meta"):
        network = UNetGeneratorConfig(norm="none", depth=8).build(0, (3, 256, 256), True, 0, (3, 256, 256))
    widths = [64, 128, 256, 512, 512, 512, 512, 512]
    downs = sum(16 * a * b + b for a, b in zip([3, *widths], widths, strict=False))
    ins, outs = [512, 1024, 1024, 1024, 1024, 512, 256, 128], [512, 512, 512, 512, 256, 128, 64, 3]
    ups = sum(9 * a * b + b for a, b in zip(ins, outs, strict=True))
    assert sum(parameter.numel() for parameter in network.parameters()) == downs + ups


@pytest.mark.parametrize(("side", "depth"), [(8, 1), (16, 2), (48, 3), (64, 4), (256, 6)])
def test_it_goes_down_to_four_pixels(side: int, depth: int) -> None:
    assert len(UNetGeneratorConfig().stage_widths(side)) == depth
    assert UNetGeneratorConfig(width=8, max_width=16, depth=3).stage_widths(side) == (8, 16, 16)


@pytest.mark.parametrize("fields", [{"depth": 1}, {"depth": 2}, {"depth": 2, "detail": 4}])
def test_it_sees_as_far_as_it_says(fields: dict[str, object]) -> None:
    network = built(norm="none", **fields)
    assert network.receptive_field_radius is not None
    assert seen(network, 1, 64) == network.receptive_field_radius
    assert_tiles_are_the_whole(network, 1, 64)
    assert built(**fields).receptive_field_radius is None


def test_every_map_is_beside_its_like() -> None:
    """With the innermost map silenced, what the skips carry still reaches the picture."""
    network, given = built(norm="none", depth=3), pictures(2, (1, 16, 16))
    nn.init.zeros_(network.down_blocks[-1][0].weight)
    made = network(given)
    assert made.std() > 0.01
    assert not torch.equal(made[0], made[1])


def test_no_norm_beside_the_picture_nor_of_a_single_place() -> None:
    network = built(depth=4)
    assert [any(isinstance(layer, InstanceNorm) for layer in down) for down in network.down_blocks] == [
        False,
        True,
        True,
        True,
    ]
    assert not any(isinstance(layer, InstanceNorm) for layer in network.output_layer.modules())
    hidden = torch.randn(2, 3, 1, 1)
    assert torch.equal(InstanceNorm(3)(hidden), hidden)
    torch.testing.assert_close(
        InstanceNorm(3)(torch.randn(2, 3, 2, 2)).mean((2, 3)), torch.zeros(2, 3), atol=1e-6, rtol=0
    )


def test_instance_norm_is_torchs() -> None:
    hidden, ours, theirs = torch.randn(2, 3, 5, 7), InstanceNorm(3), nn.InstanceNorm2d(3, affine=True)
    torch.testing.assert_close(ours(hidden), theirs(hidden))


def test_dropout_is_the_seeds() -> None:
    network, given, seed = built(dropout=0.5, depth=3).train(), pictures(2, (1, 16, 16)), torch.tensor([3, 4])
    assert network.condition_inputs == ("seed",)
    assert built().condition_inputs == ()
    one = network(given, seed=seed)
    torch.manual_seed(99)
    assert torch.equal(network.eval()(given, seed=seed), one)
    assert not torch.allclose(network(given, seed=seed + 1), one)
    assert not torch.equal(*network(given[:1].expand(2, -1, -1, -1), seed=seed))


def test_dropout_keeps_the_mean_and_its_share() -> None:
    drop, hidden = built(dropout=0.3, depth=3).up_blocks[0].dropout, torch.ones(64, 8, 4, 4)
    kept = drop(hidden, torch.arange(64))
    share = (kept == 0).float().mean().item()
    assert share == pytest.approx(0.3, abs=5 * (0.21 / hidden.numel()) ** 0.5)  # five standard errors
    assert torch.equal(kept[kept != 0], torch.full_like(kept[kept != 0], 1 / 0.7))
    assert not torch.equal(kept[0], kept[1])


def test_only_the_innermost_ups_drop() -> None:
    rates = [up.dropout.rate for up in built(dropout=0.5, depth=6).up_blocks]
    assert rates == [0.5, 0.5, 0.5, 0.0, 0.0]


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="max_width must be at least width"):
        UNetGeneratorConfig(width=8, max_width=4)
    with pytest.raises(ValidationError):
        UNetGeneratorConfig(norm="batch")
    with pytest.raises(ValidationError):
        UNetGeneratorConfig(condition="concat")


@pytest.mark.parametrize(
    ("given", "shape", "match"),
    [
        ((), SHAPE, r"^unet turns pictures into pictures and makes none of noise: set game.kind = \"translation\""),
        ((2,), SHAPE, r"^unet turns pictures into pictures, and is given samples of the shape \(2\)"),
        ((3, 8, 8), SHAPE, r"as large as what it is given, but 8 x 8 is given where 16 x 16 is wanted"),
        ((3, 4, 4), (3, 4, 4), r"at least 8 pixels a side, got 4 x 4: set `--data.size 8`"),
        ((3, 16, 16), (7, 16, 16), r"1 to 4 channels, got 7"),
        ((3, 16, 16), (2,), r'set kind = "mlp"'),
    ],
)
def test_what_it_cannot_do_is_explained(given: tuple[int, ...], shape: tuple[int, ...], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        UNetGeneratorConfig().build(0, shape, True, 0, given)
