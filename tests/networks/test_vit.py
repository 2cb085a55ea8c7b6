"""Transformer blocks against closed forms: rotary positions, normalized attention, gated branches, patches."""

import math

import pytest
import torch
from torch import Tensor

from zerosum.networks.vit import (
    ROTARY_BASE,
    Attention,
    Block,
    LayerScale,
    SwiGLU,
    patchify,
    rotary_angles,
    rotate,
    unpatchify,
)


def rotated(vectors: Tensor, angles: Tensor) -> Tensor:
    return rotate(vectors, angles.cos(), angles.sin())


def test_rotation_is_multiplication_by_unit_complex_numbers() -> None:
    torch.manual_seed(0)
    vectors, angles = torch.randn(2, 5, 8, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    product = torch.complex(vectors[..., :4], vectors[..., 4:]) * torch.polar(torch.ones_like(angles), angles)
    torch.testing.assert_close(rotated(vectors, angles), torch.cat([product.real, product.imag], -1))
    torch.testing.assert_close(rotated(vectors, angles).norm(dim=-1), vectors.norm(dim=-1))


def test_angles_are_positions_times_frequencies() -> None:
    height, width, head_width = 3, 5, 8
    angles = rotary_angles(height, width, head_width, unrotated=1)
    assert angles.shape == (1 + height * width, head_width // 2)
    assert not angles[0].any()
    for row in range(height):
        for column in range(width):
            expected = [position * ROTARY_BASE ** -(i / 2) for position in (row, column) for i in range(2)]
            torch.testing.assert_close(angles[1 + row * width + column], torch.tensor(expected))


def test_products_of_rotated_vectors_depend_on_the_offset_only() -> None:
    torch.manual_seed(0)
    grid, (query, key) = rotary_angles(6, 6, 16).view(6, 6, 8), torch.randn(2, 1, 16)

    def product(first: tuple[int, int], second: tuple[int, int]) -> float:
        return float((rotated(query, grid[first]) * rotated(key, grid[second])).sum())

    assert product((0, 1), (2, 3)) == pytest.approx(product((3, 2), (5, 4)), abs=1e-4)
    assert product((4, 0), (1, 5)) == pytest.approx(product((5, 0), (2, 5)), abs=1e-4)
    assert product((0, 1), (2, 3)) != pytest.approx(product((0, 1), (3, 2)), abs=1e-2)


def test_attention_is_softmax_of_normalized_products() -> None:
    torch.manual_seed(0)
    width, head_width, tokens = 12, 4, 6
    layer = Attention(width, head_width, 1.0).double()
    torch.nn.init.normal_(layer.query_norm.weight)
    hidden = torch.randn(2, tokens, width, dtype=torch.float64)
    angles = rotary_angles(2, 3, head_width).double()
    query, key, value = layer.to_qkv(hidden).chunk(3, 2)
    expected = torch.zeros_like(hidden)
    for head in range(width // head_width):
        part = slice(head * head_width, (head + 1) * head_width)
        q, k = (
            rotated(x[..., part] * (x[..., part].square().mean(-1, keepdim=True) + 1e-6).rsqrt() * norm.weight, angles)
            for x, norm in ((query, layer.query_norm), (key, layer.key_norm))
        )
        weights = torch.softmax(q @ k.mT / math.sqrt(head_width), -1)
        expected[..., part] = weights @ value[..., part]
    actual = layer(hidden, angles.cos(), angles.sin())
    torch.testing.assert_close(actual, layer.out(expected))


def test_attention_does_not_depend_on_the_scale_of_queries_and_keys() -> None:
    torch.manual_seed(0)
    layer, hidden, angles = Attention(16, 8, 1.0), torch.randn(2, 4, 16), rotary_angles(2, 2, 8)
    before = layer(hidden, angles.cos(), angles.sin())
    with torch.no_grad():
        layer.to_qkv.weight[:32] *= 100  # queries and keys, not values
    torch.testing.assert_close(layer(hidden, angles.cos(), angles.sin()), before, rtol=1e-3, atol=1e-4)


def test_feed_forward_is_swiglu_with_the_weights_of_the_usual_branch() -> None:
    torch.manual_seed(0)
    branch, hidden = SwiGLU(48, 1.0), torch.randn(2, 3, 48)
    gate, value = (hidden @ branch.widen.weight.T).chunk(2, -1)
    expected = (gate * torch.sigmoid(gate) * value) @ branch.narrow.weight.T
    torch.testing.assert_close(branch(hidden), expected)
    assert sum(weight.numel() for weight in branch.parameters()) == 8 * 48**2


def test_a_new_block_is_nearly_the_identity() -> None:
    torch.manual_seed(0)
    angles = rotary_angles(2, 2, 8)
    block, hidden = Block(16, 8, initial_scale=0.01), torch.randn(2, 4, 16)
    change = block(hidden, angles.cos(), angles.sin()) - hidden
    assert 0 < change.std() < 0.05
    torch.testing.assert_close(LayerScale(16, 0.5)(hidden), hidden / 2)


@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 1, 4, 12)])
def test_patches_are_put_together_again(shape: tuple[int, ...]) -> None:
    image = torch.randn(shape)
    patches = patchify(image, 4)
    assert patches.shape == (shape[0], shape[2] * shape[3] // 16, 16 * shape[1])
    torch.testing.assert_close(patches[0, 1].view(4, 4, -1), image[0, :, :4, 4:8].permute(1, 2, 0))
    assert torch.equal(unpatchify(patches, 4, shape[2] // 4, shape[3] // 4), image)
