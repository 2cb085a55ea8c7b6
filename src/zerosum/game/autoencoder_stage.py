"""Settings of the first stage of a game in a latent space, in which its autoencoder is trained."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from zerosum.game.optimizer import Adam, AnyOptimizer
from zerosum.game.schedule import Linear, Ramp, Schedule, schedule_endpoints
from zerosum.settings import Settings
from zerosum.units import Count


def _default_optimizer() -> Adam:
    """Return an optimizer with the momentum of autoencoders, whose rate falls to 0 at the end of the stage."""
    return Adam(lr=Linear(start=2e-3, end=0.0, fraction=(0.5, 1.0)), beta1=0.9, beta2=0.99)


def _complete_optimizer(table: object) -> object:
    """Complete the settings of an optimizer by those of the default, if it is of its kind."""
    if not isinstance(table, dict):
        return table
    default = _default_optimizer()
    return {**(dict(default) if table.get("kind", default.kind) == default.kind else {}), **table}


class AutoencoderStage(Settings):
    """The first stage: its length, the losses of the autoencoder, and its optimizer.

    Give either `examples` or `fraction`. Fractions of schedules in this table are fractions of the stage.
    """

    examples: Count | None = None
    """Training examples after which the autoencoder is frozen, and the other players begin."""
    fraction: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """The same as a fraction of the run; converted to `examples` when its length is known, and 0 if these are given."""
    noise: Schedule = 0.3
    """Standard deviation of normal noise added to the codes, whose own is 1: the decoder learns to forgive it, and the
    codes carry the less detail the larger it is."""
    noise_power: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Each sample's noise has the standard deviation `noise` times u to this power, with u uniform in [0, 1]: at 0, all
    have the same. A decoder that is told the deviation (recurrent) learns both to repeat what exact codes say, and to
    draw what is likely where codes are noisy."""
    perceptual_weight: Schedule = 0.0
    """Weight of the distance in the features of a network pretrained on photographs (EfficientNet-Lite0, the extra
    `features`), as in Rombach et al. 2022, arXiv:2112.10752; images only."""
    perceptual_fraction: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Fraction of the examples of a batch on which the perceptual distance is computed, which takes several times as
    long as a small autoencoder."""
    adversarial_weight: Schedule = 0.0
    """Weight of the loss against a discriminator of patches, which makes reconstructions sharp where the other losses
    make them blurry; 0: there is no such discriminator. Images only."""
    optimizer: Annotated[AnyOptimizer, BeforeValidator(_complete_optimizer)] = Field(default_factory=_default_optimizer)
    """Optimizer of the autoencoder and of its discriminator."""

    @model_validator(mode="before")
    @classmethod
    def _clear_default_fraction(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("examples"):
            return {"fraction": 0.0} | values
        return values

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if bool(self.examples) == bool(self.fraction):
            raise ValueError("give either `examples` or `fraction` (of the run), above 0")
        for player in (*self.optimizer.lr_multipliers, *self.optimizer.weight_clip, *self.optimizer.max_grad_norm):
            if player not in AUTOENCODER_PLAYERS:
                known = " and ".join(AUTOENCODER_PLAYERS)
                raise ValueError(f"its optimizer names the player {player}; the players of this stage are {known}")
        return self

    @property
    def has_discriminator(self) -> bool:
        """Whether a discriminator of patches scores the reconstructions."""
        return any(schedule_endpoints(self.adversarial_weight))

    @property
    def uses_pretrained_features(self) -> bool:
        """Whether the autoencoder is trained on pretrained features."""
        return any(schedule_endpoints(self.perceptual_weight))

    def resolve(self, total_examples: int) -> AutoencoderStage:
        """Return this stage with its length and its schedules in examples, for a run of `total_examples` examples."""
        examples = self.examples or max(1, round(self.fraction * total_examples))
        optimizer = self.optimizer.model_copy(update=_resolve_ramps(self.optimizer, examples))
        update = {"examples": examples, "fraction": 0.0, "optimizer": optimizer}
        return self.model_copy(update=_resolve_ramps(self, examples) | update)


AUTOENCODER_PLAYERS = ("autoencoder", "patch_discriminator")
"""The players of this stage."""


def _resolve_ramps(settings: Settings, total_examples: int) -> dict[str, object]:
    """Return the schedules of these settings that change, in examples."""
    return {name: value.resolve(total_examples) for name, value in settings if isinstance(value, Ramp)}
