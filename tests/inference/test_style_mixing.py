import numpy as np
import pytest
import torch
from tiny_generators import mlp, normal, style_rows

from zerosum.data.images.pixels import unit_to_bytes
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.latent_space import WSpace, ZSpace, make_edit_space, parse_layers
from zerosum.inference.style_mixing import style_mixing_grid
from zerosum.networks.configs.stylegan2 import StyleGAN2GeneratorConfig


def test_a_cell_has_the_mixed_layers_of_its_column_and_the_others_of_its_row() -> None:
    space = make_edit_space(style_rows(), 6)
    codes = space.to_codes(normal(5, 6, seed=1))
    unmixed = np.rint((space.generate(codes).permute(0, 2, 3, 1).numpy() + 1) * 127.5).astype(np.uint8)
    grid = style_mixing_grid(space, codes[:2], codes[2:], parse_layers("1:3", 4), unit_to_bytes).reshape(3, 4, 8, 8, 1)
    assert (grid[0, 0] == 255).all()
    assert (grid[0, 1:] == unmixed[2:]).all()
    assert (grid[1:, 0] == unmixed[:2]).all()
    for row in range(2):
        for column in range(3):
            cell = grid[row + 1, column + 1]
            assert (cell[2:6] == unmixed[2 + column, 2:6]).all()
            assert (cell[:2] == unmixed[row, :2]).all()
            assert (cell[6:] == unmixed[row, 6:]).all()


def test_stylegan2_styles_are_mixed() -> None:
    torch.manual_seed(0)
    config = StyleGAN2GeneratorConfig(channel_base=128, style_size=16, mapping_layers=2, condition="concat")
    network = config.build(6, TensorSpec((3, 16, 16), bounded=True), num_classes=3).eval().requires_grad_(False)
    space, latents = make_edit_space(network, 6), normal(4, 6, seed=1)
    assert isinstance(space, WSpace)
    assert space.first_layer_weights().shape[1] == 16
    with pytest.raises(BadInput):
        space.to_codes(latents)
    codes = space.to_codes(latents, torch.tensor([2]))
    expected = network(latents, torch.full((4,), 2)).clamp(-1, 1)
    torch.testing.assert_close(space.generate(codes), expected)
    grids = [
        style_mixing_grid(space, codes[:2], codes[2:], parse_layers(text, space.num_layers), unit_to_bytes)
        for text in ("all", "coarse", "fine")
    ]
    all_layers, coarse, fine = (grid.reshape(3, 3, 16, 16, 3) for grid in grids)
    assert (all_layers[1:, 1:] == all_layers[:1, 1:]).all()  # all layers: the style itself
    assert (coarse[1:, 1:] != fine[1:, 1:]).any()


def test_the_empty_cell_is_transparent_if_images_have_alpha() -> None:
    space = make_edit_space(style_rows(channels=4), 6)
    codes = space.to_codes(torch.zeros(1, 6))
    grid = style_mixing_grid(space, codes, codes, parse_layers("all", 4), unit_to_bytes)
    assert grid[0, 0, 0].tolist() == [255, 255, 255, 0]


def test_a_generator_without_styles_cannot_be_mixed() -> None:
    space = make_edit_space(mlp(), 6)
    codes = space.to_codes(torch.zeros(1, 6))
    with pytest.raises(BadInput, match="stylegan2"):
        style_mixing_grid(space, codes, codes, parse_layers("all", 1), unit_to_bytes)


@pytest.mark.parametrize(
    ("text", "num_layers", "expected"),
    [
        # StyleGAN's layer groups at 1024 px: 4x4 to 8x8, 16x16 to 32x32, the rest
        ("coarse", 18, (0, 4)),
        ("middle", 18, (4, 8)),
        ("fine", 18, (8, 18)),
        ("coarse", 8, (0, 2)),
        ("middle", 8, (2, 4)),
        ("fine", 8, (4, 8)),
        ("all", 1, (0, 1)),
        ("3:5", 8, (3, 5)),
    ],
)
def test_parse_layers(text: str, num_layers: int, expected: tuple[int, int]) -> None:
    layers = parse_layers(text, num_layers)
    assert (layers.start, layers.stop) == expected


@pytest.mark.parametrize("text", ["5:9", "3:3", "4:2", "-1:2", "soft", "3", ":", ""])
def test_parse_layers_refuses_other_text(text: str) -> None:
    with pytest.raises(BadInput, match="`layers`"):
        parse_layers(text, 8)


def test_coarse_middle_and_fine_partition_all_layers() -> None:
    for num_layers in range(3, 19):
        groups = [parse_layers(name, num_layers) for name in ("coarse", "middle", "fine")]
        assert [i for group in groups for i in range(group.start, group.stop)] == list(range(num_layers))


def test_truncation_moves_styles_to_their_mean() -> None:
    latents = normal(3, 6, seed=1)
    network = style_rows()
    untruncated, half, mean = (make_edit_space(network, 6, psi).to_vectors(latents) for psi in (1.0, 0.5, 0.0))
    assert torch.equal(mean, torch.full((3, 5), 0.25))
    torch.testing.assert_close(half, 0.25 + (untruncated - 0.25) / 2)


def test_style_based_networks_are_edited_in_w_and_others_in_z() -> None:
    w_space, z_space = make_edit_space(style_rows(), 6), make_edit_space(mlp(), 6)
    assert isinstance(w_space, WSpace)
    assert isinstance(z_space, ZSpace)
    latents = normal(130, 6, seed=1)  # three batches
    assert w_space.to_codes(latents).shape == (130, 4, 5)
    assert torch.equal(z_space.to_codes(latents), latents[:, None])
    for space in (w_space, z_space):
        torch.testing.assert_close(space.generate(space.to_codes(latents)), space.network(latents))


def test_one_label_is_used_for_all_samples_and_a_missing_one_is_refused() -> None:
    space = make_edit_space(mlp(condition="concat"), 6)
    latents = normal(70, 6, seed=1)
    codes, labels = space.to_codes(latents), torch.full((70,), 2)
    expected = space.network(latents, label=labels)
    torch.testing.assert_close(space.generate(codes, torch.tensor([2])), expected)
    torch.testing.assert_close(space.generate(codes, labels), expected)
    torch.testing.assert_close(space.generate(codes, torch.tensor([[0.0, 0.0, 1.0]])), expected)
    with pytest.raises(BadInput, match="`label` is missing"):
        space.generate(codes)
