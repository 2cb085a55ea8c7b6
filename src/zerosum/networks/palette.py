"""An output layer that mixes the colors of every pixel from a few that belong to the sample, its palette.

Flat drawings, sprites and icons have few colors, and those of one object belong together. Where every pixel is free to
choose its own color, a small generator trained for minutes agrees on none: colors alternate from pixel to pixel. Here a
pixel chooses among the `colors` of its sample by a softmax, and a small network makes these from the latent vector.
Black and white belong to every palette, because most drawings have a background or an outline of exactly one of them.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

FIXED_COLORS = (-1.0, 1.0)
"""Values of all channels of the colors that belong to every palette of bounded samples: black and white."""
HIDDEN_WIDTHS = (32, 64)
"""Widths of the hidden layers that map latents to palettes."""
SHARPNESS = 3.0
"""Factor of the logits: pixels soon choose one color instead of mixing several, which gives grays."""
LAST_GAIN = 3.0
"""Gain of the last layer's initialization: the colors of new palettes cover the whole range."""


def num_logits(colors: int, bounded: bool) -> int:
    """Return the number of logits of a pixel, for palettes with so many learned colors."""
    return colors + bounded * len(FIXED_COLORS)


class PaletteOutput(nn.Module):
    """Mix the channels of an image from a palette of its latent vector.

    Example:
        >>> layer = PaletteOutput(latent_size=32, channels=3, colors=8)
        >>> layer(torch.zeros(2, num_logits(8, bounded=True), 64, 64), torch.zeros(2, 32)).shape
        torch.Size([2, 3, 64, 64])
    """

    def __init__(self, latent_size: int, channels: int, colors: int, bounded: bool = True) -> None:
        """Create the network that maps latents to palettes.

        Args:
            latent_size: number of values of a latent vector.
            channels: channels of an image.
            colors: number of colors of a palette that are learned.
            bounded: whether the values of images lie in [-1, 1]; then those of colors do, too, and there are black and
                white.
        """
        super().__init__()
        self.fixed_colors: Tensor
        self.channels, self.colors = channels, colors
        widths = (latent_size, *HIDDEN_WIDTHS, colors * channels)
        layers: list[nn.Module] = []
        for index, (in_features, out_features) in enumerate(pairwise(widths)):
            linear = nn.Linear(in_features, out_features)
            gain = LAST_GAIN if index == len(HIDDEN_WIDTHS) else 1.0
            nn.init.normal_(linear.weight, 0.0, gain * in_features**-0.5)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.ReLU()]
        layers[-1] = nn.Tanh() if bounded else nn.Identity()
        self.network = nn.Sequential(*layers)
        fixed = torch.tensor(FIXED_COLORS if bounded else ()).expand(channels, -1)
        self.register_buffer("fixed_colors", fixed.clone(), persistent=False)

    def forward(self, logits: Tensor, latent: Tensor) -> Tensor:
        """Map logits (N, `num_logits`, H, W) and latents (N, L) to images (N, channels, H, W)."""
        logits = logits.contiguous()  # the softmax is 4 times as fast as in channels_last on a CPU
        weights = (SHARPNESS * logits).flatten(2).softmax(1)
        learned = self.network(latent).view(-1, self.channels, self.colors)
        colors = torch.cat([learned, self.fixed_colors.to(learned.dtype).expand(learned.shape[0], -1, -1)], 2)
        return torch.bmm(colors.to(weights.dtype), weights).view(-1, self.channels, *logits.shape[2:])
