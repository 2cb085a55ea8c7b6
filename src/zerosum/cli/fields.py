"""Translate the field names in messages into flags of the command line.

Below the command line, messages name settings and arguments in backticks, as in Python: `training.batch_size`,
`num_samples`. A user of the command line sees the flags instead: --training.batch_size, --num-samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Protocol

_NAME_PATTERN = re.compile(r"`([A-Za-z]\w*(?:\.[\w-]+)*)`")
_FILE_SUFFIXES = (".html", ".json", ".jsonl", ".npz", ".png", ".pt", ".safetensors", ".toml")


class Parameter(Protocol):
    """The part of a click parameter that is needed here."""

    @property
    def name(self) -> str | None:
        """The name of the Python argument."""

    @property
    def opts(self) -> list[str]:
        """The flags: ["--num-samples", "-n"]; of a positional argument, its name."""


_command_flags: ContextVar[Mapping[str, str]] = ContextVar("command_flags", default=MappingProxyType({}))
"""The long flag of each parameter of the command that runs."""


def set_command(parameters: Iterable[Parameter]) -> None:
    """Use the flags of a command in all messages from now on.

    Args:
        parameters: the parameters of the command that runs.
    """
    _command_flags.set(long_flags(parameters))


def long_flags(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Return the first long flag of each parameter by the parameter's Python name, without positional arguments."""
    flags = {}
    for parameter in parameters:
        flag = next((option for option in parameter.opts if option.startswith("--")), None)
        if parameter.name and flag:
            flags[parameter.name] = flag
    return flags


def fields_to_flags(text: str) -> str:
    """Replace the field names in backticks by flags.

    A dotted name that begins with a section of a recipe becomes `--dotted.name`; the name of a parameter of the command
    that runs becomes its long flag. Anything else in backticks is left unchanged, file names such as `data.json` too.
    """
    from zerosum.recipes.recipe import Recipe

    flags = _command_flags.get()

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        section, dot, _ = name.partition(".")
        if dot:
            is_setting = section in Recipe.model_fields and not name.endswith(_FILE_SUFFIXES)
            return f"--{name}" if is_setting else match[0]
        return flags.get(name, match[0])

    return _NAME_PATTERN.sub(replace, text)
