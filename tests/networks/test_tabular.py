import pytest
import torch
from scipy import stats
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import Block, NumberModel, TensorSpec
from zerosum.networks import tabular
from zerosum.networks.configs.tabular import TabularDiscriminatorConfig, TabularGeneratorConfig
from zerosum.recipes.files import check_recipe
from zerosum.recipes.variants import build_settings_tree

BLOCKS = (Block(3), Block(0, True), Block(2, True), Block(5, True), Block(4))
SIZE = sum(block.size for block in BLOCKS)
STARTS = [sum(block.size for block in BLOCKS[:index]) for index in range(len(BLOCKS))]
SPEC = TensorSpec((SIZE,), blocks=BLOCKS)
CONDITION = {"values": SPEC, "known": TensorSpec((len(BLOCKS),))}
SIGNIFICANCE = 1e-6
"""The probability of a false alarm of a statistical test."""


def build_generator(condition: str = "given", temperature: float = 0.5) -> torch.nn.Module:
    torch.manual_seed(0)
    config = TabularGeneratorConfig(widths=(16,), condition=condition, temperature=temperature)  # type: ignore[arg-type]
    return config.build(8, SPEC, condition_spec=CONDITION).eval()


def constant_generator(temperature: float = 0.5) -> tuple[torch.nn.Module, Tensor]:
    """A generator whose logits and numbers are its last bias, and these."""
    generator = build_generator("none", temperature)
    layer = generator.output_layer
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.randn(SIZE, generator=torch.Generator().manual_seed(1)))
    return generator, layer.bias


def nothing_given(count: int) -> dict[str, Tensor]:
    return {"values": torch.zeros(count, SIZE), "known": torch.zeros(count, len(BLOCKS))}


def categories_of(sample: Tensor, index: int) -> Tensor:
    return sample[:, STARTS[index] : STARTS[index] + BLOCKS[index].categories]


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_categories_are_as_frequent_as_the_softmax_says(temperature: float) -> None:
    generator, bias = constant_generator(temperature)
    count = 20_000
    with torch.no_grad():
        sample = generator(torch.zeros(count, 8), seeded_rng.derive_seeds(0, 0, count))
    for index, block in enumerate(BLOCKS):
        if block.categories:
            chosen = categories_of(sample, index)
            assert set(chosen.unique().tolist()) == {0, 1}
            assert torch.equal(chosen.sum(1), torch.ones(count))
            expected = categories_of(bias.detach()[None], index)[0].double().softmax(0)
            counts = chosen.sum(0).double().numpy()
            assert stats.chisquare(counts, (expected / expected.sum()).numpy() * count).pvalue > SIGNIFICANCE


def test_blocks_are_independent() -> None:
    generator, _ = constant_generator()
    with torch.no_grad():
        sample = generator(torch.zeros(20_000, 8), seeded_rng.derive_seeds(0, 0, 20_000))
    table = categories_of(sample, 0).T @ categories_of(sample, 4)
    assert stats.chi2_contingency(table.numpy()).pvalue > SIGNIFICANCE


def test_gradients_are_those_of_the_softmax() -> None:
    temperature = 0.7
    generator, bias = constant_generator(temperature)
    seed = seeded_rng.derive_seeds(3, 0, 64)
    weights = torch.randn(64, SIZE, generator=torch.Generator().manual_seed(2))
    for index in (0, 4):  # a block with a number has its gradients, too
        bias.grad = None
        categories_of(generator(torch.zeros(64, 8), seed) * weights, index).sum().backward()
        assert bias.grad is not None
        found = categories_of(bias.grad[None], index)[0]
        places = [place for at, block in enumerate(BLOCKS) for place in [at] * block.categories]
        uniform = seeded_rng.uniform(seed, len(places), seeded_rng.RandomStream.CATEGORY)
        noise = -(-uniform.log()).log()[:, [place == index for place in places]]
        logits = categories_of(bias.detach()[None], index)[0].requires_grad_()
        soft = ((logits + noise) / temperature).softmax(1)
        (soft * categories_of(weights, index)).sum().backward()
        assert logits.grad is not None
        torch.testing.assert_close(found, logits.grad, rtol=1e-4, atol=1e-5)


def test_a_number_counts_where_the_last_category_is_chosen() -> None:
    generator, bias = constant_generator()
    with torch.no_grad():
        sample = generator(torch.zeros(500, 8), seeded_rng.derive_seeds(0, 0, 500))
    for index, block in enumerate(BLOCKS):
        if block.has_value:
            place = STARTS[index] + block.categories
            is_free = categories_of(sample, index)[:, -1] > 0 if block.categories else torch.ones(500, dtype=torch.bool)
            assert is_free.any()
            torch.testing.assert_close(sample[is_free, place], bias.detach()[place].expand(int(is_free.sum())))
            assert not sample[~is_free, place].any()


def test_given_blocks_are_copied_and_the_others_generated() -> None:
    generator = build_generator()
    seed = seeded_rng.derive_seeds(0, 0, 200)
    latent = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        real = generator(latent, seed, nothing_given(200))
        known = torch.rand(200, len(BLOCKS), generator=torch.Generator().manual_seed(1)).lt(0.5).float()
        owners = torch.repeat_interleave(torch.arange(len(BLOCKS)), torch.tensor([block.size for block in BLOCKS]))
        is_given = known[:, owners] > 0
        condition = {"values": torch.where(is_given, real.roll(1, 0), torch.zeros(())), "known": known}
        sample = generator(latent, seed, condition)
    assert torch.equal(sample[is_given], real.roll(1, 0)[is_given])
    for index, block in enumerate(BLOCKS):
        if block.categories:
            assert torch.equal(categories_of(sample, index).sum(1), torch.ones(200))
    assert not torch.equal(sample[~is_given], real.roll(1, 0)[~is_given])


def test_a_row_depends_on_its_own_seed_and_latent_only() -> None:
    generator = build_generator()
    latent = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    seed = seeded_rng.derive_seeds(0, 0, 50)
    with torch.no_grad():
        rows = generator(latent, seed, nothing_given(50))
        part = generator(latent[10:20], seed[10:20], nothing_given(10))
        again = generator(latent, seed, nothing_given(50))
        others = generator(latent, seed + 1, nothing_given(50))
    assert torch.equal(again, rows)
    torch.testing.assert_close(part, rows[10:20], rtol=1e-5, atol=1e-6)
    assert not torch.equal(others, rows)


def test_discriminators_score_rows_alone_or_in_packs() -> None:
    rows = torch.randn(12, SIZE, generator=torch.Generator().manual_seed(0))
    condition = nothing_given(12)
    for pack in (1, 4):
        config = TabularDiscriminatorConfig(widths=(16,), condition="given", pack=pack)
        assert config.per_sample is (pack == 1)
        network = config.build(SPEC, condition_spec=CONDITION).eval()
        score = network(rows, condition).score
        assert score.shape == (12,)
        changed = rows.clone()
        changed[0] += 1
        moved = (network(changed, condition).score != score).nonzero().flatten().tolist()
        assert moved == list(range(pack))
        told = network(rows, condition | {"known": torch.ones(12, len(BLOCKS))}).score
        assert not torch.equal(told, score)


def test_what_the_networks_need() -> None:
    image = TensorSpec((3, 8, 8))
    for config in (TabularGeneratorConfig(), TabularDiscriminatorConfig()):
        args = (8,) if isinstance(config, TabularGeneratorConfig) else ()
        with pytest.raises(BadInput, match="tabular needs samples of one axis"):
            config.build(*args, image)  # type: ignore[call-arg,arg-type]
        given = config.model_copy(update={"condition": "given"})
        player = "generator" if args else "discriminator"
        with pytest.raises(BadInput, match=f"^`{player}.condition` given: these data have no columns"):
            given.build(*args, SPEC)  # type: ignore[call-arg,arg-type]
    points = TabularGeneratorConfig(widths=(8,)).build(8, TensorSpec((2,))).eval()
    assert points(torch.zeros(4, 8)).shape == (4, 2)


def test_blocks() -> None:
    assert SPEC.shape == (SIZE,)
    with pytest.raises(ValueError, match="the blocks have 4 values"):
        TensorSpec((3,), blocks=(Block(4),))


def normal_numbers(num_numbers: int = 3) -> tuple[tabular.NormalNumbers, torch.Tensor]:
    """Numbers of which each depends on the others, without categories, and their covariance."""
    factor = torch.randn(num_numbers, num_numbers, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    covariance = factor @ factor.T + 0.1 * torch.eye(num_numbers, dtype=torch.float64)
    blocks = (Block(has_value=True),) * num_numbers
    weights, offsets = ((0.0,) * num_numbers,) * num_numbers, tuple(float(index) for index in range(num_numbers))
    model = NumberModel(weights, offsets, tuple(map(tuple, covariance.tolist())))
    return tabular.NormalNumbers(model, tabular.BlockLayout(blocks)), covariance.float()


def test_free_numbers_have_the_residuals_that_they_follow_from() -> None:
    numbers, _ = normal_numbers()
    residuals, nothing = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)), torch.zeros(50, 0)
    composed = numbers.compose(nothing, residuals, torch.ones(50, 3), torch.zeros(50, 3))
    assert torch.allclose(numbers.residuals(nothing, composed), residuals, atol=1e-4)


def test_free_numbers_are_conditional_means_without_residuals() -> None:
    """Of the first and the last number fixed, against the closed form of a normal distribution."""
    numbers, covariance = normal_numbers()
    gates, fixed = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.7, 0.0, 1.2]])
    composed = numbers.compose(torch.zeros(1, 0), torch.zeros(1, 3), gates, fixed)
    known = [0, 2]
    gain = torch.linalg.solve(covariance[known][:, known], covariance[known, 1])
    expected = 1.0 + gain @ (fixed[0, known] - torch.tensor([0.0, 2.0]))
    assert composed[0, 1].item() == pytest.approx(expected.item(), abs=1e-4)
    assert torch.equal(composed[0, known], fixed[0, known])


@pytest.mark.parametrize("fixed_number", [0, 1, 2])
def test_normal_residuals_make_normal_numbers_whichever_is_fixed(fixed_number: int) -> None:
    """20,000 rows: each entry of the covariance of residuals is off by 5 standard errors once in 1.7 million."""
    numbers, _ = normal_numbers()
    generator, nothing = torch.Generator().manual_seed(2), torch.zeros(20_000, 0)
    drawn = torch.randn(2, 20_000, 3, generator=generator)
    full = numbers.compose(nothing, drawn[0], torch.ones(20_000, 3), torch.zeros(20_000, 3))
    gates = torch.ones(20_000, 3)
    gates[:, fixed_number] = 0
    again = numbers.compose(nothing, drawn[1], gates, full * (1 - gates))
    assert torch.equal(again[:, fixed_number], full[:, fixed_number])
    residuals = numbers.residuals(nothing, again)
    assert torch.allclose(residuals.T @ residuals / 20_000, torch.eye(3), atol=5 * 2**0.5 / 20_000**0.5)


def test_a_batch_is_a_multiple_of_the_packed_samples() -> None:
    settings = {"discriminator.pack": 7, "generator.norm": "none"}
    with pytest.raises(BadInput, match=r"`training.batch_size` 256: 7 samples are scored as one"):
        check_recipe(build_settings_tree("table", "", settings, {}))
