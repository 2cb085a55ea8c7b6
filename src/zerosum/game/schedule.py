"""Time, and quantities that change with it. Every schedule is a pure function of `Now`, so resume is exact."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, NonNegativeFloat, Tag, model_validator

from zerosum.settings import Setting


class Now(NamedTuple):
    """When we are: rounds played, and images the generator's batches have counted over all ranks."""

    round: int = 0
    images: int = 0


Whole = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
Part = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]


class Ramp(Setting):
    """From `start` to `end` between two moments of the run; constant before and after."""

    start: NonNegativeFloat
    """Value before and at the first moment."""
    end: NonNegativeFloat
    """Value from the second moment on."""
    images: Whole = (0, 0)
    """The two moments, in images seen: [0, 60000]."""
    share: Part = (0.0, 0.0)
    """The two moments as shares of the whole run, [0.6, 1.0]; turned into `images` when its length is known."""

    @model_validator(mode="after")
    def _two_moments(self) -> Ramp:
        given = [pair for pair in (self.images, self.share) if tuple(pair) != (0, 0)]
        if len(given) != 1 or given[0][0] >= given[0][1]:
            raise ValueError("give either images = [from, to] or share = [from, to] (of the run), from below to")
        return self

    def over(self, total: int) -> Ramp:
        """The same ramp with its moments in images, for a run of `total` images."""
        if self.images[1]:
            return self
        first = round(self.share[0] * total)
        moments = (first, max(first + 1, round(self.share[1] * total)))
        return self.model_copy(update={"images": moments, "share": (0.0, 0.0)})

    def progress(self, now: Now) -> float:
        """How far the change has come, in [0, 1]."""
        first, last = self.images
        assert last, "a ramp's share is resolved before training starts"
        return min(max((now.images - first) / (last - first), 0.0), 1.0)


class Linear(Ramp):
    """A straight ramp."""

    kind: Literal["linear"] = "linear"

    def __call__(self, now: Now) -> float:
        return self.start + (self.end - self.start) * self.progress(now)


class Cosine(Ramp):
    """Half a cosine: slow at both ends."""

    kind: Literal["cosine"] = "cosine"

    def __call__(self, now: Now) -> float:
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * self.progress(now))) / 2


class Geometric(Ramp):
    """The same factor in equal times; neither end may be 0."""

    kind: Literal["geometric"] = "geometric"

    @model_validator(mode="after")
    def _positive(self) -> Geometric:
        if not self.start or not self.end:
            raise ValueError("a geometric ramp has neither end at 0; give small numbers instead")
        return self

    def __call__(self, now: Now) -> float:
        return float(self.start * (self.end / self.start) ** self.progress(now))


def _tag(value: Any) -> str:
    """Which of the schedules a setting means; a table without a kind is a linear ramp."""
    if isinstance(value, dict):
        return str(value.get("kind", "linear"))
    return value.kind if isinstance(value, Linear | Cosine | Geometric) else "number"


Schedule = Annotated[
    Annotated[NonNegativeFloat, Tag("number")]
    | Annotated[Linear, Tag("linear")]
    | Annotated[Cosine, Tag("cosine")]
    | Annotated[Geometric, Tag("geometric")],
    Discriminator(_tag),
]
"""A number, or a number that changes over the run."""


def at(schedule: Schedule, now: Now) -> float:
    """The schedule's value now."""
    return schedule if isinstance(schedule, float | int) else schedule(now)


def ends(schedule: Schedule) -> tuple[float, float]:
    """The schedule's first and last value, between which all others lie."""
    return (schedule, schedule) if isinstance(schedule, float | int) else (schedule.start, schedule.end)
