"""Steps in a style shall change the picture by the same amount everywhere: path length regularisation.

Karras et al. 2019, "Analyzing and Improving the Image Quality of StyleGAN", arXiv:1912.04958, section 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, cast

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.latent import Latent
    from zerosum.game.play import Play

EMA_DECAY = 0.99
"""What the running mean of the lengths keeps of itself each time."""


class _StyleGenerator(Protocol):
    """A generator whose styles one can differentiate by."""

    mean_path_length: Tensor

    def styles(self, latent: Tensor, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """(N, L) to (N, layers, W)."""

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """(N, layers, W) to (N, C, S, S)."""


class PathLength(TermSettings):
    """Of each sample, how far the picture's change per change of style is from its running mean, squared.

    The change is measured in a random direction y of pictures, by the slope J^T y / sqrt(H W) of their product with the
    picture, y standard normal and J the picture's derivative by the styles. Its length is the root of the mean over
    layers of squared norms. Unlike the authors' code, styles are not mixed here: equation 4 speaks of one style.
    """

    kind: Literal["path-length"] = "path-length"
    weight: Schedule = 2.0
    """What it is multiplied by; 2 is the paper's."""
    every_rounds: RoundInterval = 4
    """Rounds between two times it is played; it costs several times a plain move."""
    player: ClassVar[str] = "generator"
    requires: ClassVar[frozenset[str]] = frozenset({"styles"})
    uses_full_batch: ClassVar[bool] = True

    def __call__(self, play: Play) -> Tensor:
        """(|J^T y| / sqrt(H W) - a)^2, where a is the running mean of the lengths: (N,) float32."""
        import torch

        generator = cast("_StyleGenerator", play.game.generator)
        seed = play.batch["seed"]
        with torch.autocast(seed.device.type, enabled=False):
            lengths = compute_path_lengths(
                generator, cast("Latent", play.game.latent_distribution).sample(seed), play.batch.get("label"), seed
            )
        mean = generator.mean_path_length
        with torch.no_grad():
            mean.lerp_(lengths.mean().to(mean.dtype), 1 - EMA_DECAY)
        return (lengths - mean).square()


def compute_path_lengths(generator: _StyleGenerator, latent: Tensor, label: Tensor | None, seed: Tensor) -> Tensor:
    """How much pictures change with their styles, in a direction that the seed draws.

    Args:
        generator: what makes the pictures.
        latent: (N, L).
        label: (N,) int64 or (N, K), or None where the generator takes none.
        seed: (N,) int64.

    Returns:
        (N,) with its graph, so that it can be trained.
    """
    import torch

    from zerosum.game import seeded_rng

    styles = generator.styles(latent, label)
    image = generator.synthesize(styles, seed)
    # a network's layers draw from forks of the seed, so these numbers are nobody else's
    direction = (
        seeded_rng.normal(seed, image[0].numel(), seeded_rng.RandomStream.LAYER_NOISE).view_as(image).to(image.dtype)
    )
    product = (image * direction).sum() * (image.shape[-1] * image.shape[-2]) ** -0.5
    (slope,) = torch.autograd.grad(product, styles, create_graph=True)  # (N, layers, W)
    return slope.square().sum(2).mean(1).sqrt()
