"""Small generators that several inference tests use."""

import torch
from torch import Tensor, nn

from zerosum.game.sample_spec import TensorSpec
from zerosum.networks.configs.mlp import MLPGeneratorConfig


class StyleRows(nn.Module):
    """Four layers with styles of 5 numbers: layer l determines rows 2l and 2l + 1 of an 8x8 image, and no others."""

    num_layers = 4

    def __init__(self, channels: int = 1, latent: int = 6) -> None:
        super().__init__()
        self.channels = channels
        self.mapping = nn.Linear(latent, 5)
        self.affines = nn.ModuleList(nn.Linear(5, channels * 16) for _ in range(self.num_layers))
        self.register_buffer("mean_style", torch.full((5,), 0.25))

    def styles(
        self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0, condition: Tensor | None = None
    ) -> Tensor:
        style = torch.lerp(self.mean_style, self.mapping(latent), truncation)
        return style[:, None].expand(-1, self.num_layers, -1)

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        rows = [affine(styles[:, i]).view(-1, self.channels, 2, 8) for i, affine in enumerate(self.affines)]
        return torch.cat(rows, 2).tanh()

    def affine_weights(self) -> list[Tensor]:
        return [affine.weight for affine in self.affines]

    def forward(self, latent: Tensor) -> Tensor:
        return self.synthesize(self.styles(latent))


def style_rows(channels: int = 1) -> StyleRows:
    torch.manual_seed(0)
    return StyleRows(channels).eval().requires_grad_(False)


def mlp(**settings: object) -> nn.Module:
    torch.manual_seed(0)
    config = MLPGeneratorConfig(widths=(32, 32), **settings)
    return config.build(6, TensorSpec((1, 8, 8), bounded=True), num_classes=3).eval().requires_grad_(False)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
