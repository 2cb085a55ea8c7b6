"""The same command again: start a run, or continue it where its folder holds this very run already."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.errors import BadInput
from zerosum.files import quote_path
from zerosum.run_folder import Row, RunFolder, RunState
from zerosum.units import format_count

if TYPE_CHECKING:
    from zerosum.recipes.recipe import Recipe
    from zerosum.recipes.variants import DottedSettings, GivenArguments

RESTART_COUNTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
"""Environment variables in which torchrun and Slurm count how often they have restarted a command."""
PLAN_FILE = "plan.json"
"""Holds what the run was started with, under "request"."""


class Restart(StrEnum):
    """What the same command does to a folder."""

    START = "start"
    """There is no run yet."""
    RESUME = "resume"
    """The folder holds this run, which is not at its end."""
    DONE = "done"
    """The folder holds this run, which is done."""


def is_restarted() -> bool:
    """Return whether a launcher has restarted this command after a failure."""
    counts = (os.environ.get(name, "") for name in RESTART_COUNTS)
    return any(count.isdecimal() and int(count) > 0 for count in counts)


def build_request(checked: Recipe, size: str, start_from: str | Path | None = None) -> Row:
    """Return what a run is asked for, before anything is measured: all settings, the size and the absolute sources.

    If it starts from another run, the absolute path of that run is part of it.
    """
    settings = checked.model_dump(mode="json", exclude_none=True)
    named = {name.partition(".")[0] for name in checked.data.sources}
    settings["data"] = {name: value for name, value in settings["data"].items() if name not in named}
    sources = {name: _absolute(source) for name, source in checked.data.sources.items()}
    request: Row = json.loads(json.dumps({"size": size, "sources": sources, "settings": settings}))
    return request | ({"start_from": _absolute(str(start_from))} if start_from else {})


def rebuild_request(
    run: str | Path | None,
    start_from: str | Path | None,
    size: str,
    settings: DottedSettings,
    keywords: GivenArguments,
) -> Row | None:
    """Return what a run is asked for that started from what is not there any more, so that it is continued without it.

    Its settings are those that it was asked for before, overridden by the user's.

    Args:
        run: its folder; None if the user names none.
        start_from: what it started from.
        size: the size of the networks.
        settings: the user's settings by dotted name.
        keywords: settings that were given as arguments.

    Returns:
        The request; None if the folder holds no run that started from there.

    Raises:
        BadInput: a setting is wrong.
    """
    if not (run and start_from and (Path(run) / "recipe.toml").is_file()):
        return None
    former = RunFolder(Path(run)).read_intact_json(PLAN_FILE).get("request")
    if not isinstance(former, Mapping) or not isinstance(former.get("settings"), dict):
        return None
    address = former.get("start_from")
    if address not in {str(start_from), str(Path(start_from).resolve())}:
        return None
    from zerosum.recipes.files import check_recipe
    from zerosum.recipes.parsing import SettingsTree
    from zerosum.recipes.variants import override_settings

    tree = SettingsTree(former["settings"])
    override_settings(tree, settings, keywords)
    return build_request(check_recipe(tree), size, address)


def _absolute(source: str) -> str:
    """Return the absolute path of what exists; any other name is returned unchanged."""
    return str(Path(source).resolve()) if Path(source).exists() else source


def decide_restart(path: Path, request: Row) -> Restart:
    """Return what to do with the run folder. All ranks call it together; rank 0 decides, since files may appear late.

    Raises:
        BadInput: on every rank, if the folder holds another run or other files, or cannot be created.
    """
    from zerosum.training.accelerator import Accelerator

    accelerator = Accelerator()
    restart, refusal = Restart.START, ""
    if accelerator.rank == 0:
        try:
            restart = _decide(path, request)
        except BadInput as error:
            refusal = str(error)
    restart, refusal = accelerator.broadcast((restart, refusal))
    if refusal:
        raise BadInput(refusal)
    return restart


def _decide(path: Path, request: Row) -> Restart:
    if not (path / "recipe.toml").is_file():
        RunFolder.check_new(path)
        return Restart.START
    folder = RunFolder.open(path)
    former = folder.read_intact_json(PLAN_FILE).get("request")
    if not isinstance(former, Mapping):
        raise BadInput(
            f"{path} holds a run that does not say what it was started with, so it may be another one: continue it "
            f"with `zerosum resume {quote_path(path)}`, or give the new run another folder with `run`"
        )
    different = _first_difference(former, request)
    if different:
        raise BadInput(
            f"{path} holds another run: `{different[0]}` is {different[1]} there and {different[2]} here; give the new "
            f"run another folder with `run`, or continue the old one with `zerosum resume {quote_path(path)}`"
        )
    is_done = folder.read_intact_json("status.json").get("state") == RunState.DONE and (path / "report.html").exists()
    return Restart.DONE if is_done else Restart.RESUME


def describe_done(path: Path) -> str:
    """Return a sentence for the user whose command found its run done, so that nothing was trained."""
    examples = RunFolder(path).read_intact_json("status.json").get("examples")
    amount = f" ({format_count(examples)} examples)" if isinstance(examples, int) else ""
    return (
        f"{path} holds this very run, and it is done{amount}: nothing is trained; to train it longer, call "
        f"`zerosum resume {quote_path(path)}` with a later `examples` or `budget`"
    )


def _first_difference(former: Mapping[str, object], request: Mapping[str, object]) -> tuple[str, str, str] | None:
    """Return the dotted name and both values of the first setting that differs; None if none does.

    Settings that exist only since the former request have their defaults there, so that an update of the package does
    not keep a run from being continued.
    """
    first, second = _flatten(former), _flatten(request)
    defaults = _flatten({"settings": _complete_settings(former)})
    first = {name: defaults[name] for name in second if name in defaults} | first
    for name in [*first, *second]:
        if first.get(name, "unset") != second.get(name, "unset"):
            shown = name.removeprefix("settings.").replace("sources.", "data.", 1)
            shown = "recipe" if shown == "name" else shown  # the first setting of a recipe is its own name
            return shown, str(first.get(name, "unset")), str(second.get(name, "unset"))
    return None


def _complete_settings(former: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings of a former request and the defaults of those that it lacks; none if they are not valid."""
    from zerosum.recipes.parsing import SettingsTree
    from zerosum.recipes.recipe import Recipe

    settings = former.get("settings")
    if not isinstance(settings, dict):
        return {}
    try:
        return SettingsTree(settings).validate(Recipe).model_dump(mode="json", exclude_none=True)
    except BadInput:
        return {}  # a setting that is gone since then: the comparison names it


def _flatten(tree: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in tree.items():
        flat |= _flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return flat
