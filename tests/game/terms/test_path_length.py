"""Path length regularization against Jacobians: in closed form, and by finite differences."""

import math

import pytest
import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.latent import Normal
from zerosum.game.play import Play
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import path_length
from zerosum.game.terms.path_length import PathLength, compute_path_lengths
from zerosum.networks.configs.stylegan2 import StyleGAN2GeneratorConfig

SEED = seeded_rng.derive_seeds(3, 0, 4)


class DoubleNormal(Normal):
    """Latents for networks in float64."""

    def sample(self, seed: Tensor, truncation: float = math.inf) -> Tensor:
        return super().sample(seed, truncation).double()


class LinearGenerator(nn.Module):
    """Images (N, 2, 3, 3) that are linear in two layers of styles, which are the latent and its double."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(18, 2, 5, dtype=torch.float64))
        self.register_buffer("mean_path_length", torch.zeros(()))

    def running_path_length(self) -> Tensor:
        return self.mean_path_length

    def styles(
        self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0, condition: Tensor | None = None
    ) -> Tensor:
        return torch.stack([latent, 2 * latent], 1).double()

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        return torch.einsum("plw,nlw->np", self.matrix, styles.requires_grad_()).view(-1, 2, 3, 3)


def make_play(generator: nn.Module, latent_size: int, label: Tensor | None = None) -> Play:
    game = nn.Module()
    game.generator, game.latent_distribution = generator, DoubleNormal(size=latent_size)
    batch = {"seed": SEED} | ({} if label is None else {"label": label})
    return Play(
        game, lambda sample: pytest.fail("the term runs no discriminator"), None, lambda: None, batch, Progress()
    )


def make_stylegan2(num_classes: int = 0) -> nn.Module:
    torch.manual_seed(1)
    config = StyleGAN2GeneratorConfig(
        channel_base=64, channel_max=4, style_size=3, mapping_layers=2, condition="concat" if num_classes else "none"
    )
    network = config.build(4, TensorSpec((1, 16, 16), bounded=True), num_classes).double()
    for layer in network.synthesis_layers:
        nn.init.normal_(layer.noise.strength)
        nn.init.normal_(layer.bias)
    return network


def test_linear_generator_matches_the_closed_form() -> None:
    torch.manual_seed(0)
    generator = LinearGenerator()
    y = seeded_rng.normal(SEED, 18, seeded_rng.RandomStream.LAYER_NOISE).double()
    gradients = torch.einsum("np,plw->nlw", y, generator.matrix.detach()) / 3  # H W = 9
    lengths = gradients.square().sum(2).mean(1).sqrt()
    term = PathLength()
    mean = 0.0
    for _ in range(3):
        mean = 0.99 * mean + 0.01 * lengths.mean().item()
        value = term(make_play(generator, 5))
        torch.testing.assert_close(value, (lengths - mean).square(), rtol=1e-5, atol=1e-8)
        assert generator.mean_path_length.item() == pytest.approx(mean, rel=1e-5)
    assert not generator.mean_path_length.requires_grad


def test_stylegan2_matches_finite_differences() -> None:
    """Central differences of the image by every element of the styles."""
    generator = make_stylegan2()
    latent = DoubleNormal(size=4).sample(SEED)
    lengths = compute_path_lengths(generator, latent, None, SEED)
    y = seeded_rng.normal(SEED, 256, seeded_rng.RandomStream.LAYER_NOISE).double()
    styles = generator.styles(latent).detach()
    step = 1e-6
    gradients = torch.zeros_like(styles)
    with torch.no_grad():
        for layer in range(styles.shape[1]):
            for element in range(styles.shape[2]):
                delta = torch.zeros_like(styles)
                delta[:, layer, element] = step
                image_plus, image_minus = (generator.synthesize(styles + sign * delta, SEED) for sign in (1, -1))
                gradients[:, layer, element] = ((image_plus - image_minus).flatten(1) * y).sum(1) / (2 * step)
    expected = (gradients / 16).square().sum(2).mean(1).sqrt()  # sqrt(H W) = 16
    torch.testing.assert_close(lengths, expected, rtol=1e-5, atol=1e-7)


def test_parameter_gradient_of_the_term_matches_finite_differences(monkeypatch) -> None:
    """Central difference along a random direction of all parameters, with a constant running mean."""
    monkeypatch.setattr(path_length, "EMA_DECAY", 1.0)
    generator = make_stylegan2()
    generator.mean_path_length.fill_(0.3)

    def term() -> Tensor:
        return PathLength()(make_play(generator, 4)).sum()

    parameters = list(generator.parameters())
    gradients = torch.autograd.grad(term(), parameters, allow_unused=True)
    torch.manual_seed(2)
    direction = [torch.randn_like(p) for p in parameters]
    expected = sum((g * d).sum() for g, d in zip(gradients, direction, strict=True) if g is not None)
    values = []
    step = 1e-7
    for sign in (1, -2):
        with torch.no_grad():
            for parameter, delta in zip(parameters, direction, strict=True):
                parameter.add_(delta, alpha=sign * step)
        values.append(term().item())
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected.item(), rel=1e-3)
    assert gradients[[name for name, _ in generator.named_parameters()].index("mapping.layers.0.weight")] is not None


def test_path_length_of_a_sample_does_not_depend_on_the_batch() -> None:
    generator = make_stylegan2()
    latent = DoubleNormal(size=4).sample(SEED)
    batched = compute_path_lengths(generator, latent, None, SEED)
    single = torch.cat([compute_path_lengths(generator, latent[n : n + 1], None, SEED[n : n + 1]) for n in range(4)])
    torch.testing.assert_close(single, batched, rtol=1e-9, atol=1e-9)


def test_labels_reach_the_generator() -> None:
    first, second = (PathLength()(make_play(make_stylegan2(2), 4, torch.full((4,), label))) for label in (0, 1))
    assert not torch.allclose(first, second)
    assert PathLength()(make_play(make_stylegan2(), 4, torch.zeros(4, dtype=torch.int64))).shape == (4,)


def test_settings_of_the_term() -> None:
    term = PathLength()
    assert (term.kind, term.player, term.weight, term.every_rounds) == ("path-length", "generator", 2.0, 4)
    assert term.requires <= StyleGAN2GeneratorConfig().capabilities
    assert not term.input_gradients_at
