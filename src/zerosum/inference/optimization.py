"""Search for items with a high score, among what a generator makes.

Samples are drawn that are asked for high scores; then latents around the best ones are tried, and mixed, in rounds of
an evolution with elitism: what is good stays, and what is as similar to something better as `ELITE_SIMILARITY` is no
parent. Gómez-Bombarelli et al. 2016, arXiv:1610.02415, search the latent space of molecules along gradients of a
predictor; here scores are computed, and no predictor can be misled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map

from zerosum.data.codec import FilterFn, GivenValues, Items
from zerosum.data.item_scores import FindKnown, ItemScores
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.types import Sample
from zerosum.inference.generator import Generator

SIMILARITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Two chosen items are less similar than the first of these with which enough are found."""
ELITE_SIMILARITY = 0.7
CHOICE_FACTOR = 10
"""Items are chosen among the best so many times their number, so that diversity does not cost much of the score."""
COMPARED_TOGETHER = 2_048
"""Number of items of which all are compared with all."""
REQUEST_FRACTIONS = (0.5, 0.75, 1.0)
"""What is asked for: the mean of the training examples, and so much of the way to their best."""
ANGLES = (0.15, 0.4, 0.8)
"""How far a latent is moved, in radians, on the sphere on which normal latents are."""
MIX_FRACTION = 0.3
"""Fraction of the children whose latents are mixed from two parents, component by component."""


@dataclass(frozen=True)
class Objective:
    """What is searched for."""

    name: str
    """The score."""
    sign: float
    """1 to raise it, -1 to lower it."""
    keep: FilterFn | None = None
    """A filter that all items pass; None: there is none."""
    find_known: FindKnown | None = None
    """Finds training examples, which are left out; None: they are not known."""
    given: GivenValues = field(default_factory=dict)
    """Further values that are asked for."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Different items that a search has found, and what they were made from."""

    items: Items
    """(N, ...)"""
    scores: NDArray[np.float64]
    """(N,)"""
    latents: Tensor
    """(N, L)"""
    seeds: Tensor
    """(N,) int64"""
    requests: Tensor
    """(N,) int64, which of the requests each was made under."""

    def take(self, places: NDArray[np.int64]) -> Candidates:
        """Return those at some places (n,)."""
        rows = torch.from_numpy(places)
        return Candidates(
            self.items[places], self.scores[places], self.latents[rows], self.seeds[rows], self.requests[rows]
        )

    @classmethod
    def join(cls, parts: Sequence[Candidates]) -> Candidates:
        """Return all candidates of some sets."""
        return cls(
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.scores for part in parts]),
            torch.cat([part.latents for part in parts]),
            torch.cat([part.seeds for part in parts]),
            torch.cat([part.requests for part in parts]),
        )


class LatentSearch:
    """Searches the latent space of a generator in rounds.

    Attributes:
        num_drawn: the number of samples so far.
        num_valid: how many of them are valid.
    """

    def __init__(
        self, generator: Generator, scores: ItemScores, objective: Objective, num_parents: int, seed: int
    ) -> None:
        """Prepare the search.

        Raises:
            BadInput: a given value cannot be asked for.
        """
        self._generator, self._scores, self._objective, self._seed = generator, scores, objective, seed
        self._num_parents, self._rng = num_parents, np.random.default_rng(seed)
        self._requests = [self._make_condition(values) for values in self._list_requests()]
        self._seen: set[str] = set()
        self._found: Candidates | None = None
        self.num_drawn = self.num_valid = 0

    def _list_requests(self) -> list[GivenValues]:
        """Return the values that are asked for, from moderate to the best of the training examples."""
        objective, taken = self._objective, self._generator.codec.condition_names
        known = self._scores.find_range(objective.name)
        if known is None or objective.name not in taken or not self._generator.trained_conditions:
            return [objective.given]
        best = known.high if objective.sign > 0 else known.low
        wanted = [known.mean + fraction * (best - known.mean) for fraction in REQUEST_FRACTIONS]
        return [{**objective.given, objective.name: f"{value:.6g}"} for value in wanted]

    def _make_condition(self, values: GivenValues) -> Sample | None:
        """Return the condition (1, ...) of some given values."""
        if values:
            return self._generator.choose_conditions(values, 1)
        return self._generator.codec.draw_conditions(torch.zeros(1, dtype=torch.int64), None)

    # ------------------------------------------------------------------ rounds

    def explore(self, count: int) -> None:
        """Draw new samples, under all requests in turn."""
        seeds = seeded_rng.derive_seeds(self._seed, self.num_drawn, count)
        requests = torch.arange(self.num_drawn, self.num_drawn + count) % len(self._requests)
        self._add(self._generator.latent.sample(seeds), seeds, requests)

    def improve(self, count: int) -> None:
        """Try latents around the best ones, and mixtures of them; without any yet, draw new ones."""
        if self._found is None:
            self.explore(count)
            return
        parents = self.choose(self._num_parents, (ELITE_SIMILARITY,))
        ranks = self._rng.integers(0, len(parents.scores), (2, count, 2)).min(2)  # better ones are twice as likely
        first, second = parents.take(ranks[0]), parents.take(ranks[1])
        new_seeds = seeded_rng.derive_seeds(self._seed, self.num_drawn, count)
        is_mixed = torch.from_numpy(self._rng.random((count, 1)) < MIX_FRACTION)
        from_second = torch.from_numpy(self._rng.random(first.latents.shape) < 0.5)
        latents = torch.where(is_mixed & from_second, second.latents, first.latents)
        angle = torch.from_numpy(self._rng.choice(ANGLES, (count, 1))).float()
        latents = angle.cos() * latents + angle.sin() * self._generator.latent.sample(new_seeds)
        keeps_seed = torch.from_numpy(self._rng.random(count) < 0.5)  # and with it the noise of the networks
        seeds = torch.where(keeps_seed, first.seeds, new_seeds)
        self._add(latents, seeds, first.requests)

    def _add(self, latents: Tensor, seeds: Tensor, requests: Tensor) -> None:
        """Generate items, and keep those that are new, pass the filter, and have a score."""
        generator, objective = self._generator, self._objective
        condition = None
        if self._requests[0] is not None:
            condition = tree_map(lambda *leaves: torch.cat(leaves)[requests], *self._requests)
        samples = generator.generate(latents, self._draw_labels(seeds), seeds, condition=condition, batch_size=512)
        items = generator.codec.decode(samples, seeds)
        names = self._scores.name_items(items)
        self.num_drawn += len(names)
        self.num_valid += sum(map(bool, names))
        places = self._find_new(names)
        if objective.keep is not None and len(places):
            places = places[objective.keep(items[places])]
        if objective.find_known is not None and len(places):
            places = places[~objective.find_known([names[place] for place in places])]
        values = self._scores.score(items[places], objective.name) if len(places) else np.zeros(0)
        drawn = Candidates(items, np.zeros(len(items)), latents, seeds, requests).take(places)
        new = Candidates(drawn.items, values, drawn.latents, drawn.seeds, drawn.requests)
        new = new.take(np.flatnonzero(np.isfinite(values)))
        if len(new.scores):
            self._found = new if self._found is None else Candidates.join([self._found, new])

    def _draw_labels(self, seeds: Tensor) -> Tensor | None:
        if not self._generator.classes:
            return None
        return seeded_rng.sample_classes(seeds, torch.tensor(self._generator.class_priors, dtype=torch.float64))

    def _find_new(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the places of valid items that were not seen before, and remember them."""
        places = []
        for place, name in enumerate(names):
            if name and name not in self._seen:
                self._seen.add(name)
                places.append(place)
        return np.array(places, np.int64)

    # ------------------------------------------------------------------ results

    @property
    def num_found(self) -> int:
        """The number of different items that pass all conditions."""
        return 0 if self._found is None else len(self._found.scores)

    def choose(self, count: int, limits: Sequence[float] = SIMILARITIES) -> Candidates:
        """Return up to `count` of the best items that differ from each other, the best one first.

        Args:
            count: how many.
            limits: two items are less similar than the first of these with which enough are found, or else the last.

        Raises:
            BadInput: none was found.
        """
        if self._found is None:
            raise BadInput(
                f"none of {self.num_valid:,} valid ones of {self.num_drawn:,} samples is new and passes `keep`; widen "
                "the filter, or train for longer"
            )
        order = np.argsort(-self._objective.sign * self._found.scores, kind="stable")[: CHOICE_FACTOR * count]
        best = self._found.take(order)
        for limit in limits:
            chosen = choose_different(best.items, self._scores.compare, count, limit)
            if len(chosen) == count:
                break
        return best.take(chosen)


def choose_different(
    items: Items, compare: Callable[[Items, Items], NDArray[np.float32]], count: int, limit: float
) -> NDArray[np.int64]:
    """Return the places of up to `count` items, the first ones that are less similar to all before than a limit.

    Args:
        items: (N, ...) in the order in which they are wanted.
        compare: returns the similarities (n, m) of items; of few at a time: memory does not grow with N^2.
        count: how many.
        limit: 1 or more: none is left out.

    Example:
        >>> def compare(items, others):
        ...     return 1 - np.abs(items[:, None] - others)
        >>> choose_different(np.array([0.1, 0.2, 0.9]), compare, 2, 0.5).tolist()
        [0, 2]
    """
    if limit >= 1:
        return np.arange(min(count, len(items)))
    chosen: list[int] = []
    for start in range(0, len(items), COMPARED_TOGETHER):
        block = items[start : start + COMPARED_TOGETHER]
        before = compare(block, items[chosen]).max(1) if chosen else np.full(len(block), -np.inf)
        similarity = compare(block, block)
        own: list[int] = []
        for place in np.flatnonzero(before < limit).tolist():
            if len(chosen) == count:
                return np.array(chosen, np.int64)
            if not (similarity[place, own] >= limit).any():
                own.append(place)
                chosen.append(start + place)
    return np.array(chosen, np.int64)
