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

from zerosum.data.codec import Codec, FilterFn, GivenValues, Items
from zerosum.data.tables.block_names import name_block, name_category
from zerosum.data.tables.constraint_base import Constraint, coded_columns
from zerosum.data.tables.constraints import restore_constraint
from zerosum.data.tables.encoder import ColumnEncoder
from zerosum.data.tables.formats import Rows
from zerosum.data.tables.given import find_column, given_rows
from zerosum.data.tables.layout import TableColumn, TableLayout
from zerosum.data.tables.number_model import model_tensors, restore_model
from zerosum.data.tables.preview import choose_columns, preview_rows
from zerosum.data.tables.where import parse_filter
from zerosum.game import seeded_rng
from zerosum.game.sample_spec import Block, NumberModel, SampleSpec, TensorSpec
from zerosum.game.sample_tree import leaves
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
    number_model: NumberModel | None = None
    """How the numbers of samples depend on each other and on the categories."""

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
        return TensorSpec((sum(block.size for block in blocks),), blocks=blocks, number_model=self.number_model)

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
        codes, scores = self._encode_derived(self.derive(cells), seed)
        return {"cells": cells, "codes": codes, "scores": scores}

    def _encode_derived(self, derived: Rows, seed: Tensor | None) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Return the codes (N, B) and scores (N, B) of derived rows (N, C)."""
        codes = np.zeros((len(derived), len(self._blocks)), np.int32)
        scores = np.zeros((len(derived), len(self._blocks)), np.float32)
        scored = [place for place, (_, block) in enumerate(self._blocks) if block.has_value]
        draws = None if seed is None else _draw_ties(seed, len(scored))
        for place, (index, block) in enumerate(self._blocks):
            own = draws[:, scored.index(place)].astype(np.float64) if draws is not None and block.has_value else None
            codes[:, place], scores[:, place] = self.encoders[index].encode(derived[:, index], own)
        return codes, scores

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

    def block_columns(self, blocks: Sequence[int]) -> list[int]:
        """Return the derived columns of blocks."""
        return [self._blocks[block][0] for block in blocks]

    def encode_rows(self, cells: Rows, seed: Tensor | None = None) -> Tensor:
        """Encode rows (N, C) as samples (N, K) float32 on the CPU; see `encode_cells` for `seed`."""
        raw = self.encode_cells(cells, seed)
        return self.encode({name: torch.from_numpy(np.ascontiguousarray(raw[name])) for name in ("codes", "scores")})

    def decode(self, sample: Tensor, seed: Tensor) -> Items:  # type: ignore[override]
        """Decode samples (N, K) to rows (N, C) float64: the largest entry of each block is its category."""
        return self.restore_rows(self.decode_derived(sample, seed))

    def decode_derived(self, sample: Tensor, seed: Tensor) -> Rows:
        """Decode samples (N, K) to derived rows (N, C), before the constraints restore the user's columns."""
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
        return derived

    def restore_rows(self, derived: Rows, given: Rows | None = None) -> Rows:
        """Return the rows (N, C) of derived rows, rounded as they are written; for `given`, see `restore_given`."""
        others = coded_columns(self.constraints) | {
            column for known in self.constraints for column in known.differences
        }
        rows = derived.copy()
        for index, column in enumerate(self.columns):
            if index not in others:
                rows[:, index] = column.format.round(rows[:, index])
        for constraint in reversed(self.constraints):
            rows = constraint.restore(rows)
        rows = self.round_rows(rows)
        fixed = np.full_like(rows, np.nan) if given is None else given
        round_up = [column.format.round_up for column in self.columns]
        for constraint in self.constraints:
            rows = constraint.keep_rounded(rows, fixed, self.round_rows, round_up)
        return rows

    def round_rows(self, rows: Rows) -> Rows:
        """Return rows (N, C) rounded as they are written."""
        return np.stack([column.format.round(rows[:, index]) for index, column in enumerate(self.columns)], 1)

    def restore_given(self, derived: Rows, given: Rows) -> Rows:
        """Return the rows (N, C) of generated derived rows of which cells are given: these are exactly as given.

        Args:
            derived: (N, C) derived rows.
            given: (N, C) the given cells, NaN elsewhere.
        """
        known = self.derive_given(given)
        rows = self.restore_rows(np.where(np.isnan(known), derived, known), given)
        for constraint in self.constraints:
            rows = constraint.settle(rows, given, self.round_rows)
        return np.where(np.isnan(given), self.round_rows(rows), given)

    def items(self, raw: Sample) -> Items:
        """Return the rows (N, C) of raw examples."""
        assert isinstance(raw, Mapping), "raw rows are a tree of arrays"
        cells = raw["cells"]
        assert isinstance(cells, Tensor), "of which this is one"
        return np.asarray(cells.numpy())

    @cached_property
    def _drawn_columns(self) -> list[int]:
        return choose_columns(self.columns, self.encoders, self.constraints)

    def preview(self, items: Items) -> Items:
        """Return rows (N, C) as a structured array (N,); see `preview_rows`."""
        return preview_rows(self.columns, self._drawn_columns, np.asarray(items, np.float64))

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
        return self.set_conditions(condition, {name: value}, torch.zeros(len(leaves(condition)[0]), dtype=torch.int64))

    def set_conditions(self, condition: Sample, values: GivenValues, seed: Tensor) -> Sample:
        """Return conditions (N, ...) with more columns given, and those that follow from them by a constraint.

        Raises:
            BadInput: there is no such column or value, or a constraint forbids it.
        """
        assert isinstance(condition, Mapping), "the condition of rows is a tree"
        known, sample = condition["known"], condition["values"]
        assert isinstance(known, Tensor) and isinstance(sample, Tensor), "of these tensors"  # noqa: PT018
        own = self.give(self._given_rows(values, seed))
        is_new = own["known"][:, torch.from_numpy(self.owners)] > 0
        return {"values": torch.where(is_new, own["values"], sample), "known": torch.maximum(known, own["known"])}

    def decode_given(self, sample: Sample, seed: Tensor, values: GivenValues) -> Items:
        """Decode samples (N, K) to rows (N, C) in which given cells are exactly as given."""
        assert isinstance(sample, Tensor), "rows are one tensor"
        return self.restore_given(self.decode_derived(sample, seed), self._given_rows(values, seed))

    def give(self, cells: Rows) -> dict[str, Tensor]:
        """Return the condition of samples of which cells are given: rows (N, C), NaN where a cell is to be generated.

        A cell that a constraint ties to others is given only if they are, too.
        """
        derived = self.derive_given(cells)
        known = ~np.isnan(derived[:, [index for index, _ in self._blocks]])
        codes, scores = self._encode_derived(derived, None)
        sample = self.encode({"codes": torch.from_numpy(codes), "scores": torch.from_numpy(scores)})
        mask = torch.from_numpy(known)
        return {"values": torch.where(mask[:, torch.from_numpy(self.owners)], sample, 0.0), "known": mask.float()}

    def derive_given(self, cells: Rows) -> Rows:
        """Return derived rows (N, C) of rows in which NaN is a cell that is not given."""
        for constraint in self.constraints:
            cells = constraint.derive_given(cells)
        return cells

    def parse_filter(self, text: str) -> FilterFn:
        """Return the filter of rows that a text such as "price<1000 and cut=Ideal" means.

        Raises:
            BadInput: it means none.
        """
        return parse_filter(self.layout, text)

    def _given_rows(self, values: GivenValues, seed: Tensor) -> Rows:
        return given_rows(self.layout, self.encoders, self.constraints, values, seed)

    def find_column(self, name: str) -> int:
        """Return the index of a column that is given.

        Raises:
            BadInput: there is no such column.
        """
        return find_column(self.layout, name, "given")

    # ------------------------------------------------------------------ the user's table

    def frame(self, items: Items, first: int = 0) -> DataFrame:
        """Return rows (N, C) as a table with the user's columns and types; new keys begin at row number `first`."""
        return self.layout.frame(np.asarray(items, np.float64), first)

    def publish(self, samples: Sample, seed: Tensor, first: int, given: GivenValues) -> DataFrame:
        """Return samples (N, K) as a table with the user's columns and types."""
        rows = np.asarray(self.decode_given(samples, seed, given), np.float64)
        pairs = zip(self.columns, self.encoders, strict=True)
        return self.layout.publish(rows, first, [column.name for column, encoder in pairs if encoder.may_be_missing])

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
        fitted = {
            f"{index}.{name}": tensor
            for index, encoder in enumerate(self.encoders)
            for name, tensor in encoder.tensors().items()
        }
        return fitted | model_tensors(self.number_model)

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
        constraints = tuple(restore_constraint(known) for known in saved)  # type: ignore[arg-type]
        return cls(layout, encoders, constraints, restore_model(tensors))


def _draw(seed: Tensor, place: int, stream: seeded_rng.RandomStream) -> NDArray[np.float64]:
    """Return uniform numbers (N,) of a block."""
    return seeded_rng.uniform(seeded_rng.fork_seed(seed.cpu(), place), 1, stream)[:, 0].double().numpy()


def _draw_ties(seed: Tensor, count: int) -> NDArray[np.float32]:
    """Return uniform numbers (N, count); some rows at a time, since that is faster."""
    parts = (seed[first : first + _DRAWN_ROWS] for first in range(0, len(seed), _DRAWN_ROWS))
    draws = [seeded_rng.uniform(part, count, seeded_rng.RandomStream.TIES).numpy() for part in parts]
    return np.concatenate(draws) if draws else np.zeros((0, count), np.float32)
