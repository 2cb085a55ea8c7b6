"""How far networks that grow have grown: a pure function of images seen, so resume is exact.

Karras et al. 2017, arXiv:1710.10196, figure 2 and appendix A: phases in which a level is trained as it is, and phases
as long in which the next one is faded in, take turns.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from zerosum.game.schedule import ExampleInterval, FractionInterval, Progress
from zerosum.settings import Settings


class GrowthSchedule(Settings):
    """From the level `first` to the last one between two moments of the run, in phases of the same length."""

    start_level: Annotated[int, Field(ge=0, le=8)] = 0
    """Where networks begin: 0 for 4 x 4 pixels, as in the paper, 1 for 8 x 8, ...; at most the pictures' own size."""
    examples: ExampleInterval = (0, 0)
    """The two moments, in images seen: [0, 600000]."""
    fraction: FractionInterval = (0.0, 0.6)
    """The two moments as shares of the whole run; turned into `images` when its length is known."""

    @model_validator(mode="before")
    @classmethod
    def _clear_default_fraction(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("examples") not in (None, [0, 0], (0, 0)):
            return {"fraction": (0.0, 0.0)} | values
        return values

    @model_validator(mode="after")
    def _check_interval(self) -> GrowthSchedule:
        given = [pair for pair in (self.examples, self.fraction) if tuple(pair) != (0, 0)]
        if len(given) != 1 or given[0][0] >= given[0][1]:
            raise ValueError("give either images = [from, to] or share = [from, to] (of the run), from below to")
        return self

    def resolve(self, total_examples: int) -> GrowthSchedule:
        """The same growth with its moments in images, for a run of `total_examples` images."""
        if self.examples[1]:
            return self
        begin = round(self.fraction[0] * total_examples)
        moments = (begin, max(begin + 1, round(self.fraction[1] * total_examples)))
        return self.model_copy(update={"examples": moments, "fraction": (0.0, 0.0)})

    def __call__(self, progress: Progress, levels: int) -> float:
        """How far networks of `levels` levels have grown: from min(first, levels - 1) to levels - 1.

        With n levels to come there are 2n phases: the first level, the second faded in, the second, the third faded
        in, ... The growth is a whole number wherever nothing is being faded in, and levels - 1 from the second moment
        on.
        """
        begin, end = self.examples
        assert end, "a growth's share is resolved before training starts"
        least = min(self.start_level, levels - 1)
        span = end - begin
        seen = min(max(progress.examples - begin, 0), span)
        # in images times 2n, so that whole numbers tell where phases end
        grown, rest = divmod(seen * 2 * (levels - 1 - least), 2 * span)
        return least + grown + max(rest - span, 0) / span
