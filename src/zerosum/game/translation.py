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

from zerosum.game.adversarial import FAKE, AdversarialGame, LossFn, conditioning_inputs
from zerosum.game.config import TranslationGameConfig
from zerosum.game.game import Move
from zerosum.game.play import DiscriminatorInput, Play, at_least_float32
from zerosum.game.schedule import Linear, Progress, Schedule, schedule_endpoints, value_at
from zerosum.game.terms import Term
from zerosum.game.types import Batch, NamedTensors

PerceptualDistanceFn = Callable[[Tensor, Tensor], Tensor]
"""How far pictures (N, C, H, W) are from others in the eyes of a trained network: (N,)."""


INFINITE_HALF_LIFE = 1e12
"""A half-life in images that no run reaches a part of."""


class TranslationGame(AdversarialGame):
    """The generator's samples are made from what is given."""

    def __init__(
        self,
        *args: Any,
        config: TranslationGameConfig,
        perceptual_distance: PerceptualDistanceFn | None = None,
        **kwargs: Any,
    ) -> None:
        """Seat a translator (pictures to pictures) and a discriminator; see `Adversarial`.

        Args:
            parts: as `Adversarial` takes them.
            config: how often each moves, on what, and how much the objective weighs.
            perceptual_distance: the eyes of the perceptual term, where there is one.
            more: as `Adversarial` takes it.
        """
        self.bidirectional, self._adversarial_weight = config.bidirectional, config.adversarial_weight
        super().__init__(*args, config=config, **kwargs)
        self.perceptual_distance = perceptual_distance

    def _extra_ema_half_lives(self) -> list[Schedule]:
        """The generator as it was when the objective began to be heard: faithful, where later ones look real.

        It follows exactly until then, and stands still from then on. Between the two lies the trade of fidelity for
        realism: Wang et al. 2018, arXiv:1809.00219, section 3.4.
        """
        weight = self._adversarial_weight
        if isinstance(weight, float | int) or schedule_endpoints(weight)[0] > 0:
            return []
        begins = weight.examples[0]
        return [Linear(start=0.0, end=INFINITE_HALF_LIFE, examples=(begins, begins + 1))]

    def _build_moves(self, terms: Mapping[str, Term], config: Any) -> list[Move]:
        """Nobody judges where nobody listens."""
        moves = super()._build_moves(terms, config)
        return (
            moves
            if any(schedule_endpoints(self._adversarial_weight))
            else [move for move in moves if move.player == "generator"]
        )

    def generate(self, batch: Batch, progress: Progress) -> Tensor:
        """What the generator makes of what is given, at least float32."""
        return self.translate_batch(batch["inputs"], batch)

    def translate_batch(self, images: Tensor, batch: Batch) -> Tensor:
        """What the generator that plays makes of these pictures, a batch's or its samples."""
        return at_least_float32(self.generator(images, **conditioning_inputs(self.generator, batch)))

    def prepare_discriminator_input(
        self, sample: Tensor, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        """A sample (REAL or FAKE) as it is laid before the judge, who may want to see what it is made from."""
        discriminator_input = super().prepare_discriminator_input(sample, real_or_fake, batch, progress)
        return discriminator_input._replace(**conditioning_inputs(self.discriminator, batch))

    def _compute_objective(self, player: str, loss_fn: LossFn, play: Play) -> NamedTensors:
        """The generator's score as loud as it is now. While it is silent the discriminator is not asked for it, but
        makes its own moves, so that it knows its business when it is.
        """
        if player != "generator":
            return super()._compute_objective(player, loss_fn, play)
        weight = value_at(self._adversarial_weight, play.progress)
        return {"objective": weight * loss_fn(play)} if weight else {}

    # ------------------------------------------------------------------ for people

    def ema_translator(self, reverse: bool = False) -> nn.Module:
        """The averaged generator of one way, pictures (N, C, H, W) to pictures, in evaluation mode."""
        return (
            getattr(self.ema_generator, "b_to_a" if reverse else "a_to_b") if self.bidirectional else self.ema_generator
        )

    def translate(self, inputs: Tensor, seed: Tensor | None = None, reverse: bool = False) -> Tensor:
        """What people are shown: pictures (N, Ci, h, w) to (N, C, H, W), by the averaged generator.

        Args:
            inputs: the pictures.
            seed: (N,) int64, for what is left to chance; left out: always the same.
            reverse: the other way, where the game is played both ways.
        """
        return translate_images(self.ema_translator(reverse), inputs, seed)

    def sample(self, seed: Tensor, label: Tensor | None = None) -> NoReturn:
        """Nothing comes of seeds alone.

        Raises:
            ValueError: always; `translate` is what to call.
        """
        raise ValueError("this game makes pictures of pictures, and none of seeds alone: call translate")


@torch.no_grad()
def translate_images(network: nn.Module, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
    """Pictures (N, Ci, h, w) through a translator of one way, on its device; the one path of all that is not training.

    Previews, judgements, `zerosum apply` and what is exported all go through here, so that none of them differs.
    """
    device = next(network.parameters()).device
    seeds = torch.zeros(len(inputs), dtype=torch.int64) if seed is None else seed
    known = {"seed": seeds.to(device)}
    made: Tensor = network(inputs.to(device), **conditioning_inputs(network, known))
    return at_least_float32(made)


__all__ = ["FAKE", "PerceptualDistanceFn", "TranslationGame", "translate_images"]
