"""From what the user said, the data and the machine to a complete recipe, with a reason for every choice."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from zerosum.errors import BadInput
from zerosum.game.augment.config import ADA, AugmentConfig, NoAugment
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import NETWORK_SIZES, Recipe
from zerosum.run_folder import Row
from zerosum.units import format_count, format_seconds

if TYPE_CHECKING:
    from zerosum.data.images.inspect import SourceInspection

CPU_BUDGET_SECONDS, GPU_BUDGET_SECONDS = 600.0, 3600.0
CPU_MAX_IMAGE_SIZE, GPU_MAX_IMAGE_SIZE = 64, 256
EVALUATION_MIN_SECONDS = 60.0
"""Seconds of training below which samples are not judged on the way, unless it is asked for."""
EVALUATION_TIME_FRACTION, MAX_EVALUATIONS, FIRST_EVALUATION_COST = 0.04, 20, 3
"""Of a run's time that judging may take; judgements in a run at most; and how many the first look at real images is
worth."""
PROBE_MIN_SECONDS = 20.0
"""Seconds of training below which a run is not examined on the way, unless it is asked for."""
PROBE_TIME_FRACTION, MAX_PROBES = 0.033, 60
"""Of a run's time that examinations may take; examinations in a run at most."""
HFLIP_BELOW_EXAMPLES = 2_000
PROBE_MIN_EXAMPLES = 16
"""Examples on either side without which an examination says nothing."""
AUGMENT_BELOW_EXAMPLES = 30_000
"""Training images below which a discriminator soon knows them by heart."""

DottedSettings = Mapping[str, Any]
"""Settings by dotted name: {"optimizer.lr": 1e-4}."""


class DatasetInfo(Protocol):
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


def _describe_sizes(inspection: SourceInspection) -> str:
    """The pictures' sizes in words."""
    if inspection.common_size:
        return "{}x{}".format(*inspection.common_size)
    shorter = [min(size) for size in inspection.sizes]
    return f"of several sizes, the shorter side {min(shorter)} to {max(shorter)}"


@dataclass(frozen=True)
class Decision:
    """One thing that was chosen, and why."""

    name: str
    value: str
    reason: str

    def as_dict(self) -> dict[str, str]:
        """For plan.json."""
        return asdict(self)


def build_settings_tree(recipe: str, variant: str, settings: DottedSettings, flags: DottedSettings) -> SettingsTree:
    """A recipe's draft for a case ("nano", "points", ...), with the user's settings laid over.

    Args:
        recipe: a name or a .toml file.
        variant: the overlay; one the recipe does not have changes nothing.
        settings: dotted settings.
        flags: the same settings said by a short flag: {"training.examples": ("--examples", "200k")}.
    """
    file = RecipeFile(recipe)
    file.apply_variant(variant)
    for name, value in sorted(settings.items(), key=lambda item: not item[0].endswith(".kind")):
        file.settings_tree.set(tuple(name.split(".")), value, f"--{name}")
    for name, (flag, value) in flags.items():
        file.settings_tree.set(tuple(name.split(".")), value, flag)
    return file.settings_tree


def check_recipe_variants(recipe: str) -> None:
    """Refuse a recipe file whose cases hold wrong settings, whichever of them this run will need.

    Raises:
        BadInput: every error of the first case that has one.
    """
    for case in RecipeFile(recipe).variants:
        check_recipe(build_settings_tree(recipe, case, {}, {}))


def check_network_size(recipe: str, size: str) -> None:
    """Refuse a --size that the recipe does not have.

    Raises:
        BadInput: no such size.
    """
    has = [s for s in NETWORK_SIZES if s in RecipeFile(recipe).variants] + ["base"]
    if size not in has:
        raise BadInput(f"--size {size}: recipe {recipe} comes in {', '.join(dict.fromkeys(has))}")


def choose_data_settings(settings_tree: SettingsTree, inspection: SourceInspection, on_cpu: bool) -> list[Decision]:
    """Fill in what the user left open about the data: pixels, channels, fit, mirroring."""
    data: dict[str, Any] = settings_tree.tree.setdefault("data", {})
    if inspection.kind == "points":
        if data.get("rotate90"):
            raise BadInput("--data.rotate90: turns pictures, and these data are points; leave it out")
        settings_tree.set(("data", "hflip"), False, "")
        return []
    decisions = []

    def choose(name: str, value: Any, shown: str, why: str) -> None:
        if data.get(name) is None:
            data[name] = value
            decisions.append(Decision(name, shown, why))

    cap = CPU_MAX_IMAGE_SIZE if on_cpu else GPU_MAX_IMAGE_SIZE
    if data.get("fit") == "tiles":
        choose("size", cap, f"{cap} px", "squares that pictures are cut into (--data.size)")
    size, free = inspection.recommended_size(cap), inspection.recommended_size(1024)
    why = f"the pictures are {_describe_sizes(inspection)}"
    if free > size:
        needs = "a GPU or hours" if on_cpu else "a longer run"
        why += f"; more than {cap} px needs {needs} (--data.size {min(free, 2 * cap)})"
    choose("size", size, f"{size} px", why)
    colors = ("color" if inspection.has_color else "gray") + (
        ", transparency laid over white" if inspection.has_alpha else ""
    )
    choose("channels", inspection.recommended_channels(), colors, "as in the pictures")
    fit = inspection.recommended_fit(int(data["size"]) if isinstance(data["size"], int) else size)
    reasons = {
        "tiles": "pictures are cut into squares, unscaled",
        "pad": "the pictures are square and only just smaller, so they are framed, not blurred",
        "crop": "the middle square of each picture, then scaled (--data.fit pad or resize keeps the edges)",
        "resize": "all pictures are stretched to squares",
    }
    choose("fit", fit, fit, reasons[fit])
    few = inspection.count < HFLIP_BELOW_EXAMPLES and inspection.has_color
    if data.get("hflip") is None:
        data["hflip"] = few
        if few:
            why = f"{format_count(inspection.count)} pictures are few, and mirrored ones double them"
            decisions.append(Decision("hflip", "yes", f"{why} (--data.hflip false where left and right matter)"))
    return decisions


def list_initial_decisions(recipe: Recipe, variant: str, device: str, user_set: Collection[str]) -> list[Decision]:
    """The recipe, its size and its batch, before anything is measured.

    Args:
        recipe: the settings so far.
        variant: the overlay that was laid.
        device: in words.
        user_set: the dotted names the user set.
    """
    cases = {
        "points": "the data are points, so its networks for points",
        "nano": "its networks for a CPU (--size small or base is slower and stronger)",
        "small": "its middle networks",
        "base": "its networks as published",
    }
    why = "asked for" if "size" in user_set else cases[variant]
    batch = "asked for" if "training.batch_size" in user_set else "the recipe's for networks of this size"
    return [
        Decision("recipe", recipe.name, recipe.description.rstrip(".")),
        Decision("networks", f"{recipe.generator.kind}, {variant}", why),
        Decision("batch size", str(recipe.training.batch_size), batch),
        Decision("device", device, "the best one here" if recipe.training.device == "auto" else "asked for"),
    ]


def extend_training(recipe: Recipe, log: Sequence[Row], examples: Any, budget: Any) -> Recipe:
    """The recipe of a run with a later end, its schedules stretched to it.

    Args:
        recipe: as the run began.
        log: its ticks, from which a budget is turned into images.
        examples: the new end in images, or None.
        budget: the new end in seconds from the run's beginning, or None.

    Raises:
        BadInput: the new end is no number above 0.
    """
    draft = SettingsTree(recipe.model_dump(mode="json", exclude_none=True))
    given = {"examples": examples, "budget": budget}
    for name, value in given.items():
        draft.tree["training"].pop(name, None)
        if value is not None:
            draft.set(("training", name), value, f"--{name}")
    later = check_recipe(draft)
    if later.training.examples is None and later.training.budget is not None:
        last = log[-1] if log else {"examples": 0, "seconds": 0}
        speed = last["examples"] / last["seconds"] if last["seconds"] else 0.0
        more = speed * max(0.0, later.training.budget - last["seconds"])
        total = _round_to_batches(
            (last["examples"] + more) or recipe.training.examples or 0, recipe.training.batch_size
        )
        later = later.model_copy(update={"training": later.training.model_copy(update={"examples": total})})
    return later


def choose_augmentation(recipe: Recipe, dataset: DatasetInfo) -> tuple[Recipe, list[Decision]]:
    """Fill in what the user left open about how the examples are used, now that they have been read."""
    decisions = []
    if dataset.classes and not recipe.is_conditional:
        count = format_count(len(dataset.classes))
        why = f"the {count} classes are not used (--recipe cgan makes samples of the class you ask for)"
        decisions.append(Decision("classes", "none", why))
    if recipe.augment is None:
        augment: AugmentConfig = NoAugment()
        images = len(dataset.train)
        if dataset.bounded and images < AUGMENT_BELOW_EXAMPLES and not recipe.is_translation:
            augment = ADA()
            why = f"{format_count(images)} images are few: what both are judged by is varied where the judge overfits"
            decisions.append(Decision("augment", "ada", f"{why} (--augment.kind none)"))
        recipe = recipe.model_copy(update={"augment": augment})
    return recipe, decisions


def choose_training_length(
    recipe: Recipe, seconds_per_round: float, on_cpu: bool, with_evaluation: bool = False
) -> tuple[Recipe, list[Decision]]:
    """Fill in how long and how often, from the measured time of a round; `with_evaluation` keeps time for judgements."""
    training = recipe.training
    speed = training.batch_size / seconds_per_round
    decisions = []
    budget = training.budget
    if not training.examples and not budget:
        budget = CPU_BUDGET_SECONDS if on_cpu else GPU_BUDGET_SECONDS
        decisions.append(
            Decision(
                "budget", format_seconds(budget), "none was asked for (--budget 30m or --examples 500k changes it)"
            )
        )
    images = training.examples or math.inf
    if budget:
        spare = (
            0.07 + EVALUATION_TIME_FRACTION * with_evaluation
        )  # goes to sheets, checkpoints, slower minutes, and judgements
        images = min(images, speed * budget * (1 - spare))
    total = max(training.batch_size, round(images / training.batch_size) * training.batch_size)
    total = training.examples if training.examples and images == training.examples else total
    takes = total / speed
    pace = {
        "tick_examples": training.tick_examples
        or _round_to_batches(speed * min(max(2.0, takes / 500), takes / 10), training.batch_size),
        "preview_examples": training.preview_examples
        or _round_to_batches(speed * min(max(8.0, takes / 40), takes / 4), training.batch_size),
        "checkpoint_examples": training.checkpoint_examples or _round_to_batches(speed * 60.0, training.batch_size),
    }
    length = training.model_copy(update={"examples": total, "budget": budget, **pace})
    why = f"measured: {speed:,.0f} images/s on this machine, {format_count(total)} images"
    decisions.append(Decision("duration", f"about {format_seconds(takes)}", why))
    return recipe.model_copy(update={"training": length}), decisions


def choose_evaluation_schedule(
    recipe: Recipe, training_seconds: float, seconds_per_evaluation: float, features: str
) -> tuple[Recipe, list[Decision]]:
    """Fill in how often samples are judged.

    Args:
        recipe: its length settled.
        training_seconds: seconds the run takes.
        seconds_per_evaluation: seconds a judgement takes.
        features: what sees the samples.
    """
    judging, images = recipe.evaluation, recipe.training.examples or 0
    every = judging.every_examples
    if every is None:
        times = min(
            MAX_EVALUATIONS,
            int(
                EVALUATION_TIME_FRACTION * training_seconds / max(seconds_per_evaluation, 1e-9) - FIRST_EVALUATION_COST
            ),
        )
        if times < 1 and judging.patience:
            times = MAX_EVALUATIONS
        if times < 1:
            return recipe, [
                Decision(
                    "evaluation", "after training", f"a judgement takes {format_seconds(seconds_per_evaluation)} here"
                )
            ]
        every = _round_to_batches(images / times, recipe.training.batch_size)
    times = max(1, images // every)
    why = f"{format_count(judging.samples)} samples against held-out images, {format_seconds(seconds_per_evaluation)} each; the best are kept"
    settled = judging.model_copy(update={"features": features, "every_examples": every})
    return recipe.model_copy(update={"evaluation": settled}), [
        Decision("evaluation", f"{times} times by {features}", why)
    ]


def choose_probe_schedule(recipe: Recipe, seconds_per_round: float, smallest_split: int) -> Recipe:
    """Fill in how often the game is examined; never, where that is `diagnostics.probe = false` or the run is short.

    Args:
        recipe: its length settled.
        seconds_per_round: as measured.
        smallest_split: to train on or held out, whichever are fewer.
    """
    monitor, training = recipe.diagnostics, recipe.training
    images, tick = training.examples or 0, training.tick_examples or training.batch_size
    takes = images / training.batch_size * seconds_per_round
    examine = (
        monitor.probe
        and smallest_split >= PROBE_MIN_EXAMPLES
        and (takes >= PROBE_MIN_SECONDS or monitor.every_examples is not None)
    )
    every = monitor.every_examples
    if examine and every is None:
        each = seconds_per_round * estimate_probe_rounds(
            monitor.samples / training.batch_size, monitor.duality_gap_every
        )
        every = round(images / max(1, min(MAX_PROBES, int(PROBE_TIME_FRACTION * takes / each))))
    if every is not None:
        every = max(1, round(every / tick)) * tick  # its numbers stand in a line of the log
    return recipe.model_copy(
        update={"diagnostics": monitor.model_copy(update={"probe": examine, "every_examples": every})}
    )


def estimate_probe_rounds(batches: float, duality_gap_every: int) -> float:
    """The time of an examination in rounds of training, if it looks at the samples of so many batches.

    A batch is judged, made and made again without a way back; besides, some steps are made; and in every `duality_gap_every`-th
    examination, ten best responses of either player.
    """
    return 1.5 * batches + 3 + 16 / duality_gap_every


def _round_to_batches(examples: float, batch_size: int) -> int:
    """A count of images as a whole number of batches, at least one."""
    return max(1, round(examples / batch_size)) * batch_size
