"""Start a run: read the data, choose the open settings, create the run folder, train, and report."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import zerosum
from zerosum.data.codec_files import save_codec
from zerosum.data.dataset import Dataset
from zerosum.data.kind import DATA_KINDS, Inspection
from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.game.game import Game
from zerosum.inference.load import read_recipe, rewrite_recipe, with_sources
from zerosum.inference.start import StartingPoint
from zerosum.recipes import defaults
from zerosum.recipes.probe_schedule import choose_probe_schedule
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import Reporter
from zerosum.reporting import preview
from zerosum.reporting.report import write_report
from zerosum.run_folder import Json, Row, RunFolder, RunState
from zerosum.settings import Decision
from zerosum.training.disk_full import explain_disk_full, first_rank_writes
from zerosum.training.loggers import LOGGERS
from zerosum.training.out_of_memory import explain_out_of_memory
from zerosum.training.profiler import Profile
from zerosum.training.run_lock import training_lock
from zerosum.training.trainer import Intervals, StopCondition, Trainer
from zerosum.units import format_count
from zerosum.workflows.changed_data import save_split
from zerosum.workflows.data_record import build_data_record
from zerosum.workflows.observers import (
    build_best_model_tracker,
    build_monitor,
    choose_evaluation_features,
    schedule_evaluation,
)
from zerosum.workflows.recover import CHECKPOINTS_KEPT, recover_run
from zerosum.workflows.setup import TrainingSetup, build_recipe_record
from zerosum.workflows.start_weights import NO_START_WEIGHTS, StartWeights, load_start_weights, take_over_weights
from zerosum.workflows.summary import report_summary
from zerosum.workflows.tuning import profile, tune_speed

REPLAN_MIN_SECONDS = 30.0
"""Runs with a shorter budget are planned once: planning again costs about a second each time."""


def build_trainer(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> Trainer:
    """Return a trainer at the beginning of the run, with initial weights or those that the run starts from."""
    training = setup.recipe.training
    intervals = (training.tick_examples, training.preview_examples, training.checkpoint_examples)
    assert training.examples, "the training length is resolved before a trainer is built"
    draw_preview: Callable[[Game, Path], None] = (
        preview.TranslationPreview(dataset)
        if setup.recipe.is_translation
        else preview.SamplePreview(dataset, training.seed, _num_classes(setup, dataset))
    )
    # before the game: the random numbers drawn here must not change those of the game
    best_model_tracker = build_best_model_tracker(setup, dataset, folder)
    monitor = build_monitor(setup, dataset, folder)
    game = setup.new_game(setup.recipe.resolve_schedules(training.examples), dataset)
    load_start_weights(game, folder)
    return Trainer(
        game,
        setup.build_loader(dataset),
        setup.accelerator,
        folder,
        training.batch_size,
        Intervals(*(interval or training.examples for interval in intervals)),
        draw_preview,
        best_model_tracker,
        monitor,
        keep_checkpoints=CHECKPOINTS_KEPT if setup.recipe.diagnostics.max_recoveries else 2,
        report=setup.reporter.message,
    )


def _num_classes(setup: TrainingSetup, dataset: Dataset) -> int:
    """Return the number of classes of a class-conditional generator; 0 for an unconditional one."""
    return len(dataset.classes) if setup.recipe.is_conditional else 0


@dataclass(frozen=True)
class BudgetPlan:
    """When a run whose length follows from its budget is planned again."""

    requested: Recipe
    """The recipe before the open settings were chosen."""
    fractions: tuple[float, ...] = (0.1, 0.3, 0.55)
    """Fractions of the planned examples after which the speed of now replaces the measured one, all before the learning
    rate of the default recipe begins to decay."""

    @classmethod
    def create(cls, requested: Recipe, chosen: Recipe) -> BudgetPlan | None:
        """Return the plan of a run; None if its number of examples is given, or its budget is too short to matter."""
        budget = chosen.training.budget or 0
        return None if requested.training.examples or budget < REPLAN_MIN_SECONDS else cls(requested)

    def pause_at(self, trainer: Trainer, total_examples: int) -> float:
        """Return the examples after which the run is planned again; infinity if it no longer is.

        Games whose rounds take longer later are not: their length was planned from rounds of all their stages.
        """
        if len(trainer.game.timing_points(total_examples)) > 1:
            return math.inf
        pauses = (fraction * total_examples for fraction in self.fractions)
        return next((pause for pause in pauses if pause > trainer.progress.examples), math.inf)


def train_with_recovery(
    setup: TrainingSetup, trainer: Trainer, dataset: Dataset, plan: BudgetPlan | None = None
) -> RunState:
    """Train to the end; if a finding stops the run or it diverges, recover it and train again, as often as allowed.

    Args:
        setup: what the run is trained with.
        trainer: its trainer.
        dataset: the data.
        plan: when the length of the run is planned again, at the speed of now; None: never.

    Returns:
        The final state of the run.
    """
    while True:
        total_examples = setup.recipe.training.examples or 0
        state = run_trainer(setup, trainer, plan.pause_at(trainer, total_examples) if plan else math.inf)
        if plan and state is RunState.RUNNING:
            _replan(setup, trainer, plan)
            setup = replace(setup, recipe=_changed_recipe(setup, trainer.folder))
        elif state in {RunState.STOPPED_BY_FINDING, RunState.DIVERGED} and _recover(setup, trainer.folder):
            changed = _changed_recipe(setup, trainer.folder)
            setup = replace(setup, recipe=changed).with_precision(changed.training.precision)
        else:
            return state
        folder, start_time = trainer.folder, time.monotonic() - trainer.elapsed_seconds()
        del trainer  # before the next one is built: two of them may not fit into the memory of the device
        setup.accelerator.free_memory()
        trainer = build_trainer(setup, dataset, folder)
        trainer.resume(settings_changed=state is not RunState.RUNNING)
        # the budget is shared by all attempts
        trainer.previous_seconds = max(trainer.previous_seconds, time.monotonic() - start_time)


def _changed_recipe(setup: TrainingSetup, folder: RunFolder) -> Recipe:
    """Return the recipe of the run as it was changed, with the absolute paths of its data."""
    return with_sources(read_recipe(folder), setup.recipe.data.sources)


def _recover(setup: TrainingSetup, folder: RunFolder) -> bool:
    """Rewind the run and change its recipe, if it may be recovered, and return whether it was."""
    message = ""
    with explain_disk_full(folder.path), first_rank_writes(setup.accelerator, folder.path):
        if setup.accelerator.rank == 0:
            message = recover_run(folder, setup.recipe)
    if not setup.accelerator.all_reduce_any(bool(message))[0]:
        return False
    setup.reporter.message(message)
    setup.accelerator.barrier()
    return True


def _replan(setup: TrainingSetup, trainer: Trainer, plan: BudgetPlan) -> None:
    """Write a new end into recipe.toml: what the rest of the budget allows.

    The last checkpoint was saved just before, so that no part of the run is ever trained again with another plan.
    """
    examples, seconds = trainer.progress.examples, trainer.elapsed_seconds()
    folder = trainer.folder
    with explain_disk_full(folder.path), first_rank_writes(setup.accelerator, folder.path):
        if setup.accelerator.rank == 0:
            speed = _current_speed(folder) or examples / seconds
            changed = defaults.replan_training(read_recipe(folder), plan.requested, examples, seconds, speed)
            before, after = (format_count(recipe.training.examples or 0) for recipe in (setup.recipe, changed))
            reason = f"{speed:,.0f} examples/s after {format_count(examples)}; {before} were planned before"
            decision = Decision("planned again", f"{after} examples", reason)
            content = folder.read_json("plan.json")
            folder.write_json("plan.json", content | {"decisions": [*content["decisions"], decision.as_dict()]})
            rewrite_recipe(folder, changed)
            report_decisions(setup.reporter, [decision])
    setup.accelerator.barrier()


def _current_speed(folder: RunFolder) -> float:
    """Return the median of the examples per second of the newer half of the log, which one stall does not change.

    0 if the log is empty.
    """
    speeds = [float(row["examples_per_second"]) for row in folder.rows()]
    return statistics.median(speeds[-max(3, len(speeds) // 2) :]) if speeds else 0.0


def run_trainer(setup: TrainingSetup, trainer: Trainer, pause_at: float = math.inf) -> RunState:
    """Train to the end, write the report, report the summary, and return the final state of the run.

    If training pauses at `pause_at` examples, nothing is reported, and the state is "running".
    """
    max_seconds = setup.recipe.training.budget or math.inf
    stop_condition = StopCondition(setup.recipe.training.examples or math.inf, max_seconds, pause_at)
    trainer.log_callbacks = [setup.reporter.tick]
    if setup.accelerator.rank == 0:
        trainer.log_callbacks += [
            LOGGERS[name](trainer.folder.path, trainer.progress.examples) for name in setup.loggers
        ]
    setup.reporter.training_started(stop_condition.max_examples, stop_condition.max_seconds)
    try:
        with explain_out_of_memory():
            state = trainer.train(stop_condition)
    finally:
        setup.reporter.training_ended()
    path = trainer.folder.path
    with explain_disk_full(path), first_rank_writes(setup.accelerator, path):
        if setup.accelerator.rank == 0 and state is not RunState.RUNNING:
            write_report(path)
            report_summary(trainer, state, setup.recipe, setup.reporter)
    return state


def start_run(
    recipe: Recipe,
    path: Path,
    decisions: list[Decision],
    device: torch.device,
    loggers: Sequence[str],
    reporter: Reporter,
    recipe_settings: Row,
    request: Row,
    inspection: Inspection | None = None,
    start: StartingPoint | None = None,
) -> tuple[RunFolder, RunState]:
    """Read the data, measure the speed, choose the open settings, create the run folder, and train.

    Args:
        recipe: the settings so far.
        path: the new run folder.
        decisions: what was chosen so far.
        device: the device to train on.
        loggers: names of additional loggers.
        reporter: receives the progress messages.
        recipe_settings: the settings of the recipe file itself, with which a diagnosis compares the user's.
        request: what the run was asked for, with which the same command finds it again.
        inspection: the inspection of the data, if they were inspected already.
        start: the run from whose networks this one starts; None: from newly initialized ones.

    Returns:
        The run folder and the final state of the run.

    Raises:
        BadInput: the data or a setting cannot be used, or the run folder cannot be created.
    """
    setup = TrainingSetup.create(recipe, device, loggers, reporter)
    setup.reporter.message(f"zerosum {zerosum.__version__}: reading {recipe.data.source}")
    codec = start.read_codec().codec if start and DATA_KINDS.find(recipe.data.kind).takes_over_codec else None
    dataset = setup.load_dataset_on_ranks(recipe.data, codec=codec, inspection=inspection)
    for line in dataset.summary.lines():
        setup.reporter.message(f"  {line}")
    taken = take_over_weights(start, setup, dataset) if start else NO_START_WEIGHTS
    requested = setup.recipe
    setup, open_decisions = _choose_open_settings(setup, dataset, is_fine_tuned=start is not None)
    decisions = [*decisions, *taken.decisions, *open_decisions]
    setup.reporter.message("settings chosen for these data and this machine")
    report_decisions(setup.reporter, decisions)
    plan: Row = {
        "decisions": [decision.as_dict() for decision in decisions],
        "recipe_settings": dict(recipe_settings),
        "request": request,
    } | taken.record
    folder = _create_run_folder(path, setup, dataset, plan, taken)
    with training_lock(folder, setup.accelerator):
        command = f"zerosum resume {quote_path(path)}"
        setup.reporter.message(f"  stop at any time with Ctrl-C; `{command}` continues from the same state")
        plan_again = BudgetPlan.create(requested, setup.recipe)
        # the trainer has no name here, so that it is freed when another one replaces it
        return folder, train_with_recovery(setup, build_trainer(setup, dataset, folder), dataset, plan_again)


def _choose_open_settings(
    setup: TrainingSetup, dataset: Dataset, is_fine_tuned: bool
) -> tuple[TrainingSetup, list[Decision]]:
    """Choose augmentation, precision, compilation, training length, probes and evaluations, in this order."""
    on_cpu = setup.accelerator.device.type == "cpu"
    recipe, augment_decisions = defaults.choose_augmentation(setup.recipe, dataset)
    setup, seconds, speed_decisions = tune_speed(replace(setup, recipe=recipe), dataset)
    features = choose_evaluation_features(setup, dataset)
    recipe, length_decisions = defaults.choose_training_length(setup.recipe, seconds, on_cpu, features != "none")
    length_decisions += [] if is_fine_tuned else defaults.warn_of_few_rounds(recipe)
    smallest_split = min(len(dataset.held_out), len(dataset.train))
    recipe, probe_decisions = choose_probe_schedule(recipe, seconds, smallest_split)
    setup, evaluation_decisions = schedule_evaluation(replace(setup, recipe=recipe), dataset, features, seconds)
    decisions = [*augment_decisions, *speed_decisions, *length_decisions, *probe_decisions, *evaluation_decisions]
    return setup, decisions


def _create_run_folder(path: Path, setup: TrainingSetup, dataset: Dataset, plan: Row, taken: StartWeights) -> RunFolder:
    """Create the run folder on rank 0, with the weights that the run starts from.

    Raises:
        BadInput: on every rank, if the folder cannot be created.
    """

    def write(folder: Path) -> None:
        save_codec(dataset, folder)
        save_split(dataset, folder)
        taken.save(folder)

    failure = None
    if setup.accelerator.rank == 0:
        files: dict[str, Mapping[str, Json]] = {
            "data.json": build_data_record(setup.recipe, dataset),
            "plan.json": plan,
            "recipe.toml": build_recipe_record(setup.recipe, setup.accelerator.device, dataset),
        }
        try:
            RunFolder.create(path, files, write)
        except BadInput as error:
            failure = error
    if setup.accelerator.all_reduce_any(failure is not None)[0]:
        raise failure or BadInput(f"`run` {path}: the first process could not create this folder; choose another")
    return RunFolder(path)


def profile_training(recipe: Recipe, device: torch.device, reporter: Reporter) -> Profile:
    """Read the data and profile a training round; nothing is written."""
    setup = TrainingSetup.create(recipe, device, (), reporter)
    dataset = setup.load_dataset_on_ranks(recipe.data)
    setup, _, _ = tune_speed(replace(setup, recipe=defaults.choose_augmentation(recipe, dataset)[0]), dataset)
    return profile(setup, dataset)


def report_decisions(reporter: Reporter, decisions: Sequence[Decision]) -> None:
    """Report each decision and its reason on one line."""
    width = max((len(decision.name) for decision in decisions), default=0)
    for decision in decisions:
        reporter.message(f"  {decision.name:<{width}}  {decision.value}: {decision.reason}")
