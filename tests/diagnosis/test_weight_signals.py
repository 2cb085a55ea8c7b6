"""The signals of the weights in every row of the log."""

import copy

import pytest
import torch
from broken_games import is_identical, mlp_game, normal_batches, snapshot
from torch import nn

from zerosum.diagnosis.weight_signals import WeightSignals
from zerosum.game.game import Game
from zerosum.game.optimizer import Adam
from zerosum.game.player import Player
from zerosum.game.schedule import Progress
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter

PLAYERS = ("discriminator", "generator")


def norm(tensors: list[torch.Tensor]) -> float:
    return float(torch.cat([tensor.detach().flatten() for tensor in tensors]).norm())


def test_the_signals_are_those_of_the_last_round() -> None:
    game, tracker = mlp_game(), WeightSignals()
    batches = iter(normal_batches(4, batch_size=16))
    play_round(game, batches, Accelerator(), Progress(), Meter())
    before = copy.deepcopy({name: player.parameters for name, player in game.players.items()})
    tracker.remember(game)
    play_round(game, batches, Accelerator(), Progress(1, 16), Meter())
    game_before = snapshot(game)
    signals = tracker.measure(game)
    assert is_identical(game_before, snapshot(game))
    for name in PLAYERS:
        weights = game.players[name].parameters
        size = norm(weights)
        changes = [new - old for new, old in zip(weights, before[name], strict=True)]
        assert signals[f"weights/norm/{name}"] == pytest.approx(size, rel=1e-5)
        assert signals[f"weights/update/{name}"] == pytest.approx(norm(changes) / size, rel=1e-4)
        assert signals[f"weights/count/{name}"] == sum(weight.numel() for weight in weights)
    ema_weights = game.players["generator"].emas[0].network.parameters()
    distances = [w - e for w, e in zip(game.players["generator"].parameters, ema_weights, strict=True)]
    expected = norm(distances) / signals["weights/norm/generator"]
    assert signals["weights/ema_distance/generator"] == pytest.approx(expected, rel=1e-4)


def test_there_is_no_update_of_a_round_whose_beginning_was_not_seen() -> None:
    game, tracker = mlp_game(), WeightSignals()
    assert "weights/update/generator" not in tracker.measure(game)
    tracker.remember(game)
    assert tracker.measure(game)["weights/update/generator"] == 0.0


def test_large_tensors_are_sampled() -> None:
    """The norm of every 16th of the values, scaled, is that of all of them to a percent."""
    network = nn.Linear(512, 512)
    game = Game()
    game.register_players_and_moves([Player("generator", network, Adam())], [])
    size = norm(list(network.parameters()))
    assert WeightSignals().measure(game)["weights/norm/generator"] == pytest.approx(size, rel=0.02)
