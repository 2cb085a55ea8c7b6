"""Write docs/settings.md: every setting with its type, default and description, from the models themselves.

python docs/make_settings.py
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from zerosum.data.config import DataConfig
from zerosum.data.images.size import ImageSize
from zerosum.data.kind import DATA_KINDS
from zerosum.recipes.recipe import Recipe

PAGE = Path(__file__).parent / "settings.md"
HEAD = """# Settings

Every setting of a recipe by its dotted name: `--data.size 64` on the command line, `[data] size = 64` in a recipe file,
`settings={"data.size": 64}` in Python. A section with a `kind` has the settings of that kind only. A *schedule* is a
number, or a table such as `{ start = 1e-3, end = 0, fraction = [0.6, 1.0] }` (linear; `kind = "cosine"` and
`"geometric"` too; `examples = [a, b]` instead of `fraction`). Made by `docs/make_settings.py`.
"""


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) is not dict:
        for part in typing.get_args(annotation):
            yield from models(part)


def unwrap(annotation: Any) -> Any:
    """Return an annotation without Annotated around it."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation


def union_parts(annotation: Any) -> list[Any]:
    """Return the types that a field may hold besides None."""
    is_union = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    parts = typing.get_args(annotation) if is_union else [annotation]
    return [unwrap(part) for part in parts if part is not type(None)]


def type_name(field: FieldInfo) -> str:
    """Return the type of a field in words."""
    parts = union_parts(unwrap(field.annotation))
    if any(part in (int, float) for part in parts) and any(True for part in parts for _ in models(part)):
        return "schedule"
    return " or ".join(_type_in_words(part) for part in parts)


def _type_in_words(annotation: Any) -> str:
    origin = typing.get_origin(annotation)
    if annotation is ImageSize:
        return "int or WIDTHxHEIGHT"
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in typing.get_args(annotation))
    if origin in (tuple, list):
        return "list"
    is_table = origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel))
    return "table" if is_table else str(annotation.__name__)


def default_of(field: FieldInfo) -> str:
    """Return the default of a field as a user would write it."""
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is None:
        return "chosen"
    if isinstance(default, BaseModel) and field.annotation is type(default) and "kind" in type(default).model_fields:
        return f'`{{ kind = "{default.model_dump()["kind"]}" }}`'
    if isinstance(default, BaseModel):
        return f"`{default.model_dump().get('kind') or as_table(default)}`"
    return f"`{list(default) if isinstance(default, tuple) else default}`" if default != "" else ""


def as_table(model: BaseModel) -> str:
    """Return the settings of a model as an inline table of TOML."""
    return _as_toml(model.model_dump(mode="json", exclude_none=True))


def _as_toml(value: object) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    return "{ " + ", ".join(f"{name} = {_as_toml(inner)}" for name, inner in value.items()) + " }"


def rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield the rows of a section's table."""
    yield "| setting | type | default | |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        text = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{prefix}{name}` | {type_name(field)} | {default_of(field)} | {text} |"


def kind_of(model: type[BaseModel]) -> str:
    """Return the value of a model's `kind`, or "" where it has none."""
    field = model.model_fields.get("kind")
    return str(field.default) if field else ""


def section(name: str, model: type[BaseModel], prefix: str) -> Iterator[str]:
    """Yield one table with its heading and the first paragraph of the model's documentation."""
    yield f"### `{name}`" if kind_of(model) else f"## `{name}`"
    yield ""
    yield " ".join((model.__doc__ or "").split("\n\n")[0].split())
    yield ""
    table = list(rows(model, prefix))
    yield from table if len(table) > 2 else ["No further settings."]
    yield ""


def section_models(name: str, field: FieldInfo) -> list[type[BaseModel]]:
    """Return the models that a section of a recipe may hold; those of the data are in a registry, as users add some."""
    if name == "data":
        return [DATA_KINDS.find(kind).config for kind in DATA_KINDS]
    return list(models(typing.get_args(field.annotation)[1] if name == "terms" else field.annotation))


def introduction(name: str, field: FieldInfo) -> str:
    """Return the text below the heading of a section whose models have kinds."""
    if name == "terms":
        return "Further loss terms by name; `kind` defaults to the name."
    field = DataConfig.model_fields["kind"] if name == "data" else field
    return " ".join((field.description or "").split()) or f"One kind of {name}."


def page() -> str:
    """Return the page as Markdown."""
    lines = [HEAD]
    for name, field in Recipe.model_fields.items():
        found = section_models(name, field)
        if found and kind_of(found[0]):
            lines += [f"## `{name}`", "", introduction(name, field), ""]
        for model in found:
            kind = kind_of(model)
            prefix = f"terms.{kind.replace('-', '_')}." if name == "terms" else f"{name}."
            lines += section(f'{name}.kind = "{kind}"' if kind else name, model, prefix)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf8")
