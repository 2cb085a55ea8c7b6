"""Find the metrics in the modules of this package."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable, Sequence
from importlib import import_module

from zerosum.errors import BadInput
from zerosum.evaluation import metrics as package
from zerosum.evaluation.metrics.base import Comparison, Metric, MetricInfo
from zerosum.evaluation.metrics.score import Score


def find_metrics() -> tuple[Metric, ...]:
    """Return the metrics of features: the `METRICS` of all modules of this package, in the order of tables.

    Raises:
        BadInput: two metrics have one name.

    Example:
        >>> [metric.name for metric in find_metrics()][:3]
        ['kid', 'fd', 'precision']
    """
    found: list[Metric] = []
    for namespace in _module_namespaces():
        found += namespace.get("METRICS", ())
    check_names(found)
    return tuple(sorted(found, key=table_order))


def find_described() -> tuple[MetricInfo, ...]:
    """Return what is said of every score of any data: of `METRICS`, and of scores that are computed elsewhere.

    The latter are the `DESCRIBED_SCORES` of the modules of this package.

    Raises:
        BadInput: two metrics have one name.
    """
    found: list[MetricInfo] = [*find_metrics()]
    for namespace in _module_namespaces():
        found += namespace.get("DESCRIBED_SCORES", ())
    check_names(found)
    return tuple(found)


def table_order(metric: MetricInfo) -> tuple[int, str]:
    """Return the key by which metrics are sorted in tables."""
    return metric.position, metric.name


def check_names(metrics: Iterable[MetricInfo]) -> None:
    """Raise if two metrics have one name.

    Raises:
        BadInput: they do.
    """
    names = [metric.name for metric in metrics]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"two metrics have the name {name}: give each score a name of its own")


def compute_metrics(metrics: Iterable[Metric], comparison: Comparison) -> dict[str, Score]:
    """Return the scores of a comparison by short name, without those that do not apply."""
    scores = {metric.name: metric.compute(comparison) for metric in metrics}
    return {name: score for name, score in scores.items() if score is not None}


def describe_score(name: str, noun: str, item_metrics: Sequence[MetricInfo] = ()) -> str:
    """Return what a score measures; "" for an unknown one.

    Args:
        name: its full name, such as "kid_lite0".
        noun: one item of the data in words; the plural has an s.
        item_metrics: the metrics that only this kind of data has.
    """
    descriptions = {metric.name: metric.description for metric in (*find_described(), *item_metrics)}
    known = [known for known in descriptions if name == known or name.startswith(f"{known}_")]
    return descriptions[max(known, key=len)].format(noun=noun) if known else ""


def _module_namespaces() -> list[dict[str, tuple[Metric, ...]]]:
    """Return the names that each module of this package defines, this one's aside."""
    modules = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name != "registry"]
    return [vars(import_module(f"{package.__name__}.{name}")) for name in modules]
