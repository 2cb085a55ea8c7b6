"""Test ProGAN's growth: transitions, inactive levels, checkpoints, and the real images at a growth."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_progan import GROWTHS, WIDTHS, build_pair, draw_inputs, upsample
from torch import Tensor, nn
from torch.nn import functional

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks import progan
from zerosum.networks.configs.progan import ProGANGeneratorConfig

# ---------------------------------------------------------------------- growth


@pytest.mark.parametrize("level", [0, 1, 2])
def test_networks_at_an_integer_growth_equal_smaller_networks(level: int) -> None:
    generator, discriminator = build_pair()
    small_generator, small_discriminator = build_pair(WIDTHS[: level + 1])
    for network, small_network in ((generator, small_generator), (discriminator, small_discriminator)):
        state = network.state_dict()
        names = [name for name in small_network.state_dict() if not name.endswith("_extra_state")]
        small_network.load_state_dict({name: state[name] for name in names}, strict=False)
        assert small_network.growth == level
        network.set_growth(level)
    latent, sample = draw_inputs()
    factor = 2 ** (3 - level)
    expected = small_generator(latent)
    for _ in range(3 - level):
        expected = upsample(expected)
    assert torch.equal(generator(latent), expected)
    small_sample = sample[..., : 32 // factor, : 32 // factor]
    large_sample = small_sample.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    torch.testing.assert_close(
        discriminator(large_sample).score, small_discriminator(small_sample).score, rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("border", [0, 1, 2, 3])
def test_outputs_are_continuous_where_a_phase_begins_or_ends(border: int) -> None:
    generator, discriminator = build_pair()
    latent, sample = draw_inputs()

    def outputs_at(growth: float) -> tuple[Tensor, Tensor, Tensor]:
        generator.set_growth(growth)
        discriminator.set_growth(growth)
        return generator(latent), discriminator(sample).score, progan.limit_resolution(sample, growth)

    step = 1e-13
    for near in (border - step, border + step):
        if 0 <= near <= 3:
            assert near != border
            for near_output, output in zip(outputs_at(near), outputs_at(border), strict=True):
                torch.testing.assert_close(near_output, output, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("growth", GROWTHS)
def test_inactive_levels_are_not_computed_and_get_no_gradient(growth: float) -> None:
    generator, discriminator = build_pair(double=False)
    level, top = int(growth), int(-(-growth // 1))

    def is_active(name: str) -> bool:
        module, index = name.split(".")[:2]
        if module == "stages":
            return int(index) < top
        return module not in ("to_rgb", "from_rgb") or int(index) in {level, top}

    for network in (generator, discriminator):
        network.set_growth(growth)
        for name, parameter in network.named_parameters():
            if not is_active(name):
                nn.init.constant_(parameter, torch.nan)  # any use of it makes the output nan
    discriminator(generator(torch.randn(4, 7))).score.sum().backward()
    for network in (generator, discriminator):
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
        names = {name for name, gradient in gradients.items() if gradient is not None}
        assert names == {name for name, parameter in network.named_parameters() if parameter.isfinite().all()}
        assert all(gradients[name].isfinite().all() and gradients[name].any() for name in names)
        assert len(names) < len(gradients)  # at least the RGB layers of other levels


def test_new_network_is_fully_grown() -> None:
    for network in build_pair():
        assert network.levels == 4
        assert network.growth == 3
        assert isinstance(network.growth, float)
        for growth in (-0.1, 3.1):
            with pytest.raises(AssertionError, match="growth"):
                network.set_growth(growth)


def test_growth_is_saved_with_the_weights(tmp_path: Path) -> None:
    """Save it as checkpoints do: flat, by safetensors, in a nested network."""
    config = ProGANGeneratorConfig(widths=(4, 2), condition="concat", condition_size=3)
    network = nn.ModuleDict({"network": config.build(8, TensorSpec((1, 16, 16), bounded=True), num_classes=5)})
    network["network"].network.set_growth(1.3)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, tmp_path / "networks.safetensors")
    restored = nn.ModuleDict({"network": config.build(8, TensorSpec((1, 16, 16), bounded=True), num_classes=5)})
    assert restored["network"].network.growth == 2
    restored.load_state_dict(load_file(tmp_path / "networks.safetensors"))
    assert restored["network"].network.growth == 1.3
    latent, label = torch.randn(3, 8), torch.tensor([0, 3, 4])
    assert torch.equal(restored["network"](latent, label), network["network"](latent, label))


def test_copies_have_their_own_growth() -> None:
    generator, _ = build_pair()
    generator.set_growth(1.5)
    copied = copy.deepcopy(generator)
    latent, _ = draw_inputs()
    before = copied(latent)
    generator.set_growth(3)
    assert copied.growth == 1.5
    assert torch.equal(copied(latent), before)
    copied.set_growth(3)
    assert torch.equal(copied(latent), generator(latent))


def test_growth_may_change_between_forward_and_backward() -> None:
    generator, _ = build_pair()
    latent, _ = draw_inputs()
    gradients = []
    for later in (1.5, 2.5):
        generator.zero_grad()
        generator.set_growth(1.5)
        image = generator(latent)
        generator.set_growth(later)
        image.sum().backward()
        gradients.append(generator.input_layer[0].bias.grad.clone())
    assert torch.equal(*gradients)


def test_fading_compiles_once_per_phase() -> None:
    """Two levels need 2 * 2 - 1 graphs: the weight of the faded-in level is no constant of a graph."""
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return graph

    generator, _ = build_pair((3, 2), double=False)
    latent = torch.randn(2, 7)
    compiled = torch.compile(generator.forward, backend=backend, dynamic=False, fullgraph=True)
    for growth in (0, 0.1, 0.2, 0.9, 1, 0.5, 0):
        generator.set_growth(growth)
        assert torch.equal(compiled(latent), generator(latent))
    assert len(graphs) == 3


# ---------------------------------------------------------------------- real images


def test_real_images_are_unchanged_at_full_growth() -> None:
    _, sample = draw_inputs()
    assert progan.limit_resolution(sample, 3.0) is sample
    assert build_pair()[0].limit_resolution is progan.limit_resolution  # a game calls it through the network


@pytest.mark.parametrize("growth", GROWTHS)
def test_limit_resolution_preserves_constants_means_and_memory_format(growth: float) -> None:
    constant = torch.full((2, 3, 32, 32), 0.3)
    torch.testing.assert_close(progan.limit_resolution(constant, growth), constant, rtol=1e-6, atol=0)
    sample = draw_inputs()[1].contiguous(memory_format=torch.channels_last)
    limited = progan.limit_resolution(sample, growth)
    assert limited.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(
        functional.avg_pool2d(limited, 8), functional.avg_pool2d(sample, 8), rtol=1e-12, atol=1e-12
    )


def test_limit_resolution_blends_two_resolutions() -> None:
    sample = torch.tensor([[0.0, 4.0, 8.0, 8.0], [0.0, 4.0, 8.0, 8.0]]).repeat(4, 2)[None, None]  # (1, 1, 8, 8)
    half_resolution = torch.tensor([2.0, 2.0, 8.0, 8.0]).repeat(2).expand(1, 1, 8, 8)
    assert torch.equal(progan.limit_resolution(sample, 0), half_resolution)
    assert torch.equal(progan.limit_resolution(sample, 0.25), 0.75 * half_resolution + 0.25 * sample)
    assert torch.equal(progan.limit_resolution(sample, 1), sample)


@pytest.mark.parametrize("growth", GROWTHS)
def test_missing_detail_does_not_reveal_fakes(growth: float) -> None:
    """Limiting the resolution changes neither the score of real samples nor the fake samples."""
    generator, discriminator = build_pair()
    latent, sample = draw_inputs()
    top = float(-(-growth // 1))
    generator.set_growth(growth)
    discriminator.set_growth(growth)
    torch.testing.assert_close(
        discriminator(sample).score, discriminator(progan.limit_resolution(sample, top)).score, rtol=1e-12, atol=1e-12
    )
    fake = generator(latent)
    torch.testing.assert_close(progan.limit_resolution(fake, top), fake, rtol=1e-12, atol=1e-12)
