"""The kinds of game, as settings: who plays, how often, on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from zerosum.game.progressive_growth import GrowthSchedule
from zerosum.game.schedule import Schedule, schedule_endpoints
from zerosum.settings import Settings

if TYPE_CHECKING:
    pass


class AdversarialGameConfig(Settings):
    """One generator against one discriminator."""

    kind: Literal["adversarial"] = "adversarial"
    player_names: ClassVar[tuple[str, ...]] = ("discriminator", "generator")
    requires: ClassVar[frozenset[str]] = frozenset()
    """What both networks must be able to do for it; see `zerosum.networks.shapes`."""
    is_translation: ClassVar[bool] = False
    """Samples are made from pictures, not from noise."""
    bidirectional: bool = False
    """Two generators and two discriminators, there and back (for games that translate)."""
    discriminator_steps: PositiveInt = 1
    """Steps of the discriminator in a round (WGAN's critic: 5)."""
    reuse_fakes: bool = False
    """The generator moves on the samples the discriminator has just moved on, made once for both, not on new ones."""
    instance_noise: Schedule = 0.0
    """Standard deviation of noise added to what the discriminator sees, real and fake (arXiv:1610.04490)."""
    replay_buffer: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Past fakes that are kept and shown to the discriminator again, half of the time (arXiv:1612.07828)."""

    @property
    def has_zero_adversarial_weight(self) -> tuple[bool, bool]:
        """Whether the objective does not teach the generator at the beginning, and at the end."""
        return False, False


class ProgressiveGameConfig(AdversarialGameConfig):
    """The same, between networks that grow (Karras et al. 2017, arXiv:1710.10196)."""

    kind: Literal["progressive"] = "progressive"  # type: ignore[assignment]
    requires: ClassVar[frozenset[str]] = frozenset({"progressive growing"})
    growth: GrowthSchedule = GrowthSchedule()
    """When they grow."""


class TranslationGameConfig(AdversarialGameConfig):
    """The same, but that samples are made from pictures (Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["translation"] = "translation"  # type: ignore[assignment]
    is_translation: ClassVar[bool] = True
    adversarial_weight: Schedule = 1.0
    """What the generator's part of the objective is multiplied by; while it is 0, the terms alone teach it. Where it
    is 0 throughout, there is no discriminator's move."""

    @property
    def has_zero_adversarial_weight(self) -> tuple[bool, bool]:
        """Whether the objective does not teach the generator at the beginning, and at the end."""
        first, last = schedule_endpoints(self.adversarial_weight)
        return first == 0, last == 0


GameConfig = Annotated[
    AdversarialGameConfig | ProgressiveGameConfig | TranslationGameConfig, Field(discriminator="kind")
]
