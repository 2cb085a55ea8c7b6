"""Self-attention over a feature map.

Zhang, Goodfellow, Metaxas, Odena 2018, "Self-Attention Generative Adversarial Networks", arXiv:1805.08318, section 3,
as in BigGAN (Brock et al. 2018, arXiv:1809.11096): queries and keys have an eighth of the channels, values a half, and
keys and values are max-pooled to a quarter of the pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from zerosum.networks.layers import LayerFactory


class SelfAttention(nn.Module):
    """x + gain * attention(x). The gain starts at 0, so the layer starts as the identity."""

    def __init__(self, width: int, factory: LayerFactory) -> None:
        super().__init__()
        narrow, half = max(1, width // 8), max(1, width // 2)
        self.query, self.key = (factory.conv2d(width, narrow, bias=False) for _ in range(2))
        self.value = factory.conv2d(width, half, bias=False)
        self.out = factory.conv2d(half, width, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; H and W must be even. The attention matrix has N * (H * W)^2 / 4
        values.
        """
        query = self.query(hidden).flatten(2)  # (N, C / 8, H * W)
        key = functional.max_pool2d(self.key(hidden), 2).flatten(2)  # (N, C / 8, H * W / 4)
        value = functional.max_pool2d(self.value(hidden), 2).flatten(2)  # (N, C / 2, H * W / 4)
        # written out because the fused kernels cannot be differentiated twice; unscaled, as in the paper
        attention = torch.softmax(query.transpose(1, 2) @ key, 2)  # (N, H * W, H * W / 4), each row adds up to 1
        attended = value @ attention.to(value.dtype).transpose(1, 2)  # (N, C / 2, H * W)
        residual: Tensor = self.out(attended.view(*attended.shape[:2], *hidden.shape[2:]))
        return hidden + self.gain * residual
