"""Two networks for couples of pictures: one for the way there, one for the way back.

A couple is (2, C, H, W), a picture of either kind. What stands first goes through `there`, what stands second through
`back`: a CycleGAN (Zhu et al. 2017, arXiv:1703.10593) is a game between such pairs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from zerosum.game.seeded_rng import fork
from zerosum.game.types import Verdict


class BothGenerators(nn.Module):
    """Two translators of pictures of one shape."""

    def __init__(self, there: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.there, self.back = there, back
        self.takes: tuple[str, ...] = _same("takes", there, back)
        self.reach: int | None = _same("reach", there, back)
        self.multiple: int = _same("multiple", there, back)

    def forward(self, given: Tensor, seed: Tensor | None = None) -> Tensor:
        """Couples (N, 2, C, H, W), and seeds (N,) where the networks take them, to couples of the same shape.

        Going there draws as the network by itself would; the way back draws numbers of its own.
        """
        seeds = ({}, {}) if seed is None else ({"seed": seed}, {"seed": fork(seed, 0)})
        made = (self.there(given[:, 0], **seeds[0]), self.back(given[:, 1], **seeds[1]))
        return torch.stack(made, 1)


class BothDiscriminators(nn.Module):
    """Two discriminators, each of the kind that stands where it does."""

    def __init__(self, there: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.there, self.back = there, back
        self.takes: tuple[str, ...] = _same("takes", there, back)

    def forward(self, sample: Tensor, given: Tensor | None = None) -> Verdict:
        """Couples (N, 2, C, H, W), and the couples they are made from, to a verdict with score (N, 2, h, w).

        Of networks with a single score: (N, 2, 1, 1). `seen` holds first the maps of the one, then of the other.
        """
        beside = ({}, {}) if given is None else ({"given": given[:, 0]}, {"given": given[:, 1]})
        there: Verdict = self.there(sample[:, 0], **beside[0])
        back: Verdict = self.back(sample[:, 1], **beside[1])
        scores = [score.view(len(score), 1, *(score.shape[2:] or (1, 1))) for score in (there.score, back.score)]
        seen = (*(there.seen or ()), *(back.seen or ()))
        return Verdict(torch.cat(scores, 1), seen=seen or None)


def _same(name: str, there: nn.Module, back: nn.Module) -> Any:
    """What both networks tell of themselves: they are built of one shape."""
    told = getattr(there, name)
    assert told == getattr(back, name), f"two networks of different {name} are no pair"
    return told
