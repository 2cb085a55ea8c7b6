"""What to change: first what the user's settings have of their own, then what usually helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from zerosum.diagnosis.finding import Advice
from zerosum.diagnosis.log_history import History
from zerosum.diagnosis.rules.signals import fact

Medicine = Callable[[History], Sequence[Advice]]


def together(*medicines: Medicine) -> Medicine:
    """All of them; of two that change one setting, the first."""

    def prescribe(history: History) -> Sequence[Advice]:
        found: dict[str, Advice] = {}
        for medicine in medicines:
            for advice in medicine(history):
                found.setdefault(advice.setting, advice)
        return tuple(found.values())

    return prescribe


def first(*medicines: Medicine) -> Medicine:
    """The first of them that has something to say."""
    return lambda history: next((advice for medicine in medicines if (advice := medicine(history))), ())


def where(holds: Callable[[History], bool], medicine: Medicine) -> Medicine:
    """A medicine for some runs only."""
    return lambda history: medicine(history) if holds(history) else ()


def as_the_recipe(*sections: str) -> Medicine:
    """Back to the recipe's own, where the user's settings differ from it."""

    def prescribe(history: History) -> Sequence[Advice]:
        settings, own = (fact(history, name, otherwise={}) for name in ("settings", "defaults"))
        found = []
        for section in sections:
            for name, value in _flat(_at(own, section), section):
                if _at(settings, name) != value:
                    found.append(Advice(name, value, f"the recipe's own; here it is {_at(settings, name)}"))
        return tuple(found)

    return prescribe


SMALL_BATCH = 8


def small_batch(history: History) -> Sequence[Advice]:
    """The recipe's own batch, where the user's is so small that a step follows the chance of a few examples."""
    batch = _at(fact(history, "settings", otherwise={}), "training.batch")
    return as_the_recipe("training.batch")(history) if isinstance(batch, int) and batch < SMALL_BATCH else ()


def times(setting: str, factor: float, why: str) -> Medicine:
    """A setting multiplied, where it is a number or a schedule of numbers."""

    def prescribe(history: History) -> Sequence[Advice]:
        now = _at(fact(history, "settings", otherwise={}), setting)
        value = _scaled(now, factor)
        return () if value is None or value == now else (Advice(setting, value, why),)

    return prescribe


def put(setting: str, value: Any, why: str) -> Medicine:
    """A setting with a value, unless it has that already."""

    def prescribe(history: History) -> Sequence[Advice]:
        now = _at(fact(history, "settings", otherwise={}), setting)
        return () if now == value else (Advice(setting, value, why),)

    return prescribe


def penalties(factor: float, why: str) -> Medicine:
    """Every penalty on the discriminator's slope multiplied."""

    def prescribe(history: History) -> Sequence[Advice]:
        terms = fact(history, "settings", "terms", otherwise={})
        steep = [name for name, term in _items(terms) if term.get("kind") in SLOPES]
        return tuple(a for name in steep for a in times(f"terms.{name}.weight", factor, why)(history) if a.value)

    return prescribe


SLOPES = ("r1", "r2", "gradient-penalty", "dragan")
"""Terms that keep the discriminator from being steep."""


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(f"{value * factor:.3g}")
    if isinstance(value, Mapping) and {"start", "end"} <= set(value):
        return {**value, "start": _scaled(value["start"], factor), "end": _scaled(value["end"], factor)}
    return None


def _at(tree: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        if not isinstance(tree, Mapping) or name not in tree:
            return None
        tree = tree[name]
    return tree


def _items(tree: Any) -> list[tuple[str, Mapping[str, Any]]]:
    return (
        [(name, value) for name, value in tree.items() if isinstance(value, Mapping)]
        if isinstance(tree, Mapping)
        else []
    )


def _flat(tree: Any, above: str) -> list[tuple[str, Any]]:
    """Settings below a section by their dotted names; a schedule is one value, and so is a table without settings."""
    if isinstance(tree, Mapping) and tree and not {"start", "end"} <= set(tree):
        return [pair for name, value in tree.items() for pair in _flat(value, f"{above}.{name}")]
    return [] if tree is None else [(above, tree)]
