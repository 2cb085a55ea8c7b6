"""Choose the settings that the user left open, from the data and the machine, with a reason for each."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence, Sized
from typing import TYPE_CHECKING, Protocol

from zerosum.data.kind import DATA_KINDS
from zerosum.game.augment.config import AUGMENTS, AugmentConfig, NoAugment
from zerosum.recipes.choices import Choice
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import Row
from zerosum.settings import Decision
from zerosum.units import format_count, format_seconds

if TYPE_CHECKING:
    from zerosum.data.config import DataConfig
    from zerosum.data.kind import Inspection

CPU_BUDGET_SECONDS, GPU_BUDGET_SECONDS = 600.0, 3600.0
EVALUATION_MIN_SECONDS = 60.0
"""Runs shorter than this are not evaluated during training unless the user asks for it."""
EVALUATION_TIME_FRACTION = 0.04
"""Evaluations during training take this fraction of the run's time."""
MAX_EVALUATIONS = 20
"""There are at most this many evaluations during training."""
FIRST_EVALUATION_COST = 3
"""The first evaluation also extracts the features of the real examples, which takes as long as this many
evaluations."""
LAST_EXAMINATION_FRACTION = 0.95
"""The last probe and the last evaluation are planned at this fraction of a run that a budget may end early."""
OVERHEAD_TIME_FRACTION = 0.07
"""A run of a given duration reserves this fraction of it for sample grids, checkpoints, and rounds that take longer
than the measured ones."""
MIN_ROUNDS = 300
"""With fewer rounds, samples of the classic recipes are of one color or all alike (benchmarks/robustness.py)."""
AUGMENT_BELOW_EXAMPLES = 30_000
"""With fewer training examples, the discriminator overfits, so it is augmented."""


class DatasetInfo(Protocol):
    """The part of a dataset on which settings depend."""

    @property
    def train(self) -> Sized:
        """The training examples."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""


def choose_data_settings(
    settings_tree: SettingsTree, data: DataConfig, inspection: Inspection, on_cpu: bool
) -> list[Decision]:
    """Choose the open settings of the data.

    Args:
        settings_tree: the settings so far; the chosen ones are added to it.
        data: the settings of the data so far, of their kind.
        inspection: what is known of the data.
        on_cpu: whether training runs on a CPU.

    Returns:
        The decisions.
    """
    table = settings_tree.tree.setdefault("data", {})
    table["kind"] = data.kind
    decisions = DATA_KINDS.find(data.kind).choose_settings(table, inspection, on_cpu)
    return decisions + _choose_upscale_factor(settings_tree, table.get("scale_factor"))


def _choose_upscale_factor(settings_tree: SettingsTree, scale_factor: object) -> list[Decision]:
    """Set `generator.upscale_factor` to that of the data, if a recipe file has set another one."""
    generator = settings_tree.tree.get("generator")
    path = ("generator", "upscale_factor")
    is_given = settings_tree.origins.get(path, "").startswith("`")
    if scale_factor is None or not isinstance(generator, dict) or is_given:
        return []
    if generator.get("upscale_factor") in (None, scale_factor):
        return []
    settings_tree.set(path, scale_factor, "")
    return [Decision("upscaling", f"by {scale_factor}", "as in the pairs (`generator.upscale_factor`)")]


def list_initial_decisions(
    recipe: Recipe, variant: str, device: str, user_set: Collection[str], choice: Choice | None = None
) -> list[Decision]:
    """Return the decisions about recipe, networks, batch size and device, which need no measurement.

    Args:
        recipe: the settings so far.
        variant: the variant of the recipe.
        device: a description of the device.
        user_set: the dotted names of the settings that the user set.
        choice: the row of the recipe file by which recipe or size was chosen.
    """
    network_reasons = {
        "nano": "networks for a CPU (`size` small or base is slower and better)",
        "small": "networks of medium size",
        "base": "networks as published",
    }
    by_kind = f"networks for {variant}, because the data are {recipe.data.kind}"
    network_reason = "set by the user" if "size" in user_set else network_reasons.get(variant, by_kind)
    recipe_reason = recipe.description.rstrip(".")
    if choice is not None:
        network_reason = choice.reason if choice.size else network_reason
        recipe_reason = choice.reason if choice.recipe else recipe_reason
    batch_reason = "set by the user" if "training.batch_size" in user_set else "the recipe's, for networks of this size"
    device_reason = "the fastest one found" if recipe.training.device == "auto" else "set by the user"
    return [
        Decision("recipe", recipe.name, recipe_reason),
        Decision("networks", f"{recipe.generator.kind}, {variant}", network_reason),
        Decision("batch size", str(recipe.training.batch_size), batch_reason),
        Decision("device", device, device_reason),
    ]


def extend_training(recipe: Recipe, log: Sequence[Row], examples: object, budget: object) -> Recipe:
    """Return the recipe of a run with a later end.

    Args:
        recipe: the recipe of the run.
        log: the rows of log.jsonl, from which a budget is converted to examples.
        examples: the new end in training examples, or None.
        budget: the new end in seconds since the beginning of the run, or None.

    Raises:
        BadInput: the new end is not a number above 0.
    """
    if recipe.training.examples:
        recipe = recipe.model_copy(update={"game": recipe.game.keep_stages(recipe.training.examples)})
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
        kind = DATA_KINDS.find(recipe.data.kind)
        is_augmentable = kind.augmentation != "none" and not recipe.is_translation and recipe.autoencoder is None
        if is_augmentable and num_examples < AUGMENT_BELOW_EXAMPLES:
            augment = AUGMENTS[kind.augmentation]()
            count = f"{format_count(num_examples)} training {kind.noun}s"
            reason = f"there are only {count}, which the discriminator may overfit"
            decisions.append(Decision("augment", augment.kind, f"{reason} (`augment.kind` none turns it off)"))
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
    decisions += _describe_stage(recipe, total)
    training = training.model_copy(update={"examples": total, "budget": budget, **intervals})
    return recipe.model_copy(update={"training": training}), decisions


def warn_of_few_rounds(recipe: Recipe) -> list[Decision]:
    """Return a warning if new networks have too few rounds to learn shapes, whatever the recipe.

    Args:
        recipe: the settings, with the length of the training.
    """
    assert recipe.training.examples, "the length is planned"
    rounds = recipe.training.examples // recipe.training.batch_size
    reason = "too few to learn much of the data; give a longer `budget` or a smaller `training.batch_size`"
    return [Decision("rounds", f"{rounds}", reason)] if rounds < MIN_ROUNDS else []


def replan_training(recipe: Recipe, requested: Recipe, examples: int, seconds: float, speed: float) -> Recipe:
    """Return the recipe of a run with a new end: what the rest of its budget allows at the speed of now.

    The speed that was measured before the run is that of a few seconds, in which other programs may have run.

    Args:
        recipe: the recipe of the run, with a budget.
        requested: the recipe before the open settings were chosen; what it sets is kept.
        examples: number of examples so far.
        seconds: duration of the run so far.
        speed: examples per second.
    """
    training, evaluation, diagnostics = recipe.training, recipe.evaluation, recipe.diagnostics
    assert training.examples, "the length was planned before"
    assert training.budget, "only a run with a budget is planned again"
    overhead = OVERHEAD_TIME_FRACTION + EVALUATION_TIME_FRACTION * (evaluation.every_examples is not None)
    rest = speed * (1 - overhead) * max(0.0, training.budget - seconds)
    total = examples + _round_to_batches(rest, training.batch_size)
    last = last_examination(recipe)
    recipe = recipe.model_copy(update={"training": training.model_copy(update={"examples": total})})
    if evaluation.every_examples and requested.evaluation.every_examples is None:
        every = examination_interval(recipe, max(1, last // evaluation.every_examples), training.batch_size)
        evaluation = evaluation.model_copy(update={"every_examples": every})
    if diagnostics.every_examples and requested.diagnostics.every_examples is None:
        unit = training.tick_examples or training.batch_size
        every = examination_interval(recipe, max(1, last // diagnostics.every_examples), unit)
        diagnostics = diagnostics.model_copy(update={"every_examples": every})
    return recipe.model_copy(update={"evaluation": evaluation, "diagnostics": diagnostics})


def _describe_stage(recipe: Recipe, total_examples: int) -> list[Decision]:
    """Return how long an autoencoder is trained before the game, if there is one."""
    stage = recipe.game.first_stage_examples(total_examples)
    reason = "then it is frozen, and the game is played on its codes (`game.autoencoder.fraction` changes it)"
    return [Decision("autoencoder", f"{format_count(stage)} examples", reason)] if stage else []


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
    evaluation = recipe.evaluation
    every_examples = evaluation.every_examples
    duration = format_seconds(seconds_per_evaluation)
    if every_examples is None:
        affordable = EVALUATION_TIME_FRACTION * training_seconds / max(seconds_per_evaluation, 1e-9)
        count = min(MAX_EVALUATIONS, int(affordable - FIRST_EVALUATION_COST))
        if count < 1 and evaluation.patience:
            count = MAX_EVALUATIONS
        if count < 1:
            return recipe, [Decision("evaluation", "after training", f"an evaluation takes {duration} on this machine")]
        every_examples = examination_interval(recipe, count, recipe.training.batch_size)
    count = last_examination(recipe) // every_examples
    reason = (
        f"{format_count(evaluation.samples)} samples against held-out examples, {duration} each; the best networks are "
        "kept"
    )
    evaluation = evaluation.model_copy(update={"features": features, "every_examples": every_examples})
    decision = Decision("evaluation", f"{count} times by {features}", reason)
    return recipe.model_copy(update={"evaluation": evaluation}), [decision]


def last_examination(recipe: Recipe) -> int:
    """Return the examples by which the last probe and the last evaluation are due: at the end of the run or before."""
    training = recipe.training
    end = math.ceil((training.examples or 0) / training.batch_size) * training.batch_size
    return int(LAST_EXAMINATION_FRACTION * end) if training.budget else end


def examination_interval(recipe: Recipe, count: int, unit: int) -> int:
    """Return the examples between examinations, in whole units, so that there are at most `count`, and at least one.

    Rounding to the nearest unit would put the last one behind the end of the run, where it is never made.
    """
    last = max(1, last_examination(recipe) // unit)
    return math.ceil(last / count) * unit


def _round_to_batches(examples: float, batch_size: int) -> int:
    """Return a number of examples rounded to whole batches, at least one."""
    return max(1, round(examples / batch_size)) * batch_size
