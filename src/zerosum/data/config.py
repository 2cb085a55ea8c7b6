"""Settings of the training data that every kind of data has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field

from zerosum.errors import BadInput
from zerosum.settings import Settings

DEFAULT_HELD_OUT = 0.1
"""Fraction of the data that is held out if the settings do not say."""


class DataConfig(Settings):
    """Settings of the training data; each kind of data adds its own."""

    kind: str
    """The kind of data. Default: the one that recognizes the source."""
    source: str = ""
    """A folder or a file, or the name of a built-in dataset."""
    held_out: Annotated[float, Field(ge=0, le=0.5)] | None = None
    """Fraction of the data that is held out for evaluation: the discriminator never sees it. Left out: 0.1, but at
    least 64 examples (a quarter of small datasets) and at most 5,000."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Number of threads that prefetch batches; 0: no prefetching."""
    source_fields: ClassVar[tuple[str, ...]] = ("source",)
    """The settings that name a source: a path, or the name of a built-in dataset."""
    form_fields: ClassVar[tuple[str, ...]] = ()
    """The settings that say what a sample is, whatever the source: a run that starts from another one has the same."""

    @property
    def has_inputs(self) -> bool:
        """Whether a sample has an input, from which a game of translation generates it."""
        return False

    @property
    def has_targets(self) -> bool:
        """Whether each input has its own target."""
        return False

    @property
    def condition_columns(self) -> tuple[str, ...]:
        """The columns of a table that are numeric conditions; () if none are asked for."""
        return ()

    @property
    def degradations(self) -> tuple[str, ...]:
        """The degradations by which the inputs are made from the targets, in order; () if inputs are given."""
        return ()

    @property
    def trains_conditions(self) -> bool:
        """Whether networks that take conditions are trained with them, so that samples can be asked for them."""
        return True

    @property
    def fills_holes(self) -> bool:
        """Whether the last channel of an input is a mask of the hole that is to be filled."""
        return False

    @property
    def range_of_inputs(self) -> tuple[float, float] | None:
        """The values (low, high) that are the ends of the range of inputs; None for that of their type."""
        return None

    @property
    def range_of_outputs(self) -> tuple[float, float] | None:
        """The values (low, high) that are the ends of the range of what is generated; None for that of its type."""
        return None

    @property
    def dtype_of_inputs(self) -> str:
        """The type of the values of inputs, where they are images."""
        return "uint8"

    @property
    def dtype_of_outputs(self) -> str:
        """The type of the values of what is generated, where it is images."""
        return "uint8"

    @property
    def pages_are_bands(self) -> bool:
        """Whether the pages of a file are the bands of one image."""
        return False

    @property
    def held_out_fraction(self) -> float:
        """The fraction of the data that is held out."""
        return DEFAULT_HELD_OUT if self.held_out is None else self.held_out

    @property
    def sources(self) -> dict[str, str]:
        """The sources that are set, by the setting that names them."""
        fields = self.model_dump(include=set(self.source_fields))
        return {name: fields[name] for name in self.source_fields if fields[name]}

    @property
    def training_sources(self) -> list[str]:
        """The sources of the training data, without those that are only held out."""
        return list(self.sources.values())

    def relocate(self, sources: Mapping[str, str]) -> Self:
        """Return the settings with the same data at other paths, by the names of `sources`."""
        return self.model_copy(update=dict(sources))

    def with_training_sources(self, sources: Sequence[str]) -> Self:
        """Return the settings with other training data, read in the same way; a source that is only held out stays.

        Raises:
            BadInput: the settings have another number of sources.
        """
        if len(sources) != 1:
            raise BadInput(f"`data` {', '.join(sources)}: these are {len(sources)} sources; give one")
        return self.model_copy(update={"source": sources[0]})

    def with_source(self, source: str) -> Self:
        """Return the settings with one other source, in which all items are found."""
        others = dict.fromkeys(self.source_fields, "")
        return self.model_copy(update=others | {"source": source})

    def reversed(self) -> Self:
        """Return the settings with inputs and targets exchanged."""
        return self

    def as_paired(self) -> Self:
        """Return the settings with each input paired with the target of the same name."""
        return self
