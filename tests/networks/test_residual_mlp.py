"""Fully connected networks with residual blocks: variance, conditions, and data for which they are not made."""

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs import ResidualMLPDiscriminatorConfig, ResidualMLPGeneratorConfig

SPEC = TensorSpec((64,))
GIVEN = {"values": TensorSpec((2,)), "known": TensorSpec((2,))}


def test_first_samples_have_about_the_variance_of_latents() -> None:
    torch.manual_seed(0)
    network = ResidualMLPGeneratorConfig(width=256, blocks=4).build(32, SPEC)
    assert float(network(torch.randn(2000, 32)).var()) == pytest.approx(1, rel=0.3)


def test_first_samples_of_a_linear_path_are_about_the_latents() -> None:
    torch.manual_seed(0)
    latent = torch.randn(2000, 64)
    network = ResidualMLPGeneratorConfig(width=256, linear_path=True).build(64, SPEC)
    assert 0 < float((network(latent) - latent).std()) < 0.1
    wider = ResidualMLPGeneratorConfig(width=16, linear_path=True).build(5, TensorSpec((3, 4)))(latent[:7, :5])
    assert wider.shape == (7, 3, 4)


def test_shapes_of_samples_and_scores() -> None:
    spec = TensorSpec((3, 4))
    samples = ResidualMLPGeneratorConfig(width=8).build(5, spec)(torch.randn(7, 5))
    assert samples.shape == (7, 3, 4)
    assert ResidualMLPDiscriminatorConfig(width=8).build(spec)(samples).score.shape == (7,)


def test_only_what_is_known_changes_samples_and_scores() -> None:
    torch.manual_seed(0)
    generator = ResidualMLPGeneratorConfig(width=16, condition="given").build(5, SPEC, condition_spec=GIVEN)
    discriminator = ResidualMLPDiscriminatorConfig(width=16, condition="given").build(SPEC, condition_spec=GIVEN)
    latent = torch.randn(1, 5).expand(2, 5)
    condition = {"values": torch.tensor([[1.0, 0.0], [0.0, 0.0]]), "known": torch.tensor([[1.0, 0.0], [0.0, 0.0]])}
    first, second = generator(latent, condition=condition)
    assert not torch.equal(first, second)
    scores = discriminator(first.expand(2, 64), condition=condition).score
    assert float(scores[0]) != float(scores[1])
    assert generator.condition_inputs == discriminator.condition_inputs == ("condition",)


@pytest.mark.parametrize("condition_spec", [None, TensorSpec((3,)), {"values": TensorSpec((3, 2)), "known": SPEC}])
def test_data_without_values_that_can_be_given_are_refused(condition_spec: TensorSpec | None) -> None:
    with pytest.raises(BadInput, match=r"`generator\.condition` given: these data have no values"):
        ResidualMLPGeneratorConfig(condition="given").build(5, SPEC, condition_spec=condition_spec)
