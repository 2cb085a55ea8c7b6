"""Scripts that write rows without Zerosum, with numpy alone: what the codec has fitted becomes facts."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.formats import ColumnFormat
from zerosum.data.text import enumerate_names, printable
from zerosum.media.script import ScriptPart, load_script, render
from zerosum.media.tables_csv import format_names
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zerosum.data.tables.detect import DetectedColumn
    from zerosum.data.tables.encoder import ColumnEncoder
    from zerosum.data.tables.formats import Cells

_SCRIPTS = Path(__file__).with_name("scripts")
BLOCKS = (
    "In a sample, each column in `config.json` has its place: from `start` on `num_categories` numbers of which the "
    "largest is its category, and then, where there are `knots`, the normal score of a number, which counts where the "
    "last category is chosen. A column whose `start` is null is always the same."
)
GIVEN = (
    "`values` holds the given part of a sample and zeros elsewhere, and `known` a 1 for each given column, at its "
    "`block`; zeros: nothing is given."
)


def sample_script(codec: TableCodec, caution: str) -> ScriptPart:
    """Return how scripts write samples: as `TableMedia.write` does; `caution` is a paragraph for the README."""
    kinds = {column.kind for column in codec.layout.all_columns}
    words = {"rows", *(word for word, kind in (("dates", "date"), ("keys", "key")) if kind in kinds)}
    words |= {"constraints"} if codec.constraints else set()
    parts = ["tables", *["tables_constraints"] * bool(codec.constraints)]
    given = [*["tables_completion"] * bool(codec.constraints), "tables_given"]
    facts: dict[str, Json] = {"sample": table_facts(codec)}
    return ScriptPart(
        _join(parts, words), facts=facts, words=frozenset(words), given_source=_join(given, words),
        given_example=_example(codec), notes=(*_notes(codec.layout.all_columns), BLOCKS, caution),
        given_notes=(GIVEN,),
    )  # fmt: skip


def table_facts(codec: TableCodec) -> dict[str, Json]:
    """Return what is needed to decode samples: the columns of the table, with how each is encoded and written."""
    encoders = iter(codec.encoders)
    sizes = [block.size for block in codec.spec.blocks]
    blocks = iter(enumerate(accumulate(sizes, initial=0)))
    saved = codec.layout.settings()["columns"]
    assert isinstance(saved, list), "the columns are a list"
    columns: list[Json] = []
    for column, settings in zip(codec.layout.all_columns, saved, strict=True):
        encoded: dict[str, Json] = {}
        if isinstance(column.format, ColumnFormat):
            encoder = next(encoders)
            encoded = _encoder_facts(encoder, next(blocks) if encoder.block else None)
        columns.append({**settings, **encoded})
    names = codec.condition_names
    constraints: list[Json] = [
        {**constraint.settings(), "columns": [names[column] for column in constraint.columns]}
        for constraint in codec.constraints
    ]
    dialect = codec.layout.dialect
    return {
        "separator": dialect.separator, "encoding": dialect.encoding, "columns": columns, "constraints": constraints,
        "header": format_names(codec.layout.written_names, dialect.separator),
    }  # fmt: skip


def _encoder_facts(encoder: ColumnEncoder, place: tuple[int, int] | None) -> dict[str, Json]:
    """Return how a column is encoded; `place` is the number of its block, and the first value of that."""
    block, start = place if place else (None, None)
    return {
        "block": block, "start": start, "num_categories": encoder.block.categories if encoder.block else 0,
        "categories": _numbers(encoder.categories), "rare": _numbers(encoder.rare),
        "rare_counts": _numbers(encoder.rare_counts), "knots": _numbers(encoder.knots),
        "knot_levels": _numbers(encoder.knot_levels),
    }  # fmt: skip


def _numbers(values: Cells) -> list[Json]:
    """Return numbers (N,) for JSON, with null in place of NaN."""
    return [None if np.isnan(value) else value for value in values.tolist()]


def _join(names: Sequence[str], words: set[str]) -> str:
    """Return parts of a script, two lines apart."""
    return "\n\n\n".join(render(load_script(_SCRIPTS / f"{name}.py.txt"), words).strip("\n") for name in names)


def _example(codec: TableCodec) -> str:
    """Return a column with a value that can be given, such as cut=Ideal; "" if there is none that is plain text."""
    for column, encoder in zip(codec.columns, codec.encoders, strict=True):
        known = encoder.categories[~np.isnan(encoder.categories)]
        cells = known if column.values else np.concatenate([known, encoder.knots])
        is_tied = any(
            column.name == codec.condition_names[other] for each in codec.constraints for other in each.columns
        )
        if encoder.block is None or is_tied or not len(cells):
            continue
        cell = cells[0] if column.values else np.sort(cells)[len(cells) // 2]
        text = f"{column.name}={column.format.texts(column.format.round(np.array([cell])))[0]}"
        if text.isprintable() and not set(text.partition("=")[2]) & set("=,\"'$`\\%{}!") and text == text.strip():
            return text
    return ""


def _notes(columns: Sequence[DetectedColumn]) -> list[str]:
    """Return a sentence about the columns that samples do not have, if there are any."""
    left_out: Mapping[str, str] = {column.name: column.reason for column in columns if column.format is None}
    if not left_out:
        return []
    named = enumerate_names([f"{name} ({reason})" for name, reason in left_out.items()])
    return [f"Samples do not have all columns of the data: {printable(named)}."]
