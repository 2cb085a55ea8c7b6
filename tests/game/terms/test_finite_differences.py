"""Approximate R1 and R2 against closed forms: of a linear score, the mean squared slope is its squared gradient."""

import pytest
import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.play import DiscriminatorFn, DiscriminatorInput, Play
from zerosum.game.schedule import Progress
from zerosum.game.seeded_rng import RandomStream
from zerosum.game.terms import R1, R1Approximate, R2Approximate, Term
from zerosum.game.types import DiscriminatorOutput
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.variants import build_settings_tree


def make_play(discriminate: DiscriminatorFn, real: DiscriminatorInput, fake: DiscriminatorInput, term: Term, first=0):
    count = len(real.sample) if isinstance(real.sample, Tensor) else 4
    batch = {"seed": seeded_rng.derive_seeds(0, first, count)}
    return Play(
        nn.Module(), discriminate, real, lambda: fake, batch, Progress(), term.input_gradients_at,
        concat_real_fake=True, float32_scores_at=term.float32_scores_at,
    )  # fmt: skip


def scores_of(weight: Tensor) -> DiscriminatorFn:
    return lambda x: DiscriminatorOutput((x.sample * weight).flatten(1).sum(1))


@pytest.mark.parametrize("term", [R1Approximate(), R2Approximate()], ids=lambda term: term.kind)
def test_mean_of_a_linear_score_is_its_squared_gradient(term: Term) -> None:
    torch.manual_seed(0)
    weight, count = torch.randn(3, 4, 4, dtype=torch.float64), 20_000
    samples = [DiscriminatorInput(torch.rand(count, 3, 4, 4, dtype=torch.float64)) for _ in range(2)]
    slopes = term(make_play(scores_of(weight), *samples, term))
    norm_sq = weight.square().sum().item()
    assert slopes.shape == (count,)
    # (w e)^2 / |w|^2 is chi-squared with one degree of freedom, of mean 1 and variance 2
    assert abs(slopes.mean().item() / norm_sq - 1) < 5 * (2 / count) ** 0.5
    exact = make_play(scores_of(weight), *samples, R1())
    torch.testing.assert_close(exact.real_gradient_norm_sq, torch.full((count,), norm_sq, dtype=torch.float64))


def test_real_and_fake_samples_get_different_noise_that_depends_on_the_seed_only() -> None:
    weight, sample = torch.randn(3, 4, 4), DiscriminatorInput(torch.rand(6, 3, 4, 4))
    r1, r2 = (term(make_play(scores_of(weight), sample, sample, term)) for term in (R1Approximate(), R2Approximate()))
    assert not torch.isclose(r1, r2).any()
    last = DiscriminatorInput(sample.sample[4:])
    part = R1Approximate()(make_play(scores_of(weight), last, last, R1Approximate(), first=4))
    torch.testing.assert_close(part, r1[4:])
    noise = seeded_rng.coarse_normal(
        seeded_rng.fork_seed(seeded_rng.derive_seeds(0, 0, 6), 0), 48, RandomStream.FINITE_DIFFERENCE
    )
    torch.testing.assert_close(r1, (noise @ weight.flatten()).square(), rtol=1e-2, atol=1e-2)


def test_patch_scores_are_summed_as_in_r1() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 1, 2, stride=2, bias=False).double()
    sample = DiscriminatorInput(torch.rand(5000, 2, 4, 4, dtype=torch.float64))

    def discriminate(x: DiscriminatorInput) -> DiscriminatorOutput:
        return DiscriminatorOutput(conv(x.sample))

    slopes = R1Approximate()(make_play(discriminate, sample, sample, R1Approximate()))
    exact = 2 * R1()(make_play(discriminate, sample, sample, R1()))
    assert slopes.shape == (5000,)
    assert abs(slopes.mean().item() / exact.mean().item() - 1) < 5 * (2 / 5000) ** 0.5


def test_inputs_and_all_tensors_of_a_tree_are_perturbed_and_labels_are_not() -> None:
    label, kinds = torch.arange(4), torch.arange(8).view(4, 2)
    seen: list[DiscriminatorInput] = []

    def discriminate(x: DiscriminatorInput) -> DiscriminatorOutput:
        seen.append(x)
        return DiscriminatorOutput(x.sample["a"].sum(1) + x.sample["b"].sum(1) + x.inputs.sum(1))

    real = DiscriminatorInput(
        {"a": torch.zeros(4, 3), "b": torch.zeros(4, 3), "kinds": kinds}, label=label, inputs=torch.zeros(4, 3)
    )
    R1Approximate()(make_play(discriminate, real, real, R1Approximate()))
    around = seen[-1]
    noises = torch.stack([around.sample["a"], around.sample["b"], around.inputs]).view(3, -1)
    assert around.label is label
    assert torch.equal(around.sample["kinds"], kinds)
    assert (noises.std(1) > 0.002).all()
    assert len({tuple(noise.tolist()) for noise in noises}) == 3, "each tensor has noise of its own"


def test_gradients_reach_the_weights_through_both_scores() -> None:
    weight = torch.tensor([2.0, -1.0], dtype=torch.float64, requires_grad=True)
    sample = DiscriminatorInput(torch.rand(4, 2, dtype=torch.float64))
    R1Approximate()(make_play(scores_of(weight), sample, sample, R1Approximate())).mean().backward()
    seeds = seeded_rng.fork_seed(seeded_rng.derive_seeds(0, 0, 4), 0)
    noise = seeded_rng.coarse_normal(seeds, 2, RandomStream.FINITE_DIFFERENCE).double()
    expected = (2 * (noise @ weight.detach())[:, None] * noise).mean(0)
    torch.testing.assert_close(weight.grad, expected)


def test_scores_are_float32_under_autocast() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 64), nn.LeakyReLU(), nn.Linear(64, 1))
    dtypes = []

    def discriminate(x: DiscriminatorInput) -> DiscriminatorOutput:
        score = network(x.sample)
        dtypes.append(score.dtype)
        return DiscriminatorOutput(score[:, 0].float())

    real, fake = (DiscriminatorInput(torch.rand(16, 8)) for _ in range(2))
    exact = R1Approximate()(make_play(discriminate, real, fake, R1Approximate()))
    with torch.autocast("cpu", torch.bfloat16):
        half = R1Approximate()(make_play(discriminate, real, fake, R1Approximate()))
    assert set(dtypes) == {torch.float32}
    torch.testing.assert_close(half, exact)


def settings_of(recipe: str, **extra: object) -> SettingsTree:
    return build_settings_tree(recipe, "nano", {"terms.r1_approximate.weight": 0.1, **extra}, {})


def test_dropout_and_batch_norm_are_refused() -> None:
    with pytest.raises(BadInput, match="dropout drops other units"):
        check_recipe(settings_of("auto", **{"discriminator.dropout": 0.2}))
    with pytest.raises(BadInput, match="gradient penalty is undefined"):
        check_recipe(settings_of("auto", **{"discriminator.norm": "batch"}))
    assert check_recipe(settings_of("auto")).terms["r1_approximate"] == R1Approximate(weight=0.1)
