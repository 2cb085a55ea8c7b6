"""Parse what stands on the command line besides declared flags: positional arguments, and `--a.b VALUE` settings."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence

from zerosum.errors import BadInput
from zerosum.recipes.files import RecipeFile
from zerosum.recipes.parsing import iter_setting_names
from zerosum.recipes.recipe import Recipe


def parse_arguments(arguments: Sequence[str], flags: Sequence[str]) -> tuple[list[str], dict[str, object]]:
    """Separate positional arguments from settings, which are written as `--a.b VALUE` or `--a.b=VALUE`.

    Args:
        arguments: the words that typer did not recognize.
        flags: the flags of the command, from which a misspelled flag is corrected.

    Returns:
        The positional arguments, and the values of the settings by dotted name.

    Raises:
        BadInput: a setting has no value, or a flag does not exist.
    """
    positional: list[str] = []
    settings: dict[str, object] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            positional.append(word)
            continue
        if not word.startswith("--"):
            raise BadInput(f"{word}: there is no such flag; see `zerosum train --help`")
        name, equals, value = word[2:].partition("=")
        if "." not in name:
            raise BadInput(f"--{name}: there is no such flag{_closest_flag_hint(name, flags)}")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise BadInput(f"--{name} needs a value: write --{name} VALUE")
            value = rest.pop(0)
        settings[name] = _parse_value(value)
    return positional, settings


def _parse_value(text: str) -> object:
    """Return the TOML value that a word denotes (number, boolean, list or table), else the word itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:  # no TOML, or an integer of thousands of digits
        return text


def _closest_flag_hint(name: str, flags: Sequence[str]) -> str:
    tree = RecipeFile("auto").settings_tree.tree
    field = name.replace("-", "_")
    settings = [setting for setting in iter_setting_names(Recipe, tree) if setting.rpartition(".")[2] == field]
    closest = [f"--{setting}" for setting in settings[:1]] or difflib.get_close_matches(f"--{name}", flags, 1, 0.6)
    return f"; did you mean {closest[0]}?" if closest else "; see `zerosum train --help`"
