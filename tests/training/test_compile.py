"""Compiled games train as eager ones do, and games whose compilation fails train without it.

The backend "aot_eager" replaces a real compiler: it traces, splits and differentiates graphs in the same way and runs
their operators one by one, so that only wrong wiring can change a number.
"""

import copy
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_games import Points, points_game, weights
from torch._dynamo import lookup_backend

from zerosum.data.loader import BatchLoader
from zerosum.errors import BadInput
from zerosum.game.game import Game
from zerosum.game.optimizer import Adam
from zerosum.game.player import Player
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.game.terms import R1
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import SilentReporter
from zerosum.training import checkpoint
from zerosum.training.accelerator import Accelerator
from zerosum.training.compile import CompiledFunction, Compiler, eager
from zerosum.training.loop import train
from zerosum.training.meter import Meter
from zerosum.workflows import tuning
from zerosum.workflows.build_game import DataInfo, build_game
from zerosum.workflows.setup import TrainingSetup

pytestmark = pytest.mark.usefixtures("measured_speed")

SHAPE = (1, 16, 16)
DCGAN = {"generator.width": 4, "discriminator.width": 4, "discriminator.init": "normal", "terms.r1.every_rounds": 2}
SMALL_BLOCKS = {"blocks": 1, "expansion": 1, "group_width": 0}
R3GAN = {"generator.widths": [8, 4, 4], "discriminator.widths": [4, 4, 8]} | {
    f"{player}.{name}": value for player in ("generator", "discriminator") for name, value in SMALL_BLOCKS.items()
}
FIXED = {"training.precision": "float32", "optimizer.eps": 1e-3, "optimizer.lr": 2e-4}
"""A large eps, since Adam with a small one amplifies rounding errors wherever a gradient is almost 0."""
TOLERANCES = {"rtol": 1e-5, "atol": 1e-5}


def recipe(name: str, settings: dict) -> Recipe:
    file = RecipeFile(name)
    file.apply_variant("small" if name == "r3gan" else "nano")  # the variant with the networks of the recipe
    for path, value in (FIXED | settings).items():
        file.settings_tree.set(tuple(path.split(".")), value, "")
    return check_recipe(file.settings_tree).resolve_schedules(1000)


def image_source() -> Points:
    source = Points(40, math.prod(SHAPE))
    source.values = source.values.reshape(40, *SHAPE).clip(-1, 1)
    return source


def train_rounds(game: Game, rounds: int = 3, batch_size: int = 16) -> dict[str, float]:
    source, meter = Points() if isinstance(game.generator, torch.nn.Sequential) else image_source(), Meter()
    train(
        game,
        BatchLoader(source, batch_size, 1),
        Accelerator(),
        Progress(),
        batch_size,
        meter,
        [],
        lambda progress: progress.round >= rounds,
    )
    return meter.pop_means(Accelerator())


def recording_backend(graphs: list) -> Callable:
    """Return a backend that records the graphs it compiles."""

    def backend(graph, inputs):
        graphs.append(graph)
        return lookup_backend("aot_eager")(graph, inputs)

    return backend


def broken_backend(graph, inputs):
    raise RuntimeError("no compiler found\nand more details")


@pytest.mark.parametrize(
    ("name", "settings", "num_graphs"), [("auto", DCGAN, 4), ("r3gan", R3GAN, 6)], ids=["dcgan", "r3gan"]
)
def test_compiled_training_equals_eager_training(name: str, settings: dict, num_graphs: int) -> None:
    """Both networks, frozen and not, and the input gradient are each compiled once for all rounds and games."""
    torch.compiler.reset()
    graphs: list = []
    compiler = Compiler(recording_backend(graphs))
    games = [
        build_game(
            recipe(name, settings),
            DataInfo(TensorSpec(SHAPE, bounded=True)),
            Accelerator(compile_networks=compile_networks),
        )
        for compile_networks in (eager, compiler)
    ]
    # accuracies are left out: they jump where a score crosses the boundary, and first scores are close to it
    eager_means, compiled_means = (
        {key: mean for key, mean in train_rounds(game).items() if not key.endswith("accuracy")} for game in games
    )
    assert eager_means == pytest.approx(compiled_means, rel=1e-5, abs=1e-5)
    eager_weights = games[0].state_dict()
    for key, tensor in games[1].state_dict().items():
        torch.testing.assert_close(tensor, eager_weights[key], **TOLERANCES)
    assert compiler.failures == []
    assert len(graphs) == num_graphs
    train_rounds(
        build_game(
            recipe(name, settings), DataInfo(TensorSpec(SHAPE, bounded=True)), Accelerator(compile_networks=compiler)
        )
    )
    assert len(graphs) == num_graphs, "a second game uses the graphs of the first"


def test_a_failing_compiler_is_reported_once() -> None:
    messages: list[str] = []
    games = [points_game({"r1": R1()}) for _ in range(2)]
    Compiler(broken_backend, messages.append)(games[1])
    assert train_rounds(games[0]) == train_rounds(games[1])
    eager_weights, fallback_weights = (weights(game) for game in games)
    assert all(torch.equal(eager_weights[name], fallback_weights[name]) for name in eager_weights)
    assert len(messages) == 1
    assert "no compiler found" in messages[0]
    assert "\n" not in messages[0]


@pytest.mark.parametrize(
    "terms",
    [{}, {"r1": R1()}, {"r1": R1(every_rounds=2)}],
    ids=["no input gradient", "every round", "every other round"],
)
def test_input_gradients_through_batch_norm_are_not_compiled(terms: dict) -> None:
    """Batch norm's buffers cannot change within a compiled input gradient; in a compiled network they can."""
    messages: list[str] = []
    games = []
    for compile_networks in (eager, Compiler("aot_eager", messages.append)):
        game = points_game(terms)
        game.discriminator.body.insert(1, torch.nn.BatchNorm1d(16))
        game.register_players_and_moves(
            [Player(name, player.network, Adam(eps=1e-3)) for name, player in game.players.items()], game.moves
        )
        compile_networks(game)
        train_rounds(game)
        games.append(game)
    eager_weights, compiled_weights = (game.state_dict() for game in games)
    for name, tensor in eager_weights.items():
        torch.testing.assert_close(tensor, compiled_weights[name], **TOLERANCES)
    assert len(messages) == len(terms)


def test_compiled_games_are_saved_and_copied_like_eager_ones(tmp_path: Path) -> None:
    eager_game, compiled_game = points_game({"r1": R1()}), points_game({"r1": R1()})
    Compiler("aot_eager")(compiled_game)
    assert list(eager_game.state_dict()) == list(compiled_game.state_dict())
    loader, meter = BatchLoader(Points(), 8, 1), Meter()
    end = train(compiled_game, loader, Accelerator(), Progress(), 8, meter, [], lambda progress: progress.round >= 2)
    single = Accelerator()
    rank_states = checkpoint.gather_rng_states(single), meter.gather_sums(single)
    checkpoint.save(tmp_path, compiled_game, loader, meter, end, 1.0, *rank_states)
    other_loader = BatchLoader(Points(), 8, 1)
    assert checkpoint.load(tmp_path, eager_game, other_loader, Meter(), Accelerator()) == (end, 1.0)
    generator_copy = copy.deepcopy(compiled_game.generator)
    assert generator_copy._compiled_call_impl is None
    assert torch.equal(generator_copy(torch.ones(3, 4)), compiled_game.generator(torch.ones(3, 4)))
    resumed = points_game({"r1": R1()})
    Compiler("aot_eager")(resumed)
    checkpoint.load(tmp_path, resumed, other_loader, Meter(), Accelerator())
    for game, data in ((compiled_game, loader), (resumed, other_loader)):
        train(game, data, Accelerator(), end, 8, Meter(), [], lambda progress: progress.round >= 4)
    expected, actual = weights(compiled_game), weights(resumed)
    assert all(torch.equal(expected[name], actual[name]) for name in expected)


def test_errors_of_the_function_itself_are_raised() -> None:
    def raise_error(x):
        raise BadInput("this network is wrong")

    compiler = Compiler("aot_eager")
    compiled_function = CompiledFunction(raise_error, compiler, fullgraph=False)
    for _ in range(2):
        with pytest.raises(BadInput, match="this network is wrong"):
            compiled_function(torch.ones(1))
    assert compiler.failures == []


# ---------------------------------------------------------------------- the trial of compiled networks


class TinyDataset:
    """The part of a dataset that the speed measurement uses."""

    shape, bounded, train = (2,), False, np.arange(8)

    def __len__(self) -> int:
        return 8


class RecordingReporter(SilentReporter):
    """Records the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str = "") -> None:
        self.messages.append(text)


def tune(monkeypatch, seconds: dict, device: str = "cpu", **training) -> tuple:
    """Tune a setup on which a round takes `seconds` by the setting `compile`; return it, seconds, decisions, messages.

    An exception among the seconds is raised by the measurement.
    """

    def measure(setup, dataset, loader):
        measured = seconds[setup.recipe.training.compile]
        if isinstance(measured, Exception):
            raise measured
        return measured

    monkeypatch.setattr(tuning, "measure", measure)
    monkeypatch.setattr(TrainingSetup, "build_loader", lambda setup, dataset: BatchLoader(Points(), 8, 0))
    settings = {f"training.{name}": value for name, value in ({"precision": "float32"} | training).items()}
    reporter = RecordingReporter()
    setup = TrainingSetup.create(recipe("vanilla", settings), torch.device(device), (), reporter)
    return *tuning.tune_speed(setup, TinyDataset()), reporter.messages


def test_compilation_on_gpus_depends_on_its_speed(monkeypatch) -> None:
    for compiled_seconds, mode in ((0.05, "always"), (0.095, "never")):
        timings = {"never": 0.1, "always": compiled_seconds}
        setup, seconds, decisions, messages = tune(monkeypatch, timings, "cuda", budget="20m")
        assert setup.recipe.training.compile == mode
        assert isinstance(setup.accelerator.compile_networks, Compiler) == (mode == "always")
        assert seconds == (compiled_seconds if mode == "always" else 0.1)
        assert [(decision.name, decision.value) for decision in decisions] == [("compile", mode)]
        assert messages == []


@pytest.mark.parametrize(
    ("device", "training"),
    [("cpu", {"budget": "20m"}), ("cuda", {"budget": "5m"}), ("cuda", {"budget": "20m", "compile": "never"}),
     ("cuda", {"examples": 12800})],
    ids=["CPU", "short budget", "compile is never", "few examples"],
)  # fmt: skip
def test_compilation_is_not_tried(monkeypatch, device: str, training: dict) -> None:
    timings = {"never": 0.1, "always": AssertionError()}
    setup, seconds, decisions, messages = tune(monkeypatch, timings, device, **training)
    assert messages == [], "a failed trial is reported"
    assert setup.recipe.training.compile == "never"
    assert (setup.accelerator.compile_networks, seconds, decisions) == (eager, 0.1, [])


def test_requested_compilation_is_used_unless_it_fails(monkeypatch) -> None:
    setup, seconds, _, _ = tune(monkeypatch, {"never": 0.1, "always": 0.2}, compile="always")
    assert (setup.recipe.training.compile, seconds) == ("always", 0.2)
    timings = {"never": 0.1, "always": ValueError("odd")}
    setup, seconds, decisions, messages = tune(monkeypatch, timings, compile="always")
    assert (setup.recipe.training.compile, seconds, decisions) == ("never", 0.1, [])
    assert len(messages) == 1
    assert "(odd)" in messages[0]


def test_a_setup_with_requested_compilation_compiles_when_resumed() -> None:
    setup = TrainingSetup.create(
        recipe("vanilla", {"training.compile": "always"}), torch.device("cpu"), (), SilentReporter()
    )
    assert isinstance(setup.accelerator.compile_networks, Compiler)
