"""From a checked recipe to a trained run: read the data, choose what is left open, train, report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.images.sources import Source
from zerosum.data.points.mixtures import GaussianMixture
from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe, with_data_paths
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Decision
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import Reporter
from zerosum.reporting import preview
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder
from zerosum.training.loggers import LOGGERS
from zerosum.training.out_of_memory import explain_out_of_memory
from zerosum.training.profiler import Profile
from zerosum.training.trainer import Intervals, StopCondition, Trainer
from zerosum.workflows.observers import (
    build_best_model_tracker,
    build_monitor,
    choose_evaluation_features,
    schedule_evaluation,
)
from zerosum.workflows.recover import CHECKPOINTS_KEPT, recover_run
from zerosum.workflows.setup import TrainingSetup, build_data_record, build_recipe_record
from zerosum.workflows.summary import print_summary
from zerosum.workflows.tuning import profile, tune_speed


def build_trainer(setup: TrainingSetup, dataset: Dataset, folder: RunFolder) -> Trainer:
    """A session at its beginning."""
    training = setup.recipe.training
    pace = (training.tick_examples, training.preview_examples, training.checkpoint_examples)
    assert training.examples, "the length is settled before a session is made"
    drawers: dict[str, Callable[..., None]] = {
        "images": partial(preview.draw_images, seed=training.seed, num_classes=_class_count(setup, dataset)),
        "points": partial(preview.draw_points, seed=training.seed, dataset=dataset),
        "translations": partial(preview.draw_translation, dataset=dataset),
    }
    shown = "translations" if setup.recipe.is_translation else dataset.summary.kind
    best_model_tracker = build_best_model_tracker(
        setup, dataset, folder
    )  # before the game: what it makes must not shift the game's dice
    monitor = build_monitor(setup, dataset, folder)
    return Trainer(
        setup.new_game(setup.recipe.resolve_schedules(training.examples), dataset),
        setup.build_loader(dataset),
        setup.accelerator,
        folder,
        training.batch_size,
        Intervals(*(images or training.examples for images in pace)),
        drawers[shown],
        best_model_tracker,
        monitor,
        keep_checkpoints=CHECKPOINTS_KEPT if setup.recipe.diagnostics.max_recoveries else 2,
    )


def _class_count(setup: TrainingSetup, dataset: Dataset) -> int:
    """How many classes its samples are of; 0 where it is not told any."""
    return len(dataset.classes) if setup.recipe.is_conditional else 0


def train_with_recovery(setup: TrainingSetup, trainer: Trainer, dataset: Dataset) -> str:
    """Play a session to its end; where it is ill or has diverged, and may be rescued, once more from then on."""
    state, folder = run_trainer(setup, trainer), trainer.folder
    if state not in {"stopped_by_finding", "diverged"}:
        return state
    done = recover_run(folder, setup.recipe) if setup.accelerator.rank == 0 else ""
    if not setup.accelerator.all_reduce_any(bool(done))[0]:
        return state
    setup.reporter.message(done)
    setup.accelerator.barrier()
    changed = read_recipe(folder)
    placed = with_data_paths(changed, setup.recipe.data.source, setup.recipe.data.target_source)
    again = replace(setup, recipe=placed).with_precision(changed.training.precision)
    later = build_trainer(again, dataset, folder)
    later.resume(settings_changed=True)
    later.previous_seconds = max(
        later.previous_seconds, trainer.elapsed_seconds()
    )  # the budget is for all attempts together
    return train_with_recovery(again, later, dataset)


def run_trainer(setup: TrainingSetup, trainer: Trainer) -> str:
    """Play a session to its end, report, and say how it ended."""
    end = StopCondition(setup.recipe.training.examples or math.inf, setup.recipe.training.budget or math.inf)
    trainer.log_callbacks = [setup.reporter.tick]
    if setup.accelerator.rank == 0:
        trainer.log_callbacks += [
            LOGGERS[name](trainer.folder.path, trainer.progress.examples) for name in setup.loggers
        ]
    setup.reporter.training_started(end.max_examples, end.max_seconds)
    try:
        with explain_out_of_memory():
            state = trainer.train(end)
    finally:
        setup.reporter.training_ended()
    if setup.accelerator.rank == 0:
        write_report(trainer.folder.path)
        print_summary(trainer, state, setup.recipe.is_translation, setup.reporter)
    setup.accelerator.barrier()
    return state


def start_run(
    recipe: Recipe,
    path: Path,
    decisions: list[Decision],
    device: torch.device,
    loggers: Sequence[str],
    reporter: Reporter,
    recipe_settings: Mapping[str, Any],
    source: Source | GaussianMixture | None = None,
) -> tuple[RunFolder, str]:
    """Read the data, measure, say what was chosen, make the run's folder, play; returns the run and how it ended.

    `recipe_settings` holds the settings that the recipe itself has, beside which a diagnosis sees the user's.
    """
    setup = TrainingSetup.create(recipe, device, loggers, reporter)
    setup.reporter.message(f"zerosum {zerosum.__version__}: looking at {recipe.data.source}")
    dataset = setup.load_dataset_on_ranks(source)
    for line in dataset.summary.lines():
        setup.reporter.message(f"  {line}")
    recipe, about_data = defaults.choose_augmentation(recipe, dataset)
    setup, seconds, precision = tune_speed(replace(setup, recipe=recipe), dataset)
    judge = choose_evaluation_features(setup, dataset)
    recipe, settled = defaults.choose_training_length(setup.recipe, seconds, device.type == "cpu", judge != "none")
    recipe = defaults.choose_probe_schedule(recipe, seconds, min(len(dataset.held_out), len(dataset.train)))
    setup, judged = schedule_evaluation(replace(setup, recipe=recipe), dataset, judge, seconds)
    settled = [*about_data, *precision, *settled, *judged]
    setup.reporter.message("what was chosen, and why")
    report_decisions(setup.reporter, [*decisions, *settled])
    refused = None
    if setup.accelerator.rank == 0:
        saw = build_data_record(recipe, dataset)
        record = {
            "decisions": [choice.as_dict() for choice in (*decisions, *settled)],
            "recipe_settings": dict(recipe_settings),
        }
        try:
            RunFolder.create(
                path,
                {
                    "data.json": saw,
                    "plan.json": record,
                    "recipe.toml": build_recipe_record(setup.recipe, setup.accelerator.device, dataset),
                },
            )
        except BadInput as error:
            refused = error
    if setup.accelerator.all_reduce_any(refused is not None)[0]:
        raise refused or BadInput("the first process could not make the run's folder")
    folder = RunFolder(path)
    setup.reporter.message(f"  stop at any time with Ctrl-C; `zerosum resume {path}` goes on exactly where it stood")
    return folder, train_with_recovery(setup, build_trainer(setup, dataset, folder), dataset)


def profile_training(recipe: Recipe, device: torch.device, reporter: Reporter) -> Profile:
    """Read the data, and see where a round's time goes; nothing is trained or written."""
    setup = TrainingSetup.create(recipe, device, (), reporter)
    dataset = setup.load_dataset_on_ranks()
    setup, _, _ = tune_speed(replace(setup, recipe=defaults.choose_augmentation(recipe, dataset)[0]), dataset)
    return profile(setup, dataset)


def report_decisions(reporter: Reporter, decisions: Sequence[Decision]) -> None:
    """What was chosen and why, a line each."""
    wide = max((len(choice.name) for choice in decisions), default=0)
    for choice in decisions:
        reporter.message(f"  {choice.name:<{wide}}  {choice.value}: {choice.reason}")
