"""What a metric is: its name, its description, which values are better, and how it is computed.

A metric of features is one file of this folder: a module with `METRICS = (Metric(...),)` is found by
`zerosum.evaluation.metrics.registry`, and its metrics are computed, compared with their floor and described like any
other. A metric of the items of one kind of data is an `ItemMetric` in `EvaluationKind.metrics`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from zerosum.evaluation.metrics.score import Score

if TYPE_CHECKING:
    from zerosum.data.codec import Items
    from zerosum.data.dataset import Dataset
    from zerosum.data.kind import ProgressFn
    from zerosum.evaluation.features.extract import FeatureSet
    from zerosum.evaluation.protocol import Protocol
    from zerosum.evaluation.sample_sets import RealSet


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class PairwiseScores:
    """Pairwise scores of N reals and M fakes.

    The standard errors of precision, recall, density and coverage are those of a mean over rows with the balls of the
    other set held fixed: they do not include the variation of the balls.
    """

    kernel_distance: Score
    """Unbiased MMD^2 with the kernel (x.y / D + 1)^3 over all pairs, without a sample and its own target; around 0,
    and possibly negative, for two sets of the same distribution."""
    precision: Score
    """Fraction of the fakes that lie in the ball of any real."""
    recall: Score
    """Fraction of the reals that lie in the ball of any fake."""
    density: Score
    """Mean number of reals' balls that a fake lies in, divided by k; about 1 for the same distribution."""
    coverage: Score
    """Fraction of the reals with any fake in their ball; about 1 - 2^-k for the same distribution and N = M."""
    density_counts: NDArray[np.int64]
    """(M,) number of reals' balls that each fake lies in."""
    precision_mask: NDArray[np.bool_]
    """(M,) whether each fake lies in the ball of a real."""
    recall_mask: NDArray[np.bool_]
    """(N,) whether each real lies in the ball of a fake."""
    coverage_mask: NDArray[np.bool_]
    """(N,) whether each real has a fake in its ball."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sets that are compared: real items with samples or, for the floor, with other real items."""

    real: FeatureSet
    """Features (N, D) of real items."""
    generated: FeatureSet
    """Features (M, D) of the samples; for the floor, of other real items. `probabilities` (M, K) are those of the
    feature network's head, or None if it has none."""
    pairwise: PairwiseScores
    """What is computed of all pairs in one pass."""
    neighbors: int
    """k of precision, recall, density and coverage."""


@dataclass(frozen=True)
class MetricInfo:
    """What is said of a score, whoever computes it."""

    name: str
    """Short name, as in the names of scores: "kid"."""
    description: str
    """What it measures, in one phrase; `{noun}` stands for one item of the data, whose plural has an s."""
    lower_is_better: bool = field(kw_only=True)
    depends_on_sample_size: bool = field(default=True, kw_only=True)
    """Whether its expectation depends on the numbers of items, so that sets of other sizes than those of the floor are
    not compared with it."""
    depends_on_training_set: bool = field(default=False, kw_only=True)
    """Whether it depends on training items besides the real ones, so that only runs of one training set are ranked."""
    has_paired_floor: bool = field(default=True, kw_only=True)
    """Whether it has a floor where sample i was generated from the input of real item i. False if samples near their
    own targets make it better: the two sets are then not independent, as those of the floor are."""
    is_named_by_features: bool = field(default=False, kw_only=True)
    """Whether full names contain the feature network: "kid_lite0"."""
    position: int = field(default=100, kw_only=True)
    """Position in tables; metrics of equal position are in the order of their names."""

    def full_name(self, protocol: Protocol) -> str:
        """Return the name of its scores by a protocol."""
        return protocol.score_name(self.name) if self.is_named_by_features else self.name


@dataclass(frozen=True)
class Metric(MetricInfo):
    """A metric of features.

    Example:
        >>> recall = Metric("recall", "real {noun}s found", lambda c: c.pairwise.recall, lower_is_better=False)
        >>> recall.description.format(noun="point")
        'real points found'
    """

    compute: Callable[[Comparison], Score | None]
    """Returns the score of two sets; None where it does not apply, as without class probabilities."""


class SharedResults:
    """Results that metrics of one evaluation share: what one of them has computed of a set of items, others look up.

    Example:
        >>> shared, items, calls = SharedResults(), np.zeros(3), []
        >>> count = lambda items, progress: calls.append("counting") or len(items)
        >>> shared.find(items, count), shared.find(items, count), calls
        (3, 3, ['counting'])
    """

    def __init__(self, progress: ProgressFn = lambda done, total: None) -> None:
        """Create a store without results; `progress` is called by what computes them."""
        self._progress = progress
        self._found: dict[tuple[int, Callable[[Items, ProgressFn], object]], tuple[Items, object]] = {}

    def find(self, items: Items, compute: Callable[[Items, ProgressFn], T]) -> T:
        """Return what a function computes of items (N, ...); the same array is given to it once."""
        key = (id(items), compute)
        if key not in self._found:
            self._found[key] = (items, compute(items, self._progress))  # with the items, so that no others get their id
        return cast("T", self._found[key][1])


@dataclass(frozen=True, eq=False)
class ItemComparison:
    """Items that are compared: samples with real items or, for the floor, other real items with them."""

    generated: Items
    """(M, ...) samples; for the floor, real items of another part."""
    real: Items
    """(N, ...) real items."""
    train: Items | None
    """(T, ...) items that the generator was trained on, in order of a hash of their content; None: not known."""
    num_train: int
    """Number of all training items, of which `train` are the first; 0 without `train`."""
    held_out: Items | None
    """(H, ...) real items that it was not trained on, to compare with `train`; None without `train`."""
    dataset: Dataset
    """The dataset of the real items, with its codec and its summary."""
    all_train: RealSet | None = None
    """All training items, to be read in blocks; None without `train`."""
    shared: SharedResults = field(default_factory=SharedResults)
    """What metrics share of this evaluation, whose floors it includes."""


@dataclass(frozen=True)
class ItemMetric(MetricInfo):
    """A metric of the items of one kind of data, as its codec decodes them.

    Example:
        >>> share = ItemMetric(
        ...     "negative", "fraction of negative {noun}s", lambda c: Score(float((c.generated < 0).mean())),
        ...     lower_is_better=True,
        ... )
        >>> share.name, share.floor
        ('negative', None)
    """

    compute: Callable[[ItemComparison], Score | None]
    """Returns the score of items; None where it does not apply, as without training items."""
    floor: Callable[[ItemComparison], Score | None] | None = field(default=None, kw_only=True)
    """Returns the floor from the comparison of the samples; None: the floor is the score of real items of another
    part."""
    parts: Callable[[ItemComparison], Mapping[str, float]] | None = field(default=None, kw_only=True)
    """Returns the score of each part of an item, such as a column, the worst one first; None: it has none."""
    explain: Callable[[ItemComparison, Score, Score | None], Sequence[str]] | None = field(default=None, kw_only=True)
    """Returns sentences about the score of the samples and its floor, for the notes of a result; None: it has none."""
