"""The verbs `train`, `resume` and `profile`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.data.builtin import POINT_DATASETS
from zerosum.data.config import Data
from zerosum.errors import BadInput
from zerosum.inference.load import data_paths, read_recipe, rewrite_recipe, with_data_paths
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Decision, DottedSettings
from zerosum.recipes.files import check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import Reporter, SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.training import loggers as trackers_module
from zerosum.units import format_count, format_seconds
from zerosum.workflows.run import Run

if TYPE_CHECKING:
    import torch

    from zerosum.data.images.sources import Source
    from zerosum.data.points.mixtures import GaussianMixture
    from zerosum.training.profiler import Profile
    from zerosum.training.trainer import Trainer

SHORT_FLAGS = {
    "examples": "training.examples",
    "budget": "training.budget",
    "seed": "training.seed",
    "device": "training.device",
    "batch_size": "training.batch_size",
}
"""Short flags, and the settings they set."""

MAX_RECOVERIES = 3
"""How often --recover treats a run."""


def train(
    source: str | Path = "",
    target_source: str | Path = "",
    *,
    recipe: str = "auto",
    run: str | Path | None = None,
    size: str = "",
    settings: Mapping[str, Any] | None = None,
    loggers: Sequence[str] = (),
    recover: bool = False,
    reporter: Reporter | None = None,
    **flags: Any,
) -> Run:
    """Train a GAN on a folder of images, a zip, an .npz or .npy, or a built-in set.

    Args:
        source: the data; empty: as the recipe says.
        target_source: for recipes that turn pictures into others: a second folder, of what is wanted.
        recipe: a recipe's name, or a .toml file of yours.
        run: the run's folder; by default `runs/` and the data's name.
        size: of the networks: nano, small or base; by default what suits the machine.
        settings: any setting by its dotted name: {"optimizer.lr": 1e-4}.
        loggers: further listeners by name ("tensorboard").
        recover: put the run back and change its settings where a severe finding stands, three times at most.
        reporter: who tells how it goes; by default nobody.
        flags: images, budget, seed, device, batch: the usual settings by short names.

    Raises:
        BadInput: something about the input cannot be used; nothing has been overwritten.
    """
    settings = ({"diagnostics.max_recoveries": MAX_RECOVERIES} if recover else {}) | dict(settings or {})
    short = _collect_flag_values(source, target_source, settings, flags)
    trackers_module.check_loggers(loggers)
    checked = _validate_recipe(recipe, size, settings, short)  # before torch is imported
    path = Path(run) if run else Path("runs") / _default_run_name(checked.data)
    RunFolder.check_new(path)
    from zerosum.training.accelerator import process_group
    from zerosum.workflows import launch

    with process_group():
        settled, decisions, device, found, case = _resolve_recipe(checked, recipe, size, settings, short)
        return Run(
            *launch.start_run(
                settled,
                path,
                decisions,
                device,
                loggers,
                reporter or SilentReporter(),
                _recipe_settings(recipe, case),
                found,
            )
        )


def profile(
    source: str | Path = "",
    target_source: str | Path = "",
    *,
    recipe: str = "auto",
    size: str = "",
    settings: Mapping[str, Any] | None = None,
    reporter: Reporter | None = None,
    **flags: Any,
) -> Profile:
    """Where a round's time would go, by part and by operator; nothing is trained or written. Arguments as for `train`.

    Raises:
        BadInput: something about the input cannot be used.
    """
    settings = dict(settings or {})
    short = _collect_flag_values(source, target_source, settings, flags)
    checked = _validate_recipe(recipe, size, settings, short)
    from zerosum.workflows import launch

    settled, _, device, _, _ = _resolve_recipe(checked, recipe, size, settings, short)
    return launch.profile_training(settled, device, reporter or SilentReporter())


def _recipe_settings(recipe: str, variant: str) -> dict[str, Any]:
    """The settings that a recipe itself has; none where it is only whole with the user's."""
    try:
        return check_recipe(defaults.build_settings_tree(recipe, variant, {}, {})).model_dump(
            mode="json", exclude_none=True
        )
    except BadInput:
        return {}


def _collect_flag_values(
    source: str | Path, target_source: str | Path, settings: DottedSettings, flags: DottedSettings
) -> dict[str, tuple[str, Any]]:
    """The settings that were given by short names, with the names."""
    short = {SHORT_FLAGS[name]: (f"--{name}", value) for name, value in flags.items() if value is not None}
    if source:
        if "data.source" in settings:
            raise BadInput(f"train on one source: {source} and --data.source {settings['data.source']} are two")
        short["data.source"] = ("data", str(source))
    if target_source:
        if "data.target_source" in settings:
            raise BadInput(
                f"--data.target_source {settings['data.target_source']}: {target_source} is the second folder already; give one"
            )
        short["data.target_source"] = ("data", str(target_source))
    return short


def _resolve_recipe(
    checked: Recipe, recipe: str, size: str, settings: DottedSettings, flag_values: DottedSettings
) -> tuple[Recipe, list[Decision], torch.device, Source | GaussianMixture | None, str]:
    """The recipe with what data and machine decide, the choices made, the device, the data as found, and the case."""
    from zerosum.data.load import inspect_data
    from zerosum.training.accelerator import choose_device

    seen = inspect_data(checked.data)
    device = choose_device(checked.training.device)
    case = "points" if seen.kind == "points" else size or ("nano" if device.type == "cpu" else "base")
    draft = defaults.build_settings_tree(recipe, case, settings, flag_values)
    about_data = defaults.choose_data_settings(draft, seen, device.type == "cpu")
    settled = check_recipe(draft)
    given = {*settings, *flag_values, *(["size"] if size else [])}
    return (
        settled,
        [*defaults.list_initial_decisions(settled, case, _describe_device(device), given), *about_data],
        device,
        seen.resolved,
        case,
    )


def _validate_recipe(recipe: str, size: str, settings: DottedSettings, flag_values: DottedSettings) -> Recipe:
    """The settings, checked for the case that the run will most likely be, which is seen without reading anything."""
    if size:
        defaults.check_network_size(recipe, size)
    defaults.check_recipe_variants(recipe)
    source = str(flag_values["data.source"][1] if "data.source" in flag_values else settings.get("data.source", ""))
    points = source in POINT_DATASETS and not Path(source).exists()
    checked = check_recipe(
        defaults.build_settings_tree(recipe, "points" if points else size or "nano", settings, flag_values)
    )
    if not checked.data.source:
        raise BadInput(
            "what shall be trained on? Name a folder of images, a zip, an .npz or .npy, or a built-in set: digits"
        )
    return checked


def _default_run_name(data: Data) -> str:
    places = [Path(place).resolve() for place in (data.source, data.target_source) if place]
    return "-to-".join(p.stem if p.suffix.lower() in {".zip", ".npz", ".npy"} else p.name for p in places)


def _describe_device(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple's GPU"


def resume(
    run: str | Path,
    *,
    examples: int | str | None = None,
    budget: float | str | None = None,
    loggers: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> Run:
    """Go on with a run exactly where it stood; `examples` or `budget` (from its beginning) move its end.

    Raises:
        BadInput: it is no run, it is over already, or its data has changed.
    """
    trackers_module.check_loggers(loggers)
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    if examples is not None or budget is not None:
        recipe = defaults.extend_training(recipe, list(folder.rows()), examples, budget)
    placed = with_data_paths(recipe, *data_paths(folder))
    from zerosum.training.accelerator import choose_device, process_group
    from zerosum.workflows.launch import build_trainer, train_with_recovery
    from zerosum.workflows.setup import TrainingSetup, reload_dataset

    with process_group():
        setup = TrainingSetup.create(
            placed, choose_device(recipe.training.device), loggers, reporter or SilentReporter()
        )
        dataset = reload_dataset(setup, folder, placed)
        trainer = build_trainer(setup, dataset, folder)
        trainer.resume(settings_changed=any(True for _ in folder.rows("recoveries.jsonl")))
        _require_unfinished(trainer, recipe)
        if setup.accelerator.rank == 0 and (examples is not None or budget is not None):
            rewrite_recipe(folder, recipe)
        setup.reporter.message(f"resuming {folder.path} after {format_count(trainer.progress.examples)} images")
        return Run(folder, train_with_recovery(setup, trainer, dataset))


def _require_unfinished(trainer: Trainer, recipe: Recipe) -> None:
    """Say that a run is over, where it is; one killed just before its last sheet is let play, to write it."""
    if trainer.folder.read_json("status.json").get("state") != "done":
        return
    if trainer.folder.read_json("status.json").get("stopped_early") and recipe.evaluation.patience:
        raise BadInput(
            f"{trainer.folder.path} is done: its samples did not become better; to go on all the same, set patience "
            f"= 0 under [judging] in {trainer.folder.path / 'recipe.toml'}"
        )
    images, budget = recipe.training.examples or math.inf, recipe.training.budget or math.inf
    if trainer.progress.examples >= images or trainer.previous_seconds >= budget:
        raise BadInput(
            f"{trainer.folder.path} is done: {format_count(trainer.progress.examples)} images in "
            f"{format_seconds(trainer.previous_seconds)}; to train it longer, give a later end: "
            f"--examples {2 * trainer.progress.examples} or --budget {math.ceil(2 * trainer.previous_seconds)}s"
        )
