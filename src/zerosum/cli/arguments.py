"""Command-line words that are not flags: positional arguments, and settings as `--a.b value`."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from typing import Any

from zerosum.errors import BadInput
from zerosum.recipes.files import RecipeFile
from zerosum.recipes.parsing import iter_setting_names
from zerosum.recipes.recipe import Recipe


def parse_arguments(arguments: Sequence[str], flags: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """What stands on the command line beside its flags: plain words, and settings as `--a.b value` or `--a.b=value`.

    Raises:
        BadInput: a setting has no value, or a flag is no flag.
    """
    plain: list[str] = []
    settings: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        if not word.startswith("--"):
            raise BadInput(f"{word}: there is no such flag; `zerosum train --help` lists them")
        name, equals, value = word[2:].partition("=")
        if "." not in name:
            raise BadInput(f"--{name}: there is no such flag{_closest_flag_hint(name, flags)}")
        if not equals:
            if not rest or rest[0].startswith("--"):
                raise BadInput(f"--{name} needs a value: write --{name} VALUE")
            value = rest.pop(0)
        settings[name] = _parse_value(value)
    return plain, settings


def _parse_value(text: str) -> Any:
    """A word as the number, truth, list or text it is."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _closest_flag_hint(name: str, flags: Sequence[str]) -> str:
    tree = RecipeFile("auto").settings_tree.tree
    ends = [known for known in iter_setting_names(Recipe, tree) if known.rpartition(".")[2] == name.replace("-", "_")]
    near = [f"--{end}" for end in ends[:1]] or difflib.get_close_matches(f"--{name}", flags, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else "; `zerosum train --help` lists them"
