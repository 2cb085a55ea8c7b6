"""Networks that are conditioned on numbers, alone or with classes."""

import pytest
import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.terms.path_length import compute_path_lengths
from zerosum.game.types import DiscriminatorOutput, condition_inputs
from zerosum.networks import configs
from zerosum.networks.heads import to_condition_weights

NUMBERS = torch.tensor([[0.5, -2.0], [1.5, 0.0], [0.0, 3.0]])
IMAGE = TensorSpec((1, 32, 32), bounded=True)
GENERATORS: dict[str, configs.AnyGeneratorConfig] = {
    "mlp": configs.MLPGeneratorConfig(widths=(8,)),
    "dcgan": configs.DCGANGeneratorConfig(width=4),
    "r3gan": configs.R3GANGeneratorConfig(widths=(16,)),
    "stylegan2": configs.StyleGAN2GeneratorConfig(channel_base=128, style_size=8),
    "fastgan": configs.FastGANGeneratorConfig(width=4),
    "resnet": configs.ResNetGeneratorConfig(widths=(4,)),
    "progan": configs.ProGANGeneratorConfig(widths=(4,)),
    "gat": configs.GATGeneratorConfig(patch=8, width=16, depth=1, levels=1, head_width=8),
}
DISCRIMINATORS: dict[str, configs.AnyDiscriminatorConfig] = {
    "mlp": configs.MLPDiscriminatorConfig(widths=(8,)),
    "dcgan": configs.DCGANDiscriminatorConfig(width=4),
    "r3gan": configs.R3GANDiscriminatorConfig(widths=(16,)),
    "stylegan2": configs.StyleGAN2DiscriminatorConfig(channel_base=128),
    "fastgan": configs.FastGANDiscriminatorConfig(width=4),
    "resnet": configs.ResNetDiscriminatorConfig(widths=(4,)),
    "progan": configs.ProGANDiscriminatorConfig(widths=(4,)),
    "gat": configs.GATDiscriminatorConfig(patch=8, width=16, depth=1, head_width=8),
}


def build_generator(kind: str, num_classes: int, condition: str = "concat") -> nn.Module:
    config = GENERATORS[kind].model_copy(update={"condition": condition})
    torch.manual_seed(0)
    return config.build(6, IMAGE, num_classes, condition_spec=TensorSpec((2,))).eval()


def call(network: nn.Module, inputs: Tensor, numbers: Tensor, label: Tensor, seed: Tensor) -> object:
    available: dict[str, Tensor] = {"condition": numbers, "label": label, "seed": seed}
    return network(inputs, **{name: available[name] for name in condition_inputs(network)})


def test_numbers_are_class_weights_next_to_those_of_the_classes() -> None:
    label = torch.tensor([2, 0, 1])
    weights = to_condition_weights(label, NUMBERS, 3)
    assert weights[0].tolist() == [0, 0, 1, 0.5, -2.0, 1]
    assert to_condition_weights(None, NUMBERS, 0)[1].tolist() == [1.5, 0.0, 1]


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("kind", GENERATORS)
def test_generators_follow_each_number_and_the_class(kind: str, num_classes: int) -> None:
    network = build_generator(kind, num_classes)
    assert ("label" in condition_inputs(network)) == bool(num_classes)
    latents, label, seed = torch.randn(3, 6), torch.tensor([0, 1, 2]), torch.arange(3)
    with torch.no_grad():
        first = call(network, latents, NUMBERS, label, seed)
        assert isinstance(first, Tensor)
        assert first.shape == (3, 1, 32, 32)
        for column in range(2):
            changed = NUMBERS.clone()
            changed[:, column] += 1
            other = call(network, latents, changed, label, seed)
            assert bool((first != other).flatten(1).any(1).all())
        other = call(network, latents, NUMBERS, label.flip(0), seed)
        assert bool((first[0] != other[0]).any()) == bool(num_classes)


@pytest.mark.parametrize("condition", ["concat", "projection"])
@pytest.mark.parametrize("kind", GENERATORS)
def test_discriminators_follow_each_number(kind: str, condition: str) -> None:
    torch.manual_seed(0)
    config = DISCRIMINATORS[kind].model_copy(update={"condition": condition})
    network = config.build(IMAGE, 3, condition_spec=TensorSpec((2,)))
    label, images = torch.tensor([0, 1, 2]), torch.randn(3, 1, 32, 32)
    numbers = NUMBERS.clone().requires_grad_()
    output = call(network, images, numbers, label, torch.arange(3))
    assert isinstance(output, DiscriminatorOutput)
    (gradient,) = torch.autograd.grad(output.score.sum(), numbers)
    assert bool((gradient != 0).all())


def test_norms_are_linear_in_the_numbers() -> None:
    network = build_generator("resnet", 0, "conditional-batch-norm")
    latents, seed = torch.randn(3, 6), torch.arange(3)
    first, other = (call(network, latents, numbers, seed, seed) for numbers in (NUMBERS, NUMBERS + 1))
    assert isinstance(first, Tensor)
    assert isinstance(other, Tensor)
    assert bool((first != other).flatten(1).any(1).all())


def test_styles_and_path_lengths_follow_the_numbers() -> None:
    """Also the magnitude of a single number, although the vector of the condition is normalized."""
    torch.manual_seed(0)
    config = GENERATORS["stylegan2"].model_copy(update={"condition": "concat"})
    network = config.build(6, IMAGE, condition_spec=TensorSpec((1,)))
    latents, seed = torch.randn(3, 6), torch.arange(3)
    one, two = torch.full((3, 1), 1.0), torch.full((3, 1), 2.0)
    assert not torch.equal(network.styles(latents, condition=one), network.styles(latents, condition=two))
    lengths = [compute_path_lengths(network, latents, None, seed, condition) for condition in (one, two)]
    assert not torch.equal(*lengths)
    network(latents, seed=seed, condition=one)  # in training, styles are mixed


def test_conditions_of_another_form_are_refused() -> None:
    with pytest.raises(BadInput, match=r"one row of numbers"):
        GENERATORS["dcgan"].model_copy(update={"condition": "concat"}).build(
            6, IMAGE, condition_spec={"a": TensorSpec((2,))}
        )


@pytest.mark.parametrize("kind", GENERATORS)
def test_networks_without_numbers_have_the_weights_of_before(kind: str) -> None:
    config = GENERATORS[kind].model_copy(update={"condition": "concat"})
    names = config.build(6, IMAGE, 3).state_dict()
    assert all(weights.shape[1] == 3 for name, weights in names.items() if "class_embedding.embedding" in name)
    assert not any(name.startswith("network.network") for name in names)
