"""Remedies, from the settings of a run and those of its recipe."""

from zerosum.diagnosis.finding import Recommendation
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.remedies import (
    Remedy,
    combine,
    first_applicable,
    restore_batch_size,
    restore_recipe_defaults,
    scale_gradient_penalties,
    scale_setting,
    set_value,
)

DEFAULTS = {
    "optimizer": {
        "lr": {"start": 2e-4, "end": 5e-5, "fraction": [0.5, 1.0]}, "beta1": 0.0, "lr_multipliers": {"generator": 2.0},
    },
    "terms": {"r1": {"kind": "r1", "weight": 10.0}, "real": {"kind": "classify-real", "weight": 1.0}},
    "training": {"batch_size": 64, "examples": 10_000},
}  # fmt: skip


def make_history(**sections) -> LogHistory:
    """A run with the settings of its recipe, except for these sections."""
    return LogHistory({"settings": DEFAULTS | sections, "defaults": DEFAULTS})


def recommended(remedy: Remedy, history: LogHistory) -> dict:
    return {recommendation.setting: recommendation.value for recommendation in remedy(history)}


def test_default_settings_need_no_remedy() -> None:
    assert restore_recipe_defaults("optimizer", "terms", "training")(make_history()) == ()
    assert restore_recipe_defaults("optimizer")(LogHistory()) == ()


def test_only_settings_that_differ_are_restored() -> None:
    history = make_history(
        optimizer=DEFAULTS["optimizer"] | {"beta1": 0.9},
        terms={"r1": {"kind": "r1", "weight": 0.0}, "real": {"kind": "classify-real", "weight": 1.0}},
        training={"batch_size": 8, "examples": 99},
    )
    assert recommended(restore_recipe_defaults("optimizer"), history) == {"optimizer.beta1": 0.0}
    assert recommended(restore_recipe_defaults("terms"), history) == {"terms.r1.weight": 10.0}
    assert recommended(restore_recipe_defaults("optimizer", "terms", "training.batch_size"), history) == {
        "optimizer.beta1": 0.0, "terms.r1.weight": 10.0, "training.batch_size": 64,
    }  # fmt: skip
    (recommendation,) = restore_recipe_defaults("training.batch_size")(history)
    assert recommendation.reason.endswith("the run has 8")


def test_a_schedule_is_restored_as_one_setting() -> None:
    constant = make_history(optimizer=DEFAULTS["optimizer"] | {"lr": 1e-2})
    assert recommended(restore_recipe_defaults("optimizer"), constant) == {"optimizer.lr": DEFAULTS["optimizer"]["lr"]}
    schedule = DEFAULTS["optimizer"]["lr"] | {"end": 1e-3}
    changed = make_history(optimizer=DEFAULTS["optimizer"] | {"lr": schedule})
    assert recommended(restore_recipe_defaults("optimizer"), changed) == {"optimizer.lr": DEFAULTS["optimizer"]["lr"]}


def test_a_removed_term_is_restored() -> None:
    history = make_history(terms={"real": {"kind": "classify-real", "weight": 1.0}})
    expected = {"terms.r1.kind": "r1", "terms.r1.weight": 10.0}
    assert recommended(restore_recipe_defaults("terms"), history) == expected


def test_an_empty_table_is_restored_as_one_setting() -> None:
    defaults = {"optimizer": {"weight_clip": {}, "lr": 1e-3}}
    clipped = {"optimizer": {"weight_clip": {"discriminator": 0.01}, "lr": 1e-3}}
    history = LogHistory({"settings": clipped, "defaults": defaults})
    assert recommended(restore_recipe_defaults("optimizer"), history) == {"optimizer.weight_clip": {}}
    assert restore_recipe_defaults("optimizer")(LogHistory({"settings": defaults, "defaults": defaults})) == ()


def test_only_a_small_batch_size_is_restored() -> None:
    small, large = make_history(training={"batch_size": 4}), make_history(training={"batch_size": 16})
    assert recommended(restore_batch_size, small) == {"training.batch_size": 64}
    assert restore_batch_size(large) == ()
    assert restore_batch_size(LogHistory()) == ()


def test_a_number_is_scaled() -> None:
    history = make_history(optimizer={"beta1": 0.9})
    assert recommended(scale_setting("optimizer.beta1", 0.5, ""), history) == {"optimizer.beta1": 0.45}
    assert recommended(scale_setting("terms.r1.weight", 1 / 3, ""), make_history()) == {"terms.r1.weight": 3.33}
    assert scale_setting("terms.r1.weight", 3, "because")(make_history())[0].reason == "because"


def test_a_schedule_is_scaled() -> None:
    expected = {"start": 1e-4, "end": 2.5e-5, "fraction": [0.5, 1.0]}
    assert recommended(scale_setting("optimizer.lr", 0.5, ""), make_history()) == {"optimizer.lr": expected}


def test_settings_that_are_no_numbers_are_not_scaled() -> None:
    history = make_history(game={"reuse_fakes": True, "kind": "adversarial", "table": {"a": 1}})
    for name in ("game.reuse_fakes", "game.kind", "game.table", "game.missing", "missing.from.all"):
        assert scale_setting(name, 2, "")(history) == ()


def test_scaling_without_effect_is_not_recommended() -> None:
    assert scale_setting("optimizer.beta1", 0.5, "")(make_history()) == ()
    assert scale_setting("optimizer.beta1", 1.0, "")(make_history(optimizer={"beta1": 0.9})) == ()


def test_a_value_is_set_unless_the_setting_has_it() -> None:
    assert set_value("training.batch_size", 64, "")(make_history()) == ()
    assert recommended(set_value("training.batch_size", 32, ""), make_history()) == {"training.batch_size": 32}
    assert recommended(set_value("augment.hflip", True, ""), make_history()) == {"augment.hflip": True}


def test_only_gradient_penalties_are_scaled() -> None:
    terms = {
        "a": {"kind": "r1", "weight": 10.0}, "b": {"kind": "gradient-penalty", "weight": {"start": 4, "end": 2}},
        "c": {"kind": "classify-real", "weight": 1.0}, "d": {"kind": "r2", "weight": 0.0}, "e": "word",
    }  # fmt: skip
    changes = recommended(scale_gradient_penalties(2, "stronger"), make_history(terms=terms))
    assert changes == {"terms.a.weight": 20.0, "terms.b.weight": {"start": 8.0, "end": 4.0}}
    assert scale_gradient_penalties(2, "")(LogHistory()) == ()


def test_combined_remedies_keep_the_first_value_of_a_setting() -> None:
    remedy = combine(set_value("a", 1, "one"), set_value("b", 2, "two"), set_value("a", 3, "three"))
    assert remedy(make_history()) == (Recommendation("a", 1, "one"), Recommendation("b", 2, "two"))
    assert combine()(make_history()) == ()


def test_the_first_remedy_with_recommendations_applies() -> None:
    no_change, first, second = (
        set_value("training.batch_size", 64, ""),
        set_value("a", 1, "one"),
        set_value("b", 2, "two"),
    )
    assert first_applicable(no_change, first, second)(make_history()) == (Recommendation("a", 1, "one"),)
    assert first_applicable(no_change)(make_history()) == ()
