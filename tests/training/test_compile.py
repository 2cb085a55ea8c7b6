"""Compiled games play as uncompiled ones do, and where compiling fails they are played without.

"aot_eager" stands in for a real compiler: it traces, splits and differentiates graphs in the same way, and runs their
operators one by one, so that only wrong wiring could change a number.
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
from zerosum.workflows.build_game import build_game
from zerosum.workflows.setup import TrainingSetup

SHAPE = (1, 16, 16)
DCGAN = {"generator.width": 4, "discriminator.width": 4, "terms.r1.every_rounds": 2}
PLAIN = {"blocks": 1, "expansion": 1, "group_width": 0}
R3GAN = {"generator.widths": [8, 4, 4], "discriminator.widths": [4, 4, 8]} | {
    f"{player}.{name}": value for player in ("generator", "discriminator") for name, value in PLAIN.items()
}
SETTLED = {"training.precision": "float32", "optimizer.eps": 1e-3, "optimizer.lr": 2e-4}
"""A large eps, for Adam with a small one makes steps out of rounding wherever a gradient is almost 0."""
EXACT = {"rtol": 1e-5, "atol": 1e-5}


def recipe(name: str, settings: dict) -> Recipe:
    file = RecipeFile(name)
    file.apply_variant("small" if name == "r3gan" else "nano")  # where its networks are its own
    for path, value in (SETTLED | settings).items():
        file.settings_tree.set(tuple(path.split(".")), value, "")
    return check_recipe(file.settings_tree).resolve_schedules(1000)


def pictures() -> Points:
    source = Points(40, math.prod(SHAPE))
    source.values = source.values.reshape(40, *SHAPE).clip(-1, 1)
    return source


def played(game: Game, rounds: int = 3, batch: int = 16) -> dict[str, float]:
    source, meter = pictures() if hasattr(game.generator, "start") else Points(), Meter()
    train(
        game,
        BatchLoader(source, batch, 1),
        Accelerator(),
        Progress(),
        batch,
        meter,
        [],
        lambda now: now.round >= rounds,
    )
    return meter.pop_means(Accelerator())


def counting(graphs: list) -> Callable:
    """A backend that counts what it compiles."""

    def backend(graph, inputs):
        graphs.append(graph)
        return lookup_backend("aot_eager")(graph, inputs)

    return backend


def broken(graph, inputs):
    raise RuntimeError("no compiler here\nand much more about it")


@pytest.mark.parametrize(
    ("kind", "settings", "graphs"), [("auto", DCGAN, 4), ("r3gan", R3GAN, 6)], ids=["dcgan", "r3gan"]
)
def test_compiled_is_uncompiled(kind: str, settings: dict, graphs: int) -> None:
    """Both networks, frozen and not, and the slope; each compiled once for all rounds and both of the games."""
    torch.compiler.reset()
    compiled: list = []
    quick = Compiler(counting(compiled))
    games = [
        build_game(recipe(kind, settings), SHAPE, True, Accelerator(compile_networks=hasten))
        for hasten in (eager, quick)
    ]
    # an accuracy jumps where a score crosses the boundary, and first scores lie almost on it
    ours, theirs = (
        {name: mean for name, mean in played(game).items() if not name.endswith("accuracy")} for game in games
    )
    assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)
    twin = games[0].state_dict()
    for name, tensor in games[1].state_dict().items():
        torch.testing.assert_close(tensor, twin[name], **EXACT)
    assert quick.failures == []
    assert len(compiled) == graphs
    played(build_game(recipe(kind, settings), SHAPE, True, Accelerator(compile_networks=quick)))
    assert len(compiled) == graphs, "what a trial compiled serves the run too"


def test_a_broken_compiler_is_told_of_once() -> None:
    said: list[str] = []
    games = [points_game({"r1": R1()}) for _ in range(2)]
    Compiler(broken, said.append)(games[1])
    assert played(games[0]) == played(games[1])
    ours, theirs = (weights(game) for game in games)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert len(said) == 1
    assert "no compiler here" in said[0]
    assert "\n" not in said[0]


@pytest.mark.parametrize("terms", [{}, {"r1": R1()}, {"r1": R1(every_rounds=2)}], ids=["no slope", "always", "rarely"])
def test_batch_norm_before_a_slope_is_not_compiled(terms: dict) -> None:
    """Its buffers cannot change within the compiled slope; without a slope they can change all the same."""
    said: list[str] = []
    games = []
    for hasten in (eager, Compiler("aot_eager", said.append)):
        game = points_game(terms)
        game.discriminator.body.insert(1, torch.nn.BatchNorm1d(16))
        game.register_players(
            [Player(name, player.network, Adam(eps=1e-3)) for name, player in game.players.items()], game.moves
        )
        hasten(game)
        played(game)
        games.append(game)
    ours, theirs = (game.state_dict() for game in games)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], **EXACT)
    assert len(said) == len(terms)


def test_saving_and_copying_do_not_notice(tmp_path: Path) -> None:
    plain, fast = points_game({"r1": R1()}), points_game({"r1": R1()})
    Compiler("aot_eager")(fast)
    assert list(plain.state_dict()) == list(fast.state_dict())
    loader, meter = BatchLoader(Points(), 8, 1), Meter()
    now = train(fast, loader, Accelerator(), Progress(), 8, meter, [], lambda now: now.round >= 2)
    checkpoint.save(tmp_path, fast, loader, meter, now, 1.0, checkpoint.gather_rng_states(Accelerator()))
    other = BatchLoader(Points(), 8, 1)
    assert checkpoint.load(tmp_path, plain, other, Meter(), Accelerator()) == (now, 1.0)
    twin = copy.deepcopy(fast.generator)
    assert twin._compiled_call_impl is None
    assert torch.equal(twin(torch.ones(3, 4)), fast.generator(torch.ones(3, 4)))
    resumed = points_game({"r1": R1()})
    Compiler("aot_eager")(resumed)
    checkpoint.load(tmp_path, resumed, other, Meter(), Accelerator())
    for game, data in ((fast, loader), (resumed, other)):
        train(game, data, Accelerator(), now, 8, Meter(), [], lambda now: now.round >= 4)
    ours, theirs = weights(fast), weights(resumed)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_mistake_of_the_network_itself_comes_up() -> None:
    def wrong(x):
        raise BadInput("this network is wrong")

    quick = Compiler("aot_eager")
    call = CompiledFunction(wrong, quick, fullgraph=False)
    for _ in range(2):
        with pytest.raises(BadInput, match="this network is wrong"):
            call(torch.ones(1))
    assert quick.failures == []


# ---------------------------------------------------------------------- the trial


class Examples:
    """What a stage needs of data before it measures."""

    shape, bounded, train = (2,), False, np.arange(8)

    def __len__(self) -> int:
        return 8


def staged(monkeypatch, seconds: dict, device: str = "cpu", **training) -> tuple:
    """A stage's recipe and its choices, where a round takes so long uncompiled and compiled; and what was said."""
    said: list[str] = []

    class Voice(SilentReporter):
        def say(self, line: str) -> None:
            said.append(line)

    def measure(stage, examples, stream):
        found = seconds[stage.recipe.training.compile]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(TrainingSetup, "measure", measure)
    monkeypatch.setattr(TrainingSetup, "stream", lambda stage, examples: BatchLoader(Points(), 8, 0))
    settings = {f"training.{name}": value for name, value in ({"precision": "float32"} | training).items()}
    stage, found, decisions = TrainingSetup.create(
        recipe("vanilla", settings), torch.device(device), (), Voice()
    ).tune_speed(Examples())  # fmt: skip
    return stage, found, decisions, said


def test_a_trial_decides_on_gpus(monkeypatch) -> None:
    for fast, taken in ((0.05, "always"), (0.095, "never")):
        setup, found, decisions, said = staged(monkeypatch, {"never": 0.1, "always": fast}, "cuda", budget="20m")
        assert setup.recipe.training.compile == taken
        assert isinstance(setup.machine.hasten, Compiler) == (taken == "always")
        assert found == (fast if taken == "always" else 0.1)
        assert [(choice.what, choice.value) for choice in decisions] == [("compile", taken)]
        assert said == []


@pytest.mark.parametrize(
    ("device", "training"),
    [("cpu", {"budget": "20m"}), ("cuda", {"budget": "5m"}), ("cuda", {"budget": "20m", "compile": "never"}),
     ("cuda", {"images": 12800})],
    ids=["on a CPU", "for a short time", "asked not to", "for few images"],
)  # fmt: skip
def test_no_trial(monkeypatch, device: str, training: dict) -> None:
    setup, found, decisions, said = staged(monkeypatch, {"never": 0.1, "always": AssertionError()}, device, **training)
    assert said == [], "a trial that failed is spoken of"
    assert (setup.recipe.training.compile, setup.machine.hasten, found, decisions) == ("never", eager, 0.1, [])


def test_what_is_asked_for_is_done_unless_it_fails(monkeypatch) -> None:
    setup, found, _, _ = staged(monkeypatch, {"never": 0.1, "always": 0.2}, compile="always")
    assert (setup.recipe.training.compile, found) == ("always", 0.2)
    setup, found, decisions, said = staged(monkeypatch, {"never": 0.1, "always": ValueError("odd")}, compile="always")
    assert (setup.recipe.training.compile, found, decisions) == ("never", 0.1, [])
    assert len(said) == 1
    assert "(odd)" in said[0]


def test_a_stage_asked_to_compile_does_so_when_resumed() -> None:
    setup = TrainingSetup.create(
        recipe("vanilla", {"training.compile": "always"}), torch.device("cpu"), (), SilentReporter()
    )
    assert isinstance(setup.accelerator.compile_networks, Compiler)
