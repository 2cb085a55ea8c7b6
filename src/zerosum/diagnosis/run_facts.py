"""What does not change in a run: its settings, the recipe's own, and its data, as far as a diagnosis needs them."""

from __future__ import annotations

from typing import Any

from zerosum.run_folder import RunFolder


def read_run_facts(folder: RunFolder) -> dict[str, Any]:
    """The facts of a run, tables by name: "settings", "defaults", "data"; empty ones of a log without its run."""
    there = (folder.path / "recipe.toml").is_file()
    return {
        "settings": folder.read_toml("recipe.toml") if there else {},
        "defaults": folder.read_json("plan.json").get("recipe_settings", {}),
        "data": folder.read_json("data.json"),
    }
