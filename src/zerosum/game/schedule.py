"""Time, and quantities that change with it. Every schedule is a pure function of `Now`, so resume is exact."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, NonNegativeFloat, Tag, model_validator

from zerosum.settings import Settings


class Progress(NamedTuple):
    """When we are: rounds played, and images the generator's batches have counted over all ranks."""

    round: int = 0
    examples: int = 0


ExampleInterval = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
FractionInterval = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]


class Ramp(Settings):
    """From `start` to `end` between two moments of the run; constant before and after."""

    start: NonNegativeFloat
    """Value before and at the first moment."""
    end: NonNegativeFloat
    """Value from the second moment on."""
    examples: ExampleInterval = (0, 0)
    """The two moments, in images seen: [0, 60000]."""
    fraction: FractionInterval = (0.0, 0.0)
    """The two moments as shares of the whole run, [0.6, 1.0]; turned into `images` when its length is known."""

    @model_validator(mode="after")
    def _check_interval(self) -> Ramp:
        given = [pair for pair in (self.examples, self.fraction) if tuple(pair) != (0, 0)]
        if len(given) != 1 or given[0][0] >= given[0][1]:
            raise ValueError("give either images = [from, to] or share = [from, to] (of the run), from below to")
        return self

    def resolve(self, total_examples: int) -> Ramp:
        """The same ramp with its moments in images, for a run of `total_examples` images."""
        if self.examples[1]:
            return self
        first = round(self.fraction[0] * total_examples)
        moments = (first, max(first + 1, round(self.fraction[1] * total_examples)))
        return self.model_copy(update={"examples": moments, "fraction": (0.0, 0.0)})

    def completed_fraction(self, progress: Progress) -> float:
        """How far the change has come, in [0, 1]."""
        first, last = self.examples
        assert last, "a ramp's share is resolved before training starts"
        return min(max((progress.examples - first) / (last - first), 0.0), 1.0)


class Linear(Ramp):
    """A straight ramp."""

    kind: Literal["linear"] = "linear"

    def __call__(self, progress: Progress) -> float:
        return self.start + (self.end - self.start) * self.completed_fraction(progress)


class Cosine(Ramp):
    """Half a cosine: slow at both ends."""

    kind: Literal["cosine"] = "cosine"

    def __call__(self, progress: Progress) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * self.completed_fraction(progress))) / 2


class Geometric(Ramp):
    """The same factor in equal times; neither end may be 0."""

    kind: Literal["geometric"] = "geometric"

    @model_validator(mode="after")
    def _check_positive(self) -> Geometric:
        if not self.start or not self.end:
            raise ValueError("a geometric ramp has neither end at 0; give small numbers instead")
        return self

    def __call__(self, progress: Progress) -> float:
        return float(self.start * (self.end / self.start) ** self.completed_fraction(progress))


def _schedule_kind(value: Any) -> str:
    """Which of the schedules a setting means; a table without a kind is a linear ramp."""
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
"""A number, or a number that changes over the run."""


def value_at(schedule: Schedule, progress: Progress) -> float:
    """The schedule's value now."""
    return schedule if isinstance(schedule, float | int) else schedule(progress)


def schedule_endpoints(schedule: Schedule) -> tuple[float, float]:
    """The schedule's first and last value, between which all others lie."""
    return (schedule, schedule) if isinstance(schedule, float | int) else (schedule.start, schedule.end)
