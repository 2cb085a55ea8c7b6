"""Pairs of networks: each picture of a couple goes through its own network, and nothing crosses."""

import pytest
import torch
from translator_checks import pictures

from zerosum.networks.configs import (
    DCGANDiscriminatorConfig,
    PatchGANDiscriminatorConfig,
    ResNetTranslatorConfig,
    UNetGeneratorConfig,
)
from zerosum.networks.cycle_pair import DiscriminatorPair, GeneratorPair

SHAPE = (3, 16, 16)
COUPLE = (2, *SHAPE)


def unets(**fields: object) -> GeneratorPair:
    shape = UNetGeneratorConfig.model_validate({"width": 4, "max_width": 8, **fields})
    return GeneratorPair(*(shape.build(0, SHAPE, True, 0, SHAPE) for _ in range(2)))


def judges(**fields: object) -> DiscriminatorPair:
    shape = PatchGANDiscriminatorConfig.model_validate({"width": 4, "max_width": 8, **fields})
    return DiscriminatorPair(*(shape.build(SHAPE, 0, SHAPE) for _ in range(2)))


def test_each_way_has_its_network() -> None:
    both, couples = unets(), pictures(3, COUPLE)
    made = both(couples)
    assert made.shape == (3, *COUPLE)
    assert torch.equal(made[:, 0], both.a_to_b(couples[:, 0]))
    assert torch.equal(made[:, 1], both.b_to_a(couples[:, 1]))
    again = both(made.flip(1)).flip(1)  # there and back again
    assert torch.equal(again[:, 0], both.b_to_a(both.a_to_b(couples[:, 0])))
    assert {name.split(".")[0] for name in both.state_dict()} == {"there", "back"}


def test_there_draws_as_it_would_by_itself() -> None:
    both, one, seed = unets(dropout=0.5, depth=3), pictures(2, SHAPE), torch.tensor([1, 2])
    assert both.condition_inputs == ("seed",)
    both.b_to_a.load_state_dict(both.a_to_b.state_dict())
    made = both(torch.stack([one, one], 1), seed=seed)
    assert torch.equal(made[:, 0], both.a_to_b(one, seed=seed))
    assert not torch.allclose(made[:, 0], made[:, 1])  # the same network, other dropout


def test_what_they_tell_of_themselves_passes_through() -> None:
    assert (unets().receptive_field_radius, unets().size_multiple, unets().condition_inputs) == (None, 4, ())
    shape = ResNetTranslatorConfig(width=4, blocks=1, norm="none")
    plain = [shape.build(0, SHAPE, True, 0, SHAPE) for _ in range(2)]
    assert GeneratorPair(*plain).receptive_field_radius == plain[0].reach
    with pytest.raises(AssertionError, match="no pair"):
        GeneratorPair(plain[0], unets().a_to_b)


@pytest.mark.parametrize("fields", [{}, {"scales": 2}, {"beside": True}])
def test_scores_stand_beside_each_other(fields: dict[str, object]) -> None:
    both, sample, given = judges(**fields), pictures(2, COUPLE), pictures(2, COUPLE, 1)
    conditioning = [{"given": part} if both.condition_inputs else {} for part in (given, given[:, 0], given[:, 1])]
    output = both(sample, **conditioning[0])
    there, back = both.domain_b(sample[:, 0], **conditioning[1]), both.domain_a(sample[:, 1], **conditioning[2])
    assert torch.equal(output.score, torch.cat([there.score, back.score], 1))
    assert output.score.shape[:2] == (2, 2)
    assert len(output.seen) == len(there.seen) + len(back.seen)
    assert all(torch.equal(*pair) for pair in zip(output.seen, (*there.seen, *back.seen), strict=True))


def test_single_scores_become_maps() -> None:
    shape = DCGANDiscriminatorConfig(width=4, norm="none")
    both, sample = DiscriminatorPair(shape.build(SHAPE), shape.build(SHAPE)), pictures(3, COUPLE)
    output = both(sample)
    assert output.score.shape == (3, 2, 1, 1)
    assert torch.equal(output.score[:, 1, 0, 0], both.domain_a(sample[:, 1]).score)
    assert output.seen is None


def test_gradients_do_not_cross() -> None:
    both, sample = judges(), pictures(1, COUPLE).requires_grad_(True)
    both(sample).score[:, 0].sum().backward()
    assert sample.grad[:, 0].abs().sum() > 0
    assert sample.grad[:, 1].abs().sum() == 0
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in both.domain_a.parameters())
