"""From a checked recipe to a run being played: data, measured pace, folder, session."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.device_cache import cache_on_device
from zerosum.data.images.sources import Source
from zerosum.data.load import load_dataset
from zerosum.data.loader import BatchLoader
from zerosum.data.points.mixtures import GaussianMixture
from zerosum.diagnosis.monitor import Monitor
from zerosum.diagnosis.probe import GameProbe
from zerosum.diagnosis.reference_set import ReferenceSet
from zerosum.diagnosis.translation_probe import TranslationProbe
from zerosum.errors import BadInput
from zerosum.evaluation.evaluator import feature_network
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.online import OnlineEvaluator, TranslatedSet
from zerosum.game.adversarial import AdversarialGame
from zerosum.inference.load import read_recipe, with_data_paths
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Decision
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.validation import require_distributable
from zerosum.reporter import Reporter, SilentReporter
from zerosum.reporting import preview
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import PRECISIONS, Accelerator
from zerosum.training.best_model import BestModelTracker
from zerosum.training.compile import CompileFn, Compiler, eager
from zerosum.training.loggers import LOGGERS
from zerosum.training.loop import dry_step
from zerosum.training.out_of_memory import explain_out_of_memory
from zerosum.training.profiler import Profile, profile_rounds
from zerosum.training.step_timer import measure_seconds_per_round
from zerosum.training.trainer import Intervals, StopCondition, Trainer
from zerosum.workflows.build_game import build_game
from zerosum.workflows.record import build_data_record, build_recipe_record
from zerosum.workflows.recover import CHECKPOINTS_KEPT, can_recover, recover_run
from zerosum.workflows.summary import print_summary

MAX_EPOCHS_PER_BATCH = 16
"""How often a batch may hold every example; more is a mistake."""
PROVISIONAL_EXAMPLES = 1_000_000
"""Images of a run whose length is not known yet: schedules need some."""
MIN_SPEEDUP = 1.1
"""How many times as fast bfloat16 must be to be taken, or compiled networks."""
COMPILE_MIN_SECONDS = 600.0
"""Seconds of training from which a GPU tries compiled networks: compiling them takes a minute or so itself."""


@dataclass(frozen=True)
class TrainingSetup:
    """What a run is played on; of several ranks only the first speaks and writes."""

    recipe: Recipe
    accelerator: Accelerator
    loggers: Sequence[str]
    reporter: Reporter

    def with_precision(self, precision: str, compile_networks: CompileFn = eager) -> TrainingSetup:
        """The same stage, its networks computed in this precision, and compiled where `compile_networks` does that."""
        settled = {"precision": precision, "compile": "never" if compile_networks is eager else "always"}
        training = self.recipe.training.model_copy(update=settled)
        recipe = self.recipe.model_copy(update={"training": training})
        accelerator = Accelerator(
            self.accelerator.device, training.accumulate, *PRECISIONS[precision], compile_networks
        )
        return replace(self, recipe=recipe, accelerator=accelerator)

    def tune_speed(self, dataset: Dataset) -> tuple[TrainingSetup, float, list[Decision]]:
        """The stage with precision and compilation settled, seconds a round takes on it, and what a trial chose."""
        with closing(self.build_loader(dataset)) as loader:
            setup, seconds, precision = self._choose_precision(dataset, loader)
            setup, seconds, compiled = setup._choose_compilation(self.recipe.training.compile, dataset, loader, seconds)
        return setup, seconds, [*precision, *compiled]

    def _choose_precision(self, dataset: Dataset, loader: BatchLoader) -> tuple[TrainingSetup, float, list[Decision]]:
        """The stage in the precision asked for or fastest, uncompiled."""
        if self.recipe.training.precision in PRECISIONS:
            setup = self.with_precision(self.recipe.training.precision)
            return setup, setup.measure_seconds_per_round(dataset, loader), []
        stages = {name: self.with_precision(name) for name in ("float32", "bfloat16")}
        # in turns, and the better of two: a neighbour's burst must not decide
        passes = [
            {name: setup.measure_seconds_per_round(dataset, loader) for name, setup in stages.items()} for _ in range(2)
        ]
        seconds = {name: min(each[name] for each in passes) for name in stages}
        gain = seconds["float32"] / seconds["bfloat16"]
        name = "bfloat16" if gain >= MIN_SPEEDUP else "float32"
        why = f"bfloat16 is {gain:.2f} times as fast here" + ("" if name == "bfloat16" else ", too little to matter")
        return stages[name], seconds[name], [Decision("precision", name, why)]

    def _choose_compilation(
        self, mode: str, dataset: Dataset, loader: BatchLoader, seconds_per_round: float
    ) -> tuple[TrainingSetup, float, list[Decision]]:
        """This stage, on which a round takes `seconds_per_round`, or the same compiled: as asked, or where a trial says so."""
        if mode == "never" or (mode == "fastest" and not self._should_try_compile(seconds_per_round)):
            return self, seconds_per_round, []
        compiler = Compiler(report=self.reporter.message)
        fast = self.with_precision(self.recipe.training.precision, compiler)
        quick = math.inf
        try:
            quick = fast.measure_seconds_per_round(dataset, loader)
        except Exception as error:  # compiled code of the way back fails only here; see `Compiled`
            compiler.record_failure(error)
        if self.accelerator.all_reduce_any(bool(compiler.failures))[0]:
            return self, seconds_per_round, []
        gain = seconds_per_round / quick
        taken = mode == "always" or gain >= MIN_SPEEDUP
        why = f"compiled, a round is {gain:.2f} times as fast here"
        choice = Decision("compile", "always" if taken else "never", why)
        return (fast, quick, [choice]) if taken else (self, seconds_per_round, [choice])

    def _should_try_compile(self, seconds_per_round: float) -> bool:
        """Whether a trial of compiled networks is worth its time, where a round takes `seconds_per_round` without."""
        # compiling fails rank by rank, and the others would wait for ever
        if self.accelerator.device.type != "cuda" or self.accelerator.world_size > 1:
            return False
        training = defaults.choose_training_length(self.recipe, seconds_per_round, on_cpu=False)[0].training
        return (training.examples or 0) / training.batch_size * seconds_per_round >= COMPILE_MIN_SECONDS

    @classmethod
    def create(cls, recipe: Recipe, device: torch.device, loggers: Sequence[str], reporter: Reporter) -> TrainingSetup:
        """A stage for this process.

        Raises:
            BadInput: the batch cannot be shared out over ranks and micro-batches.
        """
        training = recipe.training
        speaks = reporter if Accelerator(device).rank == 0 else SilentReporter()
        # "fastest" is settled when the data are there
        precision = PRECISIONS.get(training.precision, PRECISIONS["float32"])
        hasten = Compiler(report=speaks.message) if training.compile == "always" else eager
        accelerator = Accelerator(device, training.accumulate, *precision, hasten)
        require_distributable(recipe, accelerator.world_size)
        share = accelerator.world_size * training.accumulate
        if training.batch_size % share or training.batch_size < 2 * share:
            raise BadInput(
                f"--training.batch_size {training.batch_size}: {accelerator.world_size} ranks with accumulate {training.accumulate} "
                f"need a multiple of {share}, at least {2 * share}"
            )
        return cls(recipe, accelerator, loggers, speaks)

    def load_dataset_on_ranks(self, source: Source | GaussianMixture | None = None) -> Dataset:
        """The data, `source` already or not; the first rank reads, so that the others find it in the cache."""

        def progress(done: int, total: int) -> None:
            self.reporter.progress(done, total, "reading")

        data = self.recipe.data
        for turn in range(2):
            if (self.accelerator.rank > 0) == bool(turn):
                dataset = load_dataset(data, progress, source, self.recipe.game.bidirectional)
            self.accelerator.barrier()
        if self.recipe.is_conditional and not dataset.classes:
            raise BadInput(
                f"recipe {self.recipe.name} makes samples of a class, and {data.source} has no classes: put each class "
                f"into a folder of its own, add a labels.csv, or choose a recipe without (--recipe auto)"
            )
        if self.recipe.training.batch_size > MAX_EPOCHS_PER_BATCH * len(dataset.train):
            raise BadInput(
                f"--training.batch_size {self.recipe.training.batch_size}: more than {MAX_EPOCHS_PER_BATCH} times the "
                f"{len(dataset.train)} examples to train on; give a smaller one"
            )
        return dataset

    def new_game(self, recipe: Recipe, dataset: Dataset) -> AdversarialGame:
        """The game of this recipe on these examples, at its beginning."""
        return build_game(
            recipe, dataset.shape, dataset.bounded, self.accelerator, dataset.class_priors, dataset.input_shape
        )

    def measure_seconds_per_round(self, dataset: Dataset, loader: BatchLoader) -> float:
        """Seconds a round takes here, the mean over ranks."""
        rough = self.recipe.resolve_schedules(self.recipe.training.examples or PROVISIONAL_EXAMPLES)
        with explain_out_of_memory():
            game = self.new_game(rough, dataset)
            seconds = measure_seconds_per_round(
                game, loader, self.accelerator, self.recipe.training.examples or PROVISIONAL_EXAMPLES
            )
        del game
        self.accelerator.free_memory()
        return self.accelerator.all_reduce_mean(torch.tensor(seconds, device=self.accelerator.device)).item()

    def build_loader(self, dataset: Dataset) -> BatchLoader:
        """Batches of the data for this rank."""
        training = self.recipe.training
        return BatchLoader(
            cache_on_device(dataset, self.accelerator.device),
            training.batch_size // training.accumulate,
            training.seed,
            self.accelerator.device,
            hflip=bool(self.recipe.data.hflip),
            rotate90=self.recipe.data.rotate90,
            workers=self.recipe.data.workers,
            rank=self.accelerator.rank,
            world_size=self.accelerator.world_size,
        )

    def profile(self, dataset: Dataset) -> Profile:
        """Where a round's time goes here."""
        rough = self.recipe.resolve_schedules(PROVISIONAL_EXAMPLES)
        with explain_out_of_memory(), closing(self.build_loader(dataset)) as loader:
            game = self.new_game(rough, dataset)
            rarest = max(move.every_rounds for move in game.moves)
            return profile_rounds(game, loader, self.accelerator, self.recipe.training.batch_size, max(rarest, 8))

    def build_trainer(self, dataset: Dataset, folder: RunFolder) -> Trainer:
        """A session at its beginning."""
        training = self.recipe.training
        pace = (training.tick_examples, training.preview_examples, training.checkpoint_examples)
        assert training.examples, "the length is settled before a session is made"
        drawers: dict[str, Callable[..., None]] = {
            "images": partial(preview.draw_images, seed=training.seed, num_classes=self._class_count(dataset)),
            "points": partial(preview.draw_points, seed=training.seed, dataset=dataset),
            "translations": partial(preview.draw_translation, dataset=dataset),
        }
        shown = "translations" if self.recipe.is_translation else dataset.summary.kind
        best_model_tracker = self.build_best_model_tracker(
            dataset, folder
        )  # before the game: what it makes must not shift the game's dice
        monitor = self.build_monitor(dataset, folder)
        return Trainer(
            self.new_game(self.recipe.resolve_schedules(training.examples), dataset),
            self.build_loader(dataset),
            self.accelerator,
            folder,
            training.batch_size,
            Intervals(*(images or training.examples for images in pace)),
            drawers[shown],
            best_model_tracker,
            monitor,
            keep_checkpoints=CHECKPOINTS_KEPT if self.recipe.diagnostics.max_recoveries else 2,
        )

    def build_monitor(self, dataset: Dataset, folder: RunFolder) -> Monitor | None:
        """Who watches the run, on the first rank."""
        if self.accelerator.rank > 0:
            return None
        settings, training = self.recipe.diagnostics, self.recipe.training
        probe = None
        if settings.probe and settings.every_examples:
            part = min(training.batch_size // training.accumulate // self.accelerator.world_size, settings.samples)
            reference_set = ReferenceSet(dataset, settings.samples // part * part, part, self.accelerator.device)
            kind = TranslationProbe if self.recipe.is_translation else GameProbe
            probe = kind(reference_set, dry_step(self.accelerator.single_process()))
        every = settings.every_examples if probe else None
        return Monitor(
            probe,
            every,
            settings.duality_gap_every,
            folder,
            partial(can_recover, folder, self.recipe),
            self.reporter.finding,
        )

    def _class_count(self, dataset: Dataset) -> int:
        """How many classes its samples are of; 0 where it is not told any."""
        return len(dataset.classes) if self.recipe.is_conditional else 0

    def build_best_model_tracker(self, dataset: Dataset, folder: RunFolder) -> BestModelTracker | None:
        """The contest within the run, where there is one."""
        judging = self.recipe.evaluation
        if judging.every_examples is None or judging.features in {"none", "auto"}:
            return None
        network = feature_network(judging.features, dataset, self.accelerator.device, self.reporter)
        watch = self._build_online_evaluator(network, dataset)
        return BestModelTracker(folder, watch, judging.every_examples, judging.patience)

    def _build_online_evaluator(self, feature_network: FeatureNetwork, dataset: Dataset) -> OnlineEvaluator:
        """Who judges samples while they are trained: of seeds, or of held-out pictures that are given."""
        samples = self.recipe.evaluation.samples
        if not self.recipe.is_translation:
            return OnlineEvaluator(feature_network, self.accelerator.device, dataset, samples)
        answers = TranslatedSet(dataset)
        return OnlineEvaluator(feature_network, self.accelerator.device, dataset, min(samples, len(answers)), answers)

    def choose_evaluation_features(self, dataset: Dataset) -> str:
        """The name of what judges samples while they are trained; "none" if nothing does."""
        name = self.recipe.evaluation.features
        usual = "pixels" if self.recipe.pretrained_features else "lite0" if is_lite0_installed() else "none"
        return (usual if dataset.bounded else "none") if name == "auto" else name

    def schedule_evaluation(
        self, dataset: Dataset, features: str, seconds_per_round: float
    ) -> tuple[TrainingSetup, list[Decision]]:
        """The stage with the schedule of its judgements settled."""
        judging, training = self.recipe.evaluation, self.recipe.training
        takes = (training.examples or 0) / training.batch_size * seconds_per_round
        asked = judging.every_examples is not None or judging.patience > 0
        if features == "none" or (takes < defaults.EVALUATION_MIN_SECONDS and not asked):
            settled = judging.model_copy(update={"features": "none"})
            return replace(self, recipe=self.recipe.model_copy(update={"evaluation": settled})), []
        device = self.accelerator.device
        try:
            watch = self._build_online_evaluator(feature_network(features, dataset, device, self.reporter), dataset)
        except BadInput as error:
            raise BadInput(str(error).replace("--features", "--evaluation.features")) from error
        each = self.accelerator.all_reduce_mean(torch.tensor(watch.estimate_seconds(), device=device)).item()
        recipe, decisions = defaults.choose_evaluation_schedule(self.recipe, takes, each, features)
        return replace(self, recipe=recipe), decisions

    def train_with_recovery(self, trainer: Trainer, dataset: Dataset) -> str:
        """Play a session to its end; where it is ill or has diverged, and may be rescued, once more from then on."""
        state, folder = self.run_trainer(trainer), trainer.folder
        if state not in {"stopped_by_finding", "diverged"}:
            return state
        done = recover_run(folder, self.recipe) if self.accelerator.rank == 0 else ""
        if not self.accelerator.all_reduce_any(bool(done))[0]:
            return state
        self.reporter.message(done)
        self.accelerator.barrier()
        changed = read_recipe(folder)
        placed = with_data_paths(changed, self.recipe.data.source, self.recipe.data.target_source)
        again = replace(self, recipe=placed).with_precision(changed.training.precision)
        later = again.build_trainer(dataset, folder)
        later.resume(settings_changed=True)
        later.previous_seconds = max(
            later.previous_seconds, trainer.elapsed_seconds()
        )  # the budget is for all attempts together
        return again.train_with_recovery(later, dataset)

    def run_trainer(self, trainer: Trainer) -> str:
        """Play a session to its end, report, and say how it ended."""
        end = StopCondition(self.recipe.training.examples or math.inf, self.recipe.training.budget or math.inf)
        trainer.log_callbacks = [self.reporter.tick]
        if self.accelerator.rank == 0:
            trainer.log_callbacks += [
                LOGGERS[name](trainer.folder.path, trainer.progress.examples) for name in self.loggers
            ]
        self.reporter.training_started(end.max_examples, end.max_seconds)
        try:
            with explain_out_of_memory():
                state = trainer.train(end)
        finally:
            self.reporter.training_ended()
        if self.accelerator.rank == 0:
            write_report(trainer.folder.path)
            print_summary(trainer, state, self.recipe.is_translation, self.reporter)
        self.accelerator.barrier()
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
    setup, seconds, precision = replace(setup, recipe=recipe).tune_speed(dataset)
    judge = setup.choose_evaluation_features(dataset)
    recipe, settled = defaults.choose_training_length(setup.recipe, seconds, device.type == "cpu", judge != "none")
    recipe = defaults.choose_probe_schedule(recipe, seconds, min(len(dataset.held_out), len(dataset.train)))
    setup, judged = replace(setup, recipe=recipe).schedule_evaluation(dataset, judge, seconds)
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
    return folder, setup.train_with_recovery(setup.build_trainer(dataset, folder), dataset)


def profile_training(recipe: Recipe, device: torch.device, reporter: Reporter) -> Profile:
    """Read the data, and see where a round's time goes; nothing is trained or written."""
    setup = TrainingSetup.create(recipe, device, (), reporter)
    examples = setup.load_dataset_on_ranks()
    setup, _, _ = replace(setup, recipe=defaults.choose_augmentation(recipe, examples)[0]).tune_speed(examples)
    return setup.profile(examples)


def report_decisions(reporter: Reporter, decisions: Sequence[Decision]) -> None:
    """What was chosen and why, a line each."""
    wide = max((len(choice.name) for choice in decisions), default=0)
    for choice in decisions:
        reporter.message(f"  {choice.name:<{wide}}  {choice.value}: {choice.reason}")


def _reload_dataset(setup: TrainingSetup, folder: RunFolder, recipe: Recipe) -> Dataset:
    """The data of a run, read again and found as they were."""
    try:
        dataset = setup.load_dataset_on_ranks()
    except BadInput as error:
        raise BadInput(f"{folder.path} needs the data it was trained on: {error}") from error
    if dataset.fingerprint != folder.read_json("data.json").get("fingerprint"):
        raise BadInput(
            f"{recipe.data.source} has changed since {folder.path} was trained on it; put the data back as it "
            f"was, or start a new run with another --run"
        )
    return dataset
