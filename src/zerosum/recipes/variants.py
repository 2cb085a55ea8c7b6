"""Build the settings of a recipe: those of its file, of its variants for the data and the size, and the user's."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from zerosum.data.kind import DATA_KINDS, selected_kind
from zerosum.errors import BadInput
from zerosum.game.config import TRANSLATION_GAMES
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import NETWORK_SIZES, Recipe

DottedSettings = Mapping[str, object]
"""Settings by dotted name: {"optimizer.lr": 1e-4}."""
GivenArguments = Mapping[str, tuple[str, object]]
"""Settings that were given as arguments, by dotted name: the argument in backticks and its value."""


def build_settings_tree(
    recipe: str,
    variant: str,
    settings: DottedSettings,
    arguments: GivenArguments,
    traits: Collection[str] = (),
) -> SettingsTree:
    """Return the settings of a recipe, overridden by those of a variant and then by the user's.

    Args:
        recipe: the name of a recipe, or a .toml file.
        variant: "nano", "base" or a kind of data; a variant that the recipe does not have changes nothing.
        settings: the user's settings by dotted name.
        arguments: settings that the user gave by an argument: {"training.examples": ("`examples`", "200k")}, with the
            argument in backticks, for error messages, and its value.
        traits: traits of the data, such as "color", for which the recipe may have variants.
    """
    file = RecipeFile(recipe)
    file.apply_variants(variant, traits)
    override_settings(file.settings_tree, settings, arguments)
    return file.settings_tree


def override_settings(settings_tree: SettingsTree, settings: DottedSettings, arguments: GivenArguments) -> None:
    """Override settings by those of the user; both as in `build_settings_tree`."""
    for name, value in sorted(settings.items(), key=lambda item: not item[0].endswith(".kind")):
        settings_tree.set(tuple(name.split(".")), value, f"`{name}`")
    for name, (argument, value) in arguments.items():
        settings_tree.set(tuple(name.split(".")), value, argument)
    table = settings_tree.tree.get("data")
    if isinstance(table, dict) and (kind := selected_kind(table)) in DATA_KINDS:
        given = {name.removeprefix("data.") for name in (*settings, *arguments) if name.startswith("data.")}
        for name in DATA_KINDS.find(kind).replaced_settings(table, given):
            del table[name]


def is_translation_recipe(recipe: str, settings: DottedSettings) -> bool:
    """Return whether a recipe with the user's settings translates inputs into targets, which may be two sources.

    Raises:
        BadInput: there is no such recipe.
    """
    game = build_settings_tree(recipe, "", settings, {}).tree.get("game")
    return isinstance(game, dict) and game.get("kind") in TRANSLATION_GAMES


def check_recipe_variants(recipe: str) -> None:
    """Check every variant of a recipe file, not only the one that a run uses.

    Raises:
        BadInput: a variant has invalid settings; names all errors of the first such variant.
    """
    for name in RecipeFile(recipe).variants:
        size, _, trait = name.rpartition("-")
        variant, traits = (size, (trait,)) if size in NETWORK_SIZES else (name, ())
        check_recipe(build_settings_tree(recipe, variant, {}, {}, traits))


def check_network_size(recipe: str, size: str) -> None:
    """Check that a recipe has networks of a size.

    Raises:
        BadInput: the recipe has no networks of this size.
    """
    sizes = [known for known in NETWORK_SIZES if known in RecipeFile(recipe).variants] + ["base"]
    if size not in sizes:
        raise BadInput(f"`size` {size}: recipe {recipe} has the sizes {', '.join(dict.fromkeys(sizes))}; choose one")


def choose_variant(recipe: str, kind: str, size: str) -> str:
    """Return the variant of a recipe file: the one with networks for the kind of data, else the one of the size.

    Args:
        recipe: the name of a recipe, or a .toml file.
        kind: the kind of the data.
        size: nano, small or base.
    """
    variants = RecipeFile(recipe).variants
    suitable = DATA_KINDS.find(kind).variants if kind in DATA_KINDS else ()  # an unknown kind is refused as a setting
    return next((name for name in suitable if name in variants), size)


def find_traits(recipe: Recipe) -> tuple[str, ...]:
    """Return the traits of a recipe's data, for which its file may have variants; their settings must be chosen."""
    return DATA_KINDS.find(recipe.data.kind).find_traits(recipe.data)
