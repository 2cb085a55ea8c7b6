"""The networks that enlarge: from the picture enlarged, to how far they see, and no chequerboard at first."""

from typing import Any

import pytest
import torch
from torch.nn import functional
from translator_checks import assert_alone, assert_any_size, assert_tiles_are_the_whole, pictures, seen

from zerosum.errors import BadInput
from zerosum.networks.configs import RRDBGeneratorConfig, SRResNetGeneratorConfig
from zerosum.networks.super_resolution import RRDB, SuperResolution, upsample_bicubic

SHAPES: dict[str, Any] = {"rrdb": RRDBGeneratorConfig, "srresnet": SRResNetGeneratorConfig}
KINDS = list(SHAPES)


def built(kind: str, factor: int = 4, seed: int = 0, **fields: Any) -> SuperResolution:
    torch.manual_seed(seed)
    narrow = {"growth": 2} if kind == "rrdb" else {}
    shape = SHAPES[kind](**{"width": 4, "blocks": 1, "factor": factor, **narrow, **fields})
    network = shape.build(0, (3, 8 * factor, 8 * factor), True, 0, (3, 8, 8))
    assert isinstance(network, SuperResolution)
    return network


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_any_size_and_factor(kind: str, factor: int) -> None:
    network = built(kind, factor)
    assert_any_size(network, 3, 3, factor)
    assert_alone(network, 3)
    assert (network.condition_inputs, network.size_multiple, network.upscale_factor) == ((), 1, factor)


@pytest.mark.parametrize(("kind", "factor"), [("rrdb", 1), ("rrdb", 2), ("srresnet", 4), ("srresnet", 8)])
def test_it_sees_as_far_as_it_says(kind: str, factor: int) -> None:
    network = built(kind, factor)
    assert seen(network, 3, 2 * network.receptive_field_radius + 3, factor) == network.receptive_field_radius
    assert_tiles_are_the_whole(network, 3, 2 * network.receptive_field_radius + 8, factor)


@pytest.mark.parametrize("kind", KINDS)
def test_it_starts_from_the_picture_enlarged(kind: str) -> None:
    given = pictures(2, (3, 12, 12))
    change = built(kind, 4, blocks=3)(given) - functional.interpolate(given, scale_factor=4, mode="bicubic")
    assert 0.01 < change.std() < 0.3
    assert upsample_bicubic(given, 1) is given


@pytest.mark.parametrize("kind", KINDS)
def test_no_chequerboard_at_first(kind: str) -> None:
    """The four pixels that a shuffle makes of one are alike."""
    network = built(kind, 2)
    hidden = network.upsampling(pictures(1, (4, 8, 8)))
    assert torch.equal(hidden, functional.interpolate(hidden[:, :, ::2, ::2], scale_factor=2))


def test_the_papers_blocks() -> None:
    """64 channels that grow by 32, and 23 blocks of 15 convolutions."""
    with torch.device("meta"):
        network = RRDBGeneratorConfig(blocks=23).build(0, (3, 32, 32), True, 0, (3, 8, 8))
    dense = sum(9 * (64 + 32 * place) * 32 + 32 for place in range(4)) + 9 * 192 * 64 + 64
    ends = (9 * 3 * 64 + 64) + 2 * (9 * 64 * 64 + 64) + (9 * 64 * 3 + 3) + 2 * (9 * 64 * 256 + 256)
    assert sum(parameter.numel() for parameter in network.parameters()) == 23 * 3 * dense + ends


def test_signal_keeps_its_size_through_many_blocks() -> None:
    torch.manual_seed(0)
    hidden = torch.randn(1, 16, 12, 12)
    blocks = torch.nn.Sequential(*(RRDB(16, 8) for _ in range(23)))
    with torch.no_grad():
        assert 0.5 < blocks(hidden).std() < 2


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_cannot_do_is_explained(kind: str) -> None:
    shape = SHAPES[kind](width=4, blocks=1, factor=4)
    with pytest.raises(BadInput, match=r"4 times as large as what it is given, but 16 x 16 is given where 32 x 32"):
        shape.build(0, (3, 32, 32), True, 0, (3, 16, 16))
    with pytest.raises(BadInput, match=r"at least 32 pixels a side, a multiple of 4, got 34 x 34: set `--data"):
        shape.build(0, (3, 34, 34), True, 0, (3, 8, 8))
    with pytest.raises(BadInput, match=r"as many channels, got 1 given and 3 wanted: choose another generator.kind"):
        shape.build(0, (3, 32, 32), True, 0, (1, 8, 8))
