"""ProGAN's growth: its borders, what it costs and what travels with it, and what reals look like meanwhile."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_progan import GROWTHS, WIDTHS, drawn, pair, twice
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks import progan
from zerosum.networks.configs.progan import ProGANGeneratorConfig

# ---------------------------------------------------------------------- growth


@pytest.mark.parametrize("level", [0, 1, 2])
def test_at_a_whole_growth_they_are_the_networks_of_that_side(level: int) -> None:
    generator, judge = pair()
    small, small_judge = pair(WIDTHS[: level + 1])
    for network, cut in ((generator, small), (judge, small_judge)):
        have = network.state_dict()
        cut.load_state_dict({n: have[n] for n in cut.state_dict() if not n.endswith("_extra_state")}, strict=False)
        assert cut.growth == level
        network.grow(level)
    latent, sample = drawn()
    times = 2 ** (3 - level)
    expected = small(latent)
    for _ in range(3 - level):
        expected = twice(expected)
    assert torch.equal(generator(latent), expected)
    little = sample[..., : 32 // times, : 32 // times]
    large = little.repeat_interleave(times, 2).repeat_interleave(times, 3)
    torch.testing.assert_close(judge(large).score, small_judge(little).score, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("border", [0, 1, 2, 3])
def test_nothing_jumps_where_a_phase_begins_or_ends(border: int) -> None:
    generator, judge = pair()
    latent, sample = drawn()

    def at(growth: float) -> tuple[Tensor, Tensor, Tensor]:
        generator.grow(growth)
        judge.grow(growth)
        return generator(latent), judge(sample).score, progan.limit_resolution(sample, growth)

    step = 1e-13
    for near in (border - step, border + step):
        if 0 <= near <= 3:
            assert near != border
            for there, here in zip(at(near), at(border), strict=True):
                torch.testing.assert_close(there, here, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("growth", GROWTHS)
def test_what_has_not_grown_costs_nothing_and_learns_nothing(growth: float) -> None:
    generator, judge = pair(double=False)
    level, top = int(growth), int(-(-growth // 1))

    def wanted(name: str) -> bool:
        part, place = name.split(".")[:2]
        if part == "stages":
            return int(place) < top
        return part != "pictures" or int(place) in {level, top}

    for network in (generator, judge):
        network.grow(growth)
        for name, parameter in network.named_parameters():
            if not wanted(name):
                nn.init.constant_(parameter, torch.nan)  # whatever touches it shows
    judge(generator(torch.randn(4, 7))).score.sum().backward()
    for network in (generator, judge):
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        names = {name for name, gradient in gradients.items() if gradient is not None}
        assert names == {name for name, parameter in network.named_parameters() if parameter.isfinite().all()}
        assert all(gradients[name].isfinite().all() and gradients[name].any() for name in names)
        assert len(names) < len(gradients)  # at least the RGB layers of other levels


def test_a_new_network_is_fully_grown() -> None:
    for network in pair():
        assert network.levels == 4
        assert network.growth == 3
        assert isinstance(network.growth, float)
        for growth in (-0.1, 3.1):
            with pytest.raises(AssertionError, match="outside of 0 to 3"):
                network.grow(growth)


def test_growth_travels_with_the_weights(tmp_path: Path) -> None:
    """As in checkpoints: flat, by safetensors, in a network inside another."""
    shape = ProGANGeneratorConfig(widths=(4, 2), condition="concat", condition_size=3)
    network = nn.ModuleDict({"network": shape.build(8, (1, 16, 16), bounded=True, num_classes=5)})
    network["network"].network.grow(1.3)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, tmp_path / "networks.safetensors")
    fresh = nn.ModuleDict({"network": shape.build(8, (1, 16, 16), bounded=True, num_classes=5)})
    assert fresh["network"].network.growth == 2
    fresh.load_state_dict(load_file(tmp_path / "networks.safetensors"))
    assert fresh["network"].network.growth == 1.3
    latent, label = torch.randn(3, 8), torch.tensor([0, 3, 4])
    assert torch.equal(fresh["network"](latent, label), network["network"](latent, label))


def test_copies_grow_by_themselves() -> None:
    generator, _ = pair()
    generator.grow(1.5)
    average = copy.deepcopy(generator)
    latent, _ = drawn()
    before = average(latent)
    generator.grow(3)
    assert average.growth == 1.5
    assert torch.equal(average(latent), before)
    average.grow(3)
    assert torch.equal(average(latent), generator(latent))


def test_it_may_grow_between_forward_and_backward() -> None:
    generator, _ = pair()
    latent, _ = drawn()
    gradients = []
    for later in (1.5, 2.5):
        generator.zero_grad()
        generator.grow(1.5)
        image = generator(latent)
        generator.grow(later)
        image.sum().backward()
        gradients.append(generator.input_layer[0].bias.grad.clone())
    assert torch.equal(*gradients)


def test_fading_compiles_once_a_phase() -> None:
    """2 * 2 - 1 graphs of two levels: the share of what is faded in is no constant of a graph."""
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph

    generator, _ = pair((3, 2), double=False)
    latent = torch.randn(2, 7)
    compiled = torch.compile(generator.forward, backend=backend, dynamic=False, fullgraph=True)
    for growth in (0, 0.1, 0.2, 0.9, 1, 0.5, 0):
        generator.grow(growth)
        assert torch.equal(compiled(latent), generator(latent))
    assert len(graphs) == 3


# ---------------------------------------------------------------------- what reals look like


def test_at_full_growth_reals_are_shown_as_they_are() -> None:
    _, sample = drawn()
    assert progan.limit_resolution(sample, 3.0) is sample
    assert pair()[0].limit_resolution is progan.limit_resolution  # for a game, which knows networks by what they can do


@pytest.mark.parametrize("growth", GROWTHS)
def test_shown_keeps_constants_means_and_layout(growth: float) -> None:
    constant = torch.full((2, 3, 32, 32), 0.3)
    torch.testing.assert_close(progan.limit_resolution(constant, growth), constant, rtol=1e-6, atol=0)
    sample = drawn()[1].contiguous(memory_format=torch.channels_last)
    seen = progan.limit_resolution(sample, growth)
    assert seen.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(functional.avg_pool2d(seen, 8), functional.avg_pool2d(sample, 8), rtol=1e-12, atol=1e-12)


def test_shown_blends_two_resolutions() -> None:
    sample = torch.tensor([[0.0, 4.0, 8.0, 8.0], [0.0, 4.0, 8.0, 8.0]]).repeat(4, 2)[None, None]  # (1, 1, 8, 8)
    half_seen = torch.tensor([2.0, 2.0, 8.0, 8.0]).repeat(2).expand(1, 1, 8, 8)
    assert torch.equal(progan.limit_resolution(sample, 0), half_seen)
    assert torch.equal(progan.limit_resolution(sample, 0.25), 0.75 * half_seen + 0.25 * sample)
    assert torch.equal(progan.limit_resolution(sample, 1), sample)


@pytest.mark.parametrize("growth", GROWTHS)
def test_detail_that_has_not_grown_tells_nobody_apart(growth: float) -> None:
    """The discriminator judges reals as it judges what is shown of them, and fakes are shown as they are."""
    generator, judge = pair()
    latent, sample = drawn()
    top = float(-(-growth // 1))
    generator.grow(growth)
    judge.grow(growth)
    torch.testing.assert_close(
        judge(sample).score, judge(progan.limit_resolution(sample, top)).score, rtol=1e-12, atol=1e-12
    )
    fake = generator(latent)
    torch.testing.assert_close(progan.limit_resolution(fake, top), fake, rtol=1e-12, atol=1e-12)
