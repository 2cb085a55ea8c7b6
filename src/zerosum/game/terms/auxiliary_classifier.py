"""Playing for classes: the discriminator guesses them of the data, and the generator makes them guessable.

Odena, Olah and Shlens 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", arXiv:1610.09585, section 3.
There the discriminator also learns from the fakes' classes; here it learns from the data alone, so that it cannot teach
itself what the generator makes of a class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class ClassifyReal(TermSettings):
    """The discriminator's cross-entropy of its guess at the class of real samples."""

    kind: Literal["classify-real"] = "classify-real"
    weight: Schedule = 1.0
    """What it is multiplied by."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "discriminator"

    def __call__(self, play: Play) -> Tensor:
        """-log P(class of x | x)."""
        return _class_cross_entropy(play.real_output.class_logits, play)


class ClassifyFake(TermSettings):
    """The generator's cross-entropy of the discriminator's guess at the class its samples were to be of."""

    kind: Literal["classify-fake"] = "classify-fake"
    weight: Schedule = 1.0
    """What it is multiplied by."""
    every_rounds: RoundInterval = 1
    """Rounds between two times it is played."""
    player: ClassVar[str] = "generator"

    def __call__(self, play: Play) -> Tensor:
        """-log P(class asked for | G(z, class))."""
        return _class_cross_entropy(play.fake_output.class_logits, play)


def _class_cross_entropy(class_logits: Tensor | None, play: Play) -> Tensor:
    from torch.nn.functional import cross_entropy

    assert class_logits is not None, "the discriminator has no guess of the class: checked when the recipe is read"
    return cross_entropy(class_logits, play.batch["label"], reduction="none")
