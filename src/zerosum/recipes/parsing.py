"""A recipe before it is checked: where each setting comes from, and what is wrong with it in the user's words."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zerosum.errors import BadInput

KeyPath = tuple[str, ...]
NestedSettings = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)

_SECTION_PATTERN = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]")
_KEY_PATTERN = re.compile(r"^\s*([\w\-\".]+?)\s*=")


class SettingsTree:
    """Settings as a tree, each with its origin: a flag, or a file and line."""

    def __init__(self, tree: NestedSettings | None = None, origins: Mapping[KeyPath, str] | None = None) -> None:
        """Start from a tree whose settings come from `origins`."""
        self.tree: NestedSettings = _copy_nested(tree or {})
        self.origins: dict[KeyPath, str] = dict(origins or {})

    @classmethod
    def from_toml(cls, text: str, filename: str) -> SettingsTree:
        """Settings written as TOML.

        Raises:
            BadInput: the text is not TOML.
        """
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"{filename} is not valid TOML: {error}; put that line right") from error
        return cls(tree, {path: f"{filename} line {line}" for path, line in _iter_key_lines(text)})

    def set(self, path: KeyPath, value: Any, origin: str) -> None:
        """Set one setting; where it switches a `kind`, the old kind's own settings are dropped."""
        table = self.tree
        for step in path[:-1]:
            inner = table.get(step)
            if not isinstance(inner, dict):
                inner = table[step] = {}
            table = inner
        if path[-1] == "kind" and table.get("kind", value) != value:
            table.clear()
        table[path[-1]] = value
        self.origins[path] = origin

    def merge(self, other: NestedSettings, origins: Mapping[KeyPath, str], prefix: KeyPath = ()) -> None:
        """Lay settings over these, a `kind` before its neighbours."""
        for path, value in _iter_leaves(other):
            self.set(path, value, origins.get((*prefix, *path), ""))

    def validate(self, model: type[Model]) -> Model:
        """The settings as a checked model.

        Raises:
            BadInput: every error at once, a line each: where it stands, what is wrong, and the nearest right name.
        """
        try:
            return model.model_validate(self.tree)
        except ValidationError as error:
            conditioning = [_format_error(self, model, detail) for detail in error.errors(include_url=False)]
            raise BadInput("\n".join(dict.fromkeys(conditioning))) from None

    def find_origin(self, path: KeyPath) -> str:
        """Where the setting at `path`, or the nearest one around it, comes from."""
        within = (origin for known, origin in self.origins.items() if known[: len(path)] == path and origin)
        around = (self.origins.get(path[:end], "") for end in range(len(path) - 1, 0, -1))
        return self.origins.get(path) or next(within, "") or next(filter(None, around), "")


def _copy_nested(tree: Any) -> Any:
    return {key: _copy_nested(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def _iter_leaves(tree: NestedSettings, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    for key, value in sorted(tree.items(), key=lambda item: item[0] != "kind"):
        if isinstance(value, dict) and value:
            yield from _iter_leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def _iter_key_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """The line of each key of a TOML text, well enough to point at it."""
    section: KeyPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        if head := _SECTION_PATTERN.match(line):
            section = tuple(part.strip().strip('"') for part in head[1].split("."))
            yield section, number
        elif key := _KEY_PATTERN.match(line):
            yield (*section, *(part.strip('"') for part in key[1].split("."))), number


def _format_error(settings_tree: SettingsTree, model: type[BaseModel], error: ErrorDetails) -> str:
    """One error as a sentence."""
    if not error["loc"]:
        return error["msg"].removeprefix("Value error, ")
    path = _strip_union_tags(settings_tree.tree, error["loc"])
    if error["type"].startswith("union_tag"):
        path = (*path, "kind")
    dotted = ".".join(path)
    if error["type"] == "extra_forbidden":
        path += (
            next((inner for inner, _ in _iter_leaves(error["input"])), ()) if isinstance(error["input"], dict) else ()
        )
    where = settings_tree.find_origin(path) or f"--{dotted}"
    by_flag = where.startswith("--")
    said = where if by_flag else f"{where}: {dotted}"
    if error["type"] == "extra_forbidden":
        return f"{said}: there is no such setting{_suggest_name(path, model, settings_tree.tree)}"
    if error["type"] == "missing":
        return f"{said}: is missing; set --{dotted}"
    message = error["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if error["type"].startswith("union_tag"):
        return f"{said}: {_format_unknown_kind(error, path)}"
    value = error["input"]
    shown = "" if isinstance(value, dict | list) else f" {value if by_flag else repr(value)}".replace("'", '"')
    return f"{said}{'' if by_flag else ' ='}{shown}: {message}"


def _format_unknown_kind(error: ErrorDetails, path: KeyPath) -> str:
    context = error.get("ctx", {})
    known = re.findall(r"'([^']+)'", str(context.get("expected_tags", "")))
    given = str(context.get("tag", ""))
    near = difflib.get_close_matches(given, known, 1, 0.4)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f'"{given}" is not a kind of {path[-2]}; there are {", ".join(known)}{hint}'


def _strip_union_tags(tree: Any, location: Sequence[int | str]) -> KeyPath:
    """Pydantic's location without the tags of the unions it went through."""
    path: list[str] = []
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if isinstance(tree, dict) and step in tree:
            path.append(str(step))
            tree = tree[step]
        elif (
            (isinstance(tree, dict) and tree.get("kind", "linear") == step) or isinstance(step, int) or step == "number"
        ):
            continue
        elif last:
            path.append(str(step))
    return tuple(path)


def _suggest_name(path: KeyPath, model: type[BaseModel], tree: NestedSettings) -> str:
    """The right name most like a wrong one: first among its neighbours, then anywhere."""
    names = list(iter_setting_names(model, tree))
    beside = [name for name in names if name.rpartition(".")[0] == ".".join(path[:-1])]
    near = difflib.get_close_matches(".".join(path), beside, 1, 0.75)
    near = near or [name for name in names if name.rpartition(".")[2] == path[-1]][:1]
    near = near or difflib.get_close_matches(".".join(path), names, 1, 0.5)
    return f"; did you mean --{near[0]}?" if near else f"; there are {', '.join(beside)}" if beside else ""


def iter_setting_names(model: type[BaseModel], tree: Any, prefix: str = "") -> Iterator[str]:
    """Every dotted name that can be set: the model's fields, and those of the kinds the tree has chosen."""
    for name, field in model.model_fields.items():
        inner = tree.get(name) if isinstance(tree, dict) else None
        models = list(_iter_models(field.annotation))
        chosen = [m for m in models if isinstance(inner, dict) and _default_kind(m) == inner.get("kind")] or models[:1]
        if not chosen:
            yield prefix + name
        for each in chosen:
            yield from iter_setting_names(each, inner, f"{prefix}{name}.")


def _default_kind(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(field.default) if field else ""


def _iter_models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models an annotation may hold, where it holds nothing else (a schedule may be a plain number)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    parts = [part for part in getattr(annotation, "__args__", ()) if part is not type(None)]
    if parts and all(isinstance(p, type) and issubclass(p, BaseModel) for p in parts):
        yield from parts
