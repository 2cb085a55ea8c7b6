"""The verbs `train`, `resume` and `profile`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zerosum.data.builtin import POINT_SETS
from zerosum.data.config import Data
from zerosum.errors import BadInput
from zerosum.inference.load import places, read_recipe, rewrite_recipe, where_the_data_are
from zerosum.recipes import defaults
from zerosum.recipes.defaults import Choice, Words
from zerosum.recipes.files import check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.reporter import Silent, Voice
from zerosum.run_folder import RunFolder
from zerosum.training import loggers as trackers_module
from zerosum.units import say_count, say_seconds
from zerosum.workflows.run import Run

if TYPE_CHECKING:
    import torch

    from zerosum.data.images.sources import Source
    from zerosum.data.points.mixtures import Toy
    from zerosum.training.profiler import Profile
    from zerosum.training.trainer import Session

FLAGS = {
    "images": "training.images",
    "budget": "training.budget",
    "seed": "training.seed",
    "device": "training.device",
    "batch": "training.batch",
}
"""Short flags, and the settings they set."""

RESCUES = 3
"""How often --rescue treats a run."""


def train(
    source: str | Path = "",
    beside: str | Path = "",
    *,
    recipe: str = "auto",
    run: str | Path | None = None,
    size: str = "",
    settings: Mapping[str, Any] | None = None,
    trackers: Sequence[str] = (),
    rescue: bool = False,
    voice: Voice | None = None,
    **flags: Any,
) -> Run:
    """Train a GAN on a folder of images, a zip, an .npz or .npy, or a built-in set.

    Args:
        source: the data; empty: as the recipe says.
        beside: for recipes that turn pictures into others: a second folder, of what is wanted.
        recipe: a recipe's name, or a .toml file of yours.
        run: the run's folder; by default `runs/` and the data's name.
        size: of the networks: nano, small or base; by default what suits the machine.
        settings: any setting by its dotted name: {"optimizer.lr": 1e-4}.
        trackers: further listeners by name ("tensorboard").
        rescue: put the run back and change its settings where a severe finding stands, three times at most.
        voice: who tells how it goes; by default nobody.
        flags: images, budget, seed, device, batch: the usual settings by short names.

    Raises:
        BadInput: something about the input cannot be used; nothing has been overwritten.
    """
    settings = ({"doctor.rescues": RESCUES} if rescue else {}) | dict(settings or {})
    short = _short(source, beside, settings, flags)
    trackers_module.check(trackers)
    checked = _checked(recipe, size, settings, short)  # before torch is imported
    path = Path(run) if run else Path("runs") / _run_name(checked.data)
    RunFolder.check_new(path)
    from zerosum.training.accelerator import ranks
    from zerosum.workflows import setup

    with ranks():
        settled, choices, device, found, case = _settled(checked, recipe, size, settings, short)
        return Run(*setup.start(settled, path, choices, device, trackers, voice or Silent(), _own(recipe, case), found))


def profile(
    source: str | Path = "",
    beside: str | Path = "",
    *,
    recipe: str = "auto",
    size: str = "",
    settings: Mapping[str, Any] | None = None,
    voice: Voice | None = None,
    **flags: Any,
) -> Profile:
    """Where a round's time would go, by part and by operator; nothing is trained or written. Arguments as for `train`.

    Raises:
        BadInput: something about the input cannot be used.
    """
    settings = dict(settings or {})
    short = _short(source, beside, settings, flags)
    checked = _checked(recipe, size, settings, short)
    from zerosum.workflows import setup

    settled, _, device, _, _ = _settled(checked, recipe, size, settings, short)
    return setup.look(settled, device, voice or Silent())


def _own(recipe: str, case: str) -> dict[str, Any]:
    """The settings that a recipe itself has; none where it is only whole with the user's."""
    try:
        return check_recipe(defaults.draft(recipe, case, {}, {})).model_dump(mode="json", exclude_none=True)
    except BadInput:
        return {}


def _short(source: str | Path, beside: str | Path, settings: Words, flags: Words) -> dict[str, tuple[str, Any]]:
    """The settings that were given by short names, with the names."""
    short = {FLAGS[name]: (f"--{name}", value) for name, value in flags.items() if value is not None}
    if source:
        if "data.source" in settings:
            raise BadInput(f"train on one source: {source} and --data.source {settings['data.source']} are two")
        short["data.source"] = ("data", str(source))
    if beside:
        if "data.beside" in settings:
            raise BadInput(f"--data.beside {settings['data.beside']}: {beside} is the second folder already; give one")
        short["data.beside"] = ("data", str(beside))
    return short


def _settled(
    checked: Recipe, recipe: str, size: str, settings: Words, short: Words
) -> tuple[Recipe, list[Choice], torch.device, Source | Toy | None, str]:
    """The recipe with what data and machine decide, the choices made, the device, the data as found, and the case."""
    from zerosum.data.load import look
    from zerosum.training.accelerator import choose_device

    seen = look(checked.data)
    device = choose_device(checked.training.device)
    case = "points" if seen.kind == "points" else size or ("nano" if device.type == "cpu" else "base")
    draft = defaults.draft(recipe, case, settings, short)
    about_data = defaults.settle_data(draft, seen, device.type == "cpu")
    settled = check_recipe(draft)
    given = {*settings, *short, *(["size"] if size else [])}
    return (
        settled,
        [*defaults.first_choices(settled, case, _about(device), given), *about_data],
        device,
        seen.found,
        case,
    )


def _checked(recipe: str, size: str, settings: Words, short: Words) -> Recipe:
    """The settings, checked for the case that the run will most likely be, which is seen without reading anything."""
    if size:
        defaults.check_size(recipe, size)
    defaults.check_file(recipe)
    source = str(short["data.source"][1] if "data.source" in short else settings.get("data.source", ""))
    points = source in POINT_SETS and not Path(source).exists()
    checked = check_recipe(defaults.draft(recipe, "points" if points else size or "nano", settings, short))
    if not checked.data.source:
        raise BadInput(
            "what shall be trained on? Name a folder of images, a zip, an .npz or .npy, or a built-in set: digits"
        )
    return checked


def _run_name(data: Data) -> str:
    places = [Path(place).resolve() for place in (data.source, data.beside) if place]
    return "-to-".join(p.stem if p.suffix.lower() in {".zip", ".npz", ".npy"} else p.name for p in places)


def _about(device: torch.device) -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads" if device.type == "cpu" else "Apple's GPU"


def resume(
    run: str | Path,
    *,
    images: int | str | None = None,
    budget: float | str | None = None,
    trackers: Sequence[str] = (),
    voice: Voice | None = None,
) -> Run:
    """Go on with a run exactly where it stood; `images` or `budget` (from its beginning) move its end.

    Raises:
        BadInput: it is no run, it is over already, or its data has changed.
    """
    trackers_module.check(trackers)
    folder = RunFolder.open(Path(run))
    recipe = read_recipe(folder)
    if images is not None or budget is not None:
        recipe = defaults.prolonged(recipe, list(folder.rows()), images, budget)
    placed = where_the_data_are(recipe, *places(folder))
    from zerosum.training.accelerator import choose_device, ranks
    from zerosum.workflows.setup import Stage, _unchanged

    with ranks():
        stage = Stage.set(placed, choose_device(recipe.training.device), trackers, voice or Silent())
        examples = _unchanged(stage, folder, placed)
        session = stage.session(examples, folder)
        session.resume(changed=any(True for _ in folder.rows("rescues.jsonl")))
        _refuse_the_over(session, recipe)
        if stage.machine.rank == 0 and (images is not None or budget is not None):
            rewrite_recipe(folder, recipe)
        stage.voice.say(f"resuming {folder.path} after {say_count(session.now.images)} images")
        return Run(folder, stage.play_through(session, examples))


def _refuse_the_over(session: Session, recipe: Recipe) -> None:
    """Say that a run is over, where it is; one killed just before its last sheet is let play, to write it."""
    if session.folder.read_json("status.json").get("state") != "done":
        return
    if session.folder.read_json("status.json").get("weary") and recipe.judging.patience:
        raise BadInput(
            f"{session.folder.path} is done: its samples did not become better; to go on all the same, set patience "
            f"= 0 under [judging] in {session.folder.path / 'recipe.toml'}"
        )
    images, budget = recipe.training.images or math.inf, recipe.training.budget or math.inf
    if session.now.images >= images or session.seconds >= budget:
        raise BadInput(
            f"{session.folder.path} is done: {say_count(session.now.images)} images in "
            f"{say_seconds(session.seconds)}; to train it longer, give a later end: "
            f"--images {2 * session.now.images} or --budget {math.ceil(2 * session.seconds)}s"
        )
