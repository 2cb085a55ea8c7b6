"""Remedies of findings: first a return to the recipe's settings, then changes that usually help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zerosum.diagnosis.finding import Recommendation
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.signals import get_fact

Remedy = Callable[[LogHistory], Sequence[Recommendation]]
"""Returns the recommended settings for a run, from its history and its facts."""

GRADIENT_PENALTIES = ("r1", "r2", "r1-approximate", "r2-approximate", "gradient-penalty", "dragan")
"""Kinds of terms that penalize the gradient of the discriminator at its input."""
SMALL_BATCH_SIZE = 8
"""Batch size below which the recipe's batch size is recommended."""


def combine(*remedies: Remedy) -> Remedy:
    """Return a remedy with all recommendations; where two change one setting, the first."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        by_setting: dict[str, Recommendation] = {}
        for remedy in remedies:
            for recommendation in remedy(history):
                by_setting.setdefault(recommendation.setting, recommendation)
        return tuple(by_setting.values())

    return recommend


def first_applicable(*remedies: Remedy) -> Remedy:
    """Return a remedy with the recommendations of the first of these that has any."""
    return lambda history: next((changes for remedy in remedies if (changes := remedy(history))), ())


def only_if(condition: Callable[[LogHistory], bool], remedy: Remedy) -> Remedy:
    """Return a remedy for the runs that satisfy a condition."""
    return lambda history: remedy(history) if condition(history) else ()


def restore_recipe_defaults(*sections: str) -> Remedy:
    """Return a remedy that restores the recipe's settings in these sections where the run's settings differ."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        settings, defaults = (get_fact(history, name, default={}) for name in ("settings", "defaults"))
        recommendations = []
        for section in sections:
            for name, value in _flatten(_get_dotted(defaults, section), section):
                present = _get_dotted(settings, name)
                if present != value:
                    recommendations.append(
                        Recommendation(name, value, f"the default of the recipe; the run has {present}")
                    )
        return tuple(recommendations)

    return recommend


def restore_batch_size(history: LogHistory) -> Sequence[Recommendation]:
    """Restore the recipe's batch size if the run's is below `SMALL_BATCH_SIZE`: small batches have noisy gradients."""
    batch_size = _get_dotted(get_fact(history, "settings", default={}), "training.batch_size")
    return (
        restore_recipe_defaults("training.batch_size")(history)
        if isinstance(batch_size, int) and batch_size < SMALL_BATCH_SIZE
        else ()
    )


def scale_setting(setting: str, factor: float, reason: str) -> Remedy:
    """Return a remedy that multiplies a setting, where it is a number or a schedule of numbers."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        present = _get_dotted(get_fact(history, "settings", default={}), setting)
        value = _scale_value(present, factor)
        return () if value is None or value == present else (Recommendation(setting, value, reason),)

    return recommend


def set_value(setting: str, value: object, reason: str) -> Remedy:
    """Return a remedy that sets a setting, unless it already has that value."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        present = _get_dotted(get_fact(history, "settings", default={}), setting)
        return () if present == value else (Recommendation(setting, value, reason),)

    return recommend


def scale_gradient_penalties(factor: float, reason: str) -> Remedy:
    """Return a remedy that multiplies the weight of every gradient penalty that is not 0."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        terms = get_fact(history, "settings", "terms", default={})
        names = [name for name, term in _subtables(terms) if term.get("kind") in GRADIENT_PENALTIES]
        return tuple(
            recommendation
            for name in names
            for recommendation in scale_setting(f"terms.{name}.weight", factor, reason)(history)
            if recommendation.value
        )

    return recommend


def _scale_value(value: object, factor: float) -> object:
    """Return a number or schedule times the factor, to 3 digits; None for other values."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(f"{value * factor:.3g}")
    if isinstance(value, Mapping) and {"start", "end"} <= set(value):
        return {**value, "start": _scale_value(value["start"], factor), "end": _scale_value(value["end"], factor)}
    return None


def _get_dotted(tree: object, dotted_name: str) -> object:
    for name in dotted_name.split("."):
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _subtables(tree: object) -> list[tuple[str, Mapping[str, object]]]:
    return (
        [(name, value) for name, value in tree.items() if isinstance(value, Mapping)]
        if isinstance(tree, Mapping)
        else []
    )


def _flatten(tree: object, prefix: str) -> list[tuple[str, object]]:
    """Return the settings below a section by dotted names; a schedule and an empty table are one value each."""
    if isinstance(tree, Mapping) and tree and not {"start", "end"} <= set(tree):
        return [pair for name, value in tree.items() for pair in _flatten(value, f"{prefix}.{name}")]
    return [] if tree is None else [(prefix, tree)]
