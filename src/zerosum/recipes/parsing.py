"""Settings before they are validated: parse them, track the origin of each, and report errors by it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from types import NoneType
from typing import TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from zerosum.data.config import DataConfig
from zerosum.data.kind import DATA_KINDS, selected_kind
from zerosum.errors import BadInput
from zerosum.run_folder import Row

KeyPath: TypeAlias = tuple[str, ...]
NestedSettings: TypeAlias = Row
"""Settings as TOML has them: tables within tables, not validated."""
Model = TypeVar("Model", bound=BaseModel)

_SECTION_PATTERN = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]")
_KEY_PATTERN = re.compile(r"^\s*([\w\-\".]+?)\s*=")
_PLAIN_NAME_PATTERN = re.compile(r"`([a-z]\w*)`")


class SettingsTree:
    """Nested settings, each with its origin: a field name in backticks, or a file and line.

    Names of terms are written with underscores: "terms.gradient-penalty" and "terms.gradient_penalty" are one term.
    """

    def __init__(self, tree: NestedSettings | None = None, origins: Mapping[KeyPath, str] | None = None) -> None:
        """Copy a tree of settings and the origins of its leaves."""
        self.tree: NestedSettings = {key: _copy_nested(value) for key, value in (tree or {}).items()}
        self.origins: dict[KeyPath, str] = {_normalize_path(path): origin for path, origin in (origins or {}).items()}
        terms = self.tree.get("terms")
        if isinstance(terms, dict):
            self.tree["terms"] = {_normalize_term(name): term for name, term in terms.items()}
            if len(self.tree["terms"]) < len(terms):
                names = ", ".join(f"`terms.{name}`" for name in terms)
                raise BadInput(
                    f"{names}: two of these are one term, written with a hyphen and with an underscore; keep one"
                )

    @classmethod
    def from_toml(cls, text: str, filename: str) -> SettingsTree:
        """Parse settings from TOML.

        Args:
            text: the content of the file.
            filename: its name, for error messages.

        Raises:
            BadInput: the text is not valid TOML.
        """
        try:
            tree = tomllib.loads(text)
        except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
            raise BadInput(f"{filename} is not valid TOML: {error}; correct that line") from error
        return cls(tree, {path: f"{filename} line {line}" for path, line in _iter_key_lines(text)})

    def set(self, path: KeyPath, value: object, origin: str) -> None:
        """Set one setting. If it changes a `kind`, the settings of the old kind are dropped.

        Args:
            path: the keys from the root to the setting.
            value: the new value.
            origin: where it comes from: an argument in backticks, a file and line, or "".
        """
        path = _normalize_path(path)
        table = self.tree
        for key in path[:-1]:
            inner = table.get(key)
            if not isinstance(inner, dict):
                inner = table[key] = {}
            table = inner
        if path[-1] == "kind" and table.get("kind", value) != value:
            table.clear()
        table[path[-1]] = value
        self.origins[path] = origin

    def merge(self, other: NestedSettings, origins: Mapping[KeyPath, str], prefix: KeyPath = ()) -> None:
        """Override settings by those of another tree; in each table, `kind` is set first.

        Args:
            other: the overriding settings.
            origins: their origins.
            prefix: the keys before each path of `other` in `origins`.
        """
        for path, value in _iter_leaves(other):
            self.set(path, value, origins.get((*prefix, *path), ""))

    def validate(self, model: type[Model]) -> Model:
        """Return the settings as a validated model.

        Raises:
            BadInput: some settings are invalid; a line for each says where it is set, what is wrong, and the closest
                valid name.
        """
        try:
            return model.model_validate(self.tree)
        except ValidationError as error:
            messages = [_format_error(self, model, detail) for detail in error.errors(include_url=False)]
            raise BadInput("\n".join(dict.fromkeys(messages))) from None

    def find_origin(self, path: KeyPath) -> str:
        """Return the origin of the setting at `path`, else of a setting within it or around it, else ""."""
        within = (origin for known, origin in self.origins.items() if known[: len(path)] == path and origin)
        around = (self.origins.get(path[:end], "") for end in range(len(path) - 1, 0, -1))
        return self.origins.get(path) or next(within, "") or next(filter(None, around), "")


def _normalize_term(name: str) -> str:
    """Return the name of a term with underscores instead of hyphens."""
    return name.replace("-", "_")


def _normalize_path(path: KeyPath) -> KeyPath:
    """Return the path of a setting, in which the name of a term is written with underscores."""
    return (path[0], _normalize_term(path[1]), *path[2:]) if path[:1] == ("terms",) and len(path) > 1 else path


def _copy_nested(tree: object) -> object:
    return {key: _copy_nested(value) for key, value in tree.items()} if isinstance(tree, dict) else tree


def _iter_leaves(tree: NestedSettings, prefix: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    for key, value in sorted(tree.items(), key=lambda item: item[0] != "kind"):
        if isinstance(value, dict) and value:
            yield from _iter_leaves(value, (*prefix, key))
        else:
            yield (*prefix, key), value


def _iter_key_lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Yield the path of each table and key of a TOML text with its line, counted from 1.

    Keys inside inline tables and quoted dots are not resolved; this is only used for error messages.
    """
    section: KeyPath = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _SECTION_PATTERN.match(line):
            section = tuple(part.strip().strip('"') for part in header[1].split("."))
            yield section, number
        elif key := _KEY_PATTERN.match(line):
            yield (*section, *(part.strip('"') for part in key[1].split("."))), number


def _format_error(settings_tree: SettingsTree, model: type[BaseModel], error: ErrorDetails) -> str:
    """Return one sentence that describes a validation error."""
    message = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return message
    path = _strip_union_tags(settings_tree.tree, error["loc"])
    value = error["input"]
    if error["type"].startswith("union_tag") and (path[0] != "terms" or (*path, "kind") in settings_tree.origins):
        path = (*path, "kind")
    if error["type"] == "extra_forbidden" and isinstance(value, dict):
        path += next((inner for inner, _ in _iter_leaves(value)), ())
    dotted = ".".join(path)
    origin = settings_tree.find_origin(path)
    in_file = bool(origin) and not origin.startswith("`")
    field = f"{origin}: {dotted}" if in_file else settings_tree.origins.get(path) or f"`{dotted}`"
    if error["type"] == "extra_forbidden":
        return f"{field}: there is no such setting{_suggest_name(path, model, settings_tree.tree)}"
    if error["type"] == "missing":
        return f"{field}: is missing; set `{dotted}`"
    if error["type"].startswith("union_tag"):
        return f"{field}: {_format_unknown_kind(error, path)}"
    if message.startswith(f"`{path[0]}."):  # the check of a section names its settings itself
        origin = settings_tree.find_origin(tuple(message.split("`")[1].split(".")))
        return message if origin.startswith("`") or not origin else f"{origin}: {message}"
    return f"{field}{_format_value(value, in_file)}: {_qualify_names(message, dotted, value)}"


def _format_value(value: object, in_file: bool) -> str:
    """Return an invalid value as it was written; "" for tables and lists."""
    if isinstance(value, dict | list):
        return ""
    return (f" = {value!r}" if in_file else f" {value}").replace("'", '"')


def _qualify_names(message: str, dotted: str, value: object) -> str:
    """Prepend the name of the section to the fields in the message of its validator, which does not know it."""
    message = message[0].lower() + message[1:]
    return _PLAIN_NAME_PATTERN.sub(rf"`{dotted}.\1`", message) if isinstance(value, dict) else message


def _format_unknown_kind(error: ErrorDetails, path: KeyPath) -> str:
    context = error.get("ctx", {})
    known = re.findall(r"'([^']+)'", str(context.get("expected_tags", "")))
    unknown = str(context.get("tag", ""))
    closest = difflib.get_close_matches(unknown, known, 1, 0.4)
    hint = f"; did you mean {closest[0]}?" if closest else ""
    choice = f"choose one of {', '.join(known)}"
    if path[-1] != "kind":  # the name of a term is its kind where none is given
        return f"there is no such loss term; {choice}, or give its `{'.'.join(path)}.kind`{hint}"
    choice += hint
    return f'"{unknown}" is not a kind of {"loss term" if path[0] == "terms" else path[-2]}; {choice}'


def _strip_union_tags(tree: object, location: Sequence[int | str]) -> KeyPath:
    """Return the location of a pydantic error without list indices and the tags of unions."""
    path: list[str] = []
    for index, step in enumerate(location):
        is_last = index == len(location) - 1
        if isinstance(tree, dict) and step in tree:
            path.append(str(step))
            tree = tree[step]
        elif (
            (isinstance(tree, dict) and tree.get("kind", "linear") == step) or isinstance(step, int) or step == "number"
        ):
            continue
        elif is_last:
            path.append(str(step))
    return tuple(path)


def _suggest_name(path: KeyPath, model: type[BaseModel], tree: NestedSettings) -> str:
    """Return a hint with the valid name closest to an unknown one, first in its own section, then in all."""
    names = list(iter_setting_names(model, tree))
    siblings = [name for name in names if name.rpartition(".")[0] == ".".join(path[:-1])]
    closest = difflib.get_close_matches(".".join(path), siblings, 1, 0.75)
    closest = closest or [name for name in names if name.rpartition(".")[2] == path[-1]][:1]
    closest = closest or difflib.get_close_matches(".".join(path), names, 1, 0.5)
    if closest:
        return f"; did you mean `{closest[0]}`?"
    return f"; the settings are {', '.join(siblings)}" if siblings else ""


def iter_setting_names(model: type[BaseModel], tree: object, prefix: str = "") -> Iterator[str]:
    """Yield the dotted name of every setting: the fields of a model, in unions those of the kind that the tree sets.

    Args:
        model: the model whose fields are listed.
        tree: the settings so far, from which the kinds are read.
        prefix: put before each name.
    """
    for name, field in model.model_fields.items():
        inner = tree.get(name) if isinstance(tree, dict) else None
        selected = _select_models(field.annotation, inner if isinstance(inner, dict) else {})
        tables = list(_iter_tables(field.annotation, inner))
        if not selected and not tables:
            yield prefix + name
        for key, table, table_model in tables:
            yield from iter_setting_names(table_model, table, f"{prefix}{name}.{key}.")
        for inner_model in selected:
            yield from iter_setting_names(inner_model, inner, f"{prefix}{name}.")


def _iter_tables(annotation: object, inner: object) -> Iterator[tuple[str, object, type[BaseModel]]]:
    """Yield name, table and model of each table in a dict of models, such as of each term; its name is its kind."""
    if get_origin(annotation) is not dict or not isinstance(inner, dict):
        return
    union = get_args(get_args(annotation)[1])  # the union and its discriminator
    models = {_kind_of(model): model for model in _iter_models(union[0])} if union else {}
    for name, table in inner.items():
        kind = table.get("kind", name.replace("_", "-")) if isinstance(table, dict) else ""
        if kind in models:
            yield name, table, models[kind]


def _select_models(annotation: object, table: Mapping[str, object]) -> list[type[BaseModel]]:
    """Return the models in an annotation whose kind is that of the table, else the first one; [] for a plain value."""
    if annotation is DataConfig:
        return [_select_data_config(table)]
    models = list(_iter_models(annotation))
    return [model for model in models if _kind_of(model) == table.get("kind")] or models[:1]


def _select_data_config(table: Mapping[str, object]) -> type[BaseModel]:
    """Return the class of the settings `[data]`, which is looked up by the kind of the data."""
    kind = selected_kind(table)
    return DATA_KINDS.find(kind).config if kind in DATA_KINDS else DataConfig


def _kind_of(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(field.default) if field else ""


def _iter_models(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, if it holds nothing but models and None.

    A schedule, which may also be a plain number, is therefore a single setting.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    parts = [part for part in get_args(annotation) if part is not NoneType]
    if parts and all(isinstance(part, type) and issubclass(part, BaseModel) for part in parts):
        yield from parts
