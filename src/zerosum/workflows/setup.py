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
from zerosum.data.dataset import Examples
from zerosum.data.device_cache import near
from zerosum.data.images.sources import Source
from zerosum.data.load import provide
from zerosum.data.loader import Stream
from zerosum.data.points.mixtures import Toy
from zerosum.diagnosis.monitor import Doctor
from zerosum.diagnosis.probe import Examination
from zerosum.diagnosis.reference_set import Bench
from zerosum.diagnosis.translation_probe import TranslationExamination
from zerosum.errors import BadInput
from zerosum.evaluation.evaluator import network_for
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.registry import has_lite0
from zerosum.evaluation.online import Answers, Watch
from zerosum.game.adversarial import Adversarial
from zerosum.inference.load import read_recipe, where_the_data_are
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Choice
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.validation import refuse_ranks
from zerosum.reporter import Silent, Voice
from zerosum.reporting import preview
from zerosum.reporting.report import write_report
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import PRECISIONS, Machine
from zerosum.training.best_model import Contest
from zerosum.training.compile import Compiler, Hasten, as_it_is
from zerosum.training.loggers import TRACKERS
from zerosum.training.loop import attempt
from zerosum.training.out_of_memory import out_of_memory
from zerosum.training.profiler import Profile, profile
from zerosum.training.step_timer import seconds_per_round
from zerosum.training.trainer import End, Pace, Session
from zerosum.workflows.build_game import assemble
from zerosum.workflows.record import resolved, what_was_seen
from zerosum.workflows.recover import KEPT, rescue, treats
from zerosum.workflows.summary import tell

MOST_EPOCHS = 16
"""How often a batch may hold every example; more is a mistake."""
ROUGH = 1_000_000
"""Images of a run whose length is not known yet: schedules need some."""
WORTHWHILE = 1.1
"""How many times as fast bfloat16 must be to be taken, or compiled networks."""
COMPILED_FROM = 600.0
"""Seconds of training from which a GPU tries compiled networks: compiling them takes a minute or so itself."""


@dataclass(frozen=True)
class Stage:
    """What a run is played on; of several ranks only the first speaks and writes."""

    recipe: Recipe
    machine: Machine
    trackers: Sequence[str]
    voice: Voice

    def on(self, precision: str, hasten: Hasten = as_it_is) -> Stage:
        """The same stage, its networks computed in this precision, and compiled where `hasten` does that."""
        settled = {"precision": precision, "compile": "never" if hasten is as_it_is else "always"}
        training = self.recipe.training.model_copy(update=settled)
        recipe = self.recipe.model_copy(update={"training": training})
        machine = Machine(self.machine.device, training.accumulate, *PRECISIONS[precision], hasten)
        return replace(self, recipe=recipe, machine=machine)

    def paced(self, examples: Examples) -> tuple[Stage, float, list[Choice]]:
        """The stage with precision and compilation settled, seconds a round takes on it, and what a trial chose."""
        with closing(self.stream(examples)) as stream:
            stage, seconds, precision = self._in_precision(examples, stream)
            stage, seconds, compiled = stage._compiled(self.recipe.training.compile, examples, stream, seconds)
        return stage, seconds, [*precision, *compiled]

    def _in_precision(self, examples: Examples, stream: Stream) -> tuple[Stage, float, list[Choice]]:
        """The stage in the precision asked for or fastest, uncompiled."""
        if self.recipe.training.precision in PRECISIONS:
            stage = self.on(self.recipe.training.precision)
            return stage, stage.measure(examples, stream), []
        stages = {name: self.on(name) for name in ("float32", "bfloat16")}
        # in turns, and the better of two: a neighbour's burst must not decide
        passes = [{name: stage.measure(examples, stream) for name, stage in stages.items()} for _ in range(2)]
        seconds = {name: min(each[name] for each in passes) for name in stages}
        gain = seconds["float32"] / seconds["bfloat16"]
        name = "bfloat16" if gain >= WORTHWHILE else "float32"
        why = f"bfloat16 is {gain:.2f} times as fast here" + ("" if name == "bfloat16" else ", too little to matter")
        return stages[name], seconds[name], [Choice("precision", name, why)]

    def _compiled(
        self, asked: str, examples: Examples, stream: Stream, seconds: float
    ) -> tuple[Stage, float, list[Choice]]:
        """This stage, on which a round takes `seconds`, or the same compiled: as asked, or where a trial says so."""
        if asked == "never" or (asked == "fastest" and not self._may_compile(seconds)):
            return self, seconds, []
        compiler = Compiler(tell=self.voice.say)
        fast = self.on(self.recipe.training.precision, compiler)
        quick = math.inf
        try:
            quick = fast.measure(examples, stream)
        except Exception as error:  # compiled code of the way back fails only here; see `Compiled`
            compiler.fail(error)
        if self.machine.any(bool(compiler.reasons))[0]:
            return self, seconds, []
        gain = seconds / quick
        taken = asked == "always" or gain >= WORTHWHILE
        why = f"compiled, a round is {gain:.2f} times as fast here"
        choice = Choice("compile", "always" if taken else "never", why)
        return (fast, quick, [choice]) if taken else (self, seconds, [choice])

    def _may_compile(self, seconds: float) -> bool:
        """Whether a trial of compiled networks is worth its time, where a round takes `seconds` without."""
        # compiling fails rank by rank, and the others would wait for ever
        if self.machine.device.type != "cuda" or self.machine.world > 1:
            return False
        training = defaults.settle_length(self.recipe, seconds, on_cpu=False)[0].training
        return (training.images or 0) / training.batch * seconds >= COMPILED_FROM

    @classmethod
    def set(cls, recipe: Recipe, device: torch.device, trackers: Sequence[str], voice: Voice) -> Stage:
        """A stage for this process.

        Raises:
            BadInput: the batch cannot be shared out over ranks and micro-batches.
        """
        training = recipe.training
        speaks = voice if Machine(device).rank == 0 else Silent()
        # "fastest" is settled when the data are there
        precision = PRECISIONS.get(training.precision, PRECISIONS["float32"])
        hasten = Compiler(tell=speaks.say) if training.compile == "always" else as_it_is
        machine = Machine(device, training.accumulate, *precision, hasten)
        refuse_ranks(recipe, machine.world)
        share = machine.world * training.accumulate
        if training.batch % share or training.batch < 2 * share:
            raise BadInput(
                f"--training.batch {training.batch}: {machine.world} ranks with accumulate {training.accumulate} "
                f"need a multiple of {share}, at least {2 * share}"
            )
        return cls(recipe, machine, trackers, speaks)

    def read(self, found: Source | Toy | None = None) -> Examples:
        """The data, `found` already or not; the first rank reads, so that the others find it in the cache."""

        def progress(done: int, total: int) -> None:
            self.voice.progress(done, total, "reading")

        data = self.recipe.data
        for turn in range(2):
            if (self.machine.rank > 0) == bool(turn):
                examples = provide(data, progress, found, self.recipe.game.both)
            self.machine.wait()
        if self.recipe.conditional and not examples.classes:
            raise BadInput(
                f"recipe {self.recipe.name} makes samples of a class, and {data.source} has no classes: put each class "
                f"into a folder of its own, add a labels.csv, or choose a recipe without (--recipe auto)"
            )
        if self.recipe.training.batch > MOST_EPOCHS * len(examples.train):
            raise BadInput(
                f"--training.batch {self.recipe.training.batch}: more than {MOST_EPOCHS} times the "
                f"{len(examples.train)} examples to train on; give a smaller one"
            )
        return examples

    def game(self, recipe: Recipe, examples: Examples) -> Adversarial:
        """The game of this recipe on these examples, at its beginning."""
        return assemble(recipe, examples.shape, examples.bounded, self.machine, examples.shares, examples.given_shape)

    def measure(self, examples: Examples, stream: Stream) -> float:
        """Seconds a round takes here, the mean over ranks."""
        rough = self.recipe.spread(self.recipe.training.images or ROUGH)
        with out_of_memory():
            game = self.game(rough, examples)
            seconds = seconds_per_round(game, stream, self.machine, self.recipe.training.images or ROUGH)
        del game
        self.machine.sweep()
        return self.machine.mean(torch.tensor(seconds, device=self.machine.device)).item()

    def stream(self, examples: Examples) -> Stream:
        """Batches of the data for this rank."""
        training = self.recipe.training
        return Stream(
            near(examples, self.machine.device),
            training.batch // training.accumulate,
            training.seed,
            self.machine.device,
            mirror=bool(self.recipe.data.mirror),
            turn=self.recipe.data.turn,
            workers=self.recipe.data.workers,
            rank=self.machine.rank,
            world=self.machine.world,
        )

    def profile(self, examples: Examples) -> Profile:
        """Where a round's time goes here."""
        rough = self.recipe.spread(ROUGH)
        with out_of_memory(), closing(self.stream(examples)) as stream:
            game = self.game(rough, examples)
            rarest = max(move.every for move in game.moves)
            return profile(game, stream, self.machine, self.recipe.training.batch, max(rarest, 8))

    def session(self, examples: Examples, folder: RunFolder) -> Session:
        """A session at its beginning."""
        training = self.recipe.training
        pace = (training.tick_images, training.preview_images, training.checkpoint_images)
        assert training.images, "the length is settled before a session is made"
        drawers: dict[str, Callable[..., None]] = {
            "images": partial(preview.draw_images, seed=training.seed, classes=self._classes(examples)),
            "points": partial(preview.draw_points, seed=training.seed, examples=examples),
            "translations": partial(preview.draw_translation, examples=examples),
        }
        shown = "translations" if self.recipe.translates else examples.survey.kind
        contest = self.contest(examples, folder)  # before the game: what it makes must not shift the game's dice
        doctor = self.doctor(examples, folder)
        return Session(
            self.game(self.recipe.spread(training.images), examples),
            self.stream(examples),
            self.machine,
            folder,
            training.batch,
            Pace(*(images or training.images for images in pace)),
            drawers[shown],
            contest,
            doctor,
            keep=KEPT if self.recipe.doctor.rescues else 2,
        )

    def doctor(self, examples: Examples, folder: RunFolder) -> Doctor | None:
        """Who watches the run, on the first rank."""
        if self.machine.rank > 0:
            return None
        settings, training = self.recipe.doctor, self.recipe.training
        examination = None
        if settings.examine and settings.every_images:
            part = min(training.batch // training.accumulate // self.machine.world, settings.samples)
            bench = Bench(examples, settings.samples // part * part, part, self.machine.device)
            kind = TranslationExamination if self.recipe.translates else Examination
            examination = kind(bench, attempt(self.machine.alone()))
        every = settings.every_images if examination else None
        return Doctor(
            examination, every, settings.deep, folder, partial(treats, folder, self.recipe), self.voice.finding
        )

    def _classes(self, examples: Examples) -> int:
        """How many classes its samples are of; 0 where it is not told any."""
        return len(examples.classes) if self.recipe.conditional else 0

    def contest(self, examples: Examples, folder: RunFolder) -> Contest | None:
        """The contest within the run, where there is one."""
        judging = self.recipe.judging
        if judging.every_images is None or judging.features in {"none", "auto"}:
            return None
        network = network_for(judging.features, examples, self.machine.device, self.voice)
        watch = self._watch(network, examples)
        return Contest(folder, watch, judging.every_images, judging.patience)

    def _watch(self, network: FeatureNetwork, examples: Examples) -> Watch:
        """Who judges samples while they are trained: of seeds, or of held-out pictures that are given."""
        samples = self.recipe.judging.samples
        if not self.recipe.translates:
            return Watch(network, self.machine.device, examples, samples)
        answers = Answers(examples)
        return Watch(network, self.machine.device, examples, min(samples, len(answers)), answers)

    def judge(self, examples: Examples) -> str:
        """The name of what judges samples while they are trained; "none" if nothing does."""
        name = self.recipe.judging.features
        usual = "pixels" if self.recipe.sees_through else "lite0" if has_lite0() else "none"
        return (usual if examples.bounded else "none") if name == "auto" else name

    def judged(self, examples: Examples, features: str, seconds_per_round: float) -> tuple[Stage, list[Choice]]:
        """The stage with the schedule of its judgements settled."""
        judging, training = self.recipe.judging, self.recipe.training
        takes = (training.images or 0) / training.batch * seconds_per_round
        asked = judging.every_images is not None or judging.patience > 0
        if features == "none" or (takes < defaults.JUDGED_FROM and not asked):
            settled = judging.model_copy(update={"features": "none"})
            return replace(self, recipe=self.recipe.model_copy(update={"judging": settled})), []
        device = self.machine.device
        try:
            watch = self._watch(network_for(features, examples, device, self.voice), examples)
        except BadInput as error:
            raise BadInput(str(error).replace("--features", "--judging.features")) from error
        each = self.machine.mean(torch.tensor(watch.seconds(), device=device)).item()
        recipe, choices = defaults.settle_judging(self.recipe, takes, each, features)
        return replace(self, recipe=recipe), choices

    def play_through(self, session: Session, examples: Examples) -> str:
        """Play a session to its end; where it is ill or has diverged, and may be rescued, once more from then on."""
        state, folder = self.play(session), session.folder
        if state not in {"ill", "diverged"}:
            return state
        done = rescue(folder, self.recipe) if self.machine.rank == 0 else ""
        if not self.machine.any(bool(done))[0]:
            return state
        self.voice.say(done)
        self.machine.wait()
        changed = read_recipe(folder)
        placed = where_the_data_are(changed, self.recipe.data.source, self.recipe.data.beside)
        again = replace(self, recipe=placed).on(changed.training.precision)
        later = again.session(examples, folder)
        later.resume(changed=True)
        later.seconds = max(later.seconds, session.elapsed())  # the budget is for all attempts together
        return again.play_through(later, examples)

    def play(self, session: Session) -> str:
        """Play a session to its end, report, and say how it ended."""
        end = End(self.recipe.training.images or math.inf, self.recipe.training.budget or math.inf)
        session.listeners = [self.voice.row]
        if self.machine.rank == 0:
            session.listeners += [TRACKERS[name](session.folder.path, session.now.images) for name in self.trackers]
        self.voice.begin(end.images, end.seconds)
        try:
            with out_of_memory():
                state = session.play(end)
        finally:
            self.voice.end()
        if self.machine.rank == 0:
            write_report(session.folder.path)
            tell(session, state, self.recipe.translates, self.voice)
        self.machine.wait()
        return state


def start(
    recipe: Recipe,
    path: Path,
    choices: list[Choice],
    device: torch.device,
    trackers: Sequence[str],
    voice: Voice,
    own: Mapping[str, Any],
    found: Source | Toy | None = None,
) -> tuple[RunFolder, str]:
    """Read the data, measure, say what was chosen, make the run's folder, play; returns the run and how it ended.

    `own` holds the settings that the recipe itself has, beside which a diagnosis sees the user's.
    """
    stage = Stage.set(recipe, device, trackers, voice)
    stage.voice.say(f"zerosum {zerosum.__version__}: looking at {recipe.data.source}")
    examples = stage.read(found)
    for line in examples.survey.lines():
        stage.voice.say(f"  {line}")
    recipe, about_data = defaults.settle_examples(recipe, examples)
    stage, seconds, precision = replace(stage, recipe=recipe).paced(examples)
    judge = stage.judge(examples)
    recipe, settled = defaults.settle_length(stage.recipe, seconds, device.type == "cpu", judge != "none")
    recipe = defaults.settle_doctor(recipe, seconds, min(len(examples.held_out), len(examples.train)))
    stage, judged = replace(stage, recipe=recipe).judged(examples, judge, seconds)
    settled = [*about_data, *precision, *settled, *judged]
    stage.voice.say("what was chosen, and why")
    tell_choices(stage.voice, [*choices, *settled])
    refused = None
    if stage.machine.rank == 0:
        saw = what_was_seen(recipe, examples)
        record = {"choices": [choice.as_dict() for choice in (*choices, *settled)], "own": dict(own)}
        try:
            RunFolder.create(
                path,
                {
                    "data.json": saw,
                    "plan.json": record,
                    "recipe.toml": resolved(stage.recipe, stage.machine.device, examples),
                },
            )
        except BadInput as error:
            refused = error
    if stage.machine.any(refused is not None)[0]:
        raise refused or BadInput("the first process could not make the run's folder")
    folder = RunFolder(path)
    stage.voice.say(f"  stop at any time with Ctrl-C; `zerosum resume {path}` goes on exactly where it stood")
    return folder, stage.play_through(stage.session(examples, folder), examples)


def look(recipe: Recipe, device: torch.device, voice: Voice) -> Profile:
    """Read the data, and see where a round's time goes; nothing is trained or written."""
    stage = Stage.set(recipe, device, (), voice)
    examples = stage.read()
    stage, _, _ = replace(stage, recipe=defaults.settle_examples(recipe, examples)[0]).paced(examples)
    return stage.profile(examples)


def tell_choices(voice: Voice, choices: Sequence[Choice]) -> None:
    """What was chosen and why, a line each."""
    wide = max((len(choice.what) for choice in choices), default=0)
    for choice in choices:
        voice.say(f"  {choice.what:<{wide}}  {choice.value}: {choice.why}")


def _unchanged(stage: Stage, folder: RunFolder, recipe: Recipe) -> Examples:
    """The data of a run, read again and found as they were."""
    try:
        examples = stage.read()
    except BadInput as error:
        raise BadInput(f"{folder.path} needs the data it was trained on: {error}") from error
    if examples.fingerprint != folder.read_json("data.json").get("fingerprint"):
        raise BadInput(
            f"{recipe.data.source} has changed since {folder.path} was trained on it; put the data back as it "
            f"was, or start a new run with another --run"
        )
    return examples
