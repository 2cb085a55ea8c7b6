"""The residual translator: sizes, how far it sees, its edges, corrections, and the maps that contrast compares."""

import pytest
import torch
from torch.nn import functional
from translator_checks import assert_alone, assert_any_size, assert_tiles_are_the_whole, pictures, seen

from zerosum.errors import BadInput
from zerosum.networks.configs import ResNetTranslatorConfig
from zerosum.networks.padding import pad_to_multiple, reflect_pad
from zerosum.networks.resnet_translator import ResNetTranslator


def built(given: tuple[int, ...] = (3, 16, 16), seed: int = 0, **fields: object) -> ResNetTranslator:
    torch.manual_seed(seed)
    shape = ResNetTranslatorConfig.model_validate({"width": 4, "blocks": 2, **fields})
    network = shape.build(0, (3, *given[1:]), True, 0, given)
    assert isinstance(network, ResNetTranslator)
    return network


@pytest.mark.parametrize("fields", [{}, {"norm": "none"}, {"downs": 3}, {"residual": True}])
def test_any_size(fields: dict[str, object]) -> None:
    network = built(**fields)
    assert_any_size(network, 3, 3)
    assert_alone(network, 3)
    assert network.condition_inputs == ()
    assert network.size_multiple == 2 ** fields.get("downs", 2)


def test_range_and_channels() -> None:
    network = built((1, 16, 16), norm="none")
    assert network(50 * pictures(2, (1, 16, 16))).abs().max() <= 1


def test_the_papers_network() -> None:
    """64, 128, 256 channels and 6 blocks; downs are 4x4, biases stand only where no norm shifts."""
    with torch.device("meta"):
        network = ResNetTranslatorConfig().build(0, (3, 128, 128), True, 0, (3, 128, 128))
    beside = 49 * 3 * 64 * 2 + 3
    between = (16 + 9) * (64 * 128 + 128 * 256) + 12 * 9 * 256 * 256
    norms = 2 * (64 + 128 + 256 + 12 * 256 + 128 + 64)
    assert sum(parameter.numel() for parameter in network.parameters()) == beside + between + norms


@pytest.mark.parametrize("fields", [{"blocks": 1}, {"blocks": 2, "downs": 1}])
def test_it_sees_as_far_as_it_says(fields: dict[str, object]) -> None:
    network = built(norm="none", **fields)
    assert network.receptive_field_radius is not None
    assert seen(network, 3, 80) == network.receptive_field_radius
    assert_tiles_are_the_whole(network, 3, 80)
    assert built(**fields).receptive_field_radius is None


def test_mirrors_are_torchs() -> None:
    sample = pictures(2, (3, 9, 12))
    assert torch.equal(reflect_pad(sample, 3), functional.pad(sample, (3, 3, 3, 3), "reflect"))
    assert torch.equal(pad_to_multiple(sample, 16), functional.pad(sample, (0, 4, 0, 7), "reflect"))
    assert torch.equal(pad_to_multiple(sample, 32), functional.pad(sample, (0, 20, 0, 23), "replicate"))
    assert torch.equal(pad_to_multiple(sample, 3), sample)


def test_a_correction_starts_near_the_picture() -> None:
    given = pictures(2, (3, 16, 16))
    change = built(residual=True)(given) - given
    assert 0.01 < change.std() < 0.3
    assert (built()(given) - given).std() > 0.3


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_encode_gives_the_maps_on_the_way(blocks: int) -> None:
    network, given = built(blocks=blocks, contrast=True, contrast_size=5), pictures(2, (3, 18, 16))
    maps = network.encode(given)
    expected = [(4, 20, 16), (8, 10, 8), (16, 5, 4), (16, 5, 4), (16, 5, 4)][: 4 if blocks == 1 else 5]
    assert [tuple(hidden.shape[1:]) for hidden in maps] == expected
    whole = pad_to_multiple(given, 4)
    on_the_way = []
    for setup in network.stages:
        whole = setup(whole)
        on_the_way.append(whole)
    places = dict.fromkeys([0, 1, 2, 3, 3 + blocks // 2])
    assert all(torch.equal(hidden, on_the_way[place]) for hidden, place in zip(maps, places, strict=True))


def test_places_are_compared_by_vectors_of_length_one() -> None:
    network = built(contrast=True, contrast_size=5)
    for level, hidden in enumerate(network.encode(pictures(2, (3, 16, 16)))):
        vectors = network.project(level, hidden.flatten(2).mT.flatten(0, 1)[:7])
        assert vectors.shape == (7, 5)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(7))
    assert ResNetTranslatorConfig(contrastive_heads=True).capabilities == {"contrast"}
    assert ResNetTranslatorConfig().capabilities == set()
    assert not list(built().contrastive_heads.parameters())


@pytest.mark.parametrize("fields", [{"residual": True}, {"contrast": True}])
def test_other_channels_are_refused_where_pictures_are_compared(fields: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"must have as many channels, got 1 given and 3 wanted: set generator\."):
        built((1, 16, 16), **fields)
