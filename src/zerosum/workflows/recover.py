"""Rescue: a run that is ill is put back to when it was well, and its settings are changed.

It is ill where a severe finding stands against it, or a mild one whose cure cannot harm.

Every rescue is written down: a line in `rescues.jsonl`, the log and the findings of what failed in `rescues/N/`, and
the settings in `recipe.toml`, which `zerosum resume` goes on with.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.monitor import FILE, consult
from zerosum.errors import BadInput
from zerosum.inference.load import rewrite_recipe
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import Draft
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import RunFolder

RECORD = "rescues.jsonl"
EARLY = 1 / 3
"""Of a run: what is found so early was wrong from the start."""
KEPT = 8
"""Checkpoints that are kept where a run may be put back to one of them."""


def rescues(folder: RunFolder) -> int:
    """How often the run was rescued."""
    return sum(1 for _ in folder.rows(RECORD))


def rescue(folder: RunFolder, recipe: Recipe) -> str:
    """Treat a run that is ill or has diverged, where that is allowed and something is left to try.

    Its log is rewound to the last checkpoint from before the finding, or to the beginning, and its recipe changed.

    Returns:
        What was done, in a sentence; empty if nothing was.
    """
    done = rescues(folder)
    if done >= recipe.doctor.rescues:
        return ""
    _, findings = consult(folder)
    for finding in findings:
        if finding.urgent and (changed := _treated(recipe, finding)):
            back = 0 if _rebuilt(finding) or _from_the_start(finding, recipe) else _well(folder, finding, recipe)
            _put_aside(folder, done + 1, back)
            settings = {advice.setting: advice.value for advice in finding.advice}
            line = {"images": back, "finding": finding.name, "since": finding.since, "settings": settings}
            # in this order: killed in between, the run goes on untreated and is rescued again
            folder.append(RECORD, line)
            rewrite_recipe(folder, changed)
            folder.rewind(back)
            words = " ".join(advice.word() for advice in finding.advice)
            return (
                f"rescue {done + 1} of {recipe.doctor.rescues}: {finding.title}, since {finding.since:,} images; back "
                f"to {back:,}, and on with {words}"
            )
    return ""


def treats(folder: RunFolder, recipe: Recipe, finding: Finding) -> bool:
    """Whether a rescue is allowed once more, and has something to change."""
    return rescues(folder) < recipe.doctor.rescues and _treated(recipe, finding) is not None


def _treated(recipe: Recipe, finding: Finding) -> Recipe | None:
    """The recipe with the finding's settings; None if they change nothing, or do not go together with the rest."""
    tree = recipe.model_dump(mode="json", exclude_none=True)
    draft = Draft(tree)
    for advice in finding.advice:
        _clear(draft.tree, advice.setting)
        draft.put(tuple(advice.setting.split(".")), advice.value, f"--{advice.setting}")
    try:
        changed = check_recipe(draft)
    except BadInput:
        return None
    return None if changed == recipe or not finding.advice else changed


def _rebuilt(finding: Finding) -> bool:
    """Whether other networks or data follow from it, which no checkpoint fits."""
    return any(
        advice.setting.startswith(("generator.", "discriminator.", "latent.", "data.", "optimizer.kind"))
        for advice in finding.advice
    )


def _clear(tree: dict[str, Any], dotted: str) -> None:
    """Let a table that is to be replaced go: what is put would be laid over it."""
    *above, last = dotted.split(".")
    place: Any = tree
    for name in above:
        place = place.get(name, {}) if isinstance(place, Mapping) else {}
    if isinstance(place, dict) and isinstance(place.get(last), Mapping):
        del place[last]


def _from_the_start(finding: Finding, recipe: Recipe) -> bool:
    """Whether it stood so early that the run was never well: then its first checkpoints are not worth keeping."""
    return finding.since <= EARLY * (recipe.training.images or 0)


def _well(folder: RunFolder, finding: Finding, recipe: Recipe) -> int:
    """Images of the newest checkpoint from clearly before the finding; 0 where there is none."""
    margin = recipe.doctor.every_images or 0
    images = [int(path.name) for path in folder.checkpoints()]
    return max((each for each in images if each <= finding.since - 2 * margin), default=0)


def _put_aside(folder: RunFolder, number: int, back: int) -> None:
    """Keep what the failed attempt wrote: nothing of a user's training is lost by a rescue."""
    place = folder.path / "rescues" / str(number)
    place.mkdir(parents=True, exist_ok=True)
    late = [path for path in (*folder.checkpoints(), *folder.sheets()) if int(path.stem) > back]
    best = folder.path / "best"
    for path in [*late, *([best] if folder.best().get("images", 0) > back else [])]:
        target = place / path.relative_to(folder.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():  # from a rescue that was cut off; what was played again since is the same to the last bit
            shutil.rmtree(target)
        path.replace(target)
    for name in ("log.jsonl", FILE, "recipe.toml"):
        if (folder.path / name).exists():
            shutil.copy(folder.path / name, place / name)
