"""Samples that are none of their kind are drawn again, from the next seeds of their own.

So sample i of a seed stays a function of the settings and of i alone, whatever the batch and the other samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from zerosum.data.codec import Codec, GivenValues, Items
from zerosum.game import seeded_rng
from zerosum.game.types import Sample

MAX_REDRAWS = 30
"""How often a sample is drawn again. Of a generator of which a tenth is valid, 4% are still invalid then."""
DrawFn: TypeAlias = Callable[[Tensor, Tensor], Sample]
"""From rows (n,) of a batch and new seeds (n,) to new samples of these rows, of the same class and condition."""


@dataclass(frozen=True)
class DrawCounts:
    """How many samples are valid, see `Codec.find_invalid`."""

    drawn: int = 0
    """Number of samples, each counted once."""
    valid: int = 0
    """How many of their first draws are valid."""
    left: int = 0
    """How many are still invalid after all draws."""

    def __add__(self, other: DrawCounts) -> DrawCounts:
        """Return the counts of both sets of samples."""
        return DrawCounts(self.drawn + other.drawn, self.valid + other.valid, self.left + other.left)

    def describe(self) -> str:
        """Return a sentence for the user; "" if there are no samples.

        Example:
            >>> DrawCounts(1000, 982, 1).describe()
            '982 of 1,000 first draws (98.2%) are valid; 17 were drawn again until they were, and 1 is still invalid'
        """
        if not self.drawn:
            return ""
        text = f"{self.valid:,} of {self.drawn:,} first draws ({self.valid / self.drawn:.1%}) are valid"
        mended = self.drawn - self.valid - self.left
        again = f"{mended:,} {'was' if mended == 1 else 'were'} drawn again until they were"
        still = f"{self.left:,} {'is' if self.left == 1 else 'are'} still invalid"
        more = ", and ".join([again] * (mended > 0) + [still] * (self.left > 0))
        return f"{text}; {more}" if more else text


@dataclass(frozen=True)
class Draws:
    """A batch of samples, of which invalid ones have been drawn again."""

    samples: Sample
    """(N, ...). A sample of which no draw is valid is its first draw."""
    seeds: Tensor
    """(N,) int64, the seeds that they were drawn from."""
    items: Items
    """(N, ...), what they are decoded to."""
    counts: DrawCounts
    """How many of them are valid."""


def decode_given(codec: Codec, samples: Sample, seeds: Tensor, given: GivenValues | None) -> Items:
    """Return the items of samples (N, ...), of which some values of their condition may be given."""
    return codec.decode_given(samples, seeds, given) if given else codec.decode(samples, seeds)


@dataclass(frozen=True)
class _Attempt:
    """Samples (n, ...), their seeds (n,) and their items (n, ...)."""

    samples: Sample
    seeds: Tensor
    items: Items


def redraw_invalid(codec: Codec, samples: Sample, seeds: Tensor, given: GivenValues | None, draw: DrawFn) -> Draws:
    """Return samples and items after the invalid ones were drawn again, up to `MAX_REDRAWS` times.

    Args:
        codec: decodes samples, and says which items are invalid.
        samples: (N, ...), the first draws.
        seeds: (N,) int64, their seeds.
        given: the values of their condition that were given.
        draw: draws some of them again.
    """
    first = _Attempt(samples, seeds, decode_given(codec, samples, seeds, given))
    left = torch.from_numpy(np.flatnonzero(codec.find_invalid(first.items)))
    num_valid = len(seeds) - len(left)
    attempts, source, drawn = [first], torch.arange(len(seeds)), len(seeds)
    while len(left) and len(attempts) <= MAX_REDRAWS:
        new_seeds = seeded_rng.redraw_seeds(seeds[left], len(attempts))
        new_samples = draw(left, new_seeds)
        attempts.append(_Attempt(new_samples, new_seeds, decode_given(codec, new_samples, new_seeds, given)))
        valid = torch.from_numpy(~codec.find_invalid(attempts[-1].items))
        source[left[valid]] = torch.arange(drawn, drawn + len(left))[valid]
        drawn += len(left)
        left = left[~valid]
    return Draws(
        tree_map(lambda *leaves: torch.cat(leaves)[source], *(attempt.samples for attempt in attempts)),
        torch.cat([attempt.seeds for attempt in attempts])[source],
        np.concatenate([attempt.items for attempt in attempts])[source.numpy()],
        DrawCounts(len(seeds), num_valid, len(left)),
    )
