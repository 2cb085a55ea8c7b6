"""Test how latents and classes condition the norms of the residual generator."""

from functools import partial

import torch
from torch import Tensor, nn

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks import resnet
from zerosum.networks.configs.resnet import ResNetDiscriminatorConfig, ResNetGeneratorConfig
from zerosum.networks.layers import LayerFactory, init_kaiming

FACTORY = LayerFactory(init_kaiming)
assert_close = partial(torch.testing.assert_close, rtol=1e-10, atol=1e-11)


def test_conditional_batch_norm_equals_its_definition() -> None:
    torch.manual_seed(0)
    norm = resnet.ConditionalBatchNorm2d(3, 5, FACTORY).double()
    hidden, condition = torch.randn(4, 3, 2, 2, dtype=torch.float64), torch.randn(4, 5, dtype=torch.float64)
    mean, variance = hidden.mean((0, 2, 3), keepdim=True), hidden.var((0, 2, 3), unbiased=False, keepdim=True)
    gain = 1 + torch.einsum("nt,ct->nc", condition, norm.gain.weight)
    bias = torch.einsum("nt,ct->nc", condition, norm.bias.weight)
    expected = gain[:, :, None, None] * (hidden - mean) / (variance + 1e-5).sqrt() + bias[:, :, None, None]
    assert_close(norm(hidden, condition), expected)


def test_latent_chunks_are_even_and_complete() -> None:
    chunks = resnet.HierarchicalLatent(10, 3)
    assert (chunks.input_size, chunks.condition_sizes) == (3, (3, 2, 2))
    biggan_latent = resnet.HierarchicalLatent(120, 5)
    assert (biggan_latent.input_size, biggan_latent.condition_sizes) == (20, (20,) * 5)
    latent = torch.randn(2, 10)
    assert torch.equal(torch.cat(chunks(latent), 1), latent)
    conditioning = resnet.ClassConditionedLatent(chunks, 4, 6, FACTORY)
    assert conditioning.condition_sizes == (9, 8, 8)
    start, *conditions = conditioning(latent, torch.tensor([3, 1]))
    assert torch.equal(start, latent[:, :3])
    for condition, chunk in zip(conditions, chunks(latent)[1:], strict=True):
        assert torch.equal(condition, torch.cat([conditioning.class_embedding(torch.tensor([3, 1])), chunk], 1))


def test_latent_chunk_enters_a_block_only_through_its_norms() -> None:
    torch.manual_seed(0)
    network = (
        ResNetGeneratorConfig(widths=(8,), hierarchical_latent=True)
        .build(12, TensorSpec((1, 32, 32), bounded=True))
        .double()
        .eval()
    )
    latent = torch.randn(2, 12, dtype=torch.float64, requires_grad=True)
    chunks = [slice(first, first + 3) for first in (0, 3, 6, 9)]

    def depends_on_chunks(output: Tensor) -> list[bool]:
        (gradient,) = torch.autograd.grad(output.square().sum(), latent, retain_graph=True)
        return [bool(gradient[:, chunk].any()) for chunk in chunks]

    outputs: list[Tensor] = []
    for block in network.blocks:
        block.register_forward_hook(lambda _, __, output: outputs.append(output))
    network(latent)
    expected = [[True] * 2 + [False] * 2, [True] * 3 + [False], [True] * 4]
    assert [depends_on_chunks(output) for output in outputs] == expected
    for norm in (network.blocks[1].norm1, network.blocks[1].norm2):
        nn.init.zeros_(norm.gain.weight)
        nn.init.zeros_(norm.bias.weight)
    assert depends_on_chunks(network(latent)) == [True, True, False, True]


def test_class_enters_through_the_norms() -> None:
    torch.manual_seed(0)
    config = ResNetGeneratorConfig(widths=(8,), condition="conditional-batch-norm", condition_size=6)
    network = config.build(5, TensorSpec((1, 16, 16), bounded=True), num_classes=3).double().eval()
    assert network.condition_inputs == ("label",)
    latent = torch.randn(1, 5, dtype=torch.float64).expand(3, -1)
    images = network(latent, label=torch.arange(3))
    assert min((images[a] - images[b]).abs().max() for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-3
    assert_close(network(latent, label=torch.eye(3, dtype=torch.float64)), images)
    # the midpoint of two classes has the mean of their vectors
    midpoint = torch.tensor([[0.5, 0.0, 0.5]], dtype=torch.float64)
    embedding = network.conditioning.class_embedding
    assert_close(embedding(midpoint)[0], (embedding(torch.tensor([0])) + embedding(torch.tensor([2])))[0] / 2)
    assert not hasattr(network, "label")
    norms = [module for module in network.modules() if isinstance(module, resnet.ConditionalBatchNorm2d)]
    assert len(norms) == 4
    for norm in norms:
        nn.init.zeros_(norm.gain.weight)
        nn.init.zeros_(norm.bias.weight)
    images = network(latent, label=torch.arange(3))
    assert_close(images[0], images[1])


def test_unconditional_networks_take_no_labels() -> None:
    for settings in ({}, {"hierarchical_latent": True}, {"norm": "none"}):
        network = ResNetGeneratorConfig(widths=(4,), **settings).build(
            8, TensorSpec((1, 16, 16), bounded=True), num_classes=3
        )
        assert network.condition_inputs == ()
        assert network(torch.randn(2, 8)).shape == (2, 1, 16, 16)
    for condition, expected in (("none", ()), ("projection", ("label",))):
        discriminator = ResNetDiscriminatorConfig(widths=(4,), condition=condition).build(
            TensorSpec((1, 16, 16)), num_classes=3
        )
        assert discriminator.condition_inputs == expected
