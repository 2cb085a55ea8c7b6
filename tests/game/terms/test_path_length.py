"""Path length against Jacobians: of a linear generator in closed form, of StyleGAN2's by finite differences."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.game.play import Play
from zerosum.game.schedule import Progress
from zerosum.game.terms import path_length
from zerosum.game.terms.path_length import PathLength, compute_path_lengths
from zerosum.networks.configs.stylegan2 import StyleGAN2GeneratorConfig

SEED = seeded_rng.derive_seeds(3, 0, 4)


class Exact(Normal):
    """Latents for networks in float64."""

    def draw(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        return super().sample(seed, truncation).double()


class Linear(nn.Module):
    """Pictures (N, 2, 3, 3) that are linear in two layers of styles, which are the latent and its double."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(18, 2, 5, dtype=torch.float64))
        self.register_buffer("path_length", torch.zeros(()))

    def styles(self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        return torch.stack([latent, 2 * latent], 1).double()

    def synthesise(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        return torch.einsum("plw,nlw->np", self.matrix, styles.requires_grad_()).view(-1, 2, 3, 3)


def play(generator: nn.Module, size: int, label: Tensor | None = None) -> Play:
    game = nn.Module()
    game.generator, game.prior = generator, Exact(size=size)
    batch = {"seed": SEED} | ({} if label is None else {"label": label})
    return Play(game, lambda sample: pytest.fail("no verdict is wanted"), None, lambda: None, batch, Progress())


def styled(classes: int = 0) -> nn.Module:
    torch.manual_seed(1)
    shape = StyleGAN2GeneratorConfig(
        channel_base=64, channel_max=4, style_size=3, mapping_layers=2, condition="concat" if classes else "none"
    )
    network = shape.build(4, (1, 16, 16), True, classes).double()
    for layer in network.convolutions:
        nn.init.normal_(layer.grain.strength)
        nn.init.normal_(layer.bias)
    return network


def test_a_linear_generator_in_closed_form() -> None:
    torch.manual_seed(0)
    generator = Linear()
    y = seeded_rng.normal(SEED, 18, seeded_rng.RandomStream.LAYER_NOISE).double()
    slopes = torch.einsum("np,plw->nlw", y, generator.matrix.detach()) / 3  # H W = 9
    lengths = slopes.square().sum(2).mean(1).sqrt()
    term = PathLength()
    mean = 0.0
    for _ in range(3):
        mean = 0.99 * mean + 0.01 * lengths.mean().item()
        value = term(play(generator, 5))
        torch.testing.assert_close(value, (lengths - mean).square(), rtol=1e-5, atol=1e-8)
        assert generator.path_length.item() == pytest.approx(mean, rel=1e-5)
    assert not generator.path_length.requires_grad


def test_stylegan2_against_finite_differences() -> None:
    """All derivatives of the picture by each style number, one by one, from both sides."""
    generator = styled()
    latent = Exact(size=4).draw(SEED)
    lengths = compute_path_lengths(generator, latent, None, SEED)
    y = seeded_rng.normal(SEED, 256, seeded_rng.RandomStream.LAYER_NOISE).double()
    styles = generator.styles(latent).detach()
    step = 1e-6
    slopes = torch.zeros_like(styles)
    with torch.no_grad():
        for layer in range(styles.shape[1]):
            for number in range(styles.shape[2]):
                way = torch.zeros_like(styles)
                way[:, layer, number] = step
                ahead, behind = (generator.synthesise(styles + sign * way, SEED) for sign in (1, -1))
                slopes[:, layer, number] = ((ahead - behind).flatten(1) * y).sum(1) / (2 * step)
    expected = (slopes / 16).square().sum(2).mean(1).sqrt()  # sqrt(H W) = 16
    torch.testing.assert_close(lengths, expected, rtol=1e-5, atol=1e-7)


def test_its_own_slope_is_right(monkeypatch) -> None:
    """Along a random direction of all parameters, from both sides, with the running mean held."""
    monkeypatch.setattr(path_length, "KEEP", 1.0)
    generator = styled()
    generator.path_length.fill_(0.3)

    def value() -> Tensor:
        return PathLength()(play(generator, 4)).sum()

    parameters = list(generator.parameters())
    slopes = torch.autograd.grad(value(), parameters, allow_unused=True)
    torch.manual_seed(2)
    way = [torch.randn_like(p) for p in parameters]
    expected = sum((s * w).sum() for s, w in zip(slopes, way, strict=True) if s is not None)
    values = []
    step = 1e-7
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, direction in zip(parameters, way, strict=True):
                parameter.add_(direction, alpha=sign * step)
        values.append(value().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected.item(), rel=1e-3)
    assert slopes[[name for name, _ in generator.named_parameters()].index("mapping.layers.0.weight")] is not None


def test_lengths_are_each_samples_own() -> None:
    generator = styled()
    latent = Exact(size=4).draw(SEED)
    together = compute_path_lengths(generator, latent, None, SEED)
    apart = torch.cat([compute_path_lengths(generator, latent[n : n + 1], None, SEED[n : n + 1]) for n in range(4)])
    torch.testing.assert_close(apart, together, rtol=1e-9, atol=1e-9)


def test_labels_reach_the_generator() -> None:
    first, second = (PathLength()(play(styled(2), 4, torch.full((4,), label))) for label in (0, 1))
    assert not torch.allclose(first, second)
    assert PathLength()(play(styled(), 4, torch.zeros(4, dtype=torch.int64))).shape == (4,)


def test_what_it_is() -> None:
    term = PathLength()
    assert (term.kind, term.player, term.weight, term.every_rounds) == ("path-length", "generator", 2.0, 4)
    assert term.requires <= StyleGAN2GeneratorConfig().capabilities
    assert not term.input_gradients_at
