"""A run's length is estimated from all the sizes its networks will have."""

from collections.abc import Iterator

import pytest
import torch

from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.training import step_timer
from zerosum.training.accelerator import Accelerator
from zerosum.workflows.build_game import build_game


def grown(images: int) -> Game:
    file = RecipeFile("progan")
    file.apply_variant("nano")
    return build_game(check_recipe(file.settings_tree).resolve_schedules(images), (1, 32, 32), True, Accelerator())


def test_networks_that_do_not_grow_are_looked_at_once() -> None:
    file = RecipeFile("auto")
    file.apply_variant("nano")
    game = build_game(check_recipe(file.settings_tree).resolve_schedules(1000), (1, 32, 32), True, Accelerator())
    assert game.timing_points(1000) == [(Progress(), 1.0)]


def test_networks_that_grow_are_looked_at_at_every_size() -> None:
    """From 8 to 32 px in 4 phases of 150 of 1,000 images, and 400 more: 8, fading, 16, fading, 32."""
    game = grown(1000)
    shares = []
    for progress, share in game.timing_points(1000):
        game.imagine({"seed": torch.arange(2)}, progress)
        shares.append((game._growing[0].growth, share))
    assert [int(growth) for growth, _ in shares] == [1, 1, 2, 2, 3]
    assert [share for _, share in shares] == pytest.approx([0.15, 0.15, 0.15, 0.15, 0.4])


def test_the_estimate_is_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    game = grown(1000)

    def seconds(game: Game, stream: Iterator, machine: Accelerator, now: Progress) -> float:
        return 1.0 if now.examples < 600 else 11.0

    monkeypatch.setattr(step_timer, "_seconds", seconds)
    assert step_timer.measure_seconds_per_round(game, iter([]), Accelerator(), 1000) == pytest.approx(
        0.6 * 1 + 0.4 * 11
    )
