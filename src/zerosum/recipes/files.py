"""Recipe files: finding, reading and resolving their variants."""

from __future__ import annotations

import difflib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from zerosum.errors import BadInput
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import VARIANTS, Recipe
from zerosum.recipes.validation import first_conflict


def list_recipes() -> list[str]:
    """The recipes that come with Zerosum."""
    return sorted(p.name.removesuffix(".toml") for p in _recipes_folder().iterdir() if p.name.endswith(".toml"))


def read_recipe_text(name: str) -> str:
    """A recipe as text, to read, copy and edit: one that comes with Zerosum, or a file's.

    Raises:
        BadInput: there is none of that name.
    """
    if name in list_recipes():
        return (_recipes_folder() / f"{name}.toml").read_text("utf8")
    path = Path(name)
    if path.suffix == ".toml" and path.is_file():
        try:
            return path.read_text("utf8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"--recipe {name}: cannot be read ({error}); put the file right") from error
    near = difflib.get_close_matches(name, list_recipes(), 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else ";"
    what = "no such file" if path.suffix == ".toml" else "no such recipe"
    raise BadInput(f"--recipe {name}: {what}{hint} Recipes: {', '.join(list_recipes())}, or a .toml file of yours")


def _recipes_folder() -> Traversable:
    return resources.files("zerosum") / "recipes"


class RecipeFile:
    """A recipe file: its settings, and what it changes `when` the data or the size ask for it."""

    def __init__(self, name: str) -> None:
        """Read the recipe of that name."""
        file = name if name.endswith(".toml") else f"{name}.toml"
        self.name = Path(name).name.removesuffix(".toml")
        self.settings_tree = SettingsTree.from_toml(read_recipe_text(name), file)
        self.variants: dict[str, Any] = self.settings_tree.tree.pop("variant", {})
        self.settings_tree.tree["name"] = self.name
        if not isinstance(self.variants, dict) or not all(isinstance(case, dict) for case in self.variants.values()):
            raise BadInput(f"{file}: [variant] holds tables, one a variant: [variant.{VARIANTS[0]}.generator]")
        for case in self.variants:
            if case not in VARIANTS:
                where = self.settings_tree.find_origin(("variant", case)) or file
                raise BadInput(f"{where}: variant.{case}: there is no such variant; there are {', '.join(VARIANTS)}")

    def apply_variant(self, variant: str) -> bool:
        """Lay over what the file says for a case: "points", "nano", ...; whether it says anything."""
        if variant in self.variants:
            self.settings_tree.merge(self.variants[variant], self.settings_tree.origins, ("variant", variant))
        return variant in self.variants


def check_recipe(draft: SettingsTree) -> Recipe:
    """Check every setting by itself, then all of them together.

    Raises:
        BadInput: a setting is wrong, or two do not go together; see `first_conflict`.
    """
    recipe = draft.validate(Recipe)
    complaint = first_conflict(recipe)
    if complaint:
        raise BadInput(complaint)
    return recipe
