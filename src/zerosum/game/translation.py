"""A generator that turns pictures into others, against a discriminator of what comes of it.

Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", arXiv:1611.07004.
A batch holds, beside the `real` pictures that are wanted, what is `given`. The two are pairs, or have nothing to do
with each other; only terms know.

Both ways at once (CycleGAN, Zhu et al. 2017, arXiv:1703.10593) is the same game on couples: a sample is (2, C, H, W), a
picture of either kind; `given` is [a, b] and `real` [b, a]; generator and discriminator are a pair of networks each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from zerosum.game.adversarial import FAKE, Adversarial, Score, told
from zerosum.game.config import TranslationGame
from zerosum.game.game import Move
from zerosum.game.play import Exhibit, Play, at_least_float32
from zerosum.game.schedule import Linear, Now, Schedule, at, ends
from zerosum.game.terms import Term
from zerosum.game.types import Batch, Terms

Perceive = Callable[[Tensor, Tensor], Tensor]
"""How far pictures (N, C, H, W) are from others in the eyes of a trained network: (N,)."""


FOR_EVER = 1e12
"""A half-life in images that no run reaches a part of."""


class Translation(Adversarial):
    """The generator's samples are made from what is given."""

    def __init__(self, *parts: Any, rules: TranslationGame, perceive: Perceive | None = None, **more: Any) -> None:
        """Seat a translator (pictures to pictures) and a discriminator; see `Adversarial`.

        Args:
            parts: as `Adversarial` takes them.
            rules: how often each moves, on what, and how much the objective weighs.
            perceive: the eyes of the perceptual term, where there is one.
            more: as `Adversarial` takes it.
        """
        self.both, self._weight = rules.both, rules.adversarial_weight
        super().__init__(*parts, rules=rules, **more)
        self.perceive = perceive

    def _kept(self) -> list[Schedule]:
        """The generator as it was when the objective began to be heard: faithful, where later ones look real.

        It follows exactly until then, and stands still from then on. Between the two lies the trade of fidelity for
        realism: Wang et al. 2018, arXiv:1809.00219, section 3.4.
        """
        weight = self._weight
        if isinstance(weight, float | int) or ends(weight)[0] > 0:
            return []
        begins = weight.images[0]
        return [Linear(start=0.0, end=FOR_EVER, images=(begins, begins + 1))]

    def _moves(self, terms: Mapping[str, Term], rules: Any) -> list[Move]:
        """Nobody judges where nobody listens."""
        moves = super()._moves(terms, rules)
        return moves if any(ends(self._weight)) else [move for move in moves if move.player == "generator"]

    def imagine(self, batch: Batch, now: Now) -> Tensor:
        """What the generator makes of what is given, at least float32."""
        return self.turned(batch["given"], batch)

    def turned(self, pictures: Tensor, batch: Batch) -> Tensor:
        """What the generator that plays makes of these pictures, a batch's or its samples."""
        return at_least_float32(self.generator(pictures, **told(self.generator, batch)))

    def exhibit(self, sample: Tensor, which: int, batch: Batch, now: Now) -> Exhibit:
        """A sample (REAL or FAKE) as it is laid before the judge, who may want to see what it is made from."""
        exhibit = super().exhibit(sample, which, batch, now)
        return exhibit._replace(**told(self.discriminator, batch))

    def _score(self, player: str, score: Score, play: Play) -> Terms:
        """The generator's score as loud as it is now. While it is silent the discriminator is not asked for it, but
        makes its own moves, so that it knows its business when it is.
        """
        if player != "generator":
            return super()._score(player, score, play)
        weight = at(self._weight, play.now)
        return {"score": weight * score(play)} if weight else {}

    # ------------------------------------------------------------------ for people

    def way(self, back: bool = False) -> nn.Module:
        """The averaged generator of one way, pictures (N, C, H, W) to pictures, in evaluation mode."""
        return getattr(self.averaged, "back" if back else "there") if self.both else self.averaged

    def translate(self, given: Tensor, seed: Tensor | None = None, back: bool = False) -> Tensor:
        """What people are shown: pictures (N, Ci, h, w) to (N, C, H, W), by the averaged generator.

        Args:
            given: the pictures.
            seed: (N,) int64, for what is left to chance; left out: always the same.
            back: the other way, where the game is played both ways.
        """
        return translated(self.way(back), given, seed)

    def produce(self, seed: Tensor, label: Tensor | None = None) -> NoReturn:
        """Nothing comes of seeds alone.

        Raises:
            ValueError: always; `translate` is what to call.
        """
        raise ValueError("this game makes pictures of pictures, and none of seeds alone: call translate")


@torch.no_grad()
def translated(network: nn.Module, given: Tensor, seed: Tensor | None = None) -> Tensor:
    """Pictures (N, Ci, h, w) through a translator of one way, on its device; the one path of all that is not training.

    Previews, judgements, `zerosum apply` and what is exported all go through here, so that none of them differs.
    """
    device = next(network.parameters()).device
    seeds = torch.zeros(len(given), dtype=torch.int64) if seed is None else seed
    known = {"seed": seeds.to(device)}
    made: Tensor = network(given.to(device), **told(network, known))
    return at_least_float32(made)


__all__ = ["FAKE", "Perceive", "Translation", "translated"]
