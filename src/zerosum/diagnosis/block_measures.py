"""Signals of samples that consist of blocks, such as rows of a table: categories that are missing, columns that do not
vary.

They need more samples than other signals, since a category of one real example in a hundred is missing among few
samples by chance. Where samples have blocks, they are small, and cost little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.codec import Codec
from zerosum.diagnosis.measures import Signals
from zerosum.game.sample_spec import Block, TensorSpec

MAX_SAMPLES, MAX_VALUES = 4_096, 2**20
"""Maximum number of samples, and of their values."""
MIN_SHARE = 0.01
"""Share of the real examples from which the absence of a category counts."""
MIN_EXPECTED = 20
"""Number of samples with a category that are expected, from which its absence is significant."""
MISSING_FRACTION = 0.1
"""A missing category has less than this fraction of its share of the real examples."""
MIN_VARIATION = 0.01
"""Variance of a block among real examples, the sum over its values, from which its absence counts."""
CONSTANT_FRACTION = 0.05
"""A block that does not vary has less than this fraction of the variance among real examples."""
MAX_NAMED = 3
"""Number of categories or blocks that are named."""

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean (K,) and variance (K,) of each value."""


def compute_moments(samples: Iterable[Tensor]) -> Moments:
    """Return the mean (K,) and the variance (K,) of the values of samples, given in parts (n, K).

    Example:
        >>> mean, variance = compute_moments([torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0]])])
        >>> float(mean[0]), round(float(variance[0]), 3)
        (2.0, 2.667)
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for part in samples:
        exact = part.detach().double().cpu()
        count, total, squares = count + len(exact), total + exact.sum(0), squares + exact.square().sum(0)
    mean = total / count
    return mean.numpy(), (squares / count - mean.square()).clamp_min(0).numpy()


@dataclass(frozen=True)
class BlockReference:
    """What the blocks of real examples are, with which samples are compared.

    Args:
        blocks: the B blocks of a sample.
        real: the moments of real examples.
        num_samples: the number of samples that are compared.
    """

    blocks: Sequence[Block]
    real: Moments
    num_samples: int

    def _spans(self) -> Iterator[tuple[int, int, Block]]:
        """Yield the index of each block, its first value, and the block."""
        start = 0
        for index, block in enumerate(self.blocks):
            yield index, start, block
            start += block.size

    def missing_categories(self, samples: Moments) -> list[tuple[float, float, int, int]]:
        """Return the categories that samples hardly have, the most frequent first.

        Returns:
            Share of real examples, share of samples, block and category of each.
        """
        shares, (found, _) = self.real[0], samples
        missing = [
            (float(shares[start + category]), float(found[start + category]), index, category)
            for index, start, block in self._spans()
            for category in range(block.categories)
            if shares[start + category] >= max(MIN_SHARE, MIN_EXPECTED / self.num_samples)
            and found[start + category] < MISSING_FRACTION * shares[start + category]
        ]
        return sorted(missing, reverse=True)

    def variations(self, samples: Moments) -> dict[int, float]:
        """Return the variance of samples over that of real examples, of each block in which real examples vary."""
        ratios = {}
        for index, start, block in self._spans():
            span = slice(start, start + block.size)
            real = float(self.real[1][span].sum())
            if real >= MIN_VARIATION:
                ratios[index] = float(samples[1][span].sum()) / real
        return ratios

    def constant_blocks(self, samples: Moments) -> list[int]:
        """Return the blocks that do not vary among samples, though they do among real examples."""
        return [index for index, ratio in self.variations(samples).items() if ratio < CONSTANT_FRACTION]


def num_block_samples(spec: TensorSpec) -> int:
    """Return how many samples of these blocks are compared."""
    return max(1, min(MAX_SAMPLES, MAX_VALUES // spec.shape[0]))


def block_signals(reference: BlockReference, samples: Moments, ema_samples: Moments) -> Signals:
    """Return signals of the blocks of samples of the generator and of its EMA.

    Both lack categories where the game has lost them; the EMA alone does where it still follows.
    """
    signals: Signals = {}
    for prefix, moments in (("monitor/", samples), ("monitor/ema_", ema_samples)):
        missing, variations = reference.missing_categories(moments), reference.variations(moments)
        signals[f"{prefix}missing_categories"] = float(len(missing))
        signals[f"{prefix}missing_category_share"] = missing[0][0] if missing else 0.0
        signals[f"{prefix}constant_columns"] = float(len(reference.constant_blocks(moments)))
        if variations:
            signals[f"{prefix}constant_column_fraction"] = signals[f"{prefix}constant_columns"] / len(variations)
            signals[f"{prefix}least_column_variation"] = min(variations.values())
    return signals


def name_missing_categories(reference: BlockReference, samples: Moments, codec: Codec) -> str:
    """Return the most frequent of the missing categories in words; "" if none is missing, or they have no names."""
    names = codec.block_names
    if not names:
        return ""
    missing = reference.missing_categories(samples)
    texts = [
        f"{names[block]} = {codec.category_name(block, category) or '?'} ({real:.1%} of real, {found:.1%} of samples)"
        for real, found, block, category in missing[:MAX_NAMED]
    ]
    return _join(texts, len(missing))


def name_constant_blocks(reference: BlockReference, samples: Moments, codec: Codec) -> str:
    """Return the names of blocks that do not vary; "" if all vary, or they have no names."""
    names, constant = codec.block_names, reference.constant_blocks(samples)
    return _join([names[block] for block in constant[:MAX_NAMED]], len(constant)) if names else ""


def _join(texts: Sequence[str], count: int) -> str:
    """Return texts of `count` things of which the first are named."""
    rest = count - len(texts)
    return ", ".join(texts) + (f" and {rest:,} more" if rest else "")
