"""The game of translation in both directions between two domains of images, A and B.

Zhu, Park, Isola and Efros 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
arXiv:1703.10593. Each direction has its own generator, each domain its own discriminator.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from zerosum.game.config import CycleGameConfig
from zerosum.game.parts import GameParts
from zerosum.game.sample_tree import single_tensor
from zerosum.game.translation import TranslationGame, translate_images
from zerosum.game.types import A_TO_B, B_TO_A, Batch, Sample


class CycleGame(TranslationGame):
    """A translation game in both directions at once; images of the two domains may differ in their channels.

    A batch contains images of A as `inputs` and images of B as `real`. Within the game, samples are trees with one
    tensor for each direction: for "a_to_b" the inputs are from A, the outputs and the targets from B.
    """

    bidirectional: ClassVar[bool] = True

    def __init__(self, parts: GameParts, config: CycleGameConfig) -> None:
        """Register a pair of translators and a pair of discriminators; see `zerosum.networks.cycle_pair`.

        Args:
            parts: the pairs, their losses and their optimizers; `sample_spec` is a tree of both directions.
            config: game settings, including the weight of the objective.
        """
        super().__init__(parts, config)

    def read_inputs(self, batch: Batch) -> Sample:
        """Return the inputs of both directions: images of A and of B."""
        return {A_TO_B: batch["inputs"], B_TO_A: batch["real"]}

    def read_real(self, batch: Batch) -> Sample:
        """Return the real samples of both directions: images of B and of A."""
        return {A_TO_B: batch["real"], B_TO_A: batch["inputs"]}

    def cycle_batch(self, outputs: Sample, batch: Batch) -> Sample:
        """Return outputs, translated back by the generators in training: in the structure of `read_inputs`."""
        return swap_directions(self.translate_batch(swap_directions(outputs), batch))

    # ------------------------------------------------------------------ sampling

    def ema_translator(self, reverse: bool = False) -> nn.Module:
        """Return the EMA generator of one direction, images (N, Ci, h, w) to (N, C, H, W), in evaluation mode."""
        return self.ema_generator.get_submodule(B_TO_A if reverse else A_TO_B)

    def translate(self, inputs: Sample, seed: Tensor | None = None, reverse: bool = False) -> Tensor:
        """Translate images with the EMA generator of one direction.

        Args:
            inputs: (N, Ci, h, w) images.
            seed: (N,) int64 for generators with dropout or noise; zeros by default.
            reverse: translate from B to A.

        Returns:
            (N, C, H, W) images, at least float32.
        """
        return translate_images(self.ema_translator(reverse), single_tensor(inputs), seed)


def swap_directions(samples: Sample) -> Sample:
    """Return samples as those of the opposite directions: an output of one direction is an input of the other."""
    assert not isinstance(samples, Tensor), "samples of a game in both directions are trees"
    return {A_TO_B: samples[B_TO_A], B_TO_A: samples[A_TO_B]}
