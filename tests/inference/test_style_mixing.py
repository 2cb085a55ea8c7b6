import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zerosum.errors import BadInput
from zerosum.inference.latent_space import WSpace, ZSpace, make_edit_space, parse_layers
from zerosum.inference.style_mixing import style_mixing_grid
from zerosum.networks.configs.mlp import MLPGeneratorConfig
from zerosum.networks.configs.stylegan2 import StyleGAN2GeneratorConfig


class Patches(nn.Module):
    """Four layers with styles of 5 numbers: layer l paints rows 2l and 2l + 1 of a picture of 8x8, and no other."""

    layers = 4

    def __init__(self, channels: int = 1, latent: int = 6) -> None:
        super().__init__()
        self.channels = channels
        self.mapping = nn.Linear(latent, 5)
        self.affines = nn.ModuleList(nn.Linear(5, channels * 16) for _ in range(self.layers))
        self.register_buffer("mean_style", torch.full((5,), 0.25))

    def styles(self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        style = torch.lerp(self.mean_style, self.mapping(latent), truncation)
        return style[:, None].expand(-1, self.layers, -1)

    def synthesise(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        rows = [paint(styles[:, at]).view(-1, self.channels, 2, 8) for at, paint in enumerate(self.affines)]
        return torch.cat(rows, 2).tanh()

    def affine_weights(self) -> list[Tensor]:
        return [paint.weight for paint in self.affines]

    def forward(self, latent: Tensor) -> Tensor:
        return self.synthesise(self.styles(latent))


def patches(channels: int = 1) -> Patches:
    torch.manual_seed(0)
    return Patches(channels).eval().requires_grad_(False)


def mlp(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    shape = MLPGeneratorConfig(widths=(32, 32), **settings)
    return shape.build(6, (1, 8, 8), True, num_classes=3).eval().requires_grad_(False)


def test_a_cell_has_the_bands_rows_of_its_style_and_all_others_of_its_source() -> None:
    space = make_edit_space(patches(), 6)
    places = space.to_codes(torch.randn(5, 6, generator=torch.Generator().manual_seed(1)))
    alone = np.rint((space.generate(places).permute(0, 2, 3, 1).numpy() + 1) * 127.5).astype(np.uint8)
    sheet = style_mixing_grid(space, places[:2], places[2:], parse_layers("1:3", 4)).reshape(3, 4, 8, 8, 1)
    assert (sheet[0, 0] == 255).all()
    assert (sheet[0, 1:] == alone[2:]).all()
    assert (sheet[1:, 0] == alone[:2]).all()
    for row in range(2):
        for column in range(3):
            cell = sheet[row + 1, column + 1]
            assert (cell[2:6] == alone[2 + column, 2:6]).all()
            assert (cell[:2] == alone[row, :2]).all()
            assert (cell[6:] == alone[row, 6:]).all()


def test_stylegan2_is_mixed() -> None:
    torch.manual_seed(0)
    shape = StyleGAN2GeneratorConfig(channel_base=128, style_size=16, mapping_layers=2, condition="concat")
    network = shape.build(6, (3, 16, 16), True, num_classes=3).eval().requires_grad_(False)
    space, latents = make_edit_space(network, 6), torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    assert isinstance(space, WSpace)
    assert space.first_layer_weights().shape[1] == 16
    with pytest.raises(BadInput, match="--class"):
        space.to_codes(latents)
    places = space.to_codes(latents, torch.tensor([2]))
    own = network(latents, torch.full((4,), 2)).clamp(-1, 1)
    torch.testing.assert_close(space.generate(places), own)
    sheets = [
        style_mixing_grid(space, places[:2], places[2:], parse_layers(text, space.layers))
        for text in ("all", "coarse", "fine")
    ]
    everything, coarse, fine = (sheet.reshape(3, 3, 16, 16, 3) for sheet in sheets)
    assert (everything[1:, 1:] == everything[:1, 1:]).all()  # all layers: the style itself
    assert (coarse[1:, 1:] != fine[1:, 1:]).any()


def test_the_empty_cell_is_clear_where_pictures_have_alpha() -> None:
    space = make_edit_space(patches(channels=4), 6)
    places = space.to_codes(torch.zeros(1, 6))
    assert style_mixing_grid(space, places, places, parse_layers("all", 4))[0, 0, 0].tolist() == [255, 255, 255, 0]


def test_one_latent_cannot_be_mixed() -> None:
    space = make_edit_space(mlp(), 6)
    places = space.to_codes(torch.zeros(1, 6))
    with pytest.raises(BadInput, match="--recipe stylegan2"):
        style_mixing_grid(space, places, places, parse_layers("all", 1))


@pytest.mark.parametrize(
    ("text", "layers", "expected"),
    [
        # StyleGAN's own bands at 1024 px: 4x4 to 8x8, 16x16 to 32x32, the rest
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
def test_bands(text: str, layers: int, expected: tuple[int, int]) -> None:
    found = parse_layers(text, layers)
    assert (found.start, found.stop) == expected


@pytest.mark.parametrize("text", ["5:9", "3:3", "4:2", "-1:2", "soft", "3", ":", ""])
def test_bands_that_are_none(text: str) -> None:
    with pytest.raises(BadInput, match="this generator has 8"):
        parse_layers(text, 8)


def test_words_cut_all_layers_into_three() -> None:
    for layers in range(3, 19):
        parts = [parse_layers(word, layers) for word in ("coarse", "middle", "fine")]
        assert [at for part in parts for at in range(part.start, part.stop)] == list(range(layers))


def test_truncation_draws_styles_to_their_mean() -> None:
    latents = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    network = patches()
    whole, half, none = (make_edit_space(network, 6, psi).to_vectors(latents) for psi in (1.0, 0.5, 0.0))
    assert torch.equal(none, torch.full((3, 5), 0.25))
    torch.testing.assert_close(half, 0.25 + (whole - 0.25) / 2)


def test_the_space_is_that_of_styles_where_there_are_any() -> None:
    styled, plain = make_edit_space(patches(), 6), make_edit_space(mlp(), 6)
    assert isinstance(styled, WSpace)
    assert isinstance(plain, ZSpace)
    latents = torch.randn(130, 6, generator=torch.Generator().manual_seed(1))  # three batches
    assert styled.to_codes(latents).shape == (130, 4, 5)
    assert torch.equal(plain.to_codes(latents), latents[:, None])
    for space in (styled, plain):
        torch.testing.assert_close(space.generate(space.to_codes(latents)), space.network(latents))


def test_one_label_serves_all_and_none_is_refused() -> None:
    space = make_edit_space(mlp(condition="concat"), 6)
    latents = torch.randn(70, 6, generator=torch.Generator().manual_seed(1))
    places, labels = space.to_codes(latents), torch.full((70,), 2)
    expected = space.network(latents, label=labels)
    torch.testing.assert_close(space.generate(places, torch.tensor([2])), expected)
    torch.testing.assert_close(space.generate(places, labels), expected)
    torch.testing.assert_close(space.generate(places, torch.tensor([[0.0, 0.0, 1.0]])), expected)
    with pytest.raises(BadInput, match="--class"):
        space.generate(places)
