"""The convolutional autoencoder, in whose latent space a game is played, and the generator of decoded codes.

After Rombach, Blattmann, Lorenz, Esser, Ommer 2022, "High-Resolution Image Synthesis with Latent Diffusion Models",
arXiv:2112.10752, section 3.1, with fewer layers: convolutions of stride 2 and residual blocks, and no attention. The
codes are standardized by a batch norm without weights, so that noise on them has a meaning.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from zerosum.game.types import Autoencoder, Reconstruction, Sample, condition_inputs
from zerosum.networks.batch_norm import BatchNorm2d
from zerosum.networks.layers import LEAKY_RELU, LayerFactory, init_kaiming, tanh_or_identity

_FACTORY = LayerFactory(init_kaiming)


class ResidualBlock(nn.Module):
    """x + f(x) with two 3x3 convolutions, of which the second starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            LEAKY_RELU.build(),
            _FACTORY.conv2d(width, width, kernel_size=3, gain=LEAKY_RELU.gain),
            LEAKY_RELU.build(),
            _FACTORY.conv2d(width, width, kernel_size=3, gain=0.0),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        branch: Tensor = self.branch(hidden)
        return hidden + branch


class ConvolutionalAutoencoder(Autoencoder):
    """Map images to codes of a fraction of their size, and back; `widths` are the channels from the image inwards."""

    def __init__(
        self, channels: int, code_channels: int, widths: tuple[int, ...], *, blocks: int, bounded: bool
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(_FACTORY.strided_conv2d(in_channels, out_channels, LEAKY_RELU.gain), LEAKY_RELU.build())
                for in_channels, out_channels in pairwise((channels, *widths))
            ),
            *(ResidualBlock(widths[-1]) for _ in range(blocks // 2)),
            _FACTORY.conv2d(widths[-1], code_channels, kernel_size=3, bias=False),
            BatchNorm2d(code_channels, affine=False),
        )
        self.decoder = nn.Sequential(
            _FACTORY.conv2d(code_channels, widths[-1], kernel_size=3),
            *(ResidualBlock(widths[-1]) for _ in range(blocks)),
            LEAKY_RELU.build(),
            *(
                nn.Sequential(_FACTORY.conv_transpose2d(in_channels, out_channels, LEAKY_RELU.gain), LEAKY_RELU.build())
                for in_channels, out_channels in pairwise(widths[::-1])
            ),
            _FACTORY.conv_transpose2d(widths[0], channels),
            tanh_or_identity(bounded),
        )

    def encode(self, sample: Sample) -> Tensor:
        """Map images (N, C, H, W) to standardized codes (N, code_channels, h, w)."""
        codes: Tensor = self.encoder(sample)
        return codes

    def decode(self, codes: Tensor, seed: Tensor | None = None, condition: Sample | None = None) -> Tensor:
        """Map codes (N, code_channels, h, w) to images (N, C, H, W), in [-1, 1] if bounded."""
        image: Tensor = self.decoder(codes)
        return image

    def reconstruct(
        self, codes: Tensor, sample: Sample, deviation: Tensor | None = None, condition: Sample | None = None
    ) -> Reconstruction:
        """Return the decoded images, and the mean absolute difference of each from its original (N,)."""
        assert isinstance(sample, Tensor), "checked when the autoencoder is built"
        images = self.decode(codes)
        return Reconstruction(images, (images - sample).abs().float().flatten(1).mean(1))


class DecodedGenerator(nn.Module):
    """A generator of codes and the decoder of an autoencoder as one generator, latents (N, L) to samples (N, ...)."""

    def __init__(self, generator: nn.Module, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.generator, self.autoencoder = generator, autoencoder
        self.condition_inputs = tuple(dict.fromkeys((*condition_inputs(generator), *autoencoder.condition_inputs)))

    def forward(self, latent: Tensor, **conditions: Tensor) -> Sample:
        """Map latents (N, L), with the conditions that the networks take, to samples (N, ...)."""
        own = {name: conditions[name] for name in condition_inputs(self.generator)}
        return self.autoencoder.decode(
            self.generator(latent, **own), **{name: conditions[name] for name in self.autoencoder.condition_inputs}
        )
