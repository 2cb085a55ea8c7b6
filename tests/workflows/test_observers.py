"""The monitor and the online evaluation of a run, and evaluations that fail."""

from pathlib import Path

import pytest
import torch
from workflow_helpers import RecordingReporter, have_equal_weights, log_rows, train_ring

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.errors import BadInput
from zerosum.evaluation.online import OnlineEvaluator
from zerosum.game.game import Game
from zerosum.inference.load import read_recipe
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.workflows.observers import (
    build_best_model_tracker,
    build_monitor,
    choose_evaluation_features,
    schedule_evaluation,
)
from zerosum.workflows.setup import TrainingSetup

EVALUATED = {"evaluation.features": "pixels", "evaluation.every_examples": 512, "evaluation.samples": 64}


def create_setup(run: Path, **sections: dict) -> TrainingSetup:
    """The setup of a run with changed settings, by section."""
    recipe = read_recipe(RunFolder(run))
    changed = {name: getattr(recipe, name).model_copy(update=update) for name, update in sections.items()}
    return TrainingSetup.create(recipe.model_copy(update=changed), torch.device("cpu"), (), SilentReporter())


def load_data_of(run: Path) -> Dataset:
    setup = create_setup(run)
    return setup.load_dataset_on_ranks(setup.recipe.data)


@pytest.fixture(scope="module")
def points(trained_ring: Path) -> Dataset:
    return load_data_of(trained_ring)


@pytest.fixture(scope="module")
def digits(trained_digits: Path) -> Dataset:
    return load_data_of(trained_digits)


def test_the_monitor_probes_only_if_there_is_an_interval(trained_ring: Path, points: Dataset) -> None:
    folder = RunFolder(trained_ring)
    without = build_monitor(create_setup(trained_ring), points, folder)
    assert without is not None
    assert (without.probe, without.every_examples) == (None, None)
    diagnostics = {"probe": True, "every_examples": 256}
    probing = build_monitor(create_setup(trained_ring, diagnostics=diagnostics), points, folder)
    assert probing is not None
    assert probing.probe is not None
    assert probing.every_examples == 256


def test_a_run_is_evaluated_only_if_there_are_features_and_an_interval(trained_ring: Path, points: Dataset) -> None:
    folder = RunFolder(trained_ring)
    tracker = build_best_model_tracker(create_setup(trained_ring), points, folder)
    assert tracker is not None
    assert (tracker.every_examples, tracker.patience) == (512, 0)
    for update in ({"features": "none"}, {"every_examples": None}):
        assert build_best_model_tracker(create_setup(trained_ring, evaluation=update), points, folder) is None


def test_the_default_features_depend_on_the_data(
    trained_ring: Path, trained_digits: Path, points: Dataset, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    automatic = {"features": "auto", "every_examples": None}
    on_points = create_setup(trained_ring, evaluation=automatic)
    on_images = create_setup(trained_digits, evaluation=automatic)
    monkeypatch.setattr("zerosum.evaluation.kinds.images.is_lite0_installed", lambda: True)
    assert choose_evaluation_features(on_points, points) == "none"
    assert choose_evaluation_features(on_images, digits) == "lite0"
    monkeypatch.setattr("zerosum.evaluation.kinds.images.is_lite0_installed", lambda: False)
    assert choose_evaluation_features(on_images, digits) == "none"
    assert choose_evaluation_features(create_setup(trained_ring), points) == "pixels", "as requested"
    requested = create_setup(trained_ring, evaluation={"features": "auto", "every_examples": 512})
    assert choose_evaluation_features(requested, points) == "pixels", "an interval asks for an evaluation"


def test_short_runs_are_evaluated_only_on_request(trained_ring: Path, points: Dataset) -> None:
    without_interval = create_setup(trained_ring, evaluation={"every_examples": None})
    setup, decisions = schedule_evaluation(without_interval, points, "pixels", seconds_per_round=1e-3)
    assert (setup.recipe.evaluation.features, decisions) == ("none", [])
    setup, decisions = schedule_evaluation(create_setup(trained_ring), points, "pixels", seconds_per_round=1e-3)
    assert (setup.recipe.evaluation.features, setup.recipe.evaluation.every_examples) == ("pixels", 512)
    assert [decision.name for decision in decisions] == ["evaluation"]


def test_long_runs_are_evaluated_without_request(trained_ring: Path, points: Dataset) -> None:
    without_interval = create_setup(trained_ring, evaluation={"every_examples": None})
    setup, _ = schedule_evaluation(without_interval, points, "pixels", seconds_per_round=1e6)
    assert setup.recipe.evaluation.every_examples is not None


def test_features_that_cannot_be_used_are_named_as_a_setting(trained_digits: Path, digits: Dataset) -> None:
    setup = create_setup(trained_digits, evaluation={"every_examples": 16})
    with pytest.raises(BadInput, match=r"`evaluation\.features` no-such-network"):
        schedule_evaluation(setup, digits, "no-such-network", seconds_per_round=1.0)
    resumed = create_setup(trained_digits, evaluation={"every_examples": 16, "features": "no-such-network"})
    with pytest.raises(BadInput, match=r"`evaluation\.features` no-such-network"):
        build_best_model_tracker(resumed, digits, RunFolder(trained_digits))


# ---------------------------------------------------------------------- evaluations that fail


def fail_at_call(monkeypatch: pytest.MonkeyPatch, failing_call: int) -> list[int]:
    """Make the online evaluation fail at this call, counted from 1; returns the examples at all calls."""
    evaluate, calls = OnlineEvaluator.__call__, []

    def failing(self: OnlineEvaluator, game: Game, examples: int) -> Row:
        calls.append(examples)
        if len(calls) == failing_call:
            torch.rand(7)  # a failure must not change the random state of training either
            raise RuntimeError("the feature network is broken\nwith a second line")
        return evaluate(self, game, examples)

    monkeypatch.setattr(OnlineEvaluator, "__call__", failing)
    return calls


@pytest.mark.parametrize("failing_call", [1, 2])
def test_a_failing_evaluation_does_not_end_the_training(
    trained_ring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing_call: int
) -> None:
    calls, reporter = fail_at_call(monkeypatch, failing_call), RecordingReporter()
    run = train_ring(tmp_path / "run", EVALUATED, reporter=reporter)
    assert run.state == RunFolder(run.path).read_json("status.json")["state"] == "done"
    assert int(run.folder.checkpoints()[-1].name) == 2_048
    assert calls == [512, 1_024][:failing_call], "evaluation is disabled after the failure"
    assert len(run.scores()) == failing_call - 1
    (report,) = [message for message in reporter.messages if "the feature network is broken" in message]
    assert f"after {512 * failing_call:,} examples failed" in report
    assert "second line" not in report
    assert have_equal_weights(run.path, trained_ring)
    assert log_rows(run.path) == log_rows(trained_ring)


def test_a_resumed_run_is_evaluated_again_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fail_at_call(patch, 1)
        run = train_ring(tmp_path / "run", EVALUATED, examples=1_024)
    assert run.scores() == []
    assert [row["examples"] for row in zerosum.resume(run.path, examples=2_048).scores()] == [1_536, 2_048]


def test_an_interruption_during_an_evaluation_is_not_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: OnlineEvaluator, game: Game, examples: int) -> Row:
        raise KeyboardInterrupt

    monkeypatch.setattr(OnlineEvaluator, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_ring(tmp_path / "run", EVALUATED)
