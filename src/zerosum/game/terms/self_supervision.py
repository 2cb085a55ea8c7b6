"""Remembering what is shown: the discriminator finds real pictures again in its own maps.

Liu et al. 2021, "Towards Faster and Stabilized GAN Training for High-fidelity Few-shot Image Synthesis",
arXiv:2101.04775, equation 2. With few pictures a discriminator soon knows them by heart from little details; one that
must also rebuild them has to see what they show, and goes on telling the generator so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.errors import BadInput
from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class SelfSupervisedReconstruction(TermSettings):
    """The mean absolute difference between real pictures, made smaller, and what the discriminator rebuilds of them.

    The paper's code compares features of a network trained on labelled photographs (LPIPS); pixels need none.
    """

    kind: Literal["self-supervision"] = "self-supervision"
    weight: Schedule = 1.0
    """What it is multiplied by; the paper adds up its decoders, here they are averaged, so theirs is their number."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"
    requires: ClassVar[frozenset[str]] = frozenset({"reconstruction decoder"})

    def __call__(self, play: Play) -> Tensor:
        """|rebuilt - shrunk(x)|, its mean over decoders, channels and pixels: (N,).

        Raises:
            BadInput: the discriminator has no decoders.
        """
        rebuilt = play.real_output.reconstructions
        if rebuilt is None:
            raise BadInput(
                "the term rebuild needs a discriminator that rebuilds pictures, and this one has no decoders: set"
                ' discriminator.kind = "fastgan" with discriminator.decoder_width above 0, or leave the term out.'
            )
        real = play.real_samples
        count, channels, tall, wide = real.shape
        height, width = rebuilt.shape[2:]
        areas = real.reshape(count, channels, height, tall // height, width, wide // width)
        apart = rebuilt.reshape(count, -1, channels, height, width) - areas.mean((3, 5))[:, None]
        return apart.abs().reshape(count, -1).mean(1)
