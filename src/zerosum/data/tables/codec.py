"""Rows as samples: each column is a block of categories and a normal score; columns may be given as a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.codec import Codec, Items
from zerosum.data.tables.block_names import name_block, name_category
from zerosum.data.tables.constraints import Constraint, Rows, restore_constraint
from zerosum.data.tables.encoder import ColumnEncoder
from zerosum.data.tables.layout import TableColumn, TableLayout
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import Block, SampleSpec, TensorSpec
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import DataFrame

    from zerosum.game.types import Sample

_DRAWN_ROWS = 1024  # so that random numbers fit into the cache of the processor


@dataclass(frozen=True, eq=False)
class TableCodec(Codec):
    """Encodes rows (N, C), float64 with NaN for missing cells, as blocks (N, K)."""

    layout: TableLayout
    """The user's table: the order of its columns and how they are written."""
    encoders: tuple[ColumnEncoder, ...]
    """The encoder of each derived column."""
    constraints: tuple[Constraint, ...] = ()
    """What holds in every row."""

    # ------------------------------------------------------------------ form

    @property
    def columns(self) -> tuple[TableColumn, ...]:
        """The C encoded columns of the user's table."""
        return self.layout.columns

    @cached_property
    def _blocks(self) -> tuple[tuple[int, Block], ...]:
        """The derived columns that have a block, and these blocks."""
        found = ((index, encoder.block) for index, encoder in enumerate(self.encoders))
        return tuple((index, block) for index, block in found if block is not None)

    @property
    def has_blocks(self) -> bool:
        """Whether there is anything to be learned."""
        return bool(self._blocks)

    @cached_property
    def spec(self) -> TensorSpec:
        """K real numbers in blocks."""
        blocks = tuple(block for _, block in self._blocks)
        return TensorSpec((sum(block.size for block in blocks),), blocks=blocks)

    @property
    def condition_spec(self) -> SampleSpec:
        """The given part of a row, zeros elsewhere, and which blocks are given."""
        return {"values": self.spec, "known": TensorSpec((len(self.spec.blocks),))}

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """The first value (B,) of each block."""
        sizes = [block.size for block in self.spec.blocks]
        return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the blocks with categories and their starts, and the blocks with values and the values' places."""
        blocks = self.spec.blocks
        coded = [index for index, block in enumerate(blocks) if block.categories]
        scored = [index for index, block in enumerate(blocks) if block.has_value]
        ends = self._starts + np.array([block.size for block in blocks])
        return tuple(torch.from_numpy(np.asarray(part, np.int64)) for part in (
            coded, self._starts[coded], scored, ends[scored] - 1))  # type: ignore[return-value]  # fmt: skip

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """The block (K,) of each value of a sample."""
        return np.repeat(np.arange(len(self.spec.blocks)), [block.size for block in self.spec.blocks])

    # ------------------------------------------------------------------ rows to samples

    def encode_cells(self, cells: Rows, seed: Tensor | None = None) -> Mapping[str, NDArray[np.generic]]:
        """Return raw examples of rows (N, C): the cells, codes (N, B) int32 and scores (N, B) float32 of the blocks.

        Args:
            cells: the rows.
            seed: (N,) int64 by which equal numbers are spread over their quantiles; None: all are halfway.
        """
        derived = self.derive(cells)
        codes = np.zeros((len(cells), len(self._blocks)), np.int32)
        scores = np.zeros((len(cells), len(self._blocks)), np.float32)
        scored = [place for place, (_, block) in enumerate(self._blocks) if block.has_value]
        draws = None if seed is None else _draw_ties(seed, len(scored))
        for place, (index, block) in enumerate(self._blocks):
            own = draws[:, scored.index(place)].astype(np.float64) if draws is not None and block.has_value else None
            codes[:, place], scores[:, place] = self.encoders[index].encode(derived[:, index], own)
        return {"cells": cells, "codes": codes, "scores": scores}

    def derive(self, cells: Rows) -> Rows:
        """Return derived rows (N, C), as encoders take them, of rows (N, C)."""
        for constraint in self.constraints:
            cells = constraint.derive(cells)
        return cells

    def encode(self, raw: Sample) -> Tensor:
        """Encode raw examples, see `encode_cells`, as samples (N, K) float32."""
        assert isinstance(raw, Mapping), "raw rows are a tree of arrays"
        codes, scores = raw["codes"], raw["scores"]
        assert isinstance(codes, Tensor) and isinstance(scores, Tensor), "of these tensors"  # noqa: PT018
        coded, starts, scored, places = (part.to(codes.device) for part in self._places)
        sample = torch.zeros(len(codes), self.spec.shape[0], device=codes.device)
        sample.scatter_(1, codes[:, coded].long() + starts, 1.0)
        sample[:, places] = scores[:, scored]
        return sample

    def encode_rows(self, cells: Rows) -> Tensor:
        """Encode rows (N, C) as samples (N, K) float32 on the CPU."""
        raw = self.encode_cells(cells)
        return self.encode({name: torch.from_numpy(np.ascontiguousarray(raw[name])) for name in ("codes", "scores")})

    def decode(self, sample: Tensor, seed: Tensor) -> Items:  # type: ignore[override]
        """Decode samples (N, K) to rows (N, C) float64: the largest entry of each block is its category."""
        values = sample.detach().float().cpu().numpy()
        derived = np.empty((len(values), len(self.encoders)))
        own = {index: place for place, (index, _) in enumerate(self._blocks)}
        for index, encoder in enumerate(self.encoders):
            if index not in own:
                derived[:, index] = encoder.categories[0] if len(encoder.categories) else np.nan
                continue
            place = own[index]
            block, start = self.spec.blocks[place], self._starts[place]
            entries = values[:, start : start + block.categories]
            codes = entries.argmax(1) if block.categories else np.full(len(values), len(encoder.categories))
            scores = values[:, start + block.categories] if block.has_value else np.zeros(len(values), np.float32)
            draws = _draw(seed, place, seeded_rng.RandomStream.RARE_VALUE) if len(encoder.rare) else np.zeros(0)
            derived[:, index] = encoder.decode(codes, scores, draws)
        return self._restore(derived)

    def _restore(self, rows: Rows) -> Rows:
        """Return the rows (N, C) of derived rows, rounded as they are written."""
        is_combined = {column for known in self.constraints if known.kind == "combinations" for column in known.columns}
        for index, column in enumerate(self.columns):
            if index not in is_combined:
                rows[:, index] = column.format.round(rows[:, index])
        for constraint in reversed(self.constraints):
            rows = constraint.restore(rows)
        for index, column in enumerate(self.columns):
            rows[:, index] = column.format.round(rows[:, index])
        return rows

    def items(self, raw: Sample) -> Items:
        """Return the rows (N, C) of raw examples."""
        assert isinstance(raw, Mapping), "raw rows are a tree of arrays"
        cells = raw["cells"]
        assert isinstance(cells, Tensor), "of which this is one"
        return np.asarray(cells.numpy())

    def embed(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        """Return the samples themselves (N, K)."""
        return sample.detach().float().cpu()

    def round(self, sample: Sample) -> Sample:
        """Return samples (N, K) whose blocks are one category each."""
        assert isinstance(sample, Tensor), "rows are one tensor"
        rows = self.decode(sample, torch.zeros(len(sample), dtype=torch.int64))
        return self.encode_rows(np.asarray(rows, np.float64))

    # ------------------------------------------------------------------ given columns

    @property
    def condition_names(self) -> tuple[str, ...]:
        """The names of the columns that may be given."""
        return tuple(column.name for column in self.columns)

    def draw_conditions(self, seed: Tensor, label: Tensor | None) -> Sample:
        """Return the condition of samples of which nothing is given."""
        return self.give_nothing(len(seed))

    def give_nothing(self, count: int) -> Sample:
        """Return the condition of `count` samples of which nothing is given."""
        return {"values": torch.zeros(count, *self.spec.shape), "known": torch.zeros(count, len(self.spec.blocks))}

    def set_condition(self, condition: Sample, name: str, value: str) -> Sample:
        """Return conditions (N, ...) with one more column given.

        Raises:
            BadInput: there is no such column or value.
        """
        assert isinstance(condition, Mapping), "the condition of rows is a tree"
        known, values = condition["known"], condition["values"]
        assert isinstance(known, Tensor) and isinstance(values, Tensor), "of these tensors"  # noqa: PT018
        cells = np.full((len(known), len(self.columns)), np.nan)
        cells[:, self.find_column(name)] = self.parse_cell(name, value)
        own = self.give(cells)
        if not bool(own["known"].any()):
            raise BadInput(
                f"`condition` {printable(name)}: a constraint of the data ties this column to others, so it cannot be "
                "given alone; give the others together, or train without the constraint"
            )
        is_new = own["known"][:, torch.from_numpy(self.owners)] > 0
        return {"values": torch.where(is_new, own["values"], values), "known": torch.maximum(known, own["known"])}

    def give(self, cells: Rows) -> dict[str, Tensor]:
        """Return the condition of samples of which cells are given: rows (N, C), NaN where a cell is to be generated.

        A cell that a constraint ties to others is given only if they are, too.
        """
        derived = self.derive(cells)
        known = ~np.isnan(derived[:, [index for index, _ in self._blocks]])
        raw = self.encode_cells(cells)
        sample = self.encode({name: torch.from_numpy(np.ascontiguousarray(raw[name])) for name in ("codes", "scores")})
        mask = torch.from_numpy(known)
        return {"values": torch.where(mask[:, torch.from_numpy(self.owners)], sample, 0.0), "known": mask.float()}

    def find_column(self, name: str) -> int:
        """Return the index of a column.

        Raises:
            BadInput: there is no such column.
        """
        if name not in self.condition_names:
            others = printable(", ".join(self.condition_names))
            raise BadInput(f"`condition` {printable(name)}: there is no such column; choose one of {others}")
        return self.condition_names.index(name)

    def parse_cell(self, name: str, text: str) -> float:
        """Return the cell of a column that a user gives as a text.

        Raises:
            BadInput: there is no such column, or it has no such value.
        """
        column = self.columns[self.find_column(name)]
        cell = column.format.parse_text(f"`condition` {printable(name)}", text)
        knots = self.encoders[self.find_column(name)].knots
        is_derived = any(self.find_column(name) in constraint.columns for constraint in self.constraints)
        if len(knots) and not is_derived and not knots[0] <= cell <= knots[-1]:
            ends = column.format.texts(knots[[0, -1]])
            if cell not in self.encoders[self.find_column(name)].categories:
                raise BadInput(
                    f"`condition` {printable(name)}={text}: the training rows have values from {ends[0]} to {ends[1]}; "
                    "give one of these"
                )
        return cell

    # ------------------------------------------------------------------ the user's table

    def frame(self, items: Items, first: int = 0) -> DataFrame:
        """Return rows (N, C) as a table with the user's columns and types; new keys begin at row number `first`."""
        return self.layout.frame(np.asarray(items, np.float64), first)

    def texts(self, items: Items, first: int = 0) -> DataFrame:
        """Return rows (N, C) as a table of texts in the user's notation; new keys begin at row number `first`."""
        return self.layout.texts(np.asarray(items, np.float64), first)

    # ------------------------------------------------------------------ names

    @property
    def block_names(self) -> tuple[str, ...]:
        """The column of each block, or the columns whose combinations it holds."""
        return tuple(name_block(self.columns, self.constraints, index) for index, _ in self._blocks)

    def category_name(self, block: int, category: int) -> str:
        """Return the value that a category of a block stands for, in the user's notation."""
        index, _ = self._blocks[block]
        return name_category(self.columns, self.constraints, index, self.encoders[index], category)

    # ------------------------------------------------------------------ saved state

    def settings(self) -> Mapping[str, Json]:
        """Return the layout and the constraints."""
        return {
            "layout": self.layout.settings(),
            "constraints": [constraint.settings() for constraint in self.constraints],
        }

    def tensors(self) -> Mapping[str, Tensor]:
        """Return what the encoders were fitted to."""
        return {
            f"{index}.{name}": tensor
            for index, encoder in enumerate(self.encoders)
            for name, tensor in encoder.tensors().items()
        }

    @classmethod
    def restore(cls, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> Self:
        """Return the codec that was saved."""
        layout = TableLayout.restore(settings["layout"])
        names = ("categories", "rare", "rare_counts", "knots", "knot_levels")
        encoders = tuple(
            ColumnEncoder.restore({name: tensors[f"{index}.{name}"] for name in names})
            for index in range(len(layout.columns))
        )
        saved = settings["constraints"]
        assert isinstance(saved, Sequence), "a list was saved"
        return cls(layout, encoders, tuple(restore_constraint(known) for known in saved))  # type: ignore[arg-type]


def _draw(seed: Tensor, place: int, stream: seeded_rng.RandomStream) -> NDArray[np.float64]:
    """Return uniform numbers (N,) of a block."""
    return seeded_rng.uniform(seeded_rng.fork_seed(seed.cpu(), place), 1, stream)[:, 0].double().numpy()


def _draw_ties(seed: Tensor, count: int) -> NDArray[np.float32]:
    """Return uniform numbers (N, count); some rows at a time, since that is faster."""
    parts = (seed[first : first + _DRAWN_ROWS] for first in range(0, len(seed), _DRAWN_ROWS))
    draws = [seeded_rng.uniform(part, count, seeded_rng.RandomStream.TIES).numpy() for part in parts]
    return np.concatenate(draws) if draws else np.zeros((0, count), np.float32)
