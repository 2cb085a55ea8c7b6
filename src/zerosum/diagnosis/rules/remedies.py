"""What to change: first what the user's settings have of their own, then what usually helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zerosum.diagnosis.finding import Recommendation
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.signals import get_fact

Remedy = Callable[[LogHistory], Sequence[Recommendation]]


def combine(*remedies: Remedy) -> Remedy:
    """All of them; of two that change one setting, the first."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        found: dict[str, Recommendation] = {}
        for medicine in remedies:
            for advice in medicine(history):
                found.setdefault(advice.setting, advice)
        return tuple(found.values())

    return recommend


def first_applicable(*remedies: Remedy) -> Remedy:
    """The first of them that has something to say."""
    return lambda history: next((advice for medicine in remedies if (advice := medicine(history))), ())


def only_if(condition: Callable[[LogHistory], bool], remedy: Remedy) -> Remedy:
    """A medicine for some runs only."""
    return lambda history: remedy(history) if condition(history) else ()


def restore_recipe_defaults(*sections: str) -> Remedy:
    """Back to the recipe's own, where the user's settings differ from it."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        settings, own = (get_fact(history, name, default={}) for name in ("settings", "defaults"))
        found = []
        for section in sections:
            for name, value in _flatten(_get_dotted(own, section), section):
                if _get_dotted(settings, name) != value:
                    found.append(
                        Recommendation(name, value, f"the recipe's own; here it is {_get_dotted(settings, name)}")
                    )
        return tuple(found)

    return recommend


SMALL_BATCH_SIZE = 8


def restore_batch_size(history: LogHistory) -> Sequence[Recommendation]:
    """The recipe's own batch, where the user's is so small that a step follows the chance of a few examples."""
    batch = _get_dotted(get_fact(history, "settings", default={}), "training.batch_size")
    return (
        restore_recipe_defaults("training.batch_size")(history)
        if isinstance(batch, int) and batch < SMALL_BATCH_SIZE
        else ()
    )


def scale_setting(setting: str, factor: float, reason: str) -> Remedy:
    """A setting multiplied, where it is a number or a schedule of numbers."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        progress = _get_dotted(get_fact(history, "settings", default={}), setting)
        value = _scale_value(progress, factor)
        return () if value is None or value == progress else (Recommendation(setting, value, reason),)

    return recommend


def set_value(setting: str, value: Any, reason: str) -> Remedy:
    """A setting with a value, unless it has that already."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        progress = _get_dotted(get_fact(history, "settings", default={}), setting)
        return () if progress == value else (Recommendation(setting, value, reason),)

    return recommend


def scale_gradient_penalties(factor: float, reason: str) -> Remedy:
    """Every penalty on the discriminator's slope multiplied."""

    def recommend(history: LogHistory) -> Sequence[Recommendation]:
        terms = get_fact(history, "settings", "terms", default={})
        steep = [name for name, term in _subtables(terms) if term.get("kind") in GRADIENT_PENALTIES]
        return tuple(
            a for name in steep for a in scale_setting(f"terms.{name}.weight", factor, reason)(history) if a.value
        )

    return recommend


GRADIENT_PENALTIES = ("r1", "r2", "gradient-penalty", "dragan")
"""Terms that keep the discriminator from being steep."""


def _scale_value(value: Any, factor: float) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(f"{value * factor:.3g}")
    if isinstance(value, Mapping) and {"start", "end"} <= set(value):
        return {**value, "start": _scale_value(value["start"], factor), "end": _scale_value(value["end"], factor)}
    return None


def _get_dotted(tree: Any, dotted_name: str) -> Any:
    for name in dotted_name.split("."):
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _subtables(tree: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return (
        [(name, value) for name, value in tree.items() if isinstance(value, Mapping)]
        if isinstance(tree, Mapping)
        else []
    )


def _flatten(tree: Any, prefix: str) -> list[tuple[str, Any]]:
    """Settings below a section by their dotted names; a schedule is one value, and so is a table without settings."""
    if isinstance(tree, Mapping) and tree and not {"start", "end"} <= set(tree):
        return [pair for name, value in tree.items() for pair in _flatten(value, f"{prefix}.{name}")]
    return [] if tree is None else [(prefix, tree)]
