"""Path length regularization: equal steps in style space change the image by equal amounts everywhere.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958, section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings
from zerosum.game.terms.protocols import style_generator

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play
    from zerosum.game.terms.protocols import StyleGenerator

EMA_DECAY = 0.99
"""Decay of the running mean of the path lengths, per evaluation."""


class PathLength(TermSettings):
    """Squared difference of each sample's path length from the running mean of path lengths.

    The path length is the norm of J^T y / sqrt(H W), where y is a standard normal image and J the Jacobian of the image
    by the styles: the square root of the mean over layers of the squared norms. Unlike in the authors' code, styles are
    not mixed: equation 4 has one style.
    """

    kind: Literal["path-length"] = "path-length"
    weight: Schedule = 2.0
    """Weight of the term; 2 is the paper's."""
    every_rounds: RoundInterval = 4
    """Interval in rounds; see `zerosum.game.terms`. One evaluation costs several times as much as a main move."""
    player: ClassVar[str] = "generator"
    requires: ClassVar[frozenset[str]] = frozenset({"styles"})
    uses_full_batch: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """Return (|J^T y| / sqrt(H W) - a)^2, where a is the running mean of the lengths: (N,) float32."""
        import torch

        from zerosum.game.sample_tree import single_tensor

        generator, seed = style_generator(play), play.batch["seed"]
        with torch.autocast(seed.device.type, enabled=False):
            latent = play.game.latent_distribution.sample(seed)
            numbers = play.batch.get("condition")
            condition = None if numbers is None else single_tensor(numbers)
            lengths = compute_path_lengths(generator, latent, play.batch.get("label"), seed, condition)
        mean = generator.running_path_length()
        with torch.no_grad():
            mean.lerp_(lengths.mean().to(mean.dtype), 1 - EMA_DECAY)
        return (lengths - mean).square()


def compute_path_lengths(
    generator: StyleGenerator, latent: Tensor, label: Tensor | None, seed: Tensor, condition: Tensor | None = None
) -> Tensor:
    """Return the path length of each sample, |J^T y| / sqrt(H W), with y drawn from its seed.

    Args:
        generator: the style generator.
        latent: (N, L).
        label: (N,) int64 classes or (N, K) class weights; None for an unconditional generator.
        seed: (N,) int64.
        condition: (N, M) numbers, for a generator that takes some.

    Returns:
        (N,) differentiable by the generator's parameters.
    """
    import torch

    from zerosum.game import seeded_rng

    styles = generator.styles(latent, label, condition=condition)
    image = generator.synthesize(styles, seed)
    # the layers of the network draw from forks of the seed, so y is independent of their noise
    direction = (
        seeded_rng.normal(seed, image[0].numel(), seeded_rng.RandomStream.LAYER_NOISE).view_as(image).to(image.dtype)
    )
    product = (image * direction).sum() * (image.shape[-1] * image.shape[-2]) ** -0.5
    (gradient,) = torch.autograd.grad(product, styles, create_graph=True)  # (N, layers, W)
    return gradient.square().sum(2).mean(1).sqrt()
