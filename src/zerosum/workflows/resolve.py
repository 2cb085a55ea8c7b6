"""Resolve the recipe of a run: its file and what that chooses, its variants, and the settings that were left open."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

from zerosum.data.kind import DATA_KINDS, Inspection, builtin_datasets, selected_kind
from zerosum.errors import BadInput
from zerosum.recipes import defaults, variants
from zerosum.recipes.choices import Choice, find_choice, replace_recipe
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.unread import changed_settings, refuse_unread_settings
from zerosum.recipes.variants import DottedSettings, GivenArguments
from zerosum.run_folder import Row
from zerosum.settings import Decision

if TYPE_CHECKING:
    import torch

SETTINGS_OF_ANY_RECIPE = frozenset({"data", "training", "evaluation", "diagnostics", "seed"})
"""Groups of settings that every recipe has; with any other, the user means the recipe that was named."""


class ResolvedRecipe(NamedTuple):
    """A recipe without open settings of the data, and what it follows from."""

    recipe: Recipe
    decisions: list[Decision]
    """The decisions with their reasons."""
    device: torch.device
    inspection: Inspection
    """The inspection of the data."""
    file_settings: Row
    """The settings that the recipe file itself has; {} if the file is incomplete without the user's settings."""


def validate_recipe(recipe: str, size: str, settings: DottedSettings, keywords: GivenArguments) -> Recipe:
    """Check all settings for the variant that will most likely be used, without reading any data.

    Raises:
        BadInput: a setting or the size is wrong, or there is no data source.
    """
    if size:
        variants.check_network_size(recipe, size)
    variants.check_recipe_variants(recipe)
    tree = variants.build_settings_tree(recipe, "", settings, keywords)
    kind = selected_kind(tree.tree.get("data", {}))
    recipe = replace_recipe(RecipeFile(recipe).choices, recipe, kind)
    variant = variants.choose_variant(recipe, kind, size or "nano")
    checked = check_recipe(variants.build_settings_tree(recipe, variant, settings, keywords))
    own = changed_settings(checked) if recipe.endswith(".toml") else []  # a file of the user, who set all that is in it
    refuse_unread_settings(checked, {*settings, *keywords, *own})
    require_source(checked)
    return checked


def require_source(checked: Recipe) -> None:
    """Raise BadInput if no training data are named."""
    if not checked.data.source:
        raise BadInput(
            "`data.source` is missing: name the training data, which may be a folder, a file, or a built-in dataset "
            f"({', '.join(builtin_datasets())})"
        )


def resolve_recipe(
    checked: Recipe, recipe: str, size: str, settings: DottedSettings, keywords: GivenArguments
) -> ResolvedRecipe:
    """Inspect the data and the machine, and fill in the settings that follow from them.

    Args:
        checked: the settings before the data were read.
        recipe: the name of a recipe, or a .toml file.
        size: the size that the user asked for; "" for the one that suits the machine.
        settings: the user's settings by dotted name.
        keywords: settings that were given as arguments.

    Raises:
        BadInput: the data or a setting cannot be used.
    """
    from zerosum.training.accelerator import choose_device

    inspection = DATA_KINDS.find(checked.data.kind).inspect(checked.data)
    device = choose_device(checked.training.device)
    on_cpu = device.type == "cpu"
    user_set = {*settings, *keywords, *(["size"] if size else [])}
    named, recipe = recipe, replace_recipe(RecipeFile(recipe).choices, recipe, checked.data.kind)

    def resolve(variant: str, traits: Collection[str] = ()) -> tuple[Recipe, list[Decision]]:
        tree = variants.build_settings_tree(recipe, variant, settings, keywords, traits)
        decisions = defaults.choose_data_settings(tree, checked.data, inspection, on_cpu)
        return check_recipe(tree), decisions

    def find_variant() -> str:
        return variants.choose_variant(recipe, checked.data.kind, size or ("nano" if on_cpu else "base"))

    resolved, _ = resolve(find_variant())
    choice = _find_choice(named, resolved, on_cpu, size, user_set)
    if choice is not None:
        recipe, size = choice.recipe or recipe, choice.size or size
    variant = find_variant()
    resolved, data_decisions = resolve(variant, variants.find_traits(resolved))
    decisions = defaults.list_initial_decisions(resolved, variant, describe_device(device), user_set, choice)
    file_settings = _file_settings(recipe, variant, resolved)
    return ResolvedRecipe(resolved, [*decisions, *data_decisions], device, inspection, file_settings)


def _find_choice(recipe: str, resolved: Recipe, on_cpu: bool, size: str, user_set: Collection[str]) -> Choice | None:
    """Return the row of the recipe file that applies to data, budget and machine; None if there is none."""
    training = resolved.training
    default_budget = defaults.CPU_BUDGET_SECONDS if on_cpu else defaults.GPU_BUDGET_SECONDS
    is_named = any(name.split(".")[0] not in SETTINGS_OF_ANY_RECIPE for name in set(user_set) - {"size"})
    choices = [choice for choice in RecipeFile(recipe).choices if choice.always or not (is_named and choice.recipe)]
    return find_choice(
        choices,
        kind=resolved.data.kind,
        traits=variants.find_traits(resolved),
        on_cpu=on_cpu,
        budget=training.budget or (None if training.examples else default_budget),
        size=size,
    )


def _file_settings(recipe: str, variant: str, resolved: Recipe) -> Row:
    """Return the settings that the recipe file itself has; {} if the file is incomplete without the user's settings."""
    try:
        own = check_recipe(variants.build_settings_tree(recipe, variant, {}, {}, variants.find_traits(resolved)))
    except BadInput:
        return {}
    return own.model_dump(mode="json", exclude_none=True)


def describe_device(device: torch.device) -> str:
    """Return the name of a device for the user."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple GPU"
