"""Recipe files: find, read and check them, and apply their variants."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from zerosum.data.kind import DATA_KINDS
from zerosum.errors import BadInput
from zerosum.recipes.choices import Choice
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import NETWORK_SIZES, Recipe
from zerosum.recipes.validation import first_conflict
from zerosum.run_folder import Row


def list_recipes() -> list[str]:
    """Return the names of the recipes that come with Zerosum, sorted."""
    return sorted(p.name.removesuffix(".toml") for p in _recipes_folder().iterdir() if p.name.endswith(".toml"))


def read_recipe_text(name: str) -> str:
    """Return the TOML text of a recipe.

    Args:
        name: a recipe that comes with Zerosum, or the path of a .toml file.

    Raises:
        BadInput: there is no such recipe or file, or the file cannot be read.
    """
    if name in list_recipes():
        return (_recipes_folder() / f"{name}.toml").read_text("utf8")
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        try:
            return path.read_text("utf8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"`recipe` {name}: the file cannot be read ({error}); repair it") from error
    closest = difflib.get_close_matches(name, list_recipes(), 1, 0.5)
    hint = f"did you mean {closest[0]}? " if closest else ""
    missing = "file" if path.suffix == ".toml" else "recipe"
    raise BadInput(
        f"`recipe` {name}: there is no such {missing}; {hint}Choose a .toml file, or one of {', '.join(list_recipes())}"
    )


def _recipes_folder() -> Traversable:
    return resources.files("zerosum") / "recipes"


def _trait_variants() -> list[str]:
    """Return the names of the variants for a trait of data: with networks of any size (color) or one (nano-color)."""
    traits = dict.fromkeys(trait for kind in DATA_KINDS for trait in DATA_KINDS.find(kind).traits)
    return [name for trait in traits for name in (trait, *(f"{size}-{trait}" for size in NETWORK_SIZES))]


def _parse_choices(rows: object, file: str) -> list[Choice]:
    """Return the rows of `[[choose]]`.

    Raises:
        BadInput: they are not valid.
    """
    try:
        return TypeAdapter(list[Choice]).validate_python(rows)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("choose", *first["loc"])))
        raise BadInput(f"{file}: {where}: {first['msg']}; mend or remove this row of [[choose]]") from None


class RecipeFile:
    """A recipe file: its settings, and the settings that its variants change.

    Raises:
        BadInput: there is no such recipe, or its variants are not valid tables.
    """

    def __init__(self, name: str) -> None:
        """Read the recipe of this name, or the .toml file of this path."""
        file = name if name.endswith(".toml") else f"{name}.toml"
        self.name = Path(name).name.removesuffix(".toml")
        self.settings_tree = SettingsTree.from_toml(read_recipe_text(name), file)
        self.variants: Row = self.settings_tree.tree.pop("variant", {})
        self.choices = _parse_choices(self.settings_tree.tree.pop("choose", []), file)
        self.settings_tree.tree["name"] = self.name
        tables = self.variants.values() if isinstance(self.variants, dict) else [self.variants]
        if not all(isinstance(table, dict) for table in tables):
            raise BadInput(
                f"{file}: `variant` must hold one table for each variant, such as "
                f"[variant.{NETWORK_SIZES[0]}.generator]"
            )
        known = (*NETWORK_SIZES, *DATA_KINDS, *_trait_variants())
        for variant in self.variants:
            if variant not in known:
                origin = self.settings_tree.find_origin(("variant", variant)) or file
                raise BadInput(
                    f"{origin}: variant.{variant}: there is no such variant; choose one of {', '.join(known)}"
                )

    def apply_variant(self, variant: str) -> bool:
        """Override the settings by those of a variant: a size of networks, a kind of data, or a trait of data.

        Returns:
            Whether the file has this variant; without it, nothing changes.
        """
        if variant in self.variants:
            self.settings_tree.merge(self.variants[variant], self.settings_tree.origins, ("variant", variant))
        return variant in self.variants

    def apply_variants(self, variant: str, traits: Collection[str] = ()) -> None:
        """Override the settings by those of a variant, then by those of variants for traits of the data.

        Args:
            variant: a size of networks, or a kind of data.
            traits: traits of the data, such as "color": the variants "color" and, at the size nano, "nano-color".
        """
        self.apply_variant(variant)
        for trait in traits:
            self.apply_variant(trait)
            self.apply_variant(f"{variant}-{trait}")


def check_recipe(settings_tree: SettingsTree) -> Recipe:
    """Check every setting by itself, then all settings together.

    Raises:
        BadInput: a setting is invalid, or two settings conflict; see `first_conflict`.
    """
    recipe = settings_tree.validate(Recipe)
    conflict = first_conflict(recipe)
    if conflict:
        raise BadInput(conflict)
    return recipe
