"""Self-attention over a map: every place looks at every other.

Zhang, Goodfellow, Metaxas, Odena 2018, "Self-Attention Generative Adversarial Networks", arXiv:1805.08318, section 3,
in the form BigGAN has it (Brock et al. 2018, arXiv:1809.11096): queries and keys have an eighth of the channels, values
a half, and what is looked at is pooled to a quarter of the places.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.layers import LayerFactory


class SelfAttention(nn.Module):
    """x + gain * attention(x). The gain starts at 0, so at first nothing is changed."""

    def __init__(self, width: int, factory: LayerFactory) -> None:
        super().__init__()
        narrow, half = max(1, width // 8), max(1, width // 2)
        self.query, self.key = (factory.conv2d(width, narrow, bias=False) for _ in range(2))
        self.value = factory.conv2d(width, half, bias=False)
        self.out = factory.conv2d(half, width, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, hidden: Tensor) -> Tensor:
        """(N, C, H, W) to the same; H and W even. It needs N * (H * W)^2 / 4 numbers at once."""
        query = self.query(hidden).flatten(2)  # (N, C / 8, H * W)
        key = functional.max_pool2d(self.key(hidden), 2).flatten(2)  # (N, C / 8, H * W / 4)
        value = functional.max_pool2d(self.value(hidden), 2).flatten(2)  # (N, C / 2, H * W / 4)
        # written out, because the fused kernels cannot be differentiated twice; and not divided by a root, as there
        share = torch.softmax(query.transpose(1, 2) @ key, 2)  # (N, H * W, H * W / 4), each row adds up to 1
        seen = value @ share.to(value.dtype).transpose(1, 2)  # (N, C / 2, H * W)
        change: Tensor = self.out(seen.view(*seen.shape[:2], *hidden.shape[2:]))
        return hidden + self.gain * change
