"""Recipes: typed settings, and the assembly of networks, game and data from them.

Names become objects here, once, by the `kind` of each section. A new GAN is a recipe file, plus a network or a game
file when it truly brings one.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from zerosum.data.degradations.degrade import check
from zerosum.errors import BadInput
from zerosum.game.augment.config import Augment
from zerosum.game.config import AdversarialGame, Kind
from zerosum.game.latent import Normal, Prior
from zerosum.game.objective import NonSaturating, Objective
from zerosum.game.optimizer import Adam, Optimizer
from zerosum.game.progressive_growth import Growth
from zerosum.game.schedule import Ramp, Schedule
from zerosum.game.terms import AnyTerm
from zerosum.networks.configs import Discriminator, Generator
from zerosum.recipes.parsing import Draft
from zerosum.recipes.validation import complaint_about
from zerosum.settings import Setting
from zerosum.units import Count, Seconds

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.adversarial import Adversarial
    from zerosum.training.accelerator import Machine

SIZES = ("nano", "small", "base")
CASES = (*SIZES, "points")
"""When a recipe file may change its settings: for networks of a size, and for data that are points."""


def _listed(names: Any) -> Any:
    """One name, or several separated by commas, as a list of names."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


class Data(Setting):
    """What is trained on."""

    source: str = ""
    """A folder, a zip, an .npz or .npy, or the name of a built-in set."""
    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Pixels a side; left out: chosen by looking at the data."""
    channels: Annotated[int, Field(ge=1, le=4)] | None = None
    """1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha; left out: chosen by looking at the data."""
    fit: Literal["crop", "pad", "resize", "tiles"] | None = None
    """How other shapes become squares; left out: chosen by looking at the data. tiles: cut into squares, unscaled."""
    mirror: bool | None = None
    """Mirror half of the pictures left to right; left out: chosen by looking at the data."""
    turn: bool = False
    """Turn pictures by 0, 90, 180 or 270 degrees: for those that have no up, and no light from one side."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads that fetch batches ahead."""
    pairs: Literal["none", "paired", "unpaired"] = "none"
    """For games that turn pictures into others: what is given and what is wanted come in pairs, or they do not."""
    given: str = "A"
    """The sub-folder of the pictures that are given; of pictures side by side, A is the left half."""
    wanted: str = "B"
    """The sub-folder of the pictures that are wanted."""
    beside: str = ""
    """A second folder, of the wanted pictures; `source` is then that of the given ones."""
    degrade: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ()
    """What is given is made from what is wanted, by these one after the other: grey, edges, down2, down4, down8, masks,
    blur, jpeg, noise, scratches."""

    @model_validator(mode="after")
    def _degrades(self) -> Data:
        if self.degrade:
            check(self.degrade)
        return self


class Averaging(Setting):
    """The generator's exponential moving average: what is shown and shipped."""

    half_life_images: Schedule = 500.0
    """Images after which half of an old weight is forgotten; 0 follows exactly."""


class Training(Setting):
    """How long, how often, on what."""

    images: Count | None = None
    """Images the generator is trained on, then it is over; left out: as the budget says."""
    budget: Seconds | None = None
    """Seconds of training, then it is over ("90s", "5m", "2h"); left out: as `images` says."""
    batch: PositiveInt = 32
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
    tick_images: Count | None = None
    """Images between two lines of the log; left out: some seconds' worth."""
    preview_images: Count | None = None
    """Images between two sample sheets; left out: a fortieth of the run."""
    checkpoint_images: Count | None = None
    """Images between two checkpoints; left out: a minute's worth."""

    @model_validator(mode="after")
    def _divides(self) -> Training:
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} does not divide into accumulate = {self.accumulate} equal parts")
        return self


class Judging(Setting):
    """How samples are judged while the run is played; the best-judged generator is kept apart."""

    features: str = "auto"
    """What sees them: lite0, inception, pixels, a module of yours (`package.module:factory`), or none, so that nothing
    is judged. auto: lite0 for pictures, where it is installed."""
    every_images: Count | None = None
    """Images between two judgements; left out: as many as take a twenty-fifth of the run's time, 20 at most."""
    samples: Annotated[int, Field(ge=64)] = 512
    """Samples each judgement is about."""
    patience: Annotated[int, Field(ge=0)] = 0
    """Judgements in a row without a better score, after which the run ends; 0: never."""


class Doctor(Setting):
    """How a run is watched for trouble."""

    examine: bool = True
    """Examine the game now and then; without, only what training itself shows is looked at."""
    every_images: Count | None = None
    """Images between two examinations; left out: as many as take a thirtieth of the run's time, 60 at most."""
    samples: Annotated[int, Field(ge=32, le=4096)] = 128
    """Samples that an examination looks at."""
    deep: PositiveInt = 4
    """Every so many examinations, the duality gap is worked out too."""
    rescues: Annotated[int, Field(ge=0, le=10)] = 0
    """How often a run that a severe finding stands against is put back to when it was well, and treated (--rescue)."""


def _name_terms(terms: Any) -> Any:
    """A term without a kind is of the kind it is named after: [terms.r1] needs no more."""
    if not isinstance(terms, dict):
        return terms
    return {k: {"kind": k.replace("_", "-")} | v if isinstance(v, dict) else v for k, v in terms.items()}


def _usually(kind: str) -> BeforeValidator:
    """A table without a kind is of this one."""
    return BeforeValidator(lambda table: {"kind": kind} | table if isinstance(table, dict) else table)


class Recipe(Setting):
    """Everything that makes a run."""

    name: str
    """The recipe's name."""
    about: str = ""
    """One sentence: what it is good for."""
    paper: str = ""
    """Authors, year, arXiv id."""
    data: Data = Data()
    latent: Prior = Normal()
    generator: Generator
    discriminator: Discriminator
    game: Annotated[Kind, _usually("adversarial")] = AdversarialGame()
    objective: Objective = NonSaturating()
    terms: Annotated[dict[str, AnyTerm], BeforeValidator(_name_terms)] = Field(default_factory=dict)
    """Further losses, by name."""
    augment: Annotated[Augment | None, _usually("ada")] = None
    """How real and fake are varied before they are judged; left out: chosen by looking at the data."""
    optimizer: Annotated[Optimizer, _usually("adam")] = Adam()
    average: Averaging = Averaging()
    training: Training = Training()
    judging: Judging = Judging()
    doctor: Doctor = Doctor()

    @model_validator(mode="after")
    def _names_are_known(self) -> Recipe:
        if "score" in self.terms:
            raise ValueError('--terms.score: the name "score" is the objective\'s own; give the term another')
        for setting, named in {"rates": self.optimizer.rates, "clip": self.optimizer.clip}.items():
            for player in named:
                if player not in self.game.players:
                    known = " and ".join(self.game.players)
                    raise ValueError(f"--optimizer.{setting}.{player}: there is no such player; {known} play")
        return self

    @model_validator(mode="after")
    def _goes_together(self) -> Recipe:
        complaint = complaint_about(self)
        if complaint:
            raise ValueError(complaint)
        return self

    @property
    def conditional(self) -> bool:
        """Whether its samples are made of a class."""
        return self.generator.condition != "none" or self.discriminator.condition != "none"

    @property
    def translates(self) -> bool:
        """Whether its samples are made from pictures."""
        return self.game.translates

    @property
    def sees_through(self) -> str:
        """The features that the generator is trained to please, which therefore must not judge it; "" for none."""
        terms = [term.sees_through for term in self.terms.values()]
        return next(filter(None, [self.discriminator.sees_through, *terms]), "")

    def spread(self, images: int) -> Recipe:
        """The recipe with every schedule's length in images, for a run of `images` images."""
        return self.model_validate(_spread(self, images).model_dump())


def _spread(setting: Any, images: int) -> Any:
    if isinstance(setting, Ramp | Growth):
        return setting.over(images)
    if isinstance(setting, Setting):
        return setting.model_copy(update={n: _spread(getattr(setting, n), images) for n in type(setting).model_fields})
    return {n: _spread(v, images) for n, v in setting.items()} if isinstance(setting, dict) else setting


# ---------------------------------------------------------------------- recipes as files


def names() -> list[str]:
    """The recipes that come with Zerosum."""
    return sorted(p.name.removesuffix(".toml") for p in _home().iterdir() if p.name.endswith(".toml"))


def text(name: str) -> str:
    """A recipe as text, to read, copy and edit: one that comes with Zerosum, or a file's.

    Raises:
        BadInput: there is none of that name.
    """
    if name in names():
        return (_home() / f"{name}.toml").read_text("utf8")
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        try:
            return path.read_text("utf8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"--recipe {name}: cannot be read ({error}); put the file right") from error
    near = difflib.get_close_matches(name, names(), 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ";"
    what = "no such file" if path.suffix == ".toml" else "no such recipe"
    raise BadInput(f"--recipe {name}: {what}{hint} Recipes: {', '.join(names())}, or a .toml file of yours")


def _home() -> Traversable:
    return resources.files("zerosum") / "recipes"


class RecipeFile:
    """A recipe file: its settings, and what it changes `when` the data or the size ask for it."""

    def __init__(self, name: str) -> None:
        """Read the recipe of that name."""
        file = name if name.endswith(".toml") else f"{name}.toml"
        self.name = Path(name).name.removesuffix(".toml")
        self.draft = Draft.parse(text(name), file)
        self.when: dict[str, Any] = self.draft.tree.pop("when", {})
        self.draft.tree["name"] = self.name
        if not isinstance(self.when, dict) or not all(isinstance(case, dict) for case in self.when.values()):
            raise BadInput(f"{file}: [when] holds tables, one a case: [when.{CASES[0]}.generator]")
        for case in self.when:
            if case not in CASES:
                where = self.draft.origin(("when", case)) or file
                raise BadInput(f"{where}: when.{case}: there is no such case; there are {', '.join(CASES)}")

    def lay(self, case: str) -> bool:
        """Lay over what the file says for a case: "points", "nano", ...; whether it says anything."""
        if case in self.when:
            self.draft.overlay(self.when[case], self.draft.origins, ("when", case))
        return case in self.when


# ---------------------------------------------------------------------- assembly


def assemble(
    recipe: Recipe,
    shape: tuple[int, ...],
    bounded: bool,
    machine: Machine,
    shares: Sequence[float] = (),
    given: tuple[int, ...] = (),
) -> Adversarial:
    """The game a recipe describes, its networks freshly initialised from the recipe's seed.

    Args:
        recipe: settings whose schedules are in images.
        shape: of one sample: (C, H, W) or (F,).
        bounded: samples lie in [-1, 1].
        machine: where the networks are placed.
        shares: of each class among the data, where there are classes.
        given: the shape (C, h, w) of what a sample is made from; () where that is noise.

    Raises:
        BadInput: the networks cannot make samples of this shape, or need classes and there are none.
    """
    import torch

    torch.manual_seed(recipe.training.seed)
    classes = len(shares) if recipe.conditional else 0
    if recipe.augment:
        recipe.augment.check(shape)
    generator, discriminator = _networks(recipe, shape, bounded, classes, given)
    game = recipe.game.seat(
        machine.place(generator),
        machine.place(discriminator),
        recipe.latent,
        recipe.objective,
        recipe.terms,
        recipe.optimizer,
        recipe.average.half_life_images,
        alone=recipe.discriminator.alone,
        augment=recipe.augment,
        shares=shares if classes else (),
        shape=(2, *shape) if recipe.game.both else shape,
        batch=recipe.training.batch,
        **_eyes(recipe, shape, machine),
    )
    machine.hasten(game)
    torch.manual_seed((machine.rank + 1) * 2**32 + recipe.training.seed)  # what networks draw differs by rank
    return game


def _networks(
    recipe: Recipe, shape: tuple[int, ...], bounded: bool, classes: int, given: tuple[int, ...]
) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator; a pair of each where the game is played both ways."""

    def generator() -> nn.Module:
        return recipe.generator.build(recipe.latent.size, shape, bounded, classes, given)

    def discriminator() -> nn.Module:
        return recipe.discriminator.build(shape, classes, given)

    if not recipe.game.both:
        return generator(), discriminator()
    from zerosum.networks import cycle_pair

    made = cycle_pair.BothGenerators(generator(), generator())
    return made, cycle_pair.BothDiscriminators(discriminator(), discriminator())


def _eyes(recipe: Recipe, shape: tuple[int, ...], machine: Machine) -> dict[str, Any]:
    """What the perceptual term looks through, where there is one."""
    if not any(term.sees_through for term in recipe.terms.values()):
        return {}
    from zerosum.networks.perceptual import Perception

    return {"perceive": Perception(max(shape[1:])).to(machine.device)}
