"""The growth of progressively growing networks: a pure function of the number of examples, so that resume is exact.

Karras et al. 2017, arXiv:1710.10196, figure 2 and appendix A: phases that train one resolution alternate with phases of
the same length that fade in the next one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from zerosum.game.schedule import ExampleInterval, FractionInterval, Progress
from zerosum.settings import Settings


class GrowthSchedule(Settings):
    """Growth from `start_level` to the last level in phases of equal length.

    Give either `examples` or `fraction`.

    Example:
        >>> from zerosum.game.growth_schedule import GrowthSchedule
        >>> from zerosum.game.schedule import Progress
        >>> growth = GrowthSchedule(start_level=1, examples=(100, 500))
        >>> growth(Progress(examples=225), levels=4)
        1.25
    """

    start_level: Annotated[int, Field(ge=0, le=8)] = 0
    """First resolution level: 0 is 4 x 4 pixels, as in the paper, 1 is 8 x 8, ...; at most the size of the images."""
    examples: ExampleInterval = (0, 0)
    """Start and end of the growth in training examples: [0, 600000]."""
    fraction: FractionInterval = (0.0, 0.6)
    """Start and end of the growth as fractions of the run; converted to `examples` when its length is known."""

    @model_validator(mode="before")
    @classmethod
    def _clear_default_fraction(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("examples") not in (None, [0, 0], (0, 0)):
            return {"fraction": (0.0, 0.0)} | values
        return values

    @model_validator(mode="after")
    def _check_interval(self) -> GrowthSchedule:
        intervals = [pair for pair in (self.examples, self.fraction) if tuple(pair) != (0, 0)]
        if len(intervals) != 1 or intervals[0][0] >= intervals[0][1]:
            raise ValueError("give either `examples` or `fraction` (of the run) as [start, end] with start < end")
        return self

    def resolve(self, total_examples: int) -> GrowthSchedule:
        """Return this schedule with its interval in examples, for a run of `total_examples` examples."""
        if self.examples[1]:
            return self
        start = round(self.fraction[0] * total_examples)
        interval = (start, max(start + 1, round(self.fraction[1] * total_examples)))
        return self.model_copy(update={"examples": interval, "fraction": (0.0, 0.0)})

    def __call__(self, progress: Progress, levels: int) -> float:
        """Return the growth of networks with `levels` levels, from min(start_level, levels - 1) to levels - 1.

        To add n levels there are 2n phases: train the first level, fade in the second, train the second, fade in the
        third, ... The growth is an integer while no level is faded in, and levels - 1 from the end of the interval on.
        """
        start, end = self.examples
        assert end, "the fraction is resolved to examples before training starts"
        first_level = min(self.start_level, levels - 1)
        duration = end - start
        elapsed = min(max(progress.examples - start, 0), duration)
        # in units of 1 / (2n) examples, so that integer arithmetic finds the phase exactly
        added_levels, remainder = divmod(elapsed * 2 * (levels - 1 - first_level), 2 * duration)
        return first_level + added_levels + max(remainder - duration, 0) / duration
