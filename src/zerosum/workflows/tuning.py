"""Choose the precision and the compilation of training by measuring both on this machine."""

from __future__ import annotations

import math
from contextlib import closing

import torch

from zerosum.data.dataset import Dataset
from zerosum.data.loader import BatchLoader
from zerosum.recipes import defaults
from zerosum.settings import Decision
from zerosum.training.accelerator import PRECISIONS
from zerosum.training.compile import Compiler
from zerosum.training.out_of_memory import explain_out_of_memory
from zerosum.training.profiler import Profile, profile_rounds
from zerosum.training.step_timer import measure_seconds_per_round
from zerosum.workflows.setup import TrainingSetup

PROVISIONAL_EXAMPLES = 1_000_000
"""Assumed length of a run, in examples, while the real one is unknown: schedules need a length."""
MIN_SPEEDUP = 1.1
"""Minimum speedup for which bfloat16 or compilation is used."""
COMPILE_MIN_SECONDS = 600.0
"""Minimum training time for which compilation is tried on a GPU, since compiling takes about a minute itself."""


def tune_speed(setup: TrainingSetup, dataset: Dataset) -> tuple[TrainingSetup, float, list[Decision]]:
    """Choose the precision and the compilation.

    Returns:
        The setup with both resolved, the seconds that a round takes with it, and the decisions that were measured.
    """
    mode = setup.recipe.training.compile  # before the precision is chosen, which sets it to "never"
    with closing(setup.build_loader(dataset)) as loader:
        setup, seconds, precision = _choose_precision(setup, dataset, loader)
        setup, seconds, compiled = _choose_compilation(setup, mode, dataset, loader, seconds)
    return setup, seconds, [*precision, *compiled]


def _choose_precision(
    setup: TrainingSetup, dataset: Dataset, loader: BatchLoader
) -> tuple[TrainingSetup, float, list[Decision]]:
    """Return the uncompiled setup in the precision of the recipe or, for "fastest", in the faster one."""
    if setup.recipe.training.precision in PRECISIONS:
        setup = setup.with_precision(setup.recipe.training.precision)
        return setup, measure(setup, dataset, loader), []
    candidates = {name: setup.with_precision(name) for name in ("float32", "bfloat16")}
    # alternate, and take the better of two passes: a burst of load on the machine must not decide
    passes = [{name: measure(candidate, dataset, loader) for name, candidate in candidates.items()} for _ in range(2)]
    seconds = {name: min(times[name] for times in passes) for name in candidates}
    speedup = seconds["float32"] / seconds["bfloat16"]
    name = "bfloat16" if speedup >= MIN_SPEEDUP else "float32"
    reason = f"bfloat16 is {speedup:.2f} times as fast here" + ("" if name == "bfloat16" else ", which is too little")
    return candidates[name], seconds[name], [Decision("precision", name, reason)]


def _choose_compilation(
    setup: TrainingSetup, mode: str, dataset: Dataset, loader: BatchLoader, seconds_per_round: float
) -> tuple[TrainingSetup, float, list[Decision]]:
    """Return the setup with compiled networks if `mode` asks for it or a trial shows that it is faster.

    Args:
        setup: the setup with networks that are not compiled.
        mode: never, always or fastest.
        dataset: the training data.
        loader: the batches of the trial.
        seconds_per_round: the duration of a round with `setup`.
    """
    if mode == "never" or (mode == "fastest" and not _should_try_compile(setup, seconds_per_round)):
        return setup, seconds_per_round, []
    compiler = Compiler(report=setup.reporter.message)
    compiled_setup = setup.with_precision(setup.recipe.training.precision, compiler)
    compiled_seconds = math.inf
    try:
        compiled_seconds = measure(compiled_setup, dataset, loader)
    except Exception as error:  # compiled code of the backward pass fails only here; see `CompiledFunction`
        compiler.record_failure(error)
    if setup.accelerator.all_reduce_any(bool(compiler.failures))[0]:
        return setup, seconds_per_round, []
    speedup = seconds_per_round / compiled_seconds
    is_used = mode == "always" or speedup >= MIN_SPEEDUP
    reason = f"a round with compiled networks is {speedup:.2f} times as fast here"
    decision = Decision("compile", "always" if is_used else "never", reason)
    return (compiled_setup, compiled_seconds, [decision]) if is_used else (setup, seconds_per_round, [decision])


def _should_try_compile(setup: TrainingSetup, seconds_per_round: float) -> bool:
    """Return whether the run is long enough, without compilation, for a trial of compiled networks to pay off."""
    # compilation may fail on one rank only, and the other ranks would wait forever
    if setup.accelerator.device.type != "cuda" or setup.accelerator.world_size > 1:
        return False
    training = defaults.choose_training_length(setup.recipe, seconds_per_round, on_cpu=False)[0].training
    return (training.examples or 0) / training.batch_size * seconds_per_round >= COMPILE_MIN_SECONDS


def measure(setup: TrainingSetup, dataset: Dataset, loader: BatchLoader) -> float:
    """Return the duration of a training round in seconds, as the mean over ranks."""
    recipe = setup.recipe.resolve_schedules(setup.recipe.training.examples or PROVISIONAL_EXAMPLES)
    with explain_out_of_memory():
        game = setup.new_game(recipe, dataset)
        seconds = measure_seconds_per_round(
            game, loader, setup.accelerator, setup.recipe.training.examples or PROVISIONAL_EXAMPLES
        )
    del game
    setup.accelerator.free_memory()
    return setup.accelerator.all_reduce_mean(torch.tensor(seconds, device=setup.accelerator.device)).item()


def profile(setup: TrainingSetup, dataset: Dataset) -> Profile:
    """Return how the duration of a training round divides among its parts and operators."""
    recipe = setup.recipe.resolve_schedules(PROVISIONAL_EXAMPLES)
    with explain_out_of_memory(), closing(setup.build_loader(dataset)) as loader:
        game = setup.new_game(recipe, dataset)
        longest_interval = max(move.every_rounds for move in game.moves)
        return profile_rounds(
            game, loader, setup.accelerator, setup.recipe.training.batch_size, max(longest_interval, 8)
        )
