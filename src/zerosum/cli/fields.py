"""Translate the field names in messages into flags of the command line.

Below the command line, messages name settings and arguments in backticks, as in Python: `training.batch_size`,
`num_samples`. A user of the command line sees the flags instead: --training.batch_size, --num-samples. A message may
name a parameter of another command than the one that runs, such as the `size` of `zerosum train`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Protocol

_NAME_PATTERN = re.compile(r"`([A-Za-z]\w*(?:\.[\w-]+)*)`")
_CAPITALS_PATTERN = re.compile(r"[A-Z_]+")
_FILE_SUFFIXES = (".html", ".json", ".jsonl", ".npz", ".png", ".pt", ".safetensors", ".toml")


class Parameter(Protocol):
    """The part of a click parameter that is needed here."""

    @property
    def name(self) -> str | None:
        """The name of the Python argument."""

    @property
    def opts(self) -> list[str]:
        """The flags: ["--num-samples", "-n"]; of a positional argument, its name."""

    @property
    def metavar(self) -> str | None:
        """What the help calls the value: "RUN", "[RUN]", "RUN..."; None: the name in capitals."""


_names_of_parameters: ContextVar[Mapping[str, str]] = ContextVar("names_of_parameters", default=MappingProxyType({}))
"""What the help calls each parameter, by its Python name."""


def set_command(parameters: Iterable[Parameter], other_parameters: Iterable[Parameter] = ()) -> None:
    """Use the flags of a command in all messages from now on.

    Args:
        parameters: the parameters of the command that runs.
        other_parameters: those of all commands, for names that the command that runs does not have.
    """
    other_parameters = list(other_parameters)
    parameters = list(parameters)
    _names_of_parameters.set(
        positional_names(other_parameters)
        | long_flags(other_parameters)
        | positional_names(parameters)
        | long_flags(parameters)
    )


def long_flags(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Return the first long flag of each parameter by the parameter's Python name, without positional arguments.

    Of several parameters of one name, the first counts.
    """
    flags: dict[str, str] = {}
    for parameter in parameters:
        flag = next((option for option in parameter.opts if option.startswith("--")), None)
        if parameter.name and flag:
            flags.setdefault(parameter.name, flag)
    return flags


def positional_names(parameters: Iterable[Parameter]) -> dict[str, str]:
    """Return what the help calls each positional argument, by its Python name: {"run": "RUN"}.

    Of several arguments of one name, the first counts.
    """
    names: dict[str, str] = {}
    for parameter in parameters:
        if parameter.name and not any(option.startswith("-") for option in parameter.opts):
            word = _CAPITALS_PATTERN.search(parameter.metavar or parameter.name.upper())
            names.setdefault(parameter.name, word[0] if word else parameter.name)
    return names


def fields_to_flags(text: str) -> str:
    """Replace the field names in backticks by flags.

    A dotted name that begins with a section of a recipe becomes `--dotted.name`. The name of a parameter becomes its
    long flag, or what the help calls it if it is positional (RUN): as in the command that runs, otherwise as in the
    first command that has it. Anything else in backticks is left unchanged, file names such as `data.json` too.
    """
    from zerosum.recipes.recipe import Recipe

    names_of_parameters = _names_of_parameters.get()

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        section, dot, _ = name.partition(".")
        if dot:
            # a message begins with the setting that it is about, which may be one that does not exist
            begins = match.start() == 0 and match.string[match.end() : match.end() + 1] == ":"
            is_setting = (section in Recipe.model_fields or begins) and not name.endswith(_FILE_SUFFIXES)
            return f"--{name}" if is_setting else match[0]
        return names_of_parameters.get(name, match[0])

    return _NAME_PATTERN.sub(replace, text)
