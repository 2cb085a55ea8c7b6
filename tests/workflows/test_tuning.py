"""The choice of precision and compilation, with given durations of a round instead of measured ones."""

from pathlib import Path

import pytest
import torch

from zerosum.data.dataset import Dataset
from zerosum.inference.load import read_recipe
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows import tuning
from zerosum.workflows.setup import TrainingSetup

pytestmark = pytest.mark.usefixtures("measured_speed")


@pytest.fixture
def setup(trained_ring: Path) -> TrainingSetup:
    return TrainingSetup.create(read_recipe(RunFolder(trained_ring)), torch.device("cpu"), (), SilentReporter())


@pytest.fixture
def dataset(setup: TrainingSetup) -> Dataset:
    return setup.load_dataset_on_ranks(setup.recipe.data)


def with_training(setup: TrainingSetup, **training: object) -> TrainingSetup:
    recipe = setup.recipe.model_copy(update={"training": setup.recipe.training.model_copy(update=training)})
    return TrainingSetup.create(recipe, torch.device("cpu"), (), SilentReporter())


def set_durations(monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float]) -> None:
    """Make `measure` return a duration by the precision, or by "compiled"."""

    def measure(setup: TrainingSetup, dataset: Dataset, loader: object) -> float:
        training = setup.recipe.training
        return seconds["compiled" if training.compile == "always" else training.precision]

    monkeypatch.setattr(tuning, "measure", measure)


def test_a_chosen_precision_is_kept_and_measured(setup: TrainingSetup, dataset: Dataset) -> None:
    tuned, seconds, decisions = tuning.tune_speed(setup, dataset)
    assert seconds > 0
    assert tuned.recipe.training == setup.recipe.training
    assert decisions == []


@pytest.mark.parametrize(("bfloat16", "expected"), [(0.8, "bfloat16"), (0.95, "float32"), (2.0, "float32")])
def test_bfloat16_is_used_if_it_is_a_tenth_faster(
    setup: TrainingSetup, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, bfloat16: float, expected: str
) -> None:
    durations = {"float32": 1.0, "bfloat16": bfloat16}
    set_durations(monkeypatch, durations)
    tuned, seconds, decisions = tuning.tune_speed(with_training(setup, precision="fastest"), dataset)
    assert (tuned.recipe.training.precision, seconds) == (expected, durations[expected])
    assert [(decision.name, decision.value) for decision in decisions] == [("precision", expected)]


@pytest.mark.parametrize(("mode", "expected"), [("never", "never"), ("fastest", "never"), ("always", "always")])
def test_networks_are_compiled_on_a_cpu_only_if_it_is_requested(
    setup: TrainingSetup, dataset: Dataset, monkeypatch: pytest.MonkeyPatch, mode: str, expected: str
) -> None:
    set_durations(monkeypatch, {"float32": 1.0, "compiled": 0.5})
    tuned, seconds, decisions = tuning.tune_speed(with_training(setup, compile=mode), dataset)
    assert tuned.recipe.training.compile == expected
    assert seconds == (0.5 if expected == "always" else 1.0)
    assert [decision.name for decision in decisions] == (["compile"] if expected == "always" else [])


def test_training_continues_uncompiled_if_compilation_fails(
    setup: TrainingSetup, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(setup: TrainingSetup, dataset: Dataset, loader: object) -> float:
        if setup.recipe.training.compile == "always":
            raise RuntimeError("the compiler is broken")
        return 1.0

    monkeypatch.setattr(tuning, "measure", measure)
    tuned, seconds, decisions = tuning.tune_speed(with_training(setup, compile="always"), dataset)
    assert (tuned.recipe.training.compile, seconds, decisions) == ("never", 1.0, [])


def test_profile_divides_a_round(setup: TrainingSetup, dataset: Dataset) -> None:
    profile = tuning.profile(setup, dataset)
    assert profile.seconds > 0
    assert {name.split()[0].rstrip(":") for name in profile.parts} >= {"generator", "discriminator"}
