"""Lists of recipes for tests."""

from zerosum.recipes.files import RecipeFile, list_recipes

IMAGE_RECIPES = [
    name
    for name in list_recipes()
    if RecipeFile(name).settings_tree.tree["generator"]["kind"] not in ("tabular", "residual-mlp", "molecular-graph")
]
"""The recipes that play on images."""
