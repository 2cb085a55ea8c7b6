"""Choose what makes training fast on this machine, by measuring: precision and compilation."""

from __future__ import annotations

import math
from contextlib import closing

import torch

from zerosum.data.dataset import Dataset
from zerosum.data.loader import BatchLoader
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Decision
from zerosum.training.accelerator import PRECISIONS
from zerosum.training.compile import Compiler
from zerosum.training.out_of_memory import explain_out_of_memory
from zerosum.training.profiler import Profile, profile_rounds
from zerosum.training.step_timer import measure_seconds_per_round
from zerosum.workflows.setup import TrainingSetup

PROVISIONAL_EXAMPLES = 1_000_000
"""Images of a run whose length is not known yet: schedules need some."""
MIN_SPEEDUP = 1.1
"""How many times as fast bfloat16 must be to be taken, or compiled networks."""
COMPILE_MIN_SECONDS = 600.0
"""Seconds of training from which a GPU tries compiled networks: compiling them takes a minute or so itself."""


def tune_speed(setup: TrainingSetup, dataset: Dataset) -> tuple[TrainingSetup, float, list[Decision]]:
    """The stage with precision and compilation settled, seconds a round takes on it, and what a trial chose."""
    with closing(setup.build_loader(dataset)) as loader:
        setup, seconds, precision = _choose_precision(setup, dataset, loader)
        setup, seconds, compiled = _choose_compilation(setup, setup.recipe.training.compile, dataset, loader, seconds)
    return setup, seconds, [*precision, *compiled]


def _choose_precision(
    setup: TrainingSetup, dataset: Dataset, loader: BatchLoader
) -> tuple[TrainingSetup, float, list[Decision]]:
    """The stage in the precision asked for or fastest, uncompiled."""
    if setup.recipe.training.precision in PRECISIONS:
        setup = setup.with_precision(setup.recipe.training.precision)
        return setup, measure(setup, dataset, loader), []
    stages = {name: setup.with_precision(name) for name in ("float32", "bfloat16")}
    # in turns, and the better of two: a neighbour's burst must not decide
    passes = [{name: measure(setup, dataset, loader) for name, setup in stages.items()} for _ in range(2)]
    seconds = {name: min(each[name] for each in passes) for name in stages}
    gain = seconds["float32"] / seconds["bfloat16"]
    name = "bfloat16" if gain >= MIN_SPEEDUP else "float32"
    why = f"bfloat16 is {gain:.2f} times as fast here" + ("" if name == "bfloat16" else ", too little to matter")
    return stages[name], seconds[name], [Decision("precision", name, why)]


def _choose_compilation(
    setup: TrainingSetup, mode: str, dataset: Dataset, loader: BatchLoader, seconds_per_round: float
) -> tuple[TrainingSetup, float, list[Decision]]:
    """This stage, on which a round takes `seconds_per_round`, or the same compiled: as asked, or where a trial says so."""
    if mode == "never" or (mode == "fastest" and not _should_try_compile(setup, seconds_per_round)):
        return setup, seconds_per_round, []
    compiler = Compiler(report=setup.reporter.message)
    fast = setup.with_precision(setup.recipe.training.precision, compiler)
    quick = math.inf
    try:
        quick = measure(fast, dataset, loader)
    except Exception as error:  # compiled code of the way back fails only here; see `Compiled`
        compiler.record_failure(error)
    if setup.accelerator.all_reduce_any(bool(compiler.failures))[0]:
        return setup, seconds_per_round, []
    gain = seconds_per_round / quick
    taken = mode == "always" or gain >= MIN_SPEEDUP
    why = f"compiled, a round is {gain:.2f} times as fast here"
    choice = Decision("compile", "always" if taken else "never", why)
    return (fast, quick, [choice]) if taken else (setup, seconds_per_round, [choice])


def _should_try_compile(setup: TrainingSetup, seconds_per_round: float) -> bool:
    """Whether a trial of compiled networks is worth its time, where a round takes `seconds_per_round` without."""
    # compiling fails rank by rank, and the others would wait for ever
    if setup.accelerator.device.type != "cuda" or setup.accelerator.world_size > 1:
        return False
    training = defaults.choose_training_length(setup.recipe, seconds_per_round, on_cpu=False)[0].training
    return (training.examples or 0) / training.batch_size * seconds_per_round >= COMPILE_MIN_SECONDS


def measure(setup: TrainingSetup, dataset: Dataset, loader: BatchLoader) -> float:
    """Seconds a round takes here, the mean over ranks."""
    rough = setup.recipe.resolve_schedules(setup.recipe.training.examples or PROVISIONAL_EXAMPLES)
    with explain_out_of_memory():
        game = setup.new_game(rough, dataset)
        seconds = measure_seconds_per_round(
            game, loader, setup.accelerator, setup.recipe.training.examples or PROVISIONAL_EXAMPLES
        )
    del game
    setup.accelerator.free_memory()
    return setup.accelerator.all_reduce_mean(torch.tensor(seconds, device=setup.accelerator.device)).item()


def profile(setup: TrainingSetup, dataset: Dataset) -> Profile:
    """Where a round's time goes here."""
    rough = setup.recipe.resolve_schedules(PROVISIONAL_EXAMPLES)
    with explain_out_of_memory(), closing(setup.build_loader(dataset)) as loader:
        game = setup.new_game(rough, dataset)
        rarest = max(move.every_rounds for move in game.moves)
        return profile_rounds(game, loader, setup.accelerator, setup.recipe.training.batch_size, max(rarest, 8))
