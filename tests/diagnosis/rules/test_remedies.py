"""What is prescribed, from the settings a run has and those its recipe has."""

from zerosum.diagnosis.finding import Recommendation
from zerosum.diagnosis.log_history import LogHistory
from zerosum.diagnosis.rules.remedies import (
    combine,
    first_applicable,
    restore_batch_size,
    restore_recipe_defaults,
    scale_gradient_penalties,
    scale_setting,
    set_value,
)

OWN = {
    "optimizer": {"lr": {"start": 2e-4, "end": 5e-5, "share": [0.5, 1.0]}, "beta1": 0.0, "rates": {"generator": 2.0}},
    "terms": {"r1": {"kind": "r1", "weight": 10.0}, "real": {"kind": "classify-real", "weight": 1.0}},
    "training": {"batch": 64, "images": 10_000},
}


def history(**changes) -> LogHistory:
    """Settings like the recipe's own but for whole sections given."""
    return LogHistory({"settings": OWN | changes, "defaults": OWN})


def told(medicine, history: LogHistory) -> dict:
    return {advice.setting: advice.value for advice in medicine(history)}


def test_where_nothing_differs_nothing_is_prescribed() -> None:
    assert restore_recipe_defaults("optimizer", "terms", "training")(history()) == ()
    assert restore_recipe_defaults("optimizer")(LogHistory()) == ()


def test_exactly_the_settings_that_differ() -> None:
    changed = history(
        optimizer={"lr": {"start": 2e-4, "end": 5e-5, "share": [0.5, 1.0]}, "beta1": 0.9, "rates": {"generator": 2.0}},
        terms={"r1": {"kind": "r1", "weight": 0.0}, "real": {"kind": "classify-real", "weight": 1.0}},
        training={"batch": 8, "images": 99},
    )
    assert told(restore_recipe_defaults("optimizer"), changed) == {"optimizer.beta1": 0.0}
    assert told(restore_recipe_defaults("terms"), changed) == {"terms.r1.weight": 10.0}
    assert told(restore_recipe_defaults("optimizer", "terms", "training.batch_size"), changed) == {
        "optimizer.beta1": 0.0, "terms.r1.weight": 10.0, "training.batch_size": 64,
    }  # fmt: skip
    (advice,) = restore_recipe_defaults("training.batch_size")(changed)
    assert advice.reason.endswith("here it is 8")


def test_a_schedule_is_one_setting() -> None:
    flat = history(optimizer=OWN["optimizer"] | {"lr": 1e-2})
    assert told(restore_recipe_defaults("optimizer"), flat) == {"optimizer.lr": OWN["optimizer"]["lr"]}
    steeper = history(optimizer=OWN["optimizer"] | {"lr": OWN["optimizer"]["lr"] | {"end": 1e-3}})
    assert told(restore_recipe_defaults("optimizer"), steeper) == {"optimizer.lr": OWN["optimizer"]["lr"]}


def test_what_was_taken_away_is_given_back() -> None:
    without = history(terms={"real": {"kind": "classify-real", "weight": 1.0}})
    assert told(restore_recipe_defaults("terms"), without) == {"terms.r1.kind": "r1", "terms.r1.weight": 10.0}


def test_a_table_without_settings_is_one_too() -> None:
    own = {"optimizer": {"clip": {}, "lr": 1e-3}}
    clipped = LogHistory({"settings": {"optimizer": {"clip": {"discriminator": 0.01}, "lr": 1e-3}}, "defaults": own})
    assert told(restore_recipe_defaults("optimizer"), clipped) == {"optimizer.weight_clip": {}}
    assert restore_recipe_defaults("optimizer")(LogHistory({"settings": own, "defaults": own})) == ()


def test_only_a_small_batch_is_put_back() -> None:
    assert told(restore_batch_size, history(training={"batch": 4})) == {"training.batch_size": 64}
    assert restore_batch_size(history(training={"batch": 16})) == ()
    assert restore_batch_size(LogHistory()) == ()


def test_a_number_times_a_factor() -> None:
    assert told(scale_setting("optimizer.beta1", 0.5, ""), history(optimizer={"beta1": 0.9})) == {
        "optimizer.beta1": 0.45
    }
    assert told(scale_setting("terms.r1.weight", 1 / 3, ""), history()) == {"terms.r1.weight": 3.33}
    assert scale_setting("terms.r1.weight", 3, "because")(history())[0].reason == "because"


def test_a_schedule_times_a_factor() -> None:
    expected = {"start": 1e-4, "end": 2.5e-5, "share": [0.5, 1.0]}
    assert told(scale_setting("optimizer.lr", 0.5, ""), history()) == {"optimizer.lr": expected}


def test_what_is_no_number_cannot_be_multiplied() -> None:
    words = history(game={"share_fakes": True, "kind": "adversarial", "table": {"a": 1}})
    for name in ("game.reuse_fakes", "game.kind", "game.table", "game.nowhere", "nowhere.at.all"):
        assert scale_setting(name, 2, "")(words) == ()


def test_nothing_times_a_factor_is_no_advice() -> None:
    assert scale_setting("optimizer.beta1", 0.5, "")(history()) == ()
    assert scale_setting("optimizer.beta1", 1.0, "")(history(optimizer={"beta1": 0.9})) == ()


def test_a_setting_is_put_unless_it_is_so_already() -> None:
    assert set_value("training.batch_size", 64, "")(history()) == ()
    assert told(set_value("training.batch_size", 32, ""), history()) == {"training.batch_size": 32}
    assert told(set_value("augment.mirror", True, ""), history()) == {"augment.mirror": True}


def test_penalties_are_those_on_slopes() -> None:
    terms = {
        "a": {"kind": "r1", "weight": 10.0}, "b": {"kind": "gradient-penalty", "weight": {"start": 4, "end": 2}},
        "c": {"kind": "classify-real", "weight": 1.0}, "d": {"kind": "r2", "weight": 0.0}, "e": "word",
    }  # fmt: skip
    found = told(scale_gradient_penalties(2, "less steep"), history(terms=terms))
    assert found == {"terms.a.weight": 20.0, "terms.b.weight": {"start": 8.0, "end": 4.0}}
    assert scale_gradient_penalties(2, "")(LogHistory()) == ()


def test_together_the_first_of_two_wins() -> None:
    both = combine(set_value("a", 1, "one"), set_value("b", 2, "two"), set_value("a", 3, "three"))
    assert both(history()) == (Recommendation("a", 1, "one"), Recommendation("b", 2, "two"))
    assert combine()(history()) == ()


def test_the_first_that_has_something_to_say() -> None:
    silent, speaks, shouts = (
        set_value("training.batch_size", 64, ""),
        set_value("a", 1, "one"),
        set_value("b", 2, "two"),
    )
    assert first_applicable(silent, speaks, shouts)(history()) == (Recommendation("a", 1, "one"),)
    assert first_applicable(silent)(history()) == ()
