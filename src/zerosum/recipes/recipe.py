"""Recipes: typed settings, and the assembly of networks, game and data from them.

Names become objects here, once, by the `kind` of each section. A new GAN is a recipe file, plus a network or a game
file when it truly brings one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from zerosum.data.config import Data
from zerosum.game.augment.config import AugmentConfig
from zerosum.game.config import AdversarialGameConfig, GameConfig
from zerosum.game.latent import Latent, Normal
from zerosum.game.objective import NonSaturating, Objective
from zerosum.game.optimizer import Adam, AnyOptimizer
from zerosum.game.progressive_growth import GrowthSchedule
from zerosum.game.schedule import Ramp, Schedule
from zerosum.game.terms import AnyTerm
from zerosum.networks.configs import AnyDiscriminatorConfig, AnyGeneratorConfig
from zerosum.settings import Settings
from zerosum.units import Count, Seconds

if TYPE_CHECKING:
    pass

NETWORK_SIZES = ("nano", "small", "base")
VARIANTS = (*NETWORK_SIZES, "points")
"""When a recipe file may change its settings: for networks of a size, and for data that are points."""


class EMAConfig(Settings):
    """The generator's exponential moving average: what is shown and shipped."""

    half_life: Schedule = 500.0
    """Images after which half of an old weight is forgotten; 0 follows exactly."""


class Training(Settings):
    """How long, how often, on what."""

    examples: Count | None = None
    """Images the generator is trained on, then it is over; left out: as the budget says."""
    budget: Seconds | None = None
    """Seconds of training, then it is over ("90s", "5m", "2h"); left out: as `images` says."""
    batch_size: PositiveInt = 32
    """Images in a step, over all ranks and micro-batches."""
    accumulate: PositiveInt = 1
    """Micro-batches a step is cut into, to save memory. Batch norm sees one of them at a time."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """All randomness derives from it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, mps."""
    precision: Literal["float32", "bfloat16", "strict", "fastest"] = "float32"
    """What networks are computed in; penalties and scores stay float32. On GPUs float32 lets convolutions and matrix
    products round what they multiply to TF32, and strict does not. fastest: bfloat16 where a trial on this machine
    finds it a tenth faster than float32 or more."""
    compile: Literal["never", "always", "fastest"] = "fastest"
    """Compile the networks and their penalties with torch.compile; where that fails, they are played without.
    fastest: on a GPU, for runs over ten minutes of one process, if a trial finds it a tenth faster or more; on a CPU
    never."""
    tick_examples: Count | None = None
    """Images between two lines of the log; left out: some seconds' worth."""
    preview_examples: Count | None = None
    """Images between two sample sheets; left out: a fortieth of the run."""
    checkpoint_examples: Count | None = None
    """Images between two checkpoints; left out: a minute's worth."""

    @model_validator(mode="after")
    def _check_accumulation(self) -> Training:
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch {self.batch_size} does not divide into accumulate = {self.accumulate} equal parts")
        return self


class OnlineEvaluation(Settings):
    """How samples are judged while the run is played; the best-judged generator is kept apart."""

    features: str = "auto"
    """What sees them: lite0, inception, pixels, a module of yours (`package.module:factory`), or none, so that nothing
    is judged. auto: lite0 for pictures, where it is installed."""
    every_examples: Count | None = None
    """Images between two judgements; left out: as many as take a twenty-fifth of the run's time, 20 at most."""
    samples: Annotated[int, Field(ge=64)] = 512
    """Samples each judgement is about."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Judgements in a row without a better score, after which the run ends; 0: never."""


class Diagnostics(Settings):
    """How a run is watched for trouble."""

    probe: bool = True
    """Examine the game now and then; without, only what training itself shows is looked at."""
    every_examples: Count | None = None
    """Images between two examinations; left out: as many as take a thirtieth of the run's time, 60 at most."""
    samples: Annotated[int, Field(ge=32, le=4096)] = 128
    """Samples that an examination looks at."""
    duality_gap_every: PositiveInt = 4
    """Every so many examinations, the duality gap is worked out too."""
    max_recoveries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a run that a severe finding stands against is put back to when it was well, and treated (--recover)."""


def _default_term_kinds(terms: Any) -> Any:
    """A term without a kind is of the kind it is named after: [terms.r1] needs no more."""
    if not isinstance(terms, dict):
        return terms
    return {k: {"kind": k.replace("_", "-")} | v if isinstance(v, dict) else v for k, v in terms.items()}


def _default_kind(kind: str) -> BeforeValidator:
    """A table without a kind is of this one."""
    return BeforeValidator(lambda table: {"kind": kind} | table if isinstance(table, dict) else table)


class Recipe(Settings):
    """Everything that makes a run."""

    name: str
    """The recipe's name."""
    description: str = ""
    """One sentence: what it is good for."""
    paper: str = ""
    """Authors, year, arXiv id."""
    data: Data = Data()
    latent: Latent = Normal()
    generator: AnyGeneratorConfig
    discriminator: AnyDiscriminatorConfig
    game: Annotated[GameConfig, _default_kind("adversarial")] = AdversarialGameConfig()
    objective: Objective = NonSaturating()
    terms: Annotated[dict[str, AnyTerm], BeforeValidator(_default_term_kinds)] = Field(default_factory=dict)
    """Further losses, by name."""
    augment: Annotated[AugmentConfig | None, _default_kind("ada")] = None
    """How real and fake are varied before they are judged; left out: chosen by looking at the data."""
    optimizer: Annotated[AnyOptimizer, _default_kind("adam")] = Adam()
    ema: EMAConfig = EMAConfig()
    training: Training = Training()
    evaluation: OnlineEvaluation = OnlineEvaluation()
    diagnostics: Diagnostics = Diagnostics()

    @model_validator(mode="after")
    def _check_names(self) -> Recipe:
        if "objective" in self.terms:
            raise ValueError('--terms.objective: the name "objective" is the objective\'s own; give the term another')
        for setting, named in {"rates": self.optimizer.lr_multipliers, "clip": self.optimizer.weight_clip}.items():
            for player in named:
                if player not in self.game.player_names:
                    known = " and ".join(self.game.player_names)
                    raise ValueError(f"--optimizer.{setting}.{player}: there is no such player; {known} play")
        return self

    @property
    def is_conditional(self) -> bool:
        """Whether its samples are made of a class."""
        return self.generator.condition != "none" or self.discriminator.condition != "none"

    @property
    def is_translation(self) -> bool:
        """Whether its samples are made from pictures."""
        return self.game.is_translation

    @property
    def pretrained_features(self) -> str:
        """The features that the generator is trained to please, which therefore must not judge it; "" for none."""
        terms = [term.pretrained_features for term in self.terms.values()]
        return next(filter(None, [self.discriminator.pretrained_features, *terms]), "")

    def resolve_schedules(self, total_examples: int) -> Recipe:
        """The recipe with every schedule's length in images, for a run of `total_examples` images."""
        return self.model_validate(_resolve_schedules(self, total_examples).model_dump())


def _resolve_schedules(settings: Any, total_examples: int) -> Any:
    if isinstance(settings, Ramp | GrowthSchedule):
        return settings.resolve(total_examples)
    if isinstance(settings, Settings):
        return settings.model_copy(
            update={n: _resolve_schedules(getattr(settings, n), total_examples) for n in type(settings).model_fields}
        )
    return (
        {n: _resolve_schedules(v, total_examples) for n, v in settings.items()}
        if isinstance(settings, dict)
        else settings
    )


# ---------------------------------------------------------------------- recipes as files


# ---------------------------------------------------------------------- assembly
