"""Training progress, and schedules as pure functions of it, so that resume is exact."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

from pydantic import Discriminator, Field, NonNegativeFloat, Tag, model_validator

from zerosum.settings import Settings


class Progress(NamedTuple):
    """Training progress: number of rounds, and of examples in the generator's batches over all ranks."""

    round: int = 0
    examples: int = 0


ExampleInterval = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
FractionInterval = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]


class Ramp(Settings):
    """Change from `start` to `end` during an interval of the run; constant before and after.

    Give either `examples` or `fraction`.
    """

    start: NonNegativeFloat
    """Value up to the start of the interval."""
    end: NonNegativeFloat
    """Value from the end of the interval on."""
    examples: ExampleInterval = (0, 0)
    """Start and end of the interval in training examples: [0, 60000]."""
    fraction: FractionInterval = (0.0, 0.0)
    """Start and end as fractions of the run, [0.6, 1.0]; converted to `examples` when its length is known."""

    @model_validator(mode="after")
    def _check_interval(self) -> Ramp:
        intervals = [pair for pair in (self.examples, self.fraction) if tuple(pair) != (0, 0)]
        if len(intervals) != 1 or intervals[0][0] >= intervals[0][1]:
            raise ValueError("give either `examples` or `fraction` (of the run) as [start, end] with start < end")
        return self

    def resolve(self, total_examples: int) -> Ramp:
        """Return this ramp with its interval in examples, for a run of `total_examples` examples."""
        if self.examples[1]:
            return self
        first = round(self.fraction[0] * total_examples)
        interval = (first, max(first + 1, round(self.fraction[1] * total_examples)))
        return self.model_copy(update={"examples": interval, "fraction": (0.0, 0.0)})

    def completed_fraction(self, progress: Progress) -> float:
        """Return the completed fraction of the interval, in [0, 1]."""
        first, last = self.examples
        assert last, "the fraction is resolved to examples before training starts"
        return min(max((progress.examples - first) / (last - first), 0.0), 1.0)


class Linear(Ramp):
    """A linear ramp.

    Example:
        >>> from zerosum.game.schedule import Linear, Progress
        >>> lr = Linear(start=0.0, end=2e-4, examples=(0, 1000))
        >>> lr(Progress(examples=500))
        0.0001
    """

    kind: Literal["linear"] = "linear"

    def __call__(self, progress: Progress) -> float:
        return self.start + (self.end - self.start) * self.completed_fraction(progress)


class Cosine(Ramp):
    """A half-cosine ramp, which changes slowly at both ends."""

    kind: Literal["cosine"] = "cosine"

    def __call__(self, progress: Progress) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * self.completed_fraction(progress))) / 2


class Geometric(Ramp):
    """A geometric ramp: equal factors in equal times. Neither end may be 0."""

    kind: Literal["geometric"] = "geometric"

    @model_validator(mode="after")
    def _check_positive(self) -> Geometric:
        if not self.start or not self.end:
            raise ValueError("`start` and `end` of a geometric schedule must not be 0: give small positive numbers")
        return self

    def __call__(self, progress: Progress) -> float:
        return float(self.start * (self.end / self.start) ** self.completed_fraction(progress))


def _schedule_kind(value: object) -> str:
    """Return the tag of a schedule's type; a table without `kind` is a linear ramp."""
    if isinstance(value, dict):
        return str(value.get("kind", "linear"))
    return value.kind if isinstance(value, Linear | Cosine | Geometric) else "number"


Schedule = Annotated[
    Annotated[NonNegativeFloat, Tag("number")]
    | Annotated[Linear, Tag("linear")]
    | Annotated[Cosine, Tag("cosine")]
    | Annotated[Geometric, Tag("geometric")],
    Discriminator(_schedule_kind),
]
"""A constant number, or a ramp over the run."""


def value_at(schedule: Schedule, progress: Progress) -> float:
    """Return the value of a schedule at `progress`."""
    return schedule if isinstance(schedule, float | int) else schedule(progress)


def schedule_bounds(schedule: Schedule) -> tuple[int, ...]:
    """Return the examples at which a schedule begins and ends to change; none of a constant."""
    return () if isinstance(schedule, float | int) else schedule.examples


def schedule_endpoints(schedule: Schedule) -> tuple[float, float]:
    """Return the first and last value of a schedule; all other values lie between them."""
    return (schedule, schedule) if isinstance(schedule, float | int) else (schedule.start, schedule.end)
