"""Facts about a run that do not change while it trains: its settings, those of its recipe, and its dataset."""

from __future__ import annotations

from collections.abc import Mapping

from zerosum.run_folder import Row, RunFolder


def build_run_facts(recipe: Row, plan: Row, data: Row) -> Mapping[str, Row]:
    """Return the facts of a run as tables: "settings", "defaults" (the recipe's own settings) and "data".

    Args:
        recipe: the content of recipe.toml.
        plan: the content of plan.json.
        data: the content of data.json.
    """
    return {"settings": recipe, "defaults": plan.get("recipe_settings", {}), "data": data}


def read_run_facts(folder: RunFolder) -> Mapping[str, Row]:
    """Read the facts of a run from its folder; the tables are empty where the folder holds a log alone."""
    has_recipe = (folder.path / "recipe.toml").is_file()
    recipe = folder.read_toml("recipe.toml") if has_recipe else {}
    return build_run_facts(recipe, *(folder.read_intact_json(name) for name in ("plan.json", "data.json")))
