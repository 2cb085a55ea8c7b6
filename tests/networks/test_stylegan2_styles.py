"""Test what determines a StyleGAN2 sample: style, truncation, style mixing, class, noise."""

import math

import pytest
import torch
from test_stylegan2 import assert_close, build_generator, count_parameters, randomize_zero_weights
from torch import nn

from zerosum.game import seeded_rng
from zerosum.game.player import EMA
from zerosum.game.schedule import Progress
from zerosum.networks.mapping import MappingNetwork, NormalizedLatent
from zerosum.networks.stylegan2 import NoiseInjection

# ---------------------------------------------------------------------- styles


def test_mapping_network_equals_its_definition() -> None:
    torch.manual_seed(0)
    mapping = MappingNetwork(NormalizedLatent(), 4, 6, 2).double()
    latent = torch.randn(3, 4, dtype=torch.float64)
    hidden = latent / (latent.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for layer in mapping.layers:
        nn.init.normal_(layer.bias)
        # stored a hundredfold: the learning rate is a hundredth
        assert layer.weight.std().item() == pytest.approx(100, rel=0.5)
        hidden = hidden @ (layer.weight.T * 0.01 / math.sqrt(layer.weight.shape[1])) + 0.01 * layer.bias
        hidden = math.sqrt(2) * torch.maximum(hidden, 0.2 * hidden)
    assert_close(mapping(latent), hidden)


def test_mean_style_is_updated_only_in_training() -> None:
    network = build_generator().train()
    latent = torch.randn(5, 4)
    mean = network.styles(latent)[:, 0].mean(0)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    for seed in (None, torch.arange(5), None):
        network(latent, seed=seed)
    assert_close(network.mean_style, (1 - 0.998**3) * mean, 1e-6)
    with torch.no_grad():
        network.eval()(latent)
    assert_close(network.mean_style, (1 - 0.998**3) * mean, 1e-6)
    assert not network.mean_style.requires_grad


def test_truncation_interpolates_towards_the_mean_style() -> None:
    network = build_generator()
    network.mean_style.copy_(torch.randn(5))
    latent = torch.randn(3, 4)
    style = network.mapping(latent)
    untruncated, half_truncated, fully_truncated = (network.styles(latent, truncation=psi) for psi in (1.0, 0.5, 0.0))
    assert torch.equal(untruncated, style[:, None].expand(-1, network.num_layers, -1))
    assert_close(half_truncated[:, 2], (network.mean_style + style) / 2, 1e-6)
    assert torch.equal(fully_truncated, network.mean_style.expand_as(fully_truncated))
    images = network.synthesize(fully_truncated)
    assert_close(images[1:], images[:1].expand(2, -1, -1, -1), 1e-5)
    assert (network.synthesize(untruncated)[0] - network.synthesize(untruncated)[1]).abs().max() > 0.01
    assert torch.equal(network(latent), network.synthesize(untruncated))


def test_mixing_takes_the_last_layers_from_a_second_latent() -> None:
    """All crossover layers are equally likely: each count lies within 5.5 standard deviations (once in 10^6)."""
    network = build_generator(noise=False, style_mixing_prob=1.0).train()
    seed = seeded_rng.derive_seeds(0, 0, 400)
    latent = torch.randn(400, 4)
    first = network.styles(latent)
    second = network.styles(seeded_rng.normal(seed, 4, seeded_rng.RandomStream.STYLE_MIXING))
    images = network(latent, seed=seed)
    matches = []
    for cutoff in range(1, network.num_layers):
        expected = network.synthesize(torch.cat([first[:, :cutoff], second[:, cutoff:]], 1))
        matches.append((images - expected).abs().amax((1, 2, 3)) < 1e-4)
    counts = torch.stack(matches).sum(1)
    assert torch.stack(matches).sum(0).eq(1).all(), "each sample has exactly one crossover layer"
    mean = 400 / (network.num_layers - 1)
    assert (counts - mean).abs().max() < 5.5 * math.sqrt(mean)


@pytest.mark.parametrize("fraction", [0.0, 0.9])
def test_set_fraction_of_samples_is_mixed_only_in_training(fraction: float) -> None:
    network = build_generator(noise=False, style_mixing_prob=fraction)
    seed, latent = seeded_rng.derive_seeds(1, 0, 1000), torch.randn(1000, 4)
    plain = network.synthesize(network.styles(latent))
    assert_close(network(latent, seed=seed), plain, 1e-5)
    assert_close(network.train()(latent), plain, 1e-5)
    is_mixed = (network(latent, seed=seed) - plain).abs().amax((1, 2, 3)) > 1e-4
    assert abs(int(is_mixed.sum()) - 1000 * fraction) <= 5.5 * math.sqrt(1000 * fraction * (1 - fraction))


def test_classes_are_an_input_of_the_mapping_network() -> None:
    network = build_generator(classes=3, condition="concat", condition_size=7)
    assert network.condition_inputs == ("label", "seed")
    assert build_generator().condition_inputs == ("seed",)
    assert network.mapping.layers[0].weight.shape == (5, 4 + 7)
    latent = torch.randn(1, 4).expand(3, -1)
    one_hot_images = network(latent, torch.arange(3))
    assert_close(network(latent, torch.eye(3)), one_hot_images, 1e-5)
    interpolated = network(latent[:2], torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
    assert_close(interpolated[0], one_hot_images[0], 1e-5)
    assert (interpolated[1] - one_hot_images[0]).abs().max() > 1e-3
    assert (one_hot_images[1] - one_hot_images[0]).abs().max() > 1e-3
    # only the direction of a class's vector matters
    with torch.no_grad():
        network.mapping.input_layer.class_embedding.embedding.weight.mul_(3)
    assert_close(network(latent, torch.arange(3)), one_hot_images, 1e-4)


# ---------------------------------------------------------------------- noise


def test_sample_is_a_function_of_its_latent_and_seed() -> None:
    network = randomize_zero_weights(build_generator(style_mixing_prob=0.9)).double().train()
    seed, latent = seeded_rng.derive_seeds(4, 0, 8), torch.randn(8, 4).double()
    images = network(latent, seed=seed)
    split_images = torch.cat([network(latent[n : n + 2], seed=seed[n : n + 2]) for n in range(0, 8, 2)])
    assert_close(split_images, images)
    reversed_images = network(latent.flip(0), seed=seed.flip(0)).flip(0)
    assert_close(reversed_images, images)
    other_noise = network(latent, seed=seed + 1)
    assert (other_noise - images).abs().amax((1, 2, 3)).min() > 1e-3


def test_noise_differs_between_layers_and_is_fixed_without_seeds() -> None:
    network = randomize_zero_weights(build_generator(side=32))
    noises = [layer.noise for layer in network.synthesis_layers]
    assert [(noise.height, noise.width) for noise in noises] == [(side, side) for side in (4, 8, 8, 16, 16, 32, 32)]
    seed = seeded_rng.derive_seeds(0, 0, 50)
    first, second = (noise.draw_noise(seed).flatten().double() for noise in noises[-2:])
    # 51,200 numbers: a correlation or mean of 5.5 / sqrt(n) occurs once in 10^6
    bound = 5.5 / math.sqrt(len(first))
    assert abs((first * second).mean()) < bound
    assert abs(first.mean()) < bound
    assert first.var().item() == pytest.approx(1.0, rel=0.05)
    latent = torch.randn(1, 4).expand(3, -1)
    images = network(latent)
    assert torch.equal(images, network(latent))
    assert_close(images[1:], images[:1].expand(2, -1, -1, -1), 1e-5)
    assert not torch.equal(noises[-1].fixed_noise, noises[-2].fixed_noise)
    noisy = network(latent, seed=torch.arange(3))
    assert (noisy[0] - noisy[1]).abs().max() > 1e-3


def test_noise_starts_at_strength_zero_and_is_optional() -> None:
    latent, seed = torch.randn(2, 4), torch.arange(2)
    network = build_generator()
    assert_close(network(latent, seed=seed), network(latent), 1e-6)
    without_noise = build_generator(noise=False)
    assert not [module for module in without_noise.modules() if isinstance(module, NoiseInjection)]
    assert count_parameters(network) - count_parameters(without_noise) == len(network.synthesis_layers)
    network.train()(latent, seed=seed).sin().sum().backward()
    assert all(layer.noise.strength.grad.abs() > 0 for layer in network.synthesis_layers)


def test_ema_follows_the_mean_style_and_is_deterministic() -> None:
    network = randomize_zero_weights(build_generator()).train()
    ema = EMA(network, 10.0)
    latent, seed = torch.randn(3, 4), torch.arange(3)
    network(latent, seed=seed)
    ema.update(network, 10, Progress())
    assert_close(ema.network.mean_style, network.mean_style / 2, 1e-6)
    ema_layers = ema.network.synthesis_layers
    assert torch.equal(ema_layers[1].noise.fixed_noise, network.synthesis_layers[1].noise.fixed_noise)
    assert torch.equal(ema.network(latent, seed=seed), ema.network(latent, seed=seed))
