"""How far networks that grow have grown: a pure function of images seen, so resume is exact.

Karras et al. 2017, arXiv:1710.10196, figure 2 and appendix A: phases in which a level is trained as it is, and phases
as long in which the next one is faded in, take turns.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from zerosum.game.schedule import Now, Part, Whole
from zerosum.settings import Setting


class Growth(Setting):
    """From the level `first` to the last one between two moments of the run, in phases of the same length."""

    first: Annotated[int, Field(ge=0, le=8)] = 0
    """Where networks begin: 0 for 4 x 4 pixels, as in the paper, 1 for 8 x 8, ...; at most the pictures' own size."""
    images: Whole = (0, 0)
    """The two moments, in images seen: [0, 600000]."""
    share: Part = (0.0, 0.6)
    """The two moments as shares of the whole run; turned into `images` when its length is known."""

    @model_validator(mode="before")
    @classmethod
    def _images_need_no_share(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("images") not in (None, [0, 0], (0, 0)):
            return {"share": (0.0, 0.0)} | given
        return given

    @model_validator(mode="after")
    def _two_moments(self) -> Growth:
        given = [pair for pair in (self.images, self.share) if tuple(pair) != (0, 0)]
        if len(given) != 1 or given[0][0] >= given[0][1]:
            raise ValueError("give either images = [from, to] or share = [from, to] (of the run), from below to")
        return self

    def over(self, total: int) -> Growth:
        """The same growth with its moments in images, for a run of `total` images."""
        if self.images[1]:
            return self
        begin = round(self.share[0] * total)
        moments = (begin, max(begin + 1, round(self.share[1] * total)))
        return self.model_copy(update={"images": moments, "share": (0.0, 0.0)})

    def __call__(self, now: Now, levels: int) -> float:
        """How far networks of `levels` levels have grown: from min(first, levels - 1) to levels - 1.

        With n levels to come there are 2n phases: the first level, the second faded in, the second, the third faded
        in, ... The growth is a whole number wherever nothing is being faded in, and levels - 1 from the second moment
        on.
        """
        begin, end = self.images
        assert end, "a growth's share is resolved before training starts"
        least = min(self.first, levels - 1)
        span = end - begin
        seen = min(max(now.images - begin, 0), span)
        # in images times 2n, so that whole numbers tell where phases end
        grown, rest = divmod(seen * 2 * (levels - 1 - least), 2 * span)
        return least + grown + max(rest - span, 0) / span
