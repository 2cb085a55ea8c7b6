"""Choose the settings that the user left open, from the data and the machine, with a reason for each."""

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
"""Runs shorter than this are not evaluated during training unless the user asks for it."""
EVALUATION_TIME_FRACTION = 0.04
"""Evaluations during training take this fraction of the run's time."""
MAX_EVALUATIONS = 20
"""There are at most this many evaluations during training."""
FIRST_EVALUATION_COST = 3
"""The first evaluation also extracts the features of the real examples, which takes as long as this many
evaluations."""
PROBE_MIN_SECONDS = 20.0
"""Runs shorter than this are not probed during training unless the user asks for it."""
PROBE_TIME_FRACTION = 0.033
"""Probes take this fraction of the run's time."""
MAX_PROBES = 60
"""There are at most this many probes."""
OVERHEAD_TIME_FRACTION = 0.07
"""A run of a given duration reserves this fraction of it for sample grids, checkpoints, and rounds that take longer
than the measured ones."""
HFLIP_BELOW_EXAMPLES = 2_000
"""Color datasets with fewer images are augmented by horizontal flips."""
PROBE_MIN_EXAMPLES = 16
"""A probe needs at least this many training examples, and as many held-out ones."""
AUGMENT_BELOW_EXAMPLES = 30_000
"""With fewer training images, the discriminator overfits, so ADA is used."""

DottedSettings = Mapping[str, Any]
"""Settings by dotted name: {"optimizer.lr": 1e-4}."""


class DatasetInfo(Protocol):
    """The part of a dataset on which settings depend."""

    @property
    def train(self) -> Sized:
        """The training examples."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def bounded(self) -> bool:
        """Whether the examples are images, with values in [-1, 1]."""


def _describe_sizes(inspection: SourceInspection) -> str:
    """Return the sizes of the images in words."""
    if inspection.common_size:
        return "{}x{}".format(*inspection.common_size)
    shorter_sides = [min(size) for size in inspection.sizes]
    return f"of several sizes, with shorter sides of {min(shorter_sides)} to {max(shorter_sides)}"


@dataclass(frozen=True)
class Decision:
    """A setting that was chosen, with the reason."""

    name: str
    """The short name of the setting."""
    value: str
    """The chosen value, as text."""
    reason: str
    """Why it was chosen, and which settings change it."""

    def as_dict(self) -> dict[str, str]:
        """Return the fields as a dict, for plan.json."""
        return asdict(self)


def build_settings_tree(recipe: str, variant: str, settings: DottedSettings, arguments: DottedSettings) -> SettingsTree:
    """Return the settings of a recipe, overridden by those of a variant and then by the user's.

    Args:
        recipe: the name of a recipe, or a .toml file.
        variant: "nano", "points", ...; a variant that the recipe does not have changes nothing.
        settings: the user's settings by dotted name.
        arguments: settings that the user gave by an argument: {"training.examples": ("`examples`", "200k")}, with the
            argument in backticks, for error messages, and its value.
    """
    file = RecipeFile(recipe)
    file.apply_variant(variant)
    for name, value in sorted(settings.items(), key=lambda item: not item[0].endswith(".kind")):
        file.settings_tree.set(tuple(name.split(".")), value, f"`{name}`")
    for name, (argument, value) in arguments.items():
        file.settings_tree.set(tuple(name.split(".")), value, argument)
    return file.settings_tree


def check_recipe_variants(recipe: str) -> None:
    """Check every variant of a recipe file, not only the one that a run uses.

    Raises:
        BadInput: a variant has invalid settings; names all errors of the first such variant.
    """
    for variant in RecipeFile(recipe).variants:
        check_recipe(build_settings_tree(recipe, variant, {}, {}))


def check_network_size(recipe: str, size: str) -> None:
    """Check that a recipe has networks of a size.

    Raises:
        BadInput: the recipe has no networks of this size.
    """
    sizes = [known for known in NETWORK_SIZES if known in RecipeFile(recipe).variants] + ["base"]
    if size not in sizes:
        raise BadInput(f"`size` {size}: recipe {recipe} has the sizes {', '.join(dict.fromkeys(sizes))}; choose one")


def choose_data_settings(settings_tree: SettingsTree, inspection: SourceInspection, on_cpu: bool) -> list[Decision]:
    """Choose the open settings of the data: size, channels, fit and horizontal flips.

    Args:
        settings_tree: the settings so far; the chosen ones are added to it.
        inspection: what is known of the data.
        on_cpu: whether training runs on a CPU.

    Returns:
        The decisions.

    Raises:
        BadInput: `data.rotate90` is set, and the data are points.
    """
    data: dict[str, Any] = settings_tree.tree.setdefault("data", {})
    if inspection.kind == "points":
        if data.get("rotate90"):
            raise BadInput("`data.rotate90`: rotates images, and these data are points; leave it out")
        settings_tree.set(("data", "hflip"), False, "")
        return []
    decisions = []

    def choose(name: str, value: Any, text: str, reason: str) -> None:
        if data.get(name) is None:
            data[name] = value
            decisions.append(Decision(name, text, reason))

    max_size = CPU_MAX_IMAGE_SIZE if on_cpu else GPU_MAX_IMAGE_SIZE
    if data.get("fit") == "tiles":
        choose("size", max_size, f"{max_size} px", "side of the tiles that images are cut into (`data.size`)")
    size, reason = _recommended_size(inspection, max_size, on_cpu)
    choose("size", size, f"{size} px", reason)
    colors = ("color" if inspection.has_color else "gray") + (
        ", transparency composited on white" if inspection.has_alpha else ""
    )
    choose("channels", inspection.recommended_channels(), colors, "as in the images")
    fit = inspection.recommended_fit(int(data["size"]) if isinstance(data["size"], int) else size)
    choose("fit", fit, fit, _FIT_REASONS[fit])
    is_small = inspection.count < HFLIP_BELOW_EXAMPLES and inspection.has_color
    if data.get("hflip") is None:
        data["hflip"] = is_small
        if is_small:
            reason = f"there are only {format_count(inspection.count)} images, and horizontal flips double them"
            decisions.append(Decision("hflip", "yes", f"{reason} (set `data.hflip` false if left and right differ)"))
    return decisions


_FIT_REASONS = {
    "tiles": "images are cut into squares at their own resolution",
    "pad": "images are square and slightly smaller, so they are padded, not resampled",
    "crop": "center crop to a square, then resized (`data.fit` pad or resize keeps the edges)",
    "resize": "images are resized to squares without keeping their aspect ratio",
}


def _recommended_size(inspection: SourceInspection, max_size: int, on_cpu: bool) -> tuple[int, str]:
    """Return the side in pixels to which images are brought, and the reason."""
    size, unlimited_size = inspection.recommended_size(max_size), inspection.recommended_size(1024)
    reason = f"the images are {_describe_sizes(inspection)}"
    if unlimited_size > size:
        needs = "a GPU or hours" if on_cpu else "a longer run"
        reason += f"; more than {max_size} px needs {needs} (`data.size` {min(unlimited_size, 2 * max_size)})"
    return size, reason


def list_initial_decisions(recipe: Recipe, variant: str, device: str, user_set: Collection[str]) -> list[Decision]:
    """Return the decisions about recipe, networks, batch size and device, which need no measurement.

    Args:
        recipe: the settings so far.
        variant: the variant of the recipe.
        device: a description of the device.
        user_set: the dotted names of the settings that the user set.
    """
    network_reasons = {
        "points": "networks for points, because the data are points",
        "nano": "networks for a CPU (`size` small or base is slower and better)",
        "small": "networks of medium size",
        "base": "networks as published",
    }
    network_reason = "set by the user" if "size" in user_set else network_reasons[variant]
    batch_reason = "set by the user" if "training.batch_size" in user_set else "the recipe's, for networks of this size"
    device_reason = "the fastest one found" if recipe.training.device == "auto" else "set by the user"
    return [
        Decision("recipe", recipe.name, recipe.description.rstrip(".")),
        Decision("networks", f"{recipe.generator.kind}, {variant}", network_reason),
        Decision("batch size", str(recipe.training.batch_size), batch_reason),
        Decision("device", device, device_reason),
    ]


def extend_training(recipe: Recipe, log: Sequence[Row], examples: Any, budget: Any) -> Recipe:
    """Return the recipe of a run with a later end.

    Args:
        recipe: the recipe of the run.
        log: the rows of log.jsonl, from which a budget is converted to examples.
        examples: the new end in training examples, or None.
        budget: the new end in seconds since the beginning of the run, or None.

    Raises:
        BadInput: the new end is not a number above 0.
    """
    tree = SettingsTree(recipe.model_dump(mode="json", exclude_none=True))
    for name, value in {"examples": examples, "budget": budget}.items():
        tree.tree["training"].pop(name, None)
        if value is not None:
            tree.set(("training", name), value, f"`{name}`")
    extended = check_recipe(tree)
    if extended.training.examples is None and extended.training.budget is not None:
        last = log[-1] if log else {"examples": 0, "seconds": 0}
        speed = last["examples"] / last["seconds"] if last["seconds"] else 0.0
        more = speed * max(0.0, extended.training.budget - last["seconds"])
        total = _round_to_batches(
            (last["examples"] + more) or recipe.training.examples or 0, recipe.training.batch_size
        )
        training = extended.training.model_copy(update={"examples": total})
        extended = extended.model_copy(update={"training": training})
    return extended


def choose_augmentation(recipe: Recipe, dataset: DatasetInfo) -> tuple[Recipe, list[Decision]]:
    """Choose the augmentation, if it is open; report classes that the recipe does not use.

    Args:
        recipe: the settings so far.
        dataset: the data.

    Returns:
        The recipe with the augmentation, and the decisions.
    """
    decisions = []
    if dataset.classes and not recipe.is_conditional:
        count = format_count(len(dataset.classes))
        reason = f"the {count} classes are not used (`recipe` cgan generates samples of a given class)"
        decisions.append(Decision("classes", "none", reason))
    if recipe.augment is None:
        augment: AugmentConfig = NoAugment()
        num_examples = len(dataset.train)
        if dataset.bounded and num_examples < AUGMENT_BELOW_EXAMPLES and not recipe.is_translation:
            augment = ADA()
            reason = f"there are only {format_count(num_examples)} training images, which the discriminator may overfit"
            decisions.append(Decision("augment", "ada", f"{reason} (`augment.kind` none turns it off)"))
        recipe = recipe.model_copy(update={"augment": augment})
    return recipe, decisions


def choose_training_length(
    recipe: Recipe, seconds_per_round: float, on_cpu: bool, with_evaluation: bool = False
) -> tuple[Recipe, list[Decision]]:
    """Choose the open settings of the training length and its intervals.

    Args:
        recipe: the settings so far.
        seconds_per_round: the measured time of a round.
        on_cpu: whether training runs on a CPU.
        with_evaluation: whether the budget must also cover evaluations.

    Returns:
        The recipe with length and intervals, and the decisions.
    """
    training = recipe.training
    batch_size, speed = training.batch_size, training.batch_size / seconds_per_round
    decisions = []
    budget = training.budget
    if not training.examples and not budget:
        budget = CPU_BUDGET_SECONDS if on_cpu else GPU_BUDGET_SECONDS
        reason = "the default (change it with `budget` 30m or `examples` 500k)"
        decisions.append(Decision("budget", format_seconds(budget), reason))
    examples = training.examples or math.inf
    if budget:
        overhead = OVERHEAD_TIME_FRACTION + EVALUATION_TIME_FRACTION * with_evaluation
        examples = min(examples, speed * budget * (1 - overhead))
    total = max(batch_size, round(examples / batch_size) * batch_size)
    total = training.examples if training.examples and examples == training.examples else total
    seconds = total / speed
    tick_seconds, preview_seconds = min(max(2.0, seconds / 500), seconds / 10), min(max(8.0, seconds / 40), seconds / 4)
    intervals = {
        "tick_examples": training.tick_examples or _round_to_batches(speed * tick_seconds, batch_size),
        "preview_examples": training.preview_examples or _round_to_batches(speed * preview_seconds, batch_size),
        "checkpoint_examples": training.checkpoint_examples or _round_to_batches(speed * 60.0, batch_size),
    }
    reason = f"measured: {speed:,.0f} examples/s on this machine, {format_count(total)} examples"
    decisions.append(Decision("duration", f"about {format_seconds(seconds)}", reason))
    training = training.model_copy(update={"examples": total, "budget": budget, **intervals})
    return recipe.model_copy(update={"training": training}), decisions


def choose_evaluation_schedule(
    recipe: Recipe, training_seconds: float, seconds_per_evaluation: float, features: str
) -> tuple[Recipe, list[Decision]]:
    """Choose the interval of evaluations during training, if it is open.

    Args:
        recipe: the settings, with the training length.
        training_seconds: the expected training time.
        seconds_per_evaluation: the expected time of an evaluation.
        features: the name of the feature network.

    Returns:
        The recipe, and the decisions; unchanged if there is no time for an evaluation.
    """
    evaluation, examples = recipe.evaluation, recipe.training.examples or 0
    every_examples = evaluation.every_examples
    duration = format_seconds(seconds_per_evaluation)
    if every_examples is None:
        affordable = EVALUATION_TIME_FRACTION * training_seconds / max(seconds_per_evaluation, 1e-9)
        count = min(MAX_EVALUATIONS, int(affordable - FIRST_EVALUATION_COST))
        if count < 1 and evaluation.patience:
            count = MAX_EVALUATIONS
        if count < 1:
            return recipe, [Decision("evaluation", "after training", f"an evaluation takes {duration} on this machine")]
        every_examples = _round_to_batches(examples / count, recipe.training.batch_size)
    count = max(1, examples // every_examples)
    reason = (
        f"{format_count(evaluation.samples)} samples against held-out examples, {duration} each; the best networks are "
        "kept"
    )
    evaluation = evaluation.model_copy(update={"features": features, "every_examples": every_examples})
    decision = Decision("evaluation", f"{count} times by {features}", reason)
    return recipe.model_copy(update={"evaluation": evaluation}), [decision]


def choose_probe_schedule(recipe: Recipe, seconds_per_round: float, smallest_split: int) -> Recipe:
    """Choose the interval of probes, if it is open; turn probes off for short runs and small datasets.

    Args:
        recipe: the settings, with the training length.
        seconds_per_round: the measured time of a round.
        smallest_split: the number of training or held-out examples, whichever is smaller.
    """
    diagnostics, training = recipe.diagnostics, recipe.training
    examples, tick_examples = training.examples or 0, training.tick_examples or training.batch_size
    seconds = examples / training.batch_size * seconds_per_round
    every_examples = diagnostics.every_examples
    probe = (
        diagnostics.probe
        and smallest_split >= PROBE_MIN_EXAMPLES
        and (seconds >= PROBE_MIN_SECONDS or every_examples is not None)
    )
    if probe and every_examples is None:
        rounds = estimate_probe_rounds(diagnostics.samples / training.batch_size, diagnostics.duality_gap_every)
        count = int(PROBE_TIME_FRACTION * seconds / (seconds_per_round * rounds))
        every_examples = round(examples / max(1, min(MAX_PROBES, count)))
    if every_examples is not None:
        # a whole number of ticks, since the results of a probe are logged in the row of a tick
        every_examples = max(1, round(every_examples / tick_examples)) * tick_examples
    diagnostics = diagnostics.model_copy(update={"probe": probe, "every_examples": every_examples})
    return recipe.model_copy(update={"diagnostics": diagnostics})


def estimate_probe_rounds(batches: float, duality_gap_every: int) -> float:
    """Return the mean time of a probe, in rounds of training.

    Each batch is scored once, and generated twice without gradients; the trial steps of the players take 3 rounds.
    Every `duality_gap_every`-th probe also trains ten best responses of each player.

    Args:
        batches: the number of batches of samples in a probe.
        duality_gap_every: probes between two estimates of the duality gap.
    """
    return 1.5 * batches + 3 + 16 / duality_gap_every


def _round_to_batches(examples: float, batch_size: int) -> int:
    """Return a number of examples rounded to whole batches, at least one."""
    return max(1, round(examples / batch_size)) * batch_size
