"""From what the user said, the data and the machine to a complete recipe, with a reason for every choice."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zerosum.errors import BadInput
from zerosum.game.augment.config import ADA, Augment, NoAugment
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.parsing import Draft
from zerosum.recipes.recipe import SIZES, Recipe
from zerosum.run_folder import Row
from zerosum.units import say_count, say_seconds

if TYPE_CHECKING:
    from zerosum.data.images.inspect import Glance

CPU_BUDGET, GPU_BUDGET = 600.0, 3600.0
CPU_PIXELS, GPU_PIXELS = 64, 256
JUDGED_FROM = 60.0
"""Seconds of training below which samples are not judged on the way, unless it is asked for."""
JUDGED_SHARE, JUDGED_TIMES, JUDGED_FIRST = 0.04, 20, 3
"""Of a run's time that judging may take; judgements in a run at most; and how many the first look at real images is
worth."""
EXAMINED_FROM = 20.0
"""Seconds of training below which a run is not examined on the way, unless it is asked for."""
EXAMINED_SHARE, EXAMINED_TIMES = 0.033, 60
"""Of a run's time that examinations may take; examinations in a run at most."""
FEW_IMAGES = 2_000
FEWEST_EXAMINED = 16
"""Examples on either side without which an examination says nothing."""
AUGMENTED_BELOW = 30_000
"""Training images below which a discriminator soon knows them by heart."""

Words = Mapping[str, Any]
"""Settings by dotted name: {"optimizer.lr": 1e-4}."""


class About(Protocol):
    """Examples, as far as a plan needs them."""

    @property
    def train(self) -> Sized:
        """Those that training may see."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names."""

    @property
    def bounded(self) -> bool:
        """They are pictures."""


def _sizes(glance: Glance) -> str:
    """The pictures' sizes in words."""
    if glance.common_size:
        return "{}x{}".format(*glance.common_size)
    shorter = [min(size) for size in glance.sizes]
    return f"of several sizes, the shorter side {min(shorter)} to {max(shorter)}"


@dataclass(frozen=True)
class Choice:
    """One thing that was chosen, and why."""

    what: str
    value: str
    why: str

    def as_dict(self) -> dict[str, str]:
        """For plan.json."""
        return asdict(self)


def draft(recipe: str, case: str, words: Words, flags: Words) -> Draft:
    """A recipe's draft for a case ("nano", "points", ...), with the user's settings laid over.

    Args:
        recipe: a name or a .toml file.
        case: the overlay; one the recipe does not have changes nothing.
        words: dotted settings.
        flags: the same settings said by a short flag: {"training.images": ("--images", "200k")}.
    """
    file = RecipeFile(recipe)
    file.lay(case)
    for name, value in sorted(words.items(), key=lambda item: not item[0].endswith(".kind")):
        file.draft.put(tuple(name.split(".")), value, f"--{name}")
    for name, (flag, value) in flags.items():
        file.draft.put(tuple(name.split(".")), value, flag)
    return file.draft


def check_file(recipe: str) -> None:
    """Refuse a recipe file whose cases hold wrong settings, whichever of them this run will need.

    Raises:
        BadInput: every error of the first case that has one.
    """
    for case in RecipeFile(recipe).when:
        check_recipe(draft(recipe, case, {}, {}))


def check_size(recipe: str, size: str) -> None:
    """Refuse a --size that the recipe does not have.

    Raises:
        BadInput: no such size.
    """
    has = [s for s in SIZES if s in RecipeFile(recipe).when] + ["base"]
    if size not in has:
        raise BadInput(f"--size {size}: recipe {recipe} comes in {', '.join(dict.fromkeys(has))}")


def settle_data(draft: Draft, glance: Glance, on_cpu: bool) -> list[Choice]:
    """Fill in what the user left open about the data: pixels, channels, fit, mirroring."""
    data: dict[str, Any] = draft.tree.setdefault("data", {})
    if glance.kind == "points":
        if data.get("turn"):
            raise BadInput("--data.turn: turns pictures, and these data are points; leave it out")
        draft.put(("data", "mirror"), False, "")
        return []
    choices = []

    def choose(name: str, value: Any, shown: str, why: str) -> None:
        if data.get(name) is None:
            data[name] = value
            choices.append(Choice(name, shown, why))

    cap = CPU_PIXELS if on_cpu else GPU_PIXELS
    if data.get("fit") == "tiles":
        choose("size", cap, f"{cap} px", "squares that pictures are cut into (--data.size)")
    size, free = glance.recommended_size(cap), glance.recommended_size(1024)
    why = f"the pictures are {_sizes(glance)}"
    if free > size:
        needs = "a GPU or hours" if on_cpu else "a longer run"
        why += f"; more than {cap} px needs {needs} (--data.size {min(free, 2 * cap)})"
    choose("size", size, f"{size} px", why)
    colours = ("colour" if glance.colour else "grey") + (", transparency laid over white" if glance.alpha else "")
    choose("channels", glance.recommended_channels(), colours, "as in the pictures")
    fit = glance.recommended_fit(int(data["size"]) if isinstance(data["size"], int) else size)
    reasons = {
        "tiles": "pictures are cut into squares, unscaled",
        "pad": "the pictures are square and only just smaller, so they are framed, not blurred",
        "crop": "the middle square of each picture, then scaled (--data.fit pad or resize keeps the edges)",
        "resize": "all pictures are stretched to squares",
    }
    choose("fit", fit, fit, reasons[fit])
    few = glance.count < FEW_IMAGES and glance.colour
    if data.get("mirror") is None:
        data["mirror"] = few
        if few:
            why = f"{say_count(glance.count)} pictures are few, and mirrored ones double them"
            choices.append(Choice("mirror", "yes", f"{why} (--data.mirror false where left and right matter)"))
    return choices


def first_choices(recipe: Recipe, case: str, device: str, given: Collection[str]) -> list[Choice]:
    """The recipe, its size and its batch, before anything is measured.

    Args:
        recipe: the settings so far.
        case: the overlay that was laid.
        device: in words.
        given: the dotted names the user set.
    """
    cases = {
        "points": "the data are points, so its networks for points",
        "nano": "its networks for a CPU (--size small or base is slower and stronger)",
        "small": "its middle networks",
        "base": "its networks as published",
    }
    why = "asked for" if "size" in given else cases[case]
    batch = "asked for" if "training.batch" in given else "the recipe's for networks of this size"
    return [
        Choice("recipe", recipe.name, recipe.about.rstrip(".")),
        Choice("networks", f"{recipe.generator.kind}, {case}", why),
        Choice("batch", str(recipe.training.batch), batch),
        Choice("device", device, "the best one here" if recipe.training.device == "auto" else "asked for"),
    ]


def prolonged(recipe: Recipe, log: Sequence[Row], images: Any, budget: Any) -> Recipe:
    """The recipe of a run with a later end, its schedules stretched to it.

    Args:
        recipe: as the run began.
        log: its ticks, from which a budget is turned into images.
        images: the new end in images, or None.
        budget: the new end in seconds from the run's beginning, or None.

    Raises:
        BadInput: the new end is no number above 0.
    """
    draft = Draft(recipe.model_dump(mode="json", exclude_none=True))
    given = {"images": images, "budget": budget}
    for name, value in given.items():
        draft.tree["training"].pop(name, None)
        if value is not None:
            draft.put(("training", name), value, f"--{name}")
    later = check_recipe(draft)
    if later.training.images is None and later.training.budget is not None:
        last = log[-1] if log else {"images": 0, "seconds": 0}
        speed = last["images"] / last["seconds"] if last["seconds"] else 0.0
        more = speed * max(0.0, later.training.budget - last["seconds"])
        total = _rounded((last["images"] + more) or recipe.training.images or 0, recipe.training.batch)
        later = later.model_copy(update={"training": later.training.model_copy(update={"images": total})})
    return later


def settle_examples(recipe: Recipe, examples: About) -> tuple[Recipe, list[Choice]]:
    """Fill in what the user left open about how the examples are used, now that they have been read."""
    choices = []
    if examples.classes and not recipe.conditional:
        count = say_count(len(examples.classes))
        why = f"the {count} classes are not used (--recipe cgan makes samples of the class you ask for)"
        choices.append(Choice("classes", "none", why))
    if recipe.augment is None:
        augment: Augment = NoAugment()
        images = len(examples.train)
        if examples.bounded and images < AUGMENTED_BELOW and not recipe.translates:
            augment = ADA()
            why = f"{say_count(images)} images are few: what both are judged by is varied where the judge overfits"
            choices.append(Choice("augment", "ada", f"{why} (--augment.kind none)"))
        recipe = recipe.model_copy(update={"augment": augment})
    return recipe, choices


def settle_length(
    recipe: Recipe, seconds_per_round: float, on_cpu: bool, judged: bool = False
) -> tuple[Recipe, list[Choice]]:
    """Fill in how long and how often, from the measured time of a round; `judged` keeps time for judgements."""
    training = recipe.training
    speed = training.batch / seconds_per_round
    choices = []
    budget = training.budget
    if not training.images and not budget:
        budget = CPU_BUDGET if on_cpu else GPU_BUDGET
        choices.append(
            Choice("budget", say_seconds(budget), "none was asked for (--budget 30m or --images 500k changes it)")
        )
    images = training.images or math.inf
    if budget:
        spare = 0.07 + JUDGED_SHARE * judged  # goes to sheets, checkpoints, slower minutes, and judgements
        images = min(images, speed * budget * (1 - spare))
    total = max(training.batch, round(images / training.batch) * training.batch)
    total = training.images if training.images and images == training.images else total
    takes = total / speed
    pace = {
        "tick_images": training.tick_images or _rounded(speed * min(max(2.0, takes / 500), takes / 10), training.batch),
        "preview_images": training.preview_images
        or _rounded(speed * min(max(8.0, takes / 40), takes / 4), training.batch),
        "checkpoint_images": training.checkpoint_images or _rounded(speed * 60.0, training.batch),
    }
    length = training.model_copy(update={"images": total, "budget": budget, **pace})
    why = f"measured: {speed:,.0f} images/s on this machine, {say_count(total)} images"
    choices.append(Choice("takes", f"about {say_seconds(takes)}", why))
    return recipe.model_copy(update={"training": length}), choices


def settle_judging(recipe: Recipe, takes: float, each: float, features: str) -> tuple[Recipe, list[Choice]]:
    """Fill in how often samples are judged.

    Args:
        recipe: its length settled.
        takes: seconds the run takes.
        each: seconds a judgement takes.
        features: what sees the samples.
    """
    judging, images = recipe.judging, recipe.training.images or 0
    every = judging.every_images
    if every is None:
        times = min(JUDGED_TIMES, int(JUDGED_SHARE * takes / max(each, 1e-9) - JUDGED_FIRST))
        if times < 1 and judging.patience:
            times = JUDGED_TIMES
        if times < 1:
            return recipe, [Choice("judged", "after training", f"a judgement takes {say_seconds(each)} here")]
        every = _rounded(images / times, recipe.training.batch)
    times = max(1, images // every)
    why = f"{say_count(judging.samples)} samples against held-out images, {say_seconds(each)} each; the best are kept"
    settled = judging.model_copy(update={"features": features, "every_images": every})
    return recipe.model_copy(update={"judging": settled}), [Choice("judged", f"{times} times by {features}", why)]


def settle_doctor(recipe: Recipe, seconds_per_round: float, examples: int) -> Recipe:
    """Fill in how often the game is examined; never, where that is `doctor.examine = false` or the run is short.

    Args:
        recipe: its length settled.
        seconds_per_round: as measured.
        examples: to train on or held out, whichever are fewer.
    """
    doctor, training = recipe.doctor, recipe.training
    images, tick = training.images or 0, training.tick_images or training.batch
    takes = images / training.batch * seconds_per_round
    examine = (
        doctor.examine and examples >= FEWEST_EXAMINED and (takes >= EXAMINED_FROM or doctor.every_images is not None)
    )
    every = doctor.every_images
    if examine and every is None:
        each = seconds_per_round * rounds_of_examination(doctor.samples / training.batch, doctor.deep)
        every = round(images / max(1, min(EXAMINED_TIMES, int(EXAMINED_SHARE * takes / each))))
    if every is not None:
        every = max(1, round(every / tick)) * tick  # its numbers stand in a line of the log
    return recipe.model_copy(update={"doctor": doctor.model_copy(update={"examine": examine, "every_images": every})})


def rounds_of_examination(batches: float, deep: int) -> float:
    """The time of an examination in rounds of training, if it looks at the samples of so many batches.

    A batch is judged, made and made again without a way back; besides, some steps are made; and in every `deep`-th
    examination, ten best responses of either player.
    """
    return 1.5 * batches + 3 + 16 / deep


def _rounded(images: float, batch: int) -> int:
    """A count of images as a whole number of batches, at least one."""
    return max(1, round(images / batch)) * batch
