"""Terms of the auxiliary classifier: cross-entropy of the discriminator's class logits on real and fake samples.

Odena, Olah and Shlens 2017, "Conditional Image Synthesis with Auxiliary Classifier GANs", arXiv:1610.09585, section 3.
In the paper the classifier also learns from the classes of fakes; here it learns from real samples only, so that it
does not learn to classify the generator's errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.play import Play


class ClassifyReal(TermSettings):
    """Cross-entropy of the discriminator's class logits on real samples."""

    kind: Literal["classify-real"] = "classify-real"
    weight: Schedule = 1.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "discriminator"

    def __call__(self, play: Play) -> Tensor:
        """Return -log P(class of x | x): (N,)."""
        return _class_cross_entropy(play.real_output.class_logits, play)


class ClassifyFake(TermSettings):
    """Cross-entropy of the discriminator's class logits on fakes, with the classes the generator was conditioned on."""

    kind: Literal["classify-fake"] = "classify-fake"
    weight: Schedule = 1.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    player: ClassVar[str] = "generator"

    def __call__(self, play: Play) -> Tensor:
        """Return -log P(c | G(z, c)) for the class c of each fake: (N,)."""
        return _class_cross_entropy(play.fake_output.class_logits, play)


def _class_cross_entropy(class_logits: Tensor | None, play: Play) -> Tensor:
    from torch.nn.functional import cross_entropy

    assert class_logits is not None, "the discriminator has no auxiliary classifier: recipe validation checks this"
    return cross_entropy(class_logits, play.batch["label"], reduction="none")
