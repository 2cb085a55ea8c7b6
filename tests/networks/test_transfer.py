"""Weights of one network taken over by another: by name and shape, by resolution, and by class."""

import pytest
import torch
from torch import nn

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks import configs, heads
from zerosum.networks.configs.base import DiscriminatorConfig, GeneratorConfig
from zerosum.networks.layers import Downsample, LayerFactory, Upsample, init_kaiming, repeat_pixels, spectral_norm
from zerosum.networks.stages import stages_from_sample
from zerosum.networks.transfer import ClassNames, match_weights

RESIZABLE = [
    (configs.ProGANGeneratorConfig(widths=(8, 6, 4)), configs.ProGANDiscriminatorConfig(widths=(8, 6, 4))),
    (
        configs.R3GANGeneratorConfig(widths=(16, 8, 8), group_width=0, blocks=1),
        configs.R3GANDiscriminatorConfig(widths=(16, 8, 8), group_width=0, blocks=1),
    ),
    (
        configs.StyleGAN2GeneratorConfig(channel_base=64, channel_max=8, style_size=8, mapping_layers=1),
        configs.StyleGAN2DiscriminatorConfig(channel_base=64, channel_max=8),
    ),
]
"""Networks of which the lower resolutions of larger images have the same layers."""
NO_CLASSES = ClassNames()


def spec(side: int, channels: int = 3) -> TensorSpec:
    return TensorSpec((channels, side, side), bounded=True)


def load_taken(network: nn.Module, saved: nn.Module, classes: ClassNames = NO_CLASSES) -> dict[str, str]:
    """Give a network what it takes over from another one, and return what it does not, with the reasons."""
    transfer = match_weights(network, saved.state_dict(), classes)
    network.load_state_dict(dict(transfer.tensors), strict=False)
    return dict(transfer.not_taken)


def test_equal_networks_take_over_everything() -> None:
    config = configs.DCGANDiscriminatorConfig(width=4, norm="batch", spectral_norm=True)
    first, second = config.build(spec(16)), config.build(spec(16))
    first.train()
    first(torch.rand(8, 3, 16, 16))  # statistics and singular vectors are not the initial ones
    transfer = match_weights(second, first.state_dict(), NO_CLASSES)
    assert (transfer.num_taken, transfer.not_taken, transfer.unused) == (transfer.num_weights, {}, ())
    assert transfer.num_weights == sum(parameter.numel() for parameter in second.parameters())
    second.load_state_dict(dict(transfer.tensors), strict=False)
    sample = torch.rand(4, 3, 16, 16)
    assert torch.equal(first.eval()(sample).score, second.eval()(sample).score)


def test_what_does_not_fit_keeps_its_values_and_is_named() -> None:
    config = configs.DCGANGeneratorConfig(width=4, output_skips=True)
    color, gray = config.build(8, spec(16)), config.build(8, spec(16, channels=1))
    former = {name: tensor.clone() for name, tensor in gray.state_dict().items()}
    not_taken = load_taken(gray, color)
    assert not_taken["output_layer.0.weight"] == "shape 4x3x4x4 there, 4x1x4x4 here"
    assert not_taken.keys() == {name for name in former if name.startswith(("output_layer", "skip_layers"))}
    for name, tensor in gray.state_dict().items():
        assert torch.equal(tensor, former[name] if name in not_taken else color.state_dict()[name]), name
    transfer = match_weights(gray, {"new": torch.zeros(1)}, NO_CLASSES)
    assert (transfer.num_taken, transfer.unused) == (0, ("new",))
    assert set(transfer.not_taken.values()) == {"not there"}


@pytest.mark.parametrize(("generator", "discriminator"), RESIZABLE, ids=["progan", "r3gan", "stylegan2"])
def test_larger_networks_keep_the_lower_resolutions(
    generator: GeneratorConfig, discriminator: DiscriminatorConfig
) -> None:
    assert generator.keeps_weights_across_sizes
    assert discriminator.keeps_weights_across_sizes
    small, large = generator.build(8, spec(16)), generator.build(8, spec(32))
    transfer = match_weights(large, small.state_dict(), NO_CLASSES)
    assert transfer.num_taken == sum(parameter.numel() for parameter in small.parameters())
    small_discriminator, large_discriminator = discriminator.build(spec(16)), discriminator.build(spec(32))
    not_taken = load_taken(large_discriminator, small_discriminator)
    small_stages, large_stages = map(stages_from_sample, (small_discriminator, large_discriminator))
    assert len(large_stages) == len(small_stages) + 1
    for one, other in zip(small_stages[1:], large_stages[2:], strict=True):
        assert all(map(torch.equal, weights_of(one), weights_of(other)))
    head = set(nn.ModuleList(module for stage in large_stages for module in stage).parameters())
    names = {name for name, parameter in large_discriminator.named_parameters() if parameter not in head}
    assert not not_taken.keys() & names, "layers after the stages are those of the smallest resolution"


def weights_of(modules: list[nn.Module]) -> list[torch.Tensor]:
    return [parameter.detach() for module in modules for parameter in module.parameters()]


def test_a_larger_r3gan_begins_as_the_smaller_one_enlarged() -> None:
    """Where the widths are equal, its new blocks are identities, and its outer layers those of the smaller one."""
    generator = configs.R3GANGeneratorConfig(widths=(16, 8), group_width=0, blocks=1)
    discriminator = configs.R3GANDiscriminatorConfig(widths=(16, 8), group_width=0, blocks=1)
    small, large = generator.build(8, spec(16)), generator.build(8, spec(32))
    small_discriminator, large_discriminator = discriminator.build(spec(16)), discriminator.build(spec(32))
    for network in (small, small_discriminator):  # not the initial values, of which many are 0
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=0.3)
    load_taken(large, small)
    load_taken(large_discriminator, small_discriminator)
    latent, sample = torch.randn(3, 8), torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(large(latent), Upsample()(small(latent)), rtol=1e-4, atol=1e-5)
    score = small_discriminator(Downsample()(sample)).score
    torch.testing.assert_close(large_discriminator(sample).score, score, rtol=1e-4, atol=1e-5)


def test_a_larger_progan_contains_the_smaller_one() -> None:
    small, large = (RESIZABLE[0][0].build(8, spec(side)) for side in (16, 32))
    load_taken(large, small)
    assert large.growth == 3, "the growth is that of the new run"
    large.set_growth(2)
    latent = torch.randn(3, 8)
    assert torch.equal(large(latent), repeat_pixels(small(latent)))


FACTORIES = {"plain": LayerFactory(init_kaiming), "spectral-norm": LayerFactory(init_kaiming, spectral_norm)}


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_classes_are_taken_over_by_name(factory: LayerFactory) -> None:
    classes = ClassNames(("cat", "dog", "owl"), ("ant", "owl", "cat", "elk"))
    assert classes.kept == ("owl", "cat")
    builders = (heads.ProjectionHead, heads.AuxiliaryClassifierHead)
    for build in builders:
        former, head = build(5, factory, num_classes=3), build(5, factory, num_classes=4)
        before = class_table(head)
        transfer = match_weights(head, former.state_dict(), classes)
        assert set(transfer.not_taken.values()) == {"2 of 4 classes are there"}
        head.load_state_dict(dict(transfer.tensors), strict=False)
        table, former_table = class_table(head), class_table(former)
        for name, saved in {"owl": 2, "cat": 0}.items():
            assert torch.equal(table[classes.new.index(name)], former_table[saved]), name
        for name in ("ant", "elk"):
            assert torch.equal(table[classes.new.index(name)], before[classes.new.index(name)]), name
        whole = sum(parameter.numel() for parameter in head.parameters())
        assert transfer.num_taken == whole - 2 * table[0].numel()


def class_table(head: nn.Module) -> torch.Tensor:
    """The weights (K, ...) of the classes, before spectral norm divides them."""
    parameters = {name: parameter.detach() for name, parameter in head.named_parameters()}
    if isinstance(head, heads.ProjectionHead):
        return next(value for name, value in parameters.items() if name.startswith("class_embedding")).T.clone()
    weight = next(value for name, value in parameters.items() if "classifier" in name and value.dim() == 2)
    return torch.cat([weight, parameters["classifier.bias"][:, None]], 1)


@pytest.mark.parametrize("same_numbers", [True, False])
def test_numeric_conditions_are_taken_over_with_the_classes(same_numbers: bool) -> None:
    config = configs.DCGANGeneratorConfig(width=4, condition="concat", condition_size=6)
    former, network = (config.build(8, spec(16), num_classes, None, TensorSpec((2,))) for num_classes in (3, 2))
    name = "network.class_embedding.embedding.weight"
    numbers = ("age", "size"), ("age", "size") if same_numbers else ("width", "height")
    not_taken = load_taken(network, former, ClassNames(("a", "b", "c"), ("c", "d"), *numbers))
    assert not_taken == {name: f"{4 if same_numbers else 1} of 5 classes and conditions are there"}
    table, saved = network.state_dict()[name], former.state_dict()[name]  # (6, classes, then 2 numbers and a one)
    assert torch.equal(table[:, 0], saved[:, 2])
    assert torch.equal(table[:, 2:], saved[:, 3:]) == same_numbers


def test_numeric_conditions_are_matched_by_name() -> None:
    """Not by their position: of another text of a column, an entry is new."""
    config = configs.DCGANGeneratorConfig(width=4, condition="concat", condition_size=6)
    former, network = (config.build(8, spec(16), 0, None, TensorSpec((3,))) for _ in range(2))
    name = "network.class_embedding.embedding.weight"
    before = network.state_dict()[name].clone()
    classes = ClassNames((), (), ("age", "species=cat", "species=dog"), ("species=cow", "species=dog", "age"))
    assert classes.kept_numbers == ("species=dog", "age")
    assert load_taken(network, former, classes) == {name: "3 of 4 classes and conditions are there"}
    table, saved = network.state_dict()[name], former.state_dict()[name]  # (6, 3 numbers and a one)
    assert torch.equal(table[:, 1:], saved[:, [2, 0, 3]])
    assert torch.equal(table[:, 0], before[:, 0])


def test_an_unconditional_network_gives_no_classes() -> None:
    config = configs.DCGANGeneratorConfig(width=4)
    conditional = config.model_copy(update={"condition": "concat"}).build(8, spec(16), 2)
    not_taken = load_taken(conditional, config.build(8, spec(16)), ClassNames((), ("a", "b")))
    assert not_taken["class_embedding.embedding.weight"] == "not there"
