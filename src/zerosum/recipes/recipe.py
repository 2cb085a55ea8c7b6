"""Recipes: the typed settings of a run.

The `kind` of each section selects its class. A new GAN is a recipe file, plus a network or a game file if it brings
one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field, PositiveInt, SerializeAsAny, model_validator
from pydantic_core import PydanticCustomError

from zerosum.data.config import DataConfig
from zerosum.data.kind import DATA_KINDS, selected_kind
from zerosum.game.augment.config import AugmentConfig
from zerosum.game.autoencoder_stage import AutoencoderStage
from zerosum.game.config import AdversarialGameConfig, GameConfig
from zerosum.game.growth_schedule import GrowthSchedule
from zerosum.game.latent import Latent, Normal
from zerosum.game.objective import NonSaturating, Objective
from zerosum.game.optimizer import Adam, AnyOptimizer
from zerosum.game.schedule import Ramp, Schedule
from zerosum.game.terms import AnyTerm
from zerosum.networks.configs import AnyAutoencoderConfig, AnyDiscriminatorConfig, AnyGeneratorConfig
from zerosum.settings import Settings
from zerosum.units import Count, Seconds

NetworkSize = Literal["nano", "small", "base"]
NETWORK_SIZES: tuple[NetworkSize, ...] = get_args(NetworkSize)


class EMAConfig(Settings):
    """The exponential moving average (EMA) of the generator's weights, which samples and exports use."""

    half_life: Schedule = 500.0
    """Examples after which the weight of an old value has halved; 0: the EMA equals the current weights."""


class Training(Settings):
    """The length of training, its intervals, and how it is computed."""

    examples: Count | None = None
    """Training ends after this many examples; left out: after `training.budget`."""
    budget: Seconds | None = None
    """Training ends after this many seconds ("90s", "5m", "2h"); left out: after `training.examples`."""
    batch_size: PositiveInt = 32
    """Examples per batch, over all ranks and micro-batches."""
    accumulate: PositiveInt = 1
    """Micro-batches whose gradients are accumulated in a step, to save memory. Batch norm sees one at a time."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Random seed of the run."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    precision: Literal["float32", "bfloat16", "strict", "fastest"] = "float32"
    """Precision of the networks; penalties and scores are always float32. On GPUs, float32 allows TF32 in convolutions
    and matrix products, and strict does not. fastest: bfloat16 if a trial on this machine finds it at least a tenth
    faster than float32."""
    compile: Literal["never", "always", "fastest"] = "fastest"
    """Compile the networks and their penalties with torch.compile; if that fails, they run uncompiled.
    fastest: on a GPU, for runs of one process over ten minutes, if a trial finds it at least a tenth faster; never on a
    CPU."""
    freeze: dict[str, PositiveInt] = Field(default_factory=dict)
    """Stages of a player's network that keep the weights of the run that this one starts from, counted from the image
    on: `training.freeze.discriminator = 4` (Mo et al. 2020, arXiv:2002.10964)."""
    tick_examples: Count | None = None
    """Examples between two rows of the log; left out: a few seconds of training."""
    preview_examples: Count | None = None
    """Examples between two sample grids; left out: a fortieth of the run."""
    checkpoint_examples: Count | None = None
    """Examples between two checkpoints; left out: a minute of training."""

    @model_validator(mode="after")
    def _check_accumulation(self) -> Training:
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"`training.batch_size` {self.batch_size}: must be a multiple of `training.accumulate` "
                f"{self.accumulate}"
            )
        return self


def is_code(features: object) -> bool:
    """Return whether a value of `evaluation.features` names code: package.module:factory."""
    return ":" in str(features)


class OnlineEvaluation(Settings):
    """The evaluation of samples during training; the networks with the best score are kept in `best/`."""

    features: str = "auto"
    """The feature network: lite0, inception, pixels, a module of yours (`package.module:factory`), or none for no
    evaluation. auto: that of the kind of data, such as lite0 for images, if it is installed."""
    every_examples: Count | None = None
    """Examples between two evaluations; left out: as many evaluations as take 4% of the run's time, at most 20."""
    samples: Annotated[int, Field(ge=64)] = 512
    """Samples per evaluation."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Stop training after this many evaluations in a row without a better score; 0: never."""

    @property
    def names_code(self) -> bool:
        """Whether `features` is code that is imported and run."""
        return is_code(self.features)


class Diagnostics(Settings):
    """Monitoring of the run for failures such as mode collapse."""

    probe: bool = True
    """Probe the game at intervals; without it, only the signals that training itself logs are monitored."""
    every_examples: Count | None = None
    """Examples between two probes; left out: as often as a twentieth of the run's time allows, at most 60 times."""
    samples: Annotated[int, Field(ge=16, le=4096)] | None = None
    """Samples per probe; left out: 128, or fewer where a short run would otherwise have fewer than 12 probes."""
    gradients_every: PositiveInt | None = None
    """Probes between two measurements of gradients; left out: 1, or more in short runs."""
    duality_gap_every: PositiveInt | None = None
    """Probes between two estimates of the duality gap, each of which takes as long as 15 rounds; left out: 4, or more
    in short runs."""
    max_time_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    """A probe is reduced, and then left out, while probes have taken more than this part of the run's time. Left out:
    0.1 where `every_examples` is left out too, else no limit."""
    max_recoveries: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a run with a severe finding, or a mild one whose remedy cannot harm, returns to an earlier checkpoint
    and changes its settings."""


def _default_term_kinds(terms: object) -> object:
    """Set the kind of each term without one to the term's name: [terms.r1] is of kind r1."""
    if not isinstance(terms, dict):
        return terms
    return {
        name: {"kind": name.replace("_", "-")} | term if isinstance(term, dict) else term
        for name, term in terms.items()
    }


def _set_default_kind(kind: str) -> BeforeValidator:
    """Return a validator that sets the kind of a table without one."""
    return BeforeValidator(lambda table: {"kind": kind} | table if isinstance(table, dict) else table)


def validate_data(table: object) -> DataConfig:
    """Return the settings of the data as those of their kind, which is looked up, so that kinds can be added.

    Without `kind`, it is the kind that claims these settings.

    Raises:
        PydanticCustomError: there is no such kind.
        ValueError: the settings are no table, or one of them belongs to another kind.
    """
    if isinstance(table, DataConfig):
        return table
    if not isinstance(table, Mapping):
        raise ValueError("must be a table, such as [data] with `source`")
    settings = dict(table)
    kind = selected_kind(settings)
    if kind not in DATA_KINDS:
        tags = ", ".join(f"'{name}'" for name in DATA_KINDS)
        raise PydanticCustomError("union_tag_invalid", "no such kind of data", {"tag": kind, "expected_tags": tags})
    config = DATA_KINDS.find(kind).config
    for name in sorted(settings.keys() - config.model_fields.keys()):
        owners = [other for other in DATA_KINDS if name in DATA_KINDS.find(other).config.model_fields]
        if owners:
            raise ValueError(
                f"`data.{name}`: is a setting of {' and '.join(owners)}, and these data are {kind}; leave it out"
            )
    return config.model_validate(settings | {"kind": kind})


class Recipe(Settings):
    """All settings of a run."""

    name: str
    """The recipe's name."""
    description: str = ""
    """One sentence that says what the recipe does."""
    use_when: str = ""
    """When to choose it; completes the sentence "use it when"."""
    paper: str = ""
    """Authors, year and arXiv id."""
    data: Annotated[SerializeAsAny[DataConfig], BeforeValidator(validate_data)] = Field(
        default_factory=lambda: validate_data({})
    )
    latent: Annotated[Latent, _set_default_kind("normal")] = Normal()
    generator: AnyGeneratorConfig
    discriminator: AnyDiscriminatorConfig
    autoencoder: Annotated[AnyAutoencoderConfig | None, _set_default_kind("convolutional")] = None
    """The autoencoder whose codes `game.kind` latent-space plays on; left out: none."""
    game: Annotated[GameConfig, _set_default_kind("adversarial")] = AdversarialGameConfig()
    objective: Objective = NonSaturating()
    terms: Annotated[dict[str, AnyTerm], BeforeValidator(_default_term_kinds)] = Field(default_factory=dict)
    """Further loss terms, by name."""
    augment: Annotated[AugmentConfig | None, _set_default_kind("ada")] = None
    """Augmentation of real and fake examples before the discriminator; left out: chosen to suit the data."""
    optimizer: Annotated[AnyOptimizer, _set_default_kind("adam")] = Adam()
    ema: EMAConfig = EMAConfig()
    training: Training = Training()
    evaluation: OnlineEvaluation = OnlineEvaluation()
    diagnostics: Diagnostics = Diagnostics()

    @model_validator(mode="after")
    def _check_names(self) -> Recipe:
        if "objective" in self.terms:
            raise ValueError('`terms.objective`: "objective" is reserved for the objective; rename the term')
        per_player: dict[str, Collection[str]] = {
            "optimizer.lr_multipliers": self.optimizer.lr_multipliers,
            "optimizer.weight_clip": self.optimizer.weight_clip,
            "optimizer.max_grad_norm": self.optimizer.max_grad_norm,
            "training.freeze": self.training.freeze,
        }
        for setting, players in per_player.items():
            for player in players:
                if player not in self.game.player_names:
                    known = " and ".join(self.game.player_names)
                    raise ValueError(f"`{setting}.{player}`: there is no such player; the players are {known}")
        return self

    @property
    def is_conditional(self) -> bool:
        """Whether the game is conditioned on class labels."""
        return self.generator.condition != "none" or self.discriminator.condition != "none"

    @property
    def is_translation(self) -> bool:
        """Whether the generator translates inputs, instead of generating samples from latents."""
        return self.game.is_translation

    @property
    def pretrained_features(self) -> str:
        """The pretrained features that the generator is trained on, which therefore must not score it; "" for none."""
        terms = [term.pretrained_features for term in self.terms.values()]
        return next(filter(None, [self.discriminator.pretrained_features, self.game.pretrained_features, *terms]), "")

    def resolve_schedules(self, total_examples: int) -> Recipe:
        """Return the recipe with the length of every schedule in examples, for a run of `total_examples`."""
        changes = {name: _resolve_schedules(value, total_examples) for name, value in self}
        return self.model_validate(self.model_copy(update=changes).model_dump())


def _resolve_schedules(settings: object, total_examples: int) -> object:
    if isinstance(settings, Ramp | GrowthSchedule | AutoencoderStage):
        return settings.resolve(total_examples)
    if isinstance(settings, Settings):
        return settings.model_copy(update={name: _resolve_schedules(value, total_examples) for name, value in settings})
    if isinstance(settings, dict):
        return {name: _resolve_schedules(value, total_examples) for name, value in settings.items()}
    return settings
