"""Networks for small graphs: one-hot symmetric samples from seeds, and scores without an order of the atoms."""

from collections.abc import Mapping

import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.networks.configs.molecular_graph import MolecularGraphDiscriminatorConfig, MolecularGraphGeneratorConfig
from zerosum.networks.molecular_graph import choose_one_hot

A, T, B, L = 6, 4, 5, 8
SPEC: SampleSpec = {"atoms": TensorSpec((A, T), one_hot=True), "bonds": TensorSpec((A, A, B), one_hot=True)}


def build_generator() -> nn.Module:
    torch.manual_seed(0)
    return MolecularGraphGeneratorConfig(widths=(16, 24)).build(L, SPEC).eval()


def build_discriminator() -> nn.Module:
    torch.manual_seed(0)
    return MolecularGraphDiscriminatorConfig(widths=(8, 8), graph_width=16).build(SPEC).eval()


def draw(count: int = 200, seed: int = 0) -> dict[str, Tensor]:
    latent = torch.randn(count, L, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        sample = build_generator()(latent, seeded_rng.derive_seeds(seed, 0, count))
    return dict(sample)


def test_samples_are_consistent_graphs() -> None:
    sample = draw()
    assert sample["atoms"].shape == (200, A, T)
    assert sample["bonds"].shape == (200, A, A, B)
    for tensor in sample.values():
        assert set(tensor.unique().tolist()) == {0, 1}
        assert (tensor.sum(-1) == 1).all()
    bonds, is_none = sample["bonds"], sample["atoms"][..., 0] == 1
    assert torch.equal(bonds, bonds.transpose(1, 2))
    assert (bonds.diagonal(dim1=1, dim2=2)[:, 0] == 1).all()  # no bond of an atom with itself
    assert is_none.any()
    assert (bonds[is_none][..., 0] == 1).all()  # and none with a place that has no atom
    assert (bonds[..., 1:].sum() > 0).all()


def test_a_sample_depends_on_its_own_seed() -> None:
    generator = build_generator()
    latent, seed = torch.zeros(50, L), seeded_rng.derive_seeds(3, 0, 50)
    with torch.no_grad():
        together = generator(latent, seed)
        alone = generator(latent[7:8], seed[7:8])
    assert all(torch.equal(together[name][7:8], alone[name]) for name in SPEC)
    assert len(together["atoms"].flatten(1).unique(dim=0)) > 10  # of one latent


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_values_are_drawn_as_the_softmax_says(temperature: float) -> None:
    count, logits = 20_000, torch.tensor([0.5, -1.0, 1.5, 0.0])
    uniform = seeded_rng.uniform(seeded_rng.derive_seeds(0, 0, count), 4, seeded_rng.RandomStream.CATEGORY)
    chosen = choose_one_hot(logits.expand(count, 4), uniform, temperature)
    expected = logits.double().softmax(0)
    assert stats.chisquare(chosen.sum(0).numpy(), (expected / expected.sum()).numpy() * count).pvalue > 1e-6


def test_gradients_reach_every_weight() -> None:
    generator, discriminator = build_generator(), build_discriminator()
    sample = generator(torch.randn(64, L), seeded_rng.derive_seeds(0, 0, 64))
    discriminator(sample).score.sum().backward()
    for network in (generator, discriminator):
        for name, weight in network.named_parameters():
            assert weight.grad is not None, name
            if name != "score.bias":
                assert weight.grad.abs().sum() > 0, name


def test_scores_do_not_depend_on_the_order_of_the_atoms() -> None:
    sample = draw()
    order = torch.randperm(A, generator=torch.Generator().manual_seed(1))
    mixed = {"atoms": sample["atoms"][:, order], "bonds": sample["bonds"][:, order][:, :, order]}
    discriminator = build_discriminator().double()
    scores, permuted = (discriminator({k: v.double() for k, v in each.items()}).score for each in (sample, mixed))
    torch.testing.assert_close(scores, permuted)
    assert scores.std() > 0


def test_scores_see_the_kinds_of_bonds() -> None:
    sample = draw()
    other = {"atoms": sample["atoms"], "bonds": sample["bonds"][..., [0, 2, 1, 3, 4]]}  # single ones are double
    discriminator = build_discriminator()
    changed = (sample["bonds"] != other["bonds"]).flatten(1).any(1)
    assert changed.any()
    difference = (discriminator(sample).score - discriminator(other).score).abs()
    assert (difference[changed] > 0).float().mean() > 0.95  # the others are the same graph with other numbers
    assert (difference[~changed] == 0).all()


@pytest.mark.parametrize(
    "spec",
    [
        TensorSpec((3, 8, 8)),
        {"atoms": TensorSpec((A, T)), "bonds": TensorSpec((A, A, B))},
        {"atoms": TensorSpec((A, T), one_hot=True), "bonds": TensorSpec((A, 3, B), one_hot=True)},
        {"atoms": TensorSpec((1, T), one_hot=True), "bonds": TensorSpec((1, 1, B), one_hot=True)},
        {"first": TensorSpec((2,)), "second": TensorSpec((2,))},
    ],
)
def test_other_samples_are_refused(spec: TensorSpec | Mapping[str, TensorSpec]) -> None:
    with pytest.raises(BadInput, match="molecular-graph needs samples that are graphs"):
        MolecularGraphGeneratorConfig().build(L, spec)
    with pytest.raises(BadInput, match=r"`data\.form` graph"):
        MolecularGraphDiscriminatorConfig().build(spec)
