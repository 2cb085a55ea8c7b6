"""Recipe files: finding, reading and resolving their variants."""

from __future__ import annotations

import difflib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from zerosum.errors import BadInput
from zerosum.recipes.parsing import Draft
from zerosum.recipes.recipe import CASES, Recipe
from zerosum.recipes.validation import complaint_about


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


def check_recipe(draft: Draft) -> Recipe:
    """Check every setting by itself, then all of them together.

    Raises:
        BadInput: a setting is wrong, or two do not go together; see `first_conflict`.
    """
    recipe = draft.check(Recipe)
    complaint = complaint_about(recipe)
    if complaint:
        raise BadInput(complaint)
    return recipe
