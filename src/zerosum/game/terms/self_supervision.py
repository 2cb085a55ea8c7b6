"""Self-supervised reconstruction: the discriminator reconstructs real images from its own feature maps.

Liu et al. 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
arXiv:2101.04775, equation 2. With few training images a discriminator soon memorizes them by small details;
reconstruction forces its features to describe the content, which keeps its gradients useful to the generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class SelfSupervisedReconstruction(TermSettings):
    """Mean absolute difference between downsampled real images and the discriminator's reconstructions of them.

    The paper's code compares features of a network pretrained on labeled photographs (LPIPS); pixels need no such
    network.
    """

    kind: Literal["self-supervision"] = "self-supervision"
    weight: Schedule = 1.0
    """Weight of the term. It averages over decoders, the paper sums: the paper's weight is the number of decoders."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset({"reconstruction decoder"})

    def __call__(self, play: Play) -> Tensor:
        """Return |reconstruction - downsample(x)|, averaged over decoders, channels and pixels: (N,)."""
        from zerosum.game.sample_tree import single_tensor

        reconstructions = play.real_output.reconstructions
        assert reconstructions is not None, "the term requires a discriminator with decoders"
        real = single_tensor(play.real_samples)
        batch_size, channels, real_height, real_width = real.shape
        height, width = reconstructions.shape[2:]
        areas = real.reshape(batch_size, channels, height, real_height // height, width, real_width // width)
        difference = reconstructions.reshape(batch_size, -1, channels, height, width) - areas.mean((3, 5))[:, None]
        return difference.abs().reshape(batch_size, -1).mean(1)
