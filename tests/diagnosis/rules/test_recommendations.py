"""Every setting that a rule recommends exists in the recipe that it is recommended for."""

from functools import cache
from typing import Any

import pytest

from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules import RULES
from zerosum.diagnosis.rules.engine import Rule, no_remedy
from zerosum.recipes.files import check_recipe, list_recipes
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.variants import build_settings_tree

RULES_WITH_REMEDY = [rule for rule in RULES if rule.remedy is not no_remedy]


@cache
def dump_recipe(name: str) -> dict[str, Any]:
    return check_recipe(build_settings_tree(name, "", {}, {})).model_dump(mode="json", exclude_none=True)


def changed_by_the_user(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with other numbers in each section that remedies restore."""
    terms = {name: term | {"weight": 0.123} for name, term in settings["terms"].items()}
    return settings | {
        "optimizer": settings["optimizer"] | {"lr": 0.123, "lr_multipliers": {"discriminator": 4.0}},
        "training": settings["training"] | {"batch_size": 2},
        "terms": terms,
        "ema": {"half_life": 1.0},
    }


@pytest.mark.parametrize("rule", RULES_WITH_REMEDY, ids=lambda rule: rule.name)
def test_recommended_settings_exist(rule: Rule) -> None:
    for name in list_recipes():
        defaults = dump_recipe(name)
        for settings in (defaults, changed_by_the_user(defaults)):
            facts = {"settings": settings, "defaults": defaults, "data": {"kind": "images"}}
            tree = SettingsTree(settings)
            for change in rule.remedy(LogHistory(facts)):
                tree.set(tuple(change.setting.split(".")), change.value, f"`{change.setting}`")
            tree.validate(Recipe)


def test_every_recipe_and_most_rules_have_recommendations() -> None:
    recommending = {
        rule.name
        for rule in RULES_WITH_REMEDY
        for name in list_recipes()
        if rule.remedy(LogHistory({"settings": changed_by_the_user(dump_recipe(name)), "defaults": dump_recipe(name)}))
    }
    assert len(recommending) > len(RULES_WITH_REMEDY) // 2
