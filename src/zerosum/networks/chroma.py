"""A fixed layer that scales the color differences of images.

In most images brightness varies far more than color, and a discriminator learns what varies most first. With larger
color differences it notices sooner that colors are pale.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zerosum.networks.configs.base import NUM_COLORS


class ChromaGain(nn.Module):
    """Scale the differences of the three colors from their mean; the mean, brightness, and alpha stay as they are.

    Example:
        >>> ChromaGain(2.0)(torch.tensor([0.5, 0.0, -0.5]).view(1, 3, 1, 1)).flatten().tolist()
        [1.0, 0.0, -1.0]
    """

    def __init__(self, gain: float) -> None:
        """Create the layer; 1 is the identity."""
        super().__init__()
        self.gain = gain

    def forward(self, image: Tensor) -> Tensor:
        """Map images (N, C, H, W), whose first three channels are the colors, to the same shape."""
        colors = image[:, :NUM_COLORS]
        mean = colors.mean(1, keepdim=True)
        scaled = mean + self.gain * (colors - mean)
        return scaled if image.shape[1] == NUM_COLORS else torch.cat([scaled, image[:, NUM_COLORS:]], 1)

    def extra_repr(self) -> str:
        """Return the gain, for the printed network."""
        return f"gain={self.gain:g}"
