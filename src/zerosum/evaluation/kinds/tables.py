"""Evaluation of tables: by the encoding of rows as features, and by scores of columns, pairs, models and copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.summary import TableSummary
from zerosum.data.text import pluralize, printable
from zerosum.evaluation.features.rows import EncodedRows
from zerosum.evaluation.kinds.base import EvaluationKind
from zerosum.evaluation.metrics.base import ItemComparison, ItemMetric
from zerosum.evaluation.metrics.score import Score
from zerosum.evaluation.metrics.tables import c2st, pairs, privacy, shape, tstr
from zerosum.evaluation.metrics.tables.columns import MAX_VECTOR_COLUMNS, ColumnFacts, Rows, hash_rows
from zerosum.evaluation.metrics.tables.predictors import GradientBoosting, Predictor, RidgeModel, require_scikit_learn

if TYPE_CHECKING:
    from PIL.Image import Image

    from zerosum.data.codec import Codec, Items
    from zerosum.data.dataset import Dataset
    from zerosum.evaluation.features.registry import FeatureLoader

TARGET_ROWS, TARGET_ITERATIONS = 20_000, 100
"""Rows and boosting iterations of a model, where one column is the target."""
EACH_ROWS, EACH_ITERATIONS, EACH_COLUMNS = 5_000, 40, 12
"""Rows and boosting iterations of a model, and number of targets, where each column is the target in turn."""
TELLING_DIFFERENCE, TELLING_IMPORTANCE = 0.05, 0.02
"""Least difference of the AUC from its floor that is explained, and its least fall without a column that is named."""
GOOD_SIMILARITY, SIMILARITY_DIFFERENCE = 0.95, 0.02
"""Similarity from which a column is not named, and the least difference of the worst one from its floor."""
MAX_NAMED, MAX_PARTS = 5, 200
"""Largest numbers of columns that are named in a note, and that are recorded with their scores."""
MAX_DRAWN = 9
"""Largest number of pairs of columns that are drawn."""
HASHED_ROWS = 50_000
"""Training rows that are read together in the search for exact copies."""
MAX_TRAINING_SHARE = 0.52
"""Share of samples nearer to training than to held-out rows that counts as no memorization, but for chance."""
NO_GUARANTEE = "privacy: these scores are no guarantee of it: a single row can be given away although they are all good"


def column_facts(dataset: Dataset) -> tuple[ColumnFacts, ...]:
    """Return what metrics know of the columns of a dataset of rows."""
    return _facts(_codec(dataset.codec))


def _facts(codec: TableCodec) -> tuple[ColumnFacts, ...]:
    return tuple(
        ColumnFacts(column.name, 0 if column.is_numeric else max(2, len(column.values))) for column in codec.columns
    )


def _codec(codec: Codec) -> TableCodec:
    assert isinstance(codec, TableCodec), "rows have no other codec"
    return codec


def _rows(items: Items) -> Rows:
    return np.asarray(items, np.float64)


def _sides(c: ItemComparison) -> tuple[Rows, Rows]:
    """Return the real rows and the samples."""
    return _rows(c.real), _rows(c.generated)


def _mean(values: NDArray[np.float64]) -> Score | None:
    """Return the mean of the values that are not NaN; None if all are."""
    present = values[~np.isnan(values)]
    return Score(float(present.mean())) if len(present) else None


# ---------------------------------------------------------------------- columns and pairs


def _similarities(c: ItemComparison) -> NDArray[np.float64]:
    return shape.column_similarities(*_sides(c), column_facts(c.dataset))


def _shape(c: ItemComparison) -> Score | None:
    return _mean(_similarities(c))


def _shape_parts(c: ItemComparison) -> dict[str, float]:
    values = _similarities(c)
    order = [int(index) for index in np.argsort(values) if not np.isnan(values[index])][:MAX_PARTS]
    columns = column_facts(c.dataset)
    return {printable(columns[index].name): float(values[index]) for index in order}


def _worst_column(c: ItemComparison) -> Score | None:
    values = _similarities(c)
    return None if np.isnan(values).all() else Score(float(np.nanmin(values)))


def _name_least_similar(c: ItemComparison, score: Score, floor: Score | None) -> list[str]:
    """Return a sentence about the columns that are least similar, if one is far from the real one."""
    if floor and score.value > floor.value - SIMILARITY_DIFFERENCE:
        return []
    worst = [f"{name} ({value:.2f})" for name, value in _shape_parts(c).items() if value < GOOD_SIMILARITY]
    named = ", ".join(worst[:MAX_NAMED])
    return [f"worst_column: the distributions least like those of real rows are of {named}"] if worst else []


def _pair_trends(c: ItemComparison) -> Score | None:
    columns = column_facts(c.dataset)
    chosen = pairs.choose_pairs(np.arange(len(columns)))
    return _mean(pairs.pair_similarities(*_sides(c), columns, chosen))


def _correlation_difference(c: ItemComparison) -> Score | None:
    columns = column_facts(c.dataset)
    ordered = np.array([index for index, column in enumerate(columns) if pairs.is_ordered(column)], np.int64)
    return _mean(pairs.correlation_differences(*_sides(c), columns, pairs.choose_pairs(ordered)))


def _category_coverage(c: ItemComparison) -> Score | None:
    return _mean(shape.category_coverage(*_sides(c), column_facts(c.dataset)))


def _missing_values(c: ItemComparison) -> Score | None:
    return _mean(shape.missing_similarities(*_sides(c)))


# ---------------------------------------------------------------------- models


def _target(dataset: Dataset) -> str:
    """Return the name of the target; "" for each column in turn."""
    return dataset.summary.target if isinstance(dataset.summary, TableSummary) else ""


def prediction_task(dataset: Dataset) -> tstr.PredictionTask:
    """Return which columns models predict, and by how many rows."""
    return tstr.choose_task(column_facts(dataset), _target(dataset), EACH_COLUMNS, TARGET_ROWS, EACH_ROWS)


def _boosting(dataset: Dataset) -> GradientBoosting:
    return GradientBoosting(TARGET_ITERATIONS if _target(dataset) else EACH_ITERATIONS)


def _prediction(c: ItemComparison, predictor: Predictor) -> Score | None:
    real, generated = _sides(c)
    task = prediction_task(c.dataset)
    return _mean(tstr.prediction_scores(generated, real, column_facts(c.dataset), task, predictor))


def _tstr(c: ItemComparison) -> Score | None:
    return _prediction(c, _boosting(c.dataset))


def _tstr_linear(c: ItemComparison) -> Score | None:
    return _prediction(c, RidgeModel())


def _c2st(c: ItemComparison) -> Score:
    return c2st.two_sample_auc(*_sides(c))


def _name_telling_columns(c: ItemComparison, score: Score, floor: Score | None) -> list[str]:
    """Return a sentence about the columns that tell samples from real rows, if they can be told."""
    if score.value < max(0.5, floor.value if floor else 0.5) + max(TELLING_DIFFERENCE, 3 * score.error):
        return []
    candidates = np.argsort(_similarities(c))[: c2st.MAX_PERMUTED].tolist()
    drops = c2st.column_importances(*_sides(c), candidates)
    columns = column_facts(c.dataset)
    order = [place for place in np.argsort(-drops)[:MAX_NAMED] if drops[place] >= TELLING_IMPORTANCE]
    if not order:
        return ["c2st: no column alone tells samples from real rows; they differ in how columns go together"]
    named = ", ".join(f"{printable(columns[candidates[place]].name)} ({drops[place]:.2f})" for place in order)
    return [f"c2st: the columns that tell samples from real rows, with the fall of the score without each: {named}"]


# ---------------------------------------------------------------------- copies


def _known(c: ItemComparison) -> tuple[Rows, Rows] | None:
    """Return the training and the held-out rows; None if they are not known or there are none."""
    if c.train is None or c.held_out is None or not len(c.train) or not len(c.held_out):
        return None
    return _rows(c.train), _rows(c.held_out)


def _dcr(c: ItemComparison) -> Score | None:
    known, columns = _known(c), column_facts(c.dataset)
    return privacy.distance_to_closest_record(_rows(c.generated), known[0], columns) if known else None


def _dcr_floor(c: ItemComparison) -> Score | None:
    known, columns = _known(c), column_facts(c.dataset)
    return privacy.held_out_distance(known[1], known[0], c.num_train, columns) if known else None


def _training_share(c: ItemComparison) -> Score | None:
    known, columns = _known(c), column_facts(c.dataset)
    return privacy.nearest_training_share(_rows(c.generated), *known, columns) if known else None


def _training_share_floor(c: ItemComparison) -> Score | None:
    known, columns = _known(c), column_facts(c.dataset)
    return privacy.held_out_training_share(*known, columns) if known else None


def _explain_training_share(c: ItemComparison, score: Score, floor: Score | None) -> list[str]:
    """Return what a share of samples nearer to training rows means, if it is larger than by chance."""
    errors = [each.error for each in (score, floor) if each and not np.isnan(each.error)]
    expected = max(MAX_TRAINING_SHARE, floor.value if floor else 0.0)
    if score.value <= expected + 2 * float(np.linalg.norm(errors)):
        return []
    return [
        f"memorization: {score.value:.0%} of the samples are nearer to a training row than to any of as many held-out "
        "rows, where half would be; train for a shorter time or on more rows"
    ]


def _train_hashes(c: ItemComparison) -> privacy.Hashes:
    """Return the hashes (T,) of all training rows, of which a block at a time is read."""
    assert c.all_train is not None, "rows that are compared with training rows"
    starts, count = range(0, len(c.all_train), HASHED_ROWS), len(c.all_train)
    blocks = (c.all_train.take(np.arange(start, min(start + HASHED_ROWS, count))) for start in starts)
    return np.concatenate([hash_rows(_rows(block)) for block in blocks])


def _exact_copies(c: ItemComparison) -> Score | None:
    return privacy.copy_share(_rows(c.generated), _train_hashes(c)) if _known(c) else None


def _exact_copies_floor(c: ItemComparison) -> Score | None:
    known = _known(c)
    return Score(privacy.chance_of_copy(_train_hashes(c), c.num_train + len(known[1]))) if known else None


METRICS = (
    ItemMetric(
        "tstr",
        "gradient boosting fitted to samples predicts real {noun}s: AUC of categories, R^2 of numbers",
        _tstr,
        lower_is_better=False,
    ),
    ItemMetric(
        "tstr_linear",
        "a linear model fitted to samples predicts real {noun}s: AUC of categories, R^2 of numbers",
        _tstr_linear,
        lower_is_better=False,
    ),
    ItemMetric(
        "shape",
        "mean similarity of the distribution of a column: 1 - Kolmogorov-Smirnov of numbers, 1 - total variation of "
        "categories",
        _shape,
        lower_is_better=False,
        parts=_shape_parts,
    ),
    ItemMetric(
        "worst_column",
        "that similarity of the least similar column",
        _worst_column,
        lower_is_better=False,
        explain=_name_least_similar,
    ),
    ItemMetric(
        "pair_trends",
        "mean similarity of two columns together: of correlations or of joint frequencies",
        _pair_trends,
        lower_is_better=False,
    ),
    ItemMetric(
        "correlation_difference",
        "mean difference of the rank correlations of numbers and of categories of two values",
        _correlation_difference,
        lower_is_better=True,
    ),
    ItemMetric(
        "c2st",
        "AUC of gradient boosting that tells samples from real {noun}s; 0.5 if it cannot",
        _c2st,
        lower_is_better=True,
        explain=_name_telling_columns,
    ),
    ItemMetric(
        "category_coverage",
        "fraction of the real categories that samples have",
        _category_coverage,
        lower_is_better=False,
    ),
    ItemMetric(
        "missing_values", "mean similarity of the fraction of missing cells", _missing_values, lower_is_better=False
    ),
    ItemMetric(
        "dcr",
        "median distance of samples to the nearest training {noun}; far below that of new real {noun}s if they copy",
        _dcr,
        lower_is_better=False,
        depends_on_sample_size=False,
        depends_on_training_set=True,
        floor=_dcr_floor,
    ),
    ItemMetric(
        "nearest_training_share",
        "share of samples nearer to a training {noun} than to any of as many held-out ones; 0.5 without memorization",
        _training_share,
        lower_is_better=True,
        depends_on_sample_size=False,
        depends_on_training_set=True,
        floor=_training_share_floor,
        explain=_explain_training_share,
    ),
    ItemMetric(
        "exact_copies",
        "share of samples that equal a training {noun}; a new real {noun} does so by chance",
        _exact_copies,
        lower_is_better=True,
        depends_on_sample_size=False,
        depends_on_training_set=True,
        floor=_exact_copies_floor,
    ),
)


class TableEvaluation(EvaluationKind):
    """Rows are compared as networks see them, column by column, and by what models learn from them."""

    networks: ClassVar[Mapping[str, FeatureLoader]] = {
        "rows": lambda dataset, device, field: EncodedRows.of_codec(dataset.codec)
    }
    metrics: ClassVar[Sequence[ItemMetric]] = METRICS
    has_equal_items: ClassVar[bool] = True
    notes: ClassVar[Sequence[str]] = (NO_GUARANTEE,)
    captions: ClassVar[Mapping[str, tuple[str, str]]] = {
        "columns": ("Columns", "The distribution of each column: samples over real {noun}s, and the first samples."),
        "pairs": ("Pairs of columns", "The pairs that are least like those of real {noun}s: these in gray, samples in "
                  "blue; darker is more frequent."),
    }  # fmt: skip

    def default_features(self) -> str:
        """Return "rows".

        Raises:
            BadInput: scikit-learn, which the scores need, is not installed.
        """
        require_scikit_learn()
        return super().default_features()

    def online_features(self, pretrained_features: str) -> str:
        """Return "rows", which need no other package."""
        return "rows"

    def network_input(self, items: Items, device: torch.device, codec: Codec) -> Tensor:
        """Return rows (N, C) as samples (N, K): ones of categories and normal scores of numbers."""
        return _codec(codec).encode_rows(_rows(items)).to(device)

    def draw_figures(self, generated: Items, real: Items, codec: Codec) -> Mapping[str, Image]:
        """Return the distributions of the columns, and the pairs of columns that are least like those of real rows."""
        from zerosum.media.tables_pairs import draw_pairs
        from zerosum.media.tables_preview import draw_rows

        own, sides = _codec(codec), (_rows(real), _rows(generated))
        figures = {"columns": draw_rows(own.preview(generated), own.preview(real))}
        facts = _facts(own)
        chosen = pairs.choose_pairs(np.arange(len(facts)))
        worst = np.argsort(np.nan_to_num(pairs.pair_similarities(*sides, facts, chosen), nan=2.0))[:MAX_DRAWN]
        if len(worst):
            figures["pairs"] = draw_pairs(*sides, own.columns, [chosen[place] for place in worst])
        return figures

    def describe(self, dataset: Dataset) -> str:
        """Return the number of columns, and the sizes of what is sampled, as a protocol records it."""
        count, task = len(column_facts(dataset)), prediction_task(dataset)
        each = f"{len(task.targets)} of the columns" if count > EACH_COLUMNS else "each column"
        sampled = [
            f"models of {printable(_target(dataset)) or each} fitted to at most {task.max_rows:,} rows",
            f"c2st on {c2st.MAX_ROWS:,}",
            f"distances of {privacy.MAX_QUERIES:,} to {privacy.MAX_TRAIN:,}",
        ]
        if count > tstr.MAX_INPUTS:
            sampled.append(f"models of {tstr.MAX_INPUTS} and distances of {MAX_VECTOR_COLUMNS} columns")
        if count * (count - 1) // 2 > pairs.MAX_PAIRS:
            sampled.append(f"{pairs.MAX_PAIRS:,} pairs of columns")
        return f"rows of {pluralize(count, 'column')}, {', '.join(sampled)}"


TABLE_EVALUATION = TableEvaluation()
