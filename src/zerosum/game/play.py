"""A play: real against fake before one discriminator."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from zerosum.game.schedule import Now
from zerosum.game.types import Batch, Verdict

Sample = Any
"""A tensor, or a tree of tensors (a molecule's atoms and bonds), first axis N."""


class Exhibit(NamedTuple):
    """What is laid before a discriminator."""

    sample: Tensor
    """(N, ...): a picture, a point."""
    label: Tensor | None = None
    """(N,) int64, its class, where classes are judged."""
    given: Tensor | None = None
    """(N, ...): what it is, or should be, made from, where that is judged."""


Judge = Callable[[Sample], Verdict]

Differentiate = Callable[[Judge, Sample], tuple[Verdict, Tensor]]
"""`slope`, or the same compiled."""


def at_least_float32(tensor: Tensor) -> Tensor:
    """Half precision is widened: penalties differentiate at samples, and squares of slopes overflow in it."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def slope(judge: Judge, sample: Sample) -> tuple[Verdict, Tensor]:
    """The verdict on a sample, and the squared norm of d score / d sample.

    The only place that differentiates a discriminator. The gradient keeps its graph, so penalties can be trained. It
    is worked out in float32 even where networks run in bfloat16, whose rounding can put a penalty off by percents.

    Args:
        judge: from a sample to its verdict.
        sample: a tensor (N, ...) or a tree of them; it is treated as a constant.

    Returns:
        The verdict, and (N,) squared norms over all of a sample's numbers. Patch scores (N, 1, h, w) are summed first.
    """
    differentiate = _slope_compiled if torch.compiler.is_compiling() else _slope_eager
    with torch.autocast(tree_leaves(sample)[0].device.type, enabled=False):
        verdict, gradients = differentiate(judge, sample)
    count = verdict.score.shape[0]
    squares = [at_least_float32(g).reshape(count, -1).square().sum(1) for g in gradients]
    return verdict, torch.stack(squares).sum(0)


def is_place(leaf: Any) -> bool:
    """Whether this part of a sample can be moved a little: numbers can, a class or its absence cannot."""
    return isinstance(leaf, Tensor) and leaf.is_floating_point()


def _slope_eager(judge: Judge, sample: Sample) -> tuple[Verdict, list[Tensor]]:
    leaves, tree = tree_flatten(sample)
    leaves = [leaf.detach().requires_grad_(True) if is_place(leaf) else leaf for leaf in leaves]
    verdict = judge(tree_unflatten(leaves, tree))
    places = [leaf for leaf in leaves if is_place(leaf)]
    return verdict, list(torch.autograd.grad(verdict.score.sum(), places, create_graph=True))


def _slope_compiled(judge: Judge, sample: Sample) -> tuple[Verdict, list[Tensor]]:
    """The body torch.compile can trace through twice; it cannot mutate buffers (no batch norm in D)."""
    leaves, tree = tree_flatten(sample)
    places = [leaf.detach() for leaf in leaves if is_place(leaf)]

    def total(places: list[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        rest = iter(places)
        verdict = judge(tree_unflatten([next(rest) if is_place(leaf) else leaf for leaf in leaves], tree))
        return verdict.score.sum(), {name: part for name, part in verdict._asdict().items() if part is not None}

    gradients, parts = torch.func.grad(total, has_aux=True)(places)
    return Verdict(**parts), gradients


class Play:
    """Real against fake before one discriminator; each thing is worked out when first asked for, and once.

    So a non-saturating generator never runs the discriminator on reals, and a relativistic one does, with no flag.
    """

    def __init__(
        self,
        game: nn.Module,
        judge: Judge,
        real: Sample,
        imagine: Callable[[], Sample],
        batch: Batch,
        now: Now,
        slopes: frozenset[str] = frozenset(),
        together: bool = False,
        differentiate: Differentiate = slope,
    ) -> None:
        """Lay out a play.

        Args:
            game: the game it is part of.
            judge: the discriminator, as a function of a sample alone.
            real: (N, ...) samples of the data.
            imagine: makes the (N, ...) fakes when they are first wanted.
            batch: what the samples came from.
            now: when.
            slopes: at which of "real", "fake" the discriminator's slope will be wanted.
            together: real and fake will both be judged, and no sample's score depends on its neighbours: they are
                judged in one go, which a machine does faster than two, unless slopes are wanted.
            differentiate: works out slopes.
        """
        self.game, self.judge, self.real, self.batch, self.now = game, judge, real, batch, now
        self._imagine, self._slopes, self._differentiate = imagine, slopes, differentiate
        # with slopes, what is kept for the second derivative outgrows the caches: two goes are 1.25 times as fast there
        self._together = together and not slopes

    @cached_property
    def fake(self) -> Sample:
        """What the generator makes of this batch."""
        return self._imagine()

    @cached_property
    def _seen_both(self) -> list[tuple[Verdict, Tensor | None]]:
        both = tree_map(lambda real, fake: None if real is None else torch.cat([real, fake]), self.real, self.fake)
        verdict = self.judge(both)
        return [(tree_map(partial(_half, place), verdict), None) for place in (0, 1)]

    @cached_property
    def _seen_real(self) -> tuple[Verdict, Tensor | None]:
        if self._together:
            return self._seen_both[0]
        return self._differentiate(self.judge, self.real) if "real" in self._slopes else (self.judge(self.real), None)

    @cached_property
    def _seen_fake(self) -> tuple[Verdict, Tensor | None]:
        if self._together:
            return self._seen_both[1]
        return self._differentiate(self.judge, self.fake) if "fake" in self._slopes else (self.judge(self.fake), None)

    @property
    def real_verdict(self) -> Verdict:
        """What the discriminator says of the real samples."""
        return self._seen_real[0]

    @property
    def fake_verdict(self) -> Verdict:
        """What the discriminator says of the fake samples."""
        return self._seen_fake[0]

    @property
    def real_score(self) -> Tensor:
        """(N,) or (N, 1, h, w) float32 scores of the real samples."""
        return self.real_verdict.score

    @property
    def fake_score(self) -> Tensor:
        """(N,) or (N, 1, h, w) float32 scores of the fake samples."""
        return self.fake_verdict.score

    @property
    def real_pictures(self) -> Tensor:
        """(N, C, H, W), or (N, F) points: the real samples as the discriminator sees them."""
        pictures: Tensor = tree_leaves(self.real)[0]
        return pictures

    @property
    def fake_pictures(self) -> Tensor:
        """(N, C, H, W), or (N, F) points: the fakes as the discriminator sees them."""
        pictures: Tensor = tree_leaves(self.fake)[0]
        return pictures

    @property
    def real_slope(self) -> Tensor:
        """(N,) squared norm of the discriminator's gradient at the real samples."""
        steep = self._seen_real[1]
        assert steep is not None, "the term that reads real_slope must name it in its slopes"
        return steep

    @property
    def fake_slope(self) -> Tensor:
        """(N,) squared norm of the discriminator's gradient at the fake samples."""
        steep = self._seen_fake[1]
        assert steep is not None, "the term that reads fake_slope must name it in its slopes"
        return steep

    def slope_at(self, sample: Sample) -> Tensor:
        """(N,) squared norm of the discriminator's gradient at any sample."""
        return self._differentiate(self.judge, sample)[1]


def _half(place: int, part: Tensor | None) -> Tensor | None:
    """The part of a (2N, ...) tensor that belongs to real (0) or to fake (1)."""
    return None if part is None else part.chunk(2)[place]
