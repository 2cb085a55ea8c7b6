"""What decides a StyleGAN2's sample: its style, the mean it is pulled to, a second latent, its class, its noise."""

import math

import pytest
import torch
from test_stylegan2 import awake, close, count, generator
from torch import nn

from zerosum.game import seeded_rng
from zerosum.game.player import EMA
from zerosum.game.schedule import Progress
from zerosum.networks.mapping import MappingNetwork, NormalizedLatent
from zerosum.networks.stylegan2 import NoiseInjection

# ---------------------------------------------------------------------- styles


def test_mapping_written_out() -> None:
    torch.manual_seed(0)
    mapping = MappingNetwork(NormalizedLatent(), 4, 6, 2).double()
    latent = torch.randn(3, 4, dtype=torch.float64)
    hidden = latent / (latent.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in mapping.layers:
        nn.init.normal_(layer.bias)
        assert layer.weight.std().item() == pytest.approx(
            100, rel=0.5
        )  # stored a hundredfold: learns a hundredth as fast
        hidden = hidden @ (layer.weight.T * 0.01 / math.sqrt(layer.weight.shape[1])) + 0.01 * layer.bias
        hidden = math.sqrt(2) * torch.maximum(hidden, 0.2 * hidden)
    close(mapping(latent), hidden)


def test_the_mean_style_follows_in_training_alone() -> None:
    network = generator().train()
    latent = torch.randn(5, 4)
    mean = network.styles(latent)[:, 0].mean(0)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for seed in (None, torch.arange(5), None):
        network(latent, seed=seed)
    close(network.mean_style, (1 - 0.998**3) * mean, 1e-6)
    with torch.no_grad():
        network.eval()(latent)
    close(network.mean_style, (1 - 0.998**3) * mean, 1e-6)
    assert not network.mean_style.requires_grad


def test_truncation_pulls_towards_the_mean_style() -> None:
    network = generator()
    network.mean_style.copy_(torch.randn(5))
    latent = torch.randn(3, 4)
    style = network.mapping(latent)
    whole, half, none = (network.styles(latent, truncation=psi) for psi in (1.0, 0.5, 0.0))
    assert torch.equal(whole, style[:, None].expand(-1, network.num_layers, -1))
    close(half[:, 2], (network.mean_style + style) / 2, 1e-6)
    assert torch.equal(none, network.mean_style.expand_as(none))
    images = network.synthesize(none)
    close(images[1:], images[:1].expand(2, -1, -1, -1), 1e-5)
    assert (network.synthesize(whole)[0] - network.synthesize(whole)[1]).abs().max() > 0.01
    assert torch.equal(network(latent), network.synthesize(whole))


def test_mixing_takes_late_layers_from_a_second_latent() -> None:
    """Every cut is drawn about as often: each count lies within 5.5 standard deviations (once in 10^6)."""
    network = generator(noise=False, mixing=1.0).train()
    seed = seeded_rng.derive_seeds(0, 0, 400)
    latent = torch.randn(400, 4)
    first = network.styles(latent)
    second = network.styles(seeded_rng.normal(seed, 4, seeded_rng.RandomStream.STYLE_MIXING))
    images = network(latent, seed=seed)
    hits = []
    for cut in range(1, network.num_layers):
        expected = network.synthesize(torch.cat([first[:, :cut], second[:, cut:]], 1))
        hits.append((images - expected).abs().amax((1, 2, 3)) < 1e-4)
    found = torch.stack(hits).sum(1)
    assert torch.stack(hits).sum(0).eq(1).all(), "each sample has exactly one cut"
    mean = 400 / (network.num_layers - 1)
    assert (found - mean).abs().max() < 5.5 * math.sqrt(mean)


@pytest.mark.parametrize("share", [0.0, 0.9])
def test_a_share_is_mixed_and_only_in_training(share: float) -> None:
    network = generator(noise=False, mixing=share)
    seed, latent = seeded_rng.derive_seeds(1, 0, 1000), torch.randn(1000, 4)
    plain = network.synthesize(network.styles(latent))
    close(network(latent, seed=seed), plain, 1e-5)
    close(network.train()(latent), plain, 1e-5)
    mixed = (network(latent, seed=seed) - plain).abs().amax((1, 2, 3)) > 1e-4
    assert abs(int(mixed.sum()) - 1000 * share) <= 5.5 * math.sqrt(1000 * share * (1 - share))


def test_classes_join_the_mapping() -> None:
    network = generator(classes=3, condition="concat", condition_size=7)
    assert network.condition_inputs == ("label", "seed")
    assert generator().condition_inputs == ("seed",)
    assert network.mapping.layers[0].weight.shape == (5, 4 + 7)
    latent = torch.randn(1, 4).expand(3, -1)
    hard = network(latent, torch.arange(3))
    close(network(latent, torch.eye(3)), hard, 1e-5)
    between = network(latent[:2], torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
    close(between[0], hard[0], 1e-5)
    assert (between[1] - hard[0]).abs().max() > 1e-3
    assert (hard[1] - hard[0]).abs().max() > 1e-3
    # of a class's vector only the direction counts
    with torch.no_grad():
        network.mapping.input_layer.class_embedding.embedding.weight.mul_(3)
    close(network(latent, torch.arange(3)), hard, 1e-4)


# ---------------------------------------------------------------------- noise


def test_a_sample_is_a_function_of_its_latent_and_seed() -> None:
    network = awake(generator(mixing=0.9)).double().train()
    seed, latent = seeded_rng.derive_seeds(4, 0, 8), torch.randn(8, 4).double()
    together = network(latent, seed=seed)
    apart = torch.cat([network(latent[n : n + 2], seed=seed[n : n + 2]) for n in range(0, 8, 2)])
    close(apart, together)
    again = network(latent.flip(0), seed=seed.flip(0)).flip(0)
    close(again, together)
    other = network(latent, seed=seed + 1)
    assert (other - together).abs().amax((1, 2, 3)).min() > 1e-3


def test_noise_is_another_in_each_layer_and_fixed_without_seeds() -> None:
    network = awake(generator(side=32))
    grains = [layer.grain for layer in network.synthesis_layers]
    assert [grain.side for grain in grains] == [4, 8, 8, 16, 16, 32, 32]
    seed = seeded_rng.derive_seeds(0, 0, 50)
    first, second = (grain.drawn(seed).flatten().double() for grain in grains[-2:])
    # 51,200 numbers: a correlation or mean of 5.5 / sqrt(n) comes once in 10^6
    bound = 5.5 / math.sqrt(len(first))
    assert abs((first * second).mean()) < bound
    assert abs(first.mean()) < bound
    assert first.var().item() == pytest.approx(1.0, rel=0.05)
    latent = torch.randn(1, 4).expand(3, -1)
    made = network(latent)
    assert torch.equal(made, network(latent))
    close(made[1:], made[:1].expand(2, -1, -1, -1), 1e-5)
    assert not torch.equal(grains[-1].fixed, grains[-2].fixed)
    loud = network(latent, seed=torch.arange(3))
    assert (loud[0] - loud[1]).abs().max() > 1e-3


def test_noise_starts_silent_and_can_be_left_out() -> None:
    latent, seed = torch.randn(2, 4), torch.arange(2)
    network = generator()
    close(network(latent, seed=seed), network(latent), 1e-6)
    still = generator(noise=False)
    assert not [m for m in still.modules() if isinstance(m, NoiseInjection)]
    assert count(network) - count(still) == len(network.synthesis_layers)
    network.train()(latent, seed=seed).sin().sum().backward()
    assert all(layer.grain.strength.grad.abs() > 0 for layer in network.synthesis_layers)


def test_the_average_follows_and_stays_deterministic() -> None:
    network = awake(generator()).train()
    average = EMA(network, 10.0)
    latent, seed = torch.randn(3, 4), torch.arange(3)
    network(latent, seed=seed)
    average.update(network, 10, Progress())
    close(average.network.mean_style, network.mean_style / 2, 1e-6)
    assert torch.equal(average.network.convolutions[1].grain.fixed, network.synthesis_layers[1].grain.fixed)
    assert torch.equal(average.network(latent, seed=seed), average.network(latent, seed=seed))
