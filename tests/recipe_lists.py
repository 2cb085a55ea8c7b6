"""Lists of recipes for tests."""

from zerosum.recipes.files import RecipeFile, list_recipes

OTHER_GENERATORS = ("tabular", "residual-mlp", "molecular-graph", "vocos")
"""Kinds of generators that make no images."""
IMAGE_RECIPES = [
    name for name in list_recipes() if RecipeFile(name).settings_tree.tree["generator"]["kind"] not in OTHER_GENERATORS
]
"""The recipes that play on images."""
