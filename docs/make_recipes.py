"""Write README's table of recipes from the recipe files.

python docs/make_recipes.py
"""

from __future__ import annotations

import re
from pathlib import Path

from zerosum.recipes.files import RecipeFile, list_recipes

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- recipes: made by docs/make_recipes.py -->", "<!-- end of recipes -->"


def table() -> str:
    """Return the table as Markdown: the name, description, use and paper of each recipe."""
    rows = ["| recipe | what it is | use it when | paper |", "|---|---|---|---|"]
    for name in list_recipes():
        tree = RecipeFile(name).settings_tree.tree
        rows.append(f"| `{name}` | {tree['description']} | {tree['use_when']} | {tree.get('paper', '')} |")
    return "\n".join(rows)


def updated(text: str) -> str:
    """Return the text of README with the table replaced by the current one."""
    block = f"{BEGIN}\n{table()}\n{END}"
    return re.sub(rf"{re.escape(BEGIN)}.*?{re.escape(END)}", lambda match: block, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(updated(README.read_text("utf8")), "utf8")
