"""The estimated time of a run covers all sizes of growing networks."""

from collections.abc import Iterator

import pytest
import torch

from zerosum.game.game import Game
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training import step_timer
from zerosum.training.accelerator import Accelerator
from zerosum.workflows.build_game import DataInfo, build_game

DATA = DataInfo(TensorSpec((1, 32, 32), bounded=True))


def progressive_game(examples: int) -> Game:
    file = RecipeFile("progan")
    file.apply_variant("nano")
    return build_game(check_recipe(file.settings_tree).resolve_schedules(examples), DATA, Accelerator())


def test_networks_of_constant_size_are_timed_once() -> None:
    file = RecipeFile("auto")
    file.apply_variant("nano")
    game = build_game(check_recipe(file.settings_tree).resolve_schedules(1000), DATA, Accelerator())
    assert game.timing_points(1000) == [(Progress(0, 1), 1.0)]


def test_growing_networks_are_timed_at_every_size() -> None:
    """From 8 to 32 px in 4 phases of 150 of 1,000 examples, and 400 more: 8, fading, 16, fading, 32."""
    game = progressive_game(1000)
    points = []
    for progress, fraction in game.timing_points(1000):
        game.generate({"seed": torch.arange(2)}, progress)
        points.append((game._growable_networks[0].growth, fraction))
    assert [int(growth) for growth, _ in points] == [1, 1, 2, 2, 3]
    assert [fraction for _, fraction in points] == pytest.approx([0.15, 0.15, 0.15, 0.15, 0.4])


def test_the_estimate_is_the_weighted_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    game = progressive_game(1000)

    def time_round(game: Game, loader: Iterator, accelerator: Accelerator, progress: Progress) -> float:
        return 1.0 if progress.examples < 600 else 11.0

    monkeypatch.setattr(step_timer, "_time_round", time_round)
    seconds = step_timer.measure_seconds_per_round(game, iter([]), Accelerator(), 1000)
    assert seconds == pytest.approx(0.6 * 1 + 0.4 * 11)
