"""Recipes: the settings of a run, recipe files, parsing, validation and defaults."""
