"""What an examination asks a game that makes pictures from pictures: held-out questions, always the same ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.diagnosis.reference_set import SERIES, Bench
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.types import Batch

FEWEST = 2
"""Held-out questions that can be compared."""


@dataclass
class Questions:
    """Batches of what is given and what is wanted, of the data of a bench.

    Where the truth is known a question comes with its answer; elsewhere with some other picture of the wanted kind.
    """

    bench: Bench

    def __post_init__(self) -> None:
        """Choose.

        Raises:
            BadInput: fewer than two are held out.
        """
        examples, dice = self.bench.examples, np.random.default_rng(SERIES)
        self.truth = examples.truth
        self._asked, self._unseen_asked = (dice.permutation(examples.asked(held_out)) for held_out in (False, True))
        self._wanted, self._unseen_wanted = self._asked, self._unseen_asked
        if not self.truth:
            self._wanted, self._unseen_wanted = (dice.permutation(s) for s in (examples.train, examples.held_out))
        self.count = min(self.bench.samples, len(self._unseen_asked), len(self._unseen_wanted))
        if self.count < FEWEST:
            raise BadInput(f"{self.count} pictures are held out, too few to examine a run by; give more pictures")

    def unseen(self, both: bool) -> list[Batch]:
        """Held-out questions in parts, none twice: `given`, `real`, `seed`; couples (N, 2, C, H, W) if `both`."""
        return self._parts(self._unseen_asked, self._unseen_wanted, self.count, 0, both)

    def known(self, both: bool, count: int | None = None, first: int = 0) -> list[Batch]:
        """Training questions in parts; `first` takes others, and begins again at the end."""
        count = count or min(self.bench.samples, max(len(self._asked), len(self._wanted)))
        return self._parts(self._asked, self._wanted, count, first, both)

    def _parts(
        self, asked: NDArray[np.int64], wanted: NDArray[np.int64], count: int, first: int, both: bool
    ) -> list[Batch]:
        places, part = np.arange(first, first + count), self.bench.part
        given, real = asked[places % len(asked)], wanted[places % len(wanted)]
        seed = seeded_rng.seeds(SERIES, first, count)
        cuts = [slice(at, at + part) for at in range(0, count, part)]
        return [self._batch(given[cut], real[cut], seed[cut], both) for cut in cuts]

    def _batch(self, asked: NDArray[np.int64], wanted: NDArray[np.int64], seed: torch.Tensor, both: bool) -> Batch:
        examples, device = self.bench.examples, self.bench.device
        given = examples.given(asked).to(device)
        real = examples.scale(examples.take(wanted).to(device))
        if both:
            given = torch.stack([given, real], 1)
            real = given.flip(1)
        return {"given": given, "real": real, "seed": seed.to(device)}
