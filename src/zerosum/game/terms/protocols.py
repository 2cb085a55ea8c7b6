"""What single terms need of a game or of a generator beyond what every game has; recipe validation checks it.

These protocols have methods only: from Python 3.12 on, `isinstance` sees no buffers and submodules of a module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play
    from zerosum.game.types import Batch, Sample


@runtime_checkable
class TranslatingGame(Protocol):
    """A game whose generator maps inputs to outputs."""

    def read_inputs(self, batch: Batch) -> Sample:
        """Return the inputs of a batch, as the generator takes them."""

    def read_real(self, batch: Batch) -> Sample:
        """Return the targets of a batch, in the structure of outputs."""

    def measure_perceptual_distance(self, outputs: Sample, targets: Sample) -> Tensor:
        """Return the distance (N,) of outputs from their targets in the features of a pretrained network."""

    def translate_batch(self, samples: Sample, batch: Batch) -> Sample:
        """Return the outputs of the generator in training."""


@runtime_checkable
class CyclicGame(TranslatingGame, Protocol):
    """A game that translates in both directions."""

    def cycle_batch(self, outputs: Sample, batch: Batch) -> Sample:
        """Return outputs, translated back by the generators in training."""


@runtime_checkable
class ContrastiveGenerator(Protocol):
    """A translator whose feature maps can be compared patch by patch."""

    def encode(self, inputs: Tensor) -> list[Tensor]:
        """Return feature maps (N, width, h, w) of images (N, C, H, W)."""

    def project(self, level: int, vectors: Tensor) -> Tensor:
        """Return unit vectors (P, D) of patches (P, width) of the feature map at `level`."""


@runtime_checkable
class StyleGenerator(Protocol):
    """A generator whose images can be differentiated by its styles."""

    def running_path_length(self) -> Tensor:
        """Return the buffer () that holds the running mean of its path lengths."""

    def styles(
        self,
        latent: Tensor,
        label: Tensor | None = None,
        truncation: float = 1.0,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Return the styles (N, layers, W) of latents (N, L)."""

    def synthesize(self, styles: Tensor, seed: Tensor | None = None) -> Tensor:
        """Return the images (N, C, S, S) of styles (N, layers, W)."""


def translating_game(play: Play) -> TranslatingGame:
    """Return the game of a play, which translates."""
    assert isinstance(play.game, TranslatingGame), "the term needs a game of translation"
    return play.game


def cyclic_game(play: Play) -> CyclicGame:
    """Return the game of a play, which translates in both directions."""
    assert isinstance(play.game, CyclicGame), "the term needs a game in both directions"
    return play.game


def contrastive_generator(play: Play) -> ContrastiveGenerator:
    """Return the generator of a play, which has contrastive heads."""
    assert isinstance(play.game.generator, ContrastiveGenerator), "the term needs a generator with contrastive heads"
    return play.game.generator


def style_generator(play: Play) -> StyleGenerator:
    """Return the generator of a play, which has styles."""
    assert isinstance(play.game.generator, StyleGenerator), "the term needs a generator with styles"
    return play.game.generator
