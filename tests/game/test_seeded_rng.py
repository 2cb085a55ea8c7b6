"""Random numbers from seeds. With a good generator each statistical test fails with probability 10^-6 or less."""

import math

import pytest
import torch

from zerosum.game import seeded_rng
from zerosum.game.latent import BinaryNormal, Normal, Uniform
from zerosum.game.seeded_rng import RandomStream, derive_seeds, normal, uniform


def test_splitmix64_matches_the_reference_implementation() -> None:
    """The first outputs of seed 1234567, as published with the reference implementation."""
    states = [seeded_rng._to_signed_int64(1234567 + (k + 1) * 0x9E3779B97F4A7C15) for k in range(5)]
    outputs = [v & (2**64 - 1) for v in seeded_rng._splitmix64(torch.tensor(states)).tolist()]
    assert outputs == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_uniform_moments_and_independence() -> None:
    n, d = 4000, 50
    u = uniform(derive_seeds(0, 0, n), d, RandomStream.LATENT).double()
    assert 0 < u.min() < u.max() < 1
    assert abs(u.mean() - 0.5) < 5 * math.sqrt(1 / 12 / (n * d))
    other_stream = uniform(derive_seeds(0, 0, n), d, RandomStream.INTERPOLATION).double()
    next_seed = uniform(derive_seeds(1, 0, n), d, RandomStream.LATENT).double()
    shifted = uniform(derive_seeds(0, 1, n), d, RandomStream.LATENT).double()
    for other in (other_stream, next_seed, shifted, u.roll(1, 1)):
        correlation = ((u - 0.5) * (other - 0.5)).mean() * 12
        assert abs(correlation) < 5.5 / math.sqrt(n * d)


def test_uniform_and_normal_pass_kolmogorov_smirnov() -> None:
    n = 100_000
    grid = torch.arange(1, n + 1).double() / n
    u = uniform(derive_seeds(5, 0, n), 1, RandomStream.LATENT)[:, 0].double().sort().values
    z = normal(derive_seeds(5, 0, n), 1, RandomStream.LATENT)[:, 0].double().sort().values
    # P(D sqrt(n) > 2.7) < 2 exp(-2 * 2.7^2) < 1e-6
    assert (u - grid).abs().max() < 2.7 / math.sqrt(n)
    assert (torch.special.ndtr(z) - grid).abs().max() < 2.7 / math.sqrt(n)


def test_coarse_normal_is_normal_and_a_function_of_the_seed() -> None:
    n = 100_000
    z = seeded_rng.coarse_normal(derive_seeds(5, 0, n // 10), 10, RandomStream.LATENT)
    assert z.shape == (n // 10, 10)
    assert z.dtype == torch.float32
    values = z.flatten().double().sort().values
    assert (torch.special.ndtr(values) - torch.arange(1, n + 1).double() / n).abs().max() < 2.7 / math.sqrt(n)
    for shift in (1, 2, 3, 4):  # four numbers come from one hash
        assert abs((z[:, shift:] * z[:, :-shift]).mean()) < 5.5 / math.sqrt(n / 10 * (10 - shift))
    assert torch.equal(z[7:9, :6], seeded_rng.coarse_normal(derive_seeds(5, 7, 2), 6, RandomStream.LATENT))
    hashed = seeded_rng._splitmix64(torch.full((1,), RandomStream.LATENT))
    state = seeded_rng._splitmix64(derive_seeds(5, 0, 1) ^ hashed) + seeded_rng._GOLDEN_GAMMA
    low = int(seeded_rng._splitmix64(state)[0]) & 0xFFFF
    uniform_number = ((low ^ 0x8000) + 0.5) / 65536  # of a signed number from -2^15 to 2^15 - 1
    assert torch.special.ndtr(z[0, 0].double()).item() == pytest.approx(uniform_number, abs=1e-6)


def test_a_sample_does_not_depend_on_the_rest_of_the_batch() -> None:
    full = normal(derive_seeds(7, 0, 64), 32, RandomStream.LATENT)
    parts = torch.cat([normal(derive_seeds(7, first, 16), 32, RandomStream.LATENT) for first in range(0, 64, 16)])
    assert torch.equal(full, parts)
    assert torch.equal(full[:5], normal(derive_seeds(7, 0, 5), 32, RandomStream.LATENT))
    assert torch.equal(full[:, :8], normal(derive_seeds(7, 0, 64), 8, RandomStream.LATENT))
    assert len({*derive_seeds(0, 0, 1000).tolist(), *derive_seeds(1, 0, 1000).tolist()}) == 2000


def test_truncated_normal_has_its_bound_and_variance() -> None:
    truncated = normal(derive_seeds(0, 0, 2000), 64, RandomStream.LATENT, truncation=0.7)
    assert truncated.abs().max() <= 0.7
    # the variance of a standard normal truncated at +-t is 1 - 2 t phi(t) / (2 Phi(t) - 1)
    phi = math.exp(-0.49 / 2) / math.sqrt(2 * math.pi)
    expected = 1 - 2 * 0.7 * phi / math.erf(0.7 / math.sqrt(2))
    assert truncated.double().var().item() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("latent_distribution", [Normal(size=100), Uniform(size=100)], ids=lambda d: d.kind)
def test_latent_distributions(latent_distribution) -> None:
    z = latent_distribution.sample(derive_seeds(0, 0, 3000))
    assert z.shape == (3000, 100)
    assert z.dtype == torch.float32
    variance = {"normal": 1.0, "uniform": 1 / 3}[latent_distribution.kind]
    assert z.double().var().item() == pytest.approx(variance, rel=0.02)
    assert latent_distribution.sample(derive_seeds(0, 0, 3000), truncation=0.5).abs().max() <= 0.5


def test_binary_normal_latents() -> None:
    z = BinaryNormal(size=12, binary_dims=8).sample(derive_seeds(0, 0, 4000))
    assert set(z[:, :8].unique().tolist()) == {-1.0, 1.0}
    assert abs(z[:, :8].double().mean()) < 5 / math.sqrt(4000 * 8)
    assert z[:, 8:].double().var().item() == pytest.approx(1.0, rel=0.05)


def test_training_and_sampling_have_different_seeds() -> None:
    training_seeds = derive_seeds(0, 0, 1000, seeded_rng.SeedSeries.TRAINING).tolist()
    assert not set(training_seeds) & set(derive_seeds(0, 0, 1000).tolist())


@pytest.mark.parametrize("streams", [seeded_rng.RandomStream, seeded_rng.SeedSeries])
def test_no_two_streams_share_a_number(streams) -> None:
    assert len(streams) == len(streams.__members__), "an alias would draw the numbers of another stream"
