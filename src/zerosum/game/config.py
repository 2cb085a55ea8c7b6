"""Settings of the games: players, number of moves, and samples."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from zerosum.game.autoencoder_stage import AutoencoderStage
from zerosum.game.growth_schedule import GrowthSchedule
from zerosum.game.schedule import Schedule, schedule_endpoints
from zerosum.settings import Settings


class BaseGameConfig(Settings):
    """Settings that all games share."""

    kind: str
    player_names: ClassVar[tuple[str, ...]] = ("discriminator", "generator")
    requires: ClassVar[frozenset[str]] = frozenset()
    """Capabilities that both networks must have; see `zerosum.networks.configs`."""
    generator_requires: ClassVar[frozenset[str]] = frozenset()
    """Capabilities that the generator must have. With outputs of several levels, the discriminator gets all of them."""
    is_translation: ClassVar[bool] = False
    """Whether the generator maps images to images, not latents to samples."""
    bidirectional: ClassVar[bool] = False
    """Whether the game has one generator and one discriminator per direction, A to B and B to A."""
    grows: ClassVar[bool] = False
    """Whether its networks grow in training; then `start_grown` says where they begin."""
    uses_autoencoder: ClassVar[bool] = False
    """Whether generator and discriminator play on the codes of an autoencoder."""
    discriminator_steps: PositiveInt = 1
    """Discriminator steps per round (n_critic; WGAN: 5)."""
    reuse_fakes: bool = False
    """Generate fakes once per round: the generator's move reuses the fakes of the discriminator's last step."""
    instance_noise: Schedule = 0.0
    """Standard deviation of Gaussian noise added to the discriminator's input, real and fake (arXiv:1610.04490)."""
    replay_buffer: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Number of past fakes to keep; the discriminator receives a past fake half of the time (arXiv:1612.07828)."""

    @property
    def has_zero_adversarial_weight(self) -> tuple[bool, bool]:
        """Whether the objective's weight in the generator's loss is 0 at the start, and at the end, of training."""
        return False, False

    def first_stage_examples(self, total_examples: int) -> int:
        """Return how many examples of a run of `total_examples` belong to a stage before the game itself."""
        return 0

    def keep_stages(self, total_examples: int) -> Self:
        """Return settings whose stages last as long in a longer run as in one of `total_examples` examples."""
        return self

    def start_grown(self, level: int) -> Self:
        """Return settings for networks that start from ones that have grown to this resolution: 0 is 4 x 4 pixels."""
        return self

    @property
    def pretrained_features(self) -> str:
        """The pretrained features that a loss of the game compares, besides those of terms; "" for none."""
        return ""

    @property
    def scores_reconstructions(self) -> bool:
        """Whether a discriminator of patches scores what an autoencoder reconstructs."""
        return False

    @property
    def weighs_predictions(self) -> bool:
        """Whether what an autoencoder predicts from codes is in the loss of the generator."""
        return False


class AdversarialGameConfig(BaseGameConfig):
    """One generator against one discriminator."""

    kind: Literal["adversarial"] = "adversarial"


class ProgressiveGameConfig(BaseGameConfig):
    """An adversarial game between progressively growing networks (Karras et al. 2017, arXiv:1710.10196)."""

    kind: Literal["progressive"] = "progressive"
    requires: ClassVar[frozenset[str]] = frozenset({"progressive growing"})
    grows: ClassVar[bool] = True
    growth: GrowthSchedule = GrowthSchedule()
    """Resolution schedule of both networks."""

    def start_grown(self, level: int) -> Self:
        """Return settings whose growth begins at this resolution."""
        return self.model_copy(update={"growth": self.growth.model_copy(update={"start_level": level})})


class MultiLevelGameConfig(BaseGameConfig):
    """An adversarial game in which the discriminator sees outputs along the generator's depth (arXiv:2509.24935)."""

    kind: Literal["multi-level"] = "multi-level"
    generator_requires: ClassVar[frozenset[str]] = frozenset({"outputs of several levels"})
    level_noise: Schedule = 1.0
    """Standard deviation of the noise on the first level's output, real and fake; it falls to 0 at the last level."""


class LatentSpaceGameConfig(BaseGameConfig):
    """An adversarial game on the codes of an autoencoder, which is trained first.

    Generator and discriminator are networks of codes; samples are decoded. Rombach et al. 2022, arXiv:2112.10752.
    """

    kind: Literal["latent-space"] = "latent-space"
    uses_autoencoder: ClassVar[bool] = True
    autoencoder: AutoencoderStage = Field(default_factory=AutoencoderStage)
    """The first stage, in which the autoencoder is trained."""
    prediction_weight: Schedule = 0.0
    """Weight, in the generator's loss, of the squared difference of what is predicted from its codes from what they
    were asked for; only for autoencoders with a predictor."""

    def first_stage_examples(self, total_examples: int) -> int:
        """Return how many examples of a run of `total_examples` the autoencoder is trained on."""
        return self.autoencoder.resolve(total_examples).examples or 0

    def keep_stages(self, total_examples: int) -> Self:
        """Return settings whose first stage lasts as long in a longer run: its autoencoder must not change again."""
        return self.model_copy(update={"autoencoder": self.autoencoder.resolve(total_examples)})

    @property
    def pretrained_features(self) -> str:
        """The pretrained features on which the autoencoder is trained; "" for none."""
        return "lite0" if self.autoencoder.uses_pretrained_features else ""

    @property
    def scores_reconstructions(self) -> bool:
        """Whether a discriminator of patches scores what the autoencoder reconstructs."""
        return self.autoencoder.has_discriminator

    @property
    def weighs_predictions(self) -> bool:
        """Whether what the autoencoder predicts from codes is in the loss of the generator."""
        return any(schedule_endpoints(self.prediction_weight))


class BaseTranslationGameConfig(BaseGameConfig):
    """Settings that all games of translation share."""

    is_translation: ClassVar[bool] = True
    adversarial_weight: Schedule = 1.0
    """Weight of the objective in the generator's loss; while it is 0, the generator minimizes its terms only. If it is
    0 throughout training, the discriminator has no moves."""
    discriminator_weight: Schedule = 1.0
    """Weight of the objective in the discriminator's loss; while it and those of its terms are 0, the discriminator is
    not trained, which saves its time where `adversarial_weight` begins at 0."""

    @property
    def has_zero_adversarial_weight(self) -> tuple[bool, bool]:
        """Whether the objective's weight in the generator's loss is 0 at the start, and at the end, of training."""
        first, last = schedule_endpoints(self.adversarial_weight)
        return first == 0, last == 0

    @model_validator(mode="after")
    def _check_discriminator_weight(self) -> Self:
        ends = zip(
            schedule_endpoints(self.adversarial_weight), schedule_endpoints(self.discriminator_weight), strict=True
        )
        if any(generator and not discriminator for generator, discriminator in ends):
            raise ValueError(
                "`discriminator_weight` is 0 where `adversarial_weight` is not: the generator would learn from a "
                "discriminator that is not trained; let both begin at 0, and both end above it"
            )
        return self


class TranslationGameConfig(BaseTranslationGameConfig):
    """An adversarial game whose generator maps images to images (Isola et al. 2017, arXiv:1611.07004)."""

    kind: Literal["translation"] = "translation"


class CycleGameConfig(BaseTranslationGameConfig):
    """Translation in both directions between two domains of images, without pairs (Zhu et al. 2017, arXiv:1703.10593).

    There is one generator and one discriminator per direction, A to B and B to A.
    """

    kind: Literal["cycle"] = "cycle"
    bidirectional: ClassVar[bool] = True


TRANSLATION_GAMES: frozenset[str] = frozenset(
    game.model_fields["kind"].default for game in (TranslationGameConfig, CycleGameConfig)
)
"""The names of the games whose generator maps images to images."""

GameConfig = Annotated[
    AdversarialGameConfig
    | ProgressiveGameConfig
    | MultiLevelGameConfig
    | LatentSpaceGameConfig
    | TranslationGameConfig
    | CycleGameConfig,
    Field(discriminator="kind"),
]
