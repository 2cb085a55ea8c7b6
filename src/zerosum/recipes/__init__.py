"""Recipes: settings, files, parsing, validation, defaults."""
