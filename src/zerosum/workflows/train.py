"""Train, resume and profile runs."""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.config import DataConfig
from zerosum.data.kind import store_source
from zerosum.errors import BadInput
from zerosum.inference.load import located_recipe, read_recipe, rewrite_recipe
from zerosum.inference.start import open_start
from zerosum.recipes import defaults, variants
from zerosum.recipes.parsing import iter_setting_names
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.variants import DottedSettings
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RECOVERIES_FILE, Row, RunFolder, RunState
from zerosum.training.loggers import check_loggers
from zerosum.units import format_count, format_seconds
from zerosum.workflows.resolve import resolve_recipe, validate_recipe
from zerosum.workflows.restart import (
    Restart,
    build_request,
    decide_restart,
    describe_done,
    is_restarted,
    rebuild_request,
)
from zerosum.workflows.run import Run
from zerosum.workflows.settings_source import choose_settings_source

if TYPE_CHECKING:
    from pandas import DataFrame

    from zerosum.training.profiler import Profile
    from zerosum.training.trainer import Trainer

KEYWORD_SETTINGS = {
    "examples": "training.examples",
    "budget": "training.budget",
    "batch_size": "training.batch_size",
    "seed": "training.seed",
    "device": "training.device",
}
"""Settings that are keyword arguments of `train` and `profile`: dotted name by argument."""
RUN_LENGTH_SYNONYMS = ("epochs", "epoch", "steps", "iterations", "images", "kimg", "max_steps", "num_epochs")
"""Arguments of other libraries whose nearest equivalent is `examples`."""

ARCHIVE_SUFFIXES = {".zip", ".npz", ".npy"}
"""Suffixes that are left out of the name of a run."""
MAX_NAMED_SOURCES = 3
"""Largest number of parts of the name of a run that is named after its data."""
MAX_RECOVERIES = 3
"""Maximum number of recoveries of a run that is trained with `recover=True`."""


def train(
    source: str | Path | Sequence[str | Path] | DataFrame = "",
    target_source: str | Path = "",
    *,
    recipe: str = "auto",
    run: str | Path | None = None,
    size: str = "",
    examples: int | str | None = None,
    budget: float | str | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Mapping[str, object] | None = None,
    start_from: str | Path | None = None,
    freeze: Mapping[str, int] | None = None,
    loggers: Sequence[str] = (),
    recover: bool = False,
    or_resume: bool = False,
    reporter: Reporter | None = None,
    **unknown: object,
) -> Run:
    """Train a GAN on a folder of images, a .zip, .npz or .npy file, or a built-in dataset.

    Args:
        source: the training data; several folders or files of images are one set. A pandas DataFrame is copied into the
            cache folder, `~/.cache/zerosum` or `$ZEROSUM_CACHE`: the run reads this copy, of all rows, when it is
            resumed and evaluated. By default the `data.source` of the recipe.
        target_source: for image-to-image translation, a second folder that holds the target images.
        recipe: the name of a recipe, or a .toml file.
        run: the run folder; by default `runs/` and the name of the data.
        size: the size of the networks: nano, small or base; by default nano on a CPU and base on a GPU.
        examples: the number of examples to train on, such as 200_000 or "200k".
        budget: the training time in seconds, or as text such as "5m"; training ends at whichever limit comes first.
        batch_size: examples per step, over all processes and micro-batches.
        seed: the seed of all randomness.
        device: auto, cpu, cuda, cuda:1 or mps.
        settings: any setting by its dotted name, such as {"optimizer.lr": 1e-4}.
        start_from: a run, a model folder or hf:user/name to fine-tune: this run has its recipe and the form of its
            samples, and its networks start from the weights there that fit by name and shape. What does not fit is
            named. Nothing else is taken over.
        freeze: stages of a network that are not trained, counted from the sample on, such as {"discriminator": 4}; for
            runs that start from another one.
        loggers: names of additional loggers, such as "tensorboard".
        recover: after a severe finding, or a mild one whose remedy cannot harm, rewind the run and change its
            settings, at most three times.
        or_resume: continue the run if its folder holds this very run already. This is implied where torchrun or Slurm
            have restarted the command.
        reporter: receives the progress messages; by default nothing is reported.
        unknown: always refused.

    Returns:
        The run. Its `state` is "done", "interrupted", "diverged" or "stopped_by_finding".

    Raises:
        BadInput: the data, a setting or an argument cannot be used, or the run folder is not empty.

    Example:
        >>> run = zerosum.train("ring", recipe="vanilla", examples=20_000, run="runs/ring")
        >>> print(run.state)
        done
    """
    _refuse_unknown_arguments(train, unknown)
    settings = ({"diagnostics.max_recoveries": MAX_RECOVERIES} if recover else {}) | dict(settings or {})
    settings |= _frozen_settings(settings, freeze or {})
    keywords = _keyword_settings(
        settings, source, target_source, examples=examples, budget=budget, batch_size=batch_size, seed=seed,
        device=device,
    )  # fmt: skip
    check_loggers(loggers)
    or_resume, reporter = or_resume or is_restarted(), reporter or SilentReporter()
    try:
        start = None if start_from is None else open_start(start_from)
    except BadInput:
        is_plain = or_resume and recipe == "auto"
        lost = rebuild_request(run, start_from, size, settings, keywords) if is_plain else None
        if run and lost and (continued := _continue_run(Path(run), lost, loggers, reporter)):
            return continued
        raise
    settings_source = choose_settings_source(recipe, size, settings, keywords, start)
    checked = settings_source.validate()  # before torch is imported, which takes seconds
    path = Path(run) if run else Path("runs") / _default_run_name(checked.data)
    request = build_request(checked, size, start_from)
    if not or_resume:
        RunFolder.check_new(path)
    from zerosum.training.accelerator import process_group
    from zerosum.workflows import run_training

    with process_group():
        if or_resume and (continued := _continue_run(path, request, loggers, reporter)):
            return continued
        resolved = settings_source.resolve(checked)
        return Run(
            *run_training.start_run(
                resolved.recipe, path, resolved.decisions, resolved.device, loggers, reporter,
                resolved.file_settings, request, resolved.inspection, start,
            )
        )  # fmt: skip


def _frozen_settings(settings: DottedSettings, freeze: Mapping[str, int]) -> dict[str, int]:
    """Return the argument `freeze` as settings.

    Raises:
        BadInput: one of them is given as a setting too.
    """
    frozen = {f"training.freeze.{player}": count for player, count in freeze.items()}
    for name in frozen:
        if given := next((other for other in ("training.freeze", name) if other in settings), ""):
            player = name.rpartition(".")[2]
            raise BadInput(f"`freeze` {player}: `{given}` {settings[given]} is given too; leave one of them out")
    return frozen


def _continue_run(path: Path, request: Row, loggers: Sequence[str], reporter: Reporter) -> Run | None:
    """Continue the run in a folder that was asked for in the same way; None if there is no run yet.

    Raises:
        BadInput: the folder holds another run or other files.
    """
    from zerosum.training.accelerator import process_group

    with process_group():
        restart = decide_restart(path, request)
        if restart is Restart.DONE:
            reporter.message(describe_done(path))
            return Run(RunFolder.open(path), RunState.DONE)
        if restart is Restart.RESUME:
            return resume(path, loggers=loggers, trust_code=True, reporter=reporter)  # the user's own settings
        return None


def profile(
    source: str | Path | Sequence[str | Path] | DataFrame = "",
    target_source: str | Path = "",
    *,
    recipe: str = "auto",
    size: str = "",
    examples: int | str | None = None,
    budget: float | str | None = None,
    batch_size: int | None = None,
    seed: int | None = None,
    device: str | None = None,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
    **unknown: object,
) -> Profile:
    """Measure where the time of a training round goes, by part and by operator.

    The arguments are those of `train`. No network is kept and nothing is written.

    Raises:
        BadInput: the data, a setting or an argument cannot be used.

    Example:
        >>> profile = zerosum.profile("ring", recipe="vanilla")
        >>> profile.seconds > 0
        True
    """
    _refuse_unknown_arguments(profile, unknown)
    settings = dict(settings or {})
    keywords = _keyword_settings(
        settings, source, target_source, examples=examples, budget=budget, batch_size=batch_size, seed=seed,
        device=device,
    )  # fmt: skip
    checked = validate_recipe(recipe, size, settings, keywords)
    from zerosum.workflows import run_training

    resolved = resolve_recipe(checked, recipe, size, settings, keywords)
    return run_training.profile_training(resolved.recipe, resolved.device, reporter or SilentReporter())


def _refuse_unknown_arguments(function: Callable[..., object], unknown: Mapping[str, object]) -> None:
    """Raise BadInput if there are `unknown` arguments, with the nearest argument or setting that exists."""
    known = list(inspect.signature(function).parameters)[:-1]  # the last one collects the unknown ones
    for name in unknown:
        near = ["examples"] if name in RUN_LENGTH_SYNONYMS else difflib.get_close_matches(name, known, 1)
        tree = variants.build_settings_tree("auto", "", {}, {}).tree
        inner = [dotted for dotted in iter_setting_names(Recipe, tree) if dotted.rpartition(".")[2] == name]
        hint = f"`{near[0]}`" if near else f"`settings` with `{inner[0]}`" if inner else f"one of {', '.join(known)}"
        raise BadInput(f"`{name}`: {function.__name__} has no such argument; use {hint}")


def _keyword_settings(
    settings: DottedSettings,
    source: str | Path | Sequence[str | Path] | DataFrame,
    target_source: str | Path,
    **keywords: object,
) -> dict[str, tuple[str, object]]:
    """Return the settings that were given as arguments: by dotted name, the argument in backticks and its value.

    Raises:
        BadInput: a data source is given twice, as an argument and in `settings`.
    """
    overrides: dict[str, tuple[str, object]] = {
        KEYWORD_SETTINGS[name]: (f"`{name}`", value) for name, value in keywords.items() if value is not None
    }
    if not isinstance(source, str | Path | Sequence):
        source = store_source(source)
    first, *more = [source] if isinstance(source, str | Path) else source or [""]
    given = {
        "source": str(first or ""),
        "target_source": str(target_source or ""),
        "more_sources": list(map(str, more)),
    }
    for name, path in given.items():
        if not path:
            continue
        if f"data.{name}" in settings:
            shown = path if isinstance(path, str) else " and ".join(path)
            raise BadInput(
                f"`data.{name}` {settings[f'data.{name}']}: the data {shown} are already given as an argument; give one"
            )
        overrides[f"data.{name}"] = ("`source`" if name == "more_sources" else f"`{name}`", path)
    return overrides


def _default_run_name(data: DataConfig) -> str:
    paths = [Path(source).resolve() for source in data.training_sources]
    names = [path.stem if path.suffix.lower() in ARCHIVE_SUFFIXES or path.is_file() else path.name for path in paths]
    if len(names) > MAX_NAMED_SOURCES:
        names[MAX_NAMED_SOURCES - 1 :] = [f"{len(names) - MAX_NAMED_SOURCES + 1}-more"]
    return ("-to-" if data.has_inputs and not data.degradations else "-and-").join(names)


def resume(
    run: str | Path,
    *,
    data: str | Path | Sequence[str | Path] = (),
    examples: int | str | None = None,
    budget: float | str | None = None,
    loggers: Sequence[str] = (),
    trust_code: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Continue a run from its newest checkpoint, exactly as if it had not been interrupted.

    With other `data`, such as those of before and new ones, it goes on with them. Every example of before stays on its
    side of the split: what was held out stays held out. New ones are held out by the same rule.

    The number of processes may be another than before. Then noise inside networks, such as dropout, is other noise.

    Args:
        run: the run folder.
        data: other training data from now on, in the form of those of before; several folders or files are one set. By
            default the data of before.
        examples: a new total number of examples, counted from the beginning of the run.
        budget: a new total training time, in seconds or as text such as "5m", counted from the beginning of the run.
        loggers: names of additional loggers, such as "tensorboard".
        trust_code: run the code that the recipe in the run folder names (`evaluation.features` package.module:factory).
        reporter: receives the progress messages; by default nothing is reported.

    Returns:
        The run. Its `state` is "done", "interrupted", "diverged" or "stopped_by_finding".

    Raises:
        BadInput: the folder is not a run, the run is done, another process trains it, its data have changed, or its
            recipe names code that is not trusted.

    Example:
        >>> run = zerosum.resume("runs/ring", examples=25_000)
        >>> print(run.state)
        done
    """
    check_loggers(loggers)
    folder = RunFolder.open(Path(run))
    recipe = _read_trusted_recipe(folder, trust_code)
    if examples is not None or budget is not None:
        recipe = defaults.extend_training(recipe, list(folder.rows()), examples, budget)
    if sources := [str(data)] if isinstance(data, str | Path) else list(map(str, data)):
        recipe = located_recipe(folder, recipe)  # a source that stays, such as of held-out data, is found from anywhere
        recipe = recipe.model_copy(update={"data": recipe.data.with_training_sources(sources)})
    from zerosum.training.accelerator import choose_device, process_group
    from zerosum.training.run_lock import training_lock
    from zerosum.workflows.changed_data import record_data_change
    from zerosum.workflows.run_training import build_trainer, train_with_recovery
    from zerosum.workflows.setup import TrainingSetup, change_dataset, reload_dataset

    with process_group():
        device = choose_device(recipe.training.device)
        located = recipe if sources else located_recipe(folder, recipe)
        setup = TrainingSetup.create(located, device, loggers, reporter or SilentReporter())
        with training_lock(folder, setup.accelerator):
            change = change_dataset(setup, folder) if sources else None
            dataset = change.dataset if change else reload_dataset(setup, folder, located)
            trainer = build_trainer(setup, dataset, folder)
            trainer.resume(settings_changed=any(True for _ in folder.rows(RECOVERIES_FILE)))
            _require_unfinished(trainer, recipe)
            if damage := folder.describe_damage():
                setup.reporter.message(damage)
            if setup.accelerator.rank == 0 and (examples is not None or budget is not None):
                rewrite_recipe(folder, recipe)
            if change:
                setup.reporter.message(change.describe(dataset.summary.source))
                if setup.accelerator.rank == 0:
                    record_data_change(folder, recipe, change, trainer.progress.examples)
            setup.accelerator.barrier()
            setup.reporter.message(f"resuming {folder.path} after {format_count(trainer.progress.examples)} examples")
            return Run(folder, train_with_recovery(setup, trainer, dataset))


def _read_trusted_recipe(folder: RunFolder, trust_code: bool) -> Recipe:
    """Return the recipe of a run.

    Raises:
        BadInput: it cannot be read, or names code, which is not trusted.
    """
    recipe = read_recipe(folder)
    if recipe.evaluation.names_code and not trust_code:
        raise BadInput(
            f"{folder.path}: its recipe names code to run, `evaluation.features` {recipe.evaluation.features}; if you "
            "trust it, say so with `trust_code`, or change the setting in recipe.toml"
        )
    return recipe


def _require_unfinished(trainer: Trainer, recipe: Recipe) -> None:
    """Raise BadInput if a run is done and has reached its end.

    A run that was killed just before its last sample grid or its report is not refused, so that they are written.
    """
    status = trainer.folder.read_intact_json("status.json")
    path = trainer.folder.path
    if status.get("state") != RunState.DONE or not (path / "report.html").exists():
        return
    if status.get("stopped_early") and recipe.evaluation.patience:
        raise BadInput(
            f"{path} is done: training stopped early, since its score did not improve; to train it longer, set "
            f"patience = 0 under [evaluation] in {path / 'recipe.toml'}"
        )
    max_examples, max_seconds = recipe.training.examples or math.inf, recipe.training.budget or math.inf
    if trainer.progress.examples >= max_examples or trainer.previous_seconds >= max_seconds:
        raise BadInput(
            f"{path} is done: {format_count(trainer.progress.examples)} examples in "
            f"{format_seconds(trainer.previous_seconds)}; to train it longer, give a later end: "
            f"`examples` {2 * trainer.progress.examples} or `budget` {math.ceil(2 * trainer.previous_seconds)}s"
        )
