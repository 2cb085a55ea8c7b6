"""Settings of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from zerosum.data.config import DataConfig

ColumnKind = Literal["number", "integer", "date", "boolean", "category", "key", "text"]
"""What a column holds. A key is unique in each row, and text is left out."""


def split_names(value: object) -> object:
    """Return comma-separated names as a list; any other value unchanged."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _split_groups(value: object) -> object:
    """Return groups of names, "a,b; c,d", as lists of names."""
    return [group for group in value.split(";") if group.strip()] if isinstance(value, str) else value


def _name(value: object) -> object:
    """Return a name that was read as a number or a truth value, such as 2019, as a text."""
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | float) else value


def _join_names(value: object) -> object:
    """Return a table by whole names: a name with dots, such as `a.b`, was read as a table within a table."""
    if not isinstance(value, Mapping):
        return value
    joined: dict[str, object] = {}
    for name, inner in value.items():
        rest = _join_names(inner)
        joined |= {f"{name}.{end}": kind for end, kind in rest.items()} if isinstance(rest, dict) else {name: rest}
    return {name[1:-1] if len(name) > 2 and name[0] == name[-1] == '"' else name: joined[name] for name in joined}


def _parse_columns(value: object) -> object:
    """Return what columns hold, by name.

    Raises:
        ValueError: no column is named.
    """
    if isinstance(value, str):
        raise ValueError("names no column; set `data.column.NAME`, such as `data.column.age`, to a kind")
    return _join_names(value)


Name = Annotated[str, BeforeValidator(_name)]
Names = Annotated[tuple[Name, ...], BeforeValidator(split_names)]
Groups = Annotated[tuple[Names, ...], BeforeValidator(_split_groups)]


class TableDataConfig(DataConfig):
    """Rows of a table."""

    kind: Literal["tables"] = "tables"
    source: str = ""
    """A file: .csv, .tsv, .txt, .parquet or .xlsx, also .csv.gz and .tsv.gz."""
    column: Annotated[Mapping[str, ColumnKind], BeforeValidator(_parse_columns)] = {}
    """What columns hold, by name, where the guess from the data is wrong: number, integer, date, boolean, category, key
    (unique in each row: new ones are made) or text (left out)."""
    target: Name = ""
    """The column that is to be predicted from the others, by which the evaluation compares samples with real rows. Left
    out: each column in turn."""
    group: Name = ""
    """The column whose rows of one value, such as those of a patient, stay on one side of the split. It is not learned:
    samples have new keys in it, if the values are numbered, or lack it."""
    combinations: Groups = ()
    """Columns that occur in combinations of the data only: "city,country; brand,model"."""
    ordered: Groups = ()
    """Columns of numbers or dates that never decrease from left to right: "start,end; low,middle,high"."""
    sums: Groups = ()
    """Columns of which the first is the sum of the others: "total,net,tax"."""
    given: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Fraction of the training rows of which some columns are given, at random, so that samples can be asked for any
    columns; 0: none."""
    model_numbers: bool = True
    """Start from a normal distribution of the numbers given the categories, of which networks learn what is different:
    columns that depend on each other tightly then do so in samples, too. Of at most 20 columns of numbers."""
    form_fields: ClassVar[tuple[str, ...]] = ("column", "combinations", "ordered", "sums")

    @property
    def trains_conditions(self) -> bool:
        """Whether some columns are given in training."""
        return self.given > 0

    @model_validator(mode="after")
    def _check_group(self) -> TableDataConfig:
        """Check that the column of groups is not said to hold what is learned.

        Raises:
            ValueError: it is.
        """
        if self.column.get(self.group, "key") not in ("key", "text"):
            raise ValueError(
                f"`data.column.{self.group}` {self.column[self.group]}: is the column of `data.group`, which is not "
                "learned; say key or text, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _check_groups(self) -> TableDataConfig:
        """Check that a constraint has enough columns, and that no column is in two of them.

        Raises:
            ValueError: it is not so.
        """
        seen: set[str] = set()
        groups = (("combinations", self.combinations, 2), ("ordered", self.ordered, 2), ("sums", self.sums, 3))
        for field, members, least in groups:
            for names in members:
                if len(names) < least:
                    raise ValueError(f"`data.{field}` {','.join(names)}: name at least {least} columns")
                if twice := next((name for name in names if name in seen or names.count(name) > 1), ""):
                    raise ValueError(f"`data.{field}` {twice}: a column is in one constraint, and only once")
                seen |= set(names)
        return self
