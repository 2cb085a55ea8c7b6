"""Time, and quantities that change with it. Every schedule is a pure function of `Now`, so resume is exact."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Discriminator, Field, NonNegativeFloat, Tag, model_validator

from zerosum.setting import Setting


class Now(NamedTuple):
    """When we are: rounds played, and images the generator's batches have counted over all ranks."""

    round: int = 0
    images: int = 0


class Ramp(Setting):
    """From `start` to `end` while `images` images are seen, beginning after `after` images; constant outside."""

    start: NonNegativeFloat
    """Value at the beginning."""
    end: NonNegativeFloat
    """Value at the end, kept from then on."""
    images: Annotated[int, Field(ge=0)] = 0
    """How many images the change takes; 0 where `share` says it instead."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The change's length as a share of the whole run; turned into `images` when the run's length is known."""
    after: Annotated[int, Field(ge=0)] = 0
    """Images seen before the change begins."""

    @model_validator(mode="after")
    def _one_length(self) -> Ramp:
        if (self.images > 0) == (self.share > 0):
            raise ValueError("give either images (a count) or share (of the run, above 0), not both or neither")
        return self

    def over(self, total: int) -> Ramp:
        """The same ramp with its length in images, for a run of `total` images."""
        return (
            self if self.images else self.model_copy(update={"images": max(1, round(self.share * total)), "share": 0.0})
        )

    def progress(self, now: Now) -> float:
        """How far the change has come, in [0, 1]."""
        assert self.images, "a ramp's share is resolved before training starts"
        return min(max(now.images - self.after, 0) / self.images, 1.0)


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


def _tag(value: Any) -> str:
    """Which of the schedules a setting means; a table without a kind is a linear ramp."""
    if isinstance(value, dict):
        return str(value.get("kind", "linear"))
    return value.kind if isinstance(value, Linear | Cosine) else "number"


Schedule = Annotated[
    Annotated[NonNegativeFloat, Tag("number")] | Annotated[Linear, Tag("linear")] | Annotated[Cosine, Tag("cosine")],
    Discriminator(_tag),
]
"""A number, or a number that changes over the run."""


def at(schedule: Schedule, now: Now) -> float:
    """The schedule's value now."""
    return schedule if isinstance(schedule, float | int) else schedule(now)
