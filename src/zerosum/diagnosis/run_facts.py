"""Facts about a run that do not change while it trains: its settings, those of its recipe, and its dataset."""

from __future__ import annotations

from typing import Any

from zerosum.run_folder import RunFolder


def read_run_facts(folder: RunFolder) -> dict[str, Any]:
    """Return the facts of a run as tables: "settings", "defaults" (the recipe's own settings) and "data".

    The tables are empty where the folder holds a log alone.
    """
    has_recipe = (folder.path / "recipe.toml").is_file()
    return {
        "settings": folder.read_toml("recipe.toml") if has_recipe else {},
        "defaults": folder.read_json("plan.json").get("recipe_settings", {}),
        "data": folder.read_json("data.json"),
    }
