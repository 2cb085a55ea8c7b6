"""The part of a probe that looks at samples as items that may be invalid, such as texts.

It takes samples of the EMA generator, each decoded once, as `zerosum sample` would first draw them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data.codec import Items
from zerosum.data.item_scores import FindKnown, ItemScores
from zerosum.diagnosis.item_measures import (
    MIN_VALID,
    MIN_VALID_ASKED,
    AskedProperty,
    KnownCounts,
    PropertyValues,
    asked_signals,
    expected_different,
    name_ignored,
    name_shifted,
    shift_properties,
    shift_signals,
    summarize_properties,
)
from zerosum.diagnosis.measures import Signals
from zerosum.diagnosis.reference_set import PROBE_SEED, ReferenceSet
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.sample_tree import concat_samples, leaves, map_tensors
from zerosum.game.types import Autoencoder, Batch, Sample

MAX_SAMPLES, MAX_DESCRIBED = 256, 128
"""Maximum number of samples, and of those whose properties are computed, which takes a few milliseconds each."""
MAX_ASKED = 4
"""Maximum number of properties that samples are asked for."""
MIN_ASKED_SAMPLES = 16
"""Minimum number of samples that are asked for one value."""
LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9
"""Quantiles of held-out items, whose values samples are asked for."""


@dataclass
class ItemProbe:
    """Probe of samples of a kind that may have invalid ones; it measures nothing of other kinds.

    Args:
        reference_set: real examples.
    """

    reference_set: ReferenceSet

    @torch.no_grad()
    def __call__(self, game: AdversarialGame) -> dict[str, float | str]:
        """Return signals of the EMA generator of a game, and the names of properties that differ."""
        codec = self.reference_set.codec
        if not codec.may_be_invalid:
            return {}
        items = self._draw(game, self._seeds)
        is_valid = ~codec.find_invalid(items)
        signals: dict[str, float | str] = {"monitor/valid": float(is_valid.mean())}
        if self._scores is None:
            return signals
        if is_valid.sum() >= MIN_VALID:
            signals |= self._measure_repeats(self._scores, items[is_valid])
            signals |= self._measure_properties(self._scores, items[is_valid])
        asked = [known for name in self._asked_values if (known := self._ask(game, self._scores, name))]
        return signals | asked_signals(asked) | {"monitor/names_of_ignored_properties": name_ignored(asked)}

    @torch.no_grad()
    def measure_reconstruction(self, game: AdversarialGame) -> Signals:
        """Return how many held-out sequences of tokens the autoencoder of a game rebuilds exactly; {} without one."""
        reference_set, player = self.reference_set, game.players.get("autoencoder")
        spec = reference_set.codec.spec
        if player is None or not isinstance(spec, TensorSpec) or not spec.num_tokens:
            return {}
        assert isinstance(player.network, Autoencoder), "the player is named by what it is"
        network, is_exact = player.network, []
        for batch in reference_set.held_out_batches():
            real = leaves(batch["real"])[0]
            codes = network.encode(real)
            rebuilt = network.decode(codes, condition=self._default_condition(batch, network.condition_inputs))
            is_exact.append((leaves(reference_set.codec.round(rebuilt))[0] == real).all(1).float().cpu())
        return {"monitor/exact_reconstructions": float(torch.cat(is_exact).mean())}

    def _default_condition(self, batch: Batch, names: Sequence[str]) -> Sample | None:
        """Return the condition of samples of which nothing is given, if a network takes one."""
        if "condition" not in names:
            return None
        seed = batch["seed"]
        condition = self.reference_set.codec.draw_conditions(seed.cpu(), None)
        return None if condition is None else map_tensors(lambda leaf: leaf.to(seed.device), condition)

    # ------------------------------------------------------------------ real items

    @cached_property
    def _scores(self) -> ItemScores | None:
        try:
            return self.reference_set.codec.item_scores()
        except BadInput:  # a kind of the user may have invalid samples, and no scores of valid ones
            return None

    @property
    def _num_samples(self) -> int:
        return min(MAX_SAMPLES, 2 * self.reference_set.num_samples)

    @cached_property
    def _seeds(self) -> torch.Tensor:
        """Seeds that no other part of a probe uses."""
        return seeded_rng.derive_seeds(PROBE_SEED + 2, 0, self._num_samples)

    @cached_property
    def _real_values(self) -> NDArray[np.float64]:
        """(M, P) properties of held-out items."""
        assert self._scores is not None, "only where items have scores"
        items = self.reference_set.held_out_items(self._num_samples)
        return self._scores.measure(items, self._scores.measured)

    @cached_property
    def _real_properties(self) -> dict[str, PropertyValues]:
        assert self._scores is not None, "only where items have scores"
        return summarize_properties(self._scores.measured, self._real_values)

    @cached_property
    def _known(self) -> tuple[FindKnown, FindKnown]:
        """Functions that find training and held-out items by their names."""
        assert self._scores is not None, "only where items have scores"
        train, held_out = self.reference_set.dataset.split_hashes()
        return self._scores.training_names(train), self._scores.training_names(held_out)

    @cached_property
    def _asked_values(self) -> dict[str, tuple[float, float]]:
        """A low and a high value of each property that samples can be asked for; {} where no such thing is trained."""
        if self._scores is None or self.reference_set.dataset.conditions is None:
            return {}
        found = {}
        for name, column in zip(self._scores.measured, self._real_values.T, strict=True):
            known_range, known = self._scores.find_range(name), column[np.isfinite(column)]
            if known_range is not None and len(known):
                ends = np.quantile(known, (LOW_QUANTILE, HIGH_QUANTILE)).clip(known_range.low, known_range.high)
                if ends[0] < ends[1]:
                    found[name] = (float(ends[0]), float(ends[1]))
        return dict(list(found.items())[:MAX_ASKED])

    # ------------------------------------------------------------------ samples

    def _draw(self, game: AdversarialGame, seeds: torch.Tensor, condition: Sample | None = None) -> Items:
        """Return the items (N, ...) of samples with these seeds (N,)."""
        size = self.reference_set.batch_size
        samples = [
            game.sample(seeds[start : start + size], condition=_take_rows(condition, start, start + size))
            for start in range(0, len(seeds), size)
        ]
        return self.reference_set.codec.decode(concat_samples(samples), seeds)

    def _measure_repeats(self, scores: ItemScores, items: Items) -> Signals:
        """Return how many valid items (N, ...) are different, and how many are copies."""
        names = scores.name_items(items)
        different = list(dict.fromkeys(names))
        dataset = self.reference_set.dataset
        in_train, in_held_out = (int(find(different).sum()) for find in self._known)
        counts = KnownCounts(len(different), in_train, in_held_out, len(dataset.train), len(dataset.held_out))
        return {
            "monitor/unique": len(different) / len(names),
            "monitor/unique_floor": expected_different(len(names), counts.num_train + counts.num_held_out),
            "monitor/copied_fraction": counts.copied_fraction,
            "monitor/memorized_fraction": counts.memorized_fraction,
        }

    def _measure_properties(self, scores: ItemScores, items: Items) -> dict[str, float | str]:
        """Return how far the properties of valid items (N, ...) are from those of held-out ones."""
        values = scores.measure(items[:MAX_DESCRIBED], scores.measured)
        shifts = shift_properties(scores.measured, values, self._real_properties)
        names = name_shifted(shifts, self._real_properties)
        return shift_signals(shifts) | {"monitor/names_of_shifted_properties": names}

    def _ask(self, game: AdversarialGame, scores: ItemScores, name: str) -> AskedProperty | None:
        """Return what samples have that were asked for a low and a high value; None if too few of them are valid."""
        asked, codec = self._asked_values[name], self.reference_set.codec
        count = max(MIN_ASKED_SAMPLES, self._num_samples // (2 * len(self._asked_values)))
        seeds, got = self._seeds[:count], []
        for value in asked:
            condition = codec.draw_conditions(seeds, None)
            assert condition is not None, "there is a value that can be asked for"
            items = self._draw(game, seeds, codec.set_condition(condition, name, str(value)))
            values = scores.measure(items[~codec.find_invalid(items)], (name,))[:, 0]
            known = values[np.isfinite(values)]
            if len(known) < MIN_VALID_ASKED:
                return None
            got.append(float(known.mean()))
        return AskedProperty(name, asked, (got[0], got[1]))


def _take_rows(condition: Sample | None, start: int, end: int) -> Sample | None:
    return None if condition is None else map_tensors(lambda leaf: leaf[start:end], condition)
