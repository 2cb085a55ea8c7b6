"""Rescue: a run that is ill is put back to when it was well, and its settings are changed.

It is ill where a severe finding stands against it, or a mild one whose cure cannot harm.

Every rescue is written down: a line in `rescues.jsonl`, the log and the findings of what failed in `rescues/N/`, and
the settings in `recipe.toml`, which `zerosum resume` goes on with.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.diagnosis.finding import Finding
from zerosum.diagnosis.monitor import FINDINGS_FILE
from zerosum.errors import BadInput
from zerosum.inference.load import rewrite_recipe
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import RunFolder

RECOVERIES_FILE = "recoveries.jsonl"
EARLY_FRACTION = 1 / 3
"""Of a run: what is found so early was wrong from the start."""
CHECKPOINTS_KEPT = 8
"""Checkpoints that are kept where a run may be put back to one of them."""


def count_recoveries(folder: RunFolder) -> int:
    """How often the run was rescued."""
    return sum(1 for _ in folder.rows(RECOVERIES_FILE))


def recover_run(folder: RunFolder, recipe: Recipe) -> str:
    """Treat a run that is ill or has diverged, where that is allowed and something is left to try.

    Its log is rewound to the last checkpoint from before the finding, or to the beginning, and its recipe changed.

    Returns:
        What was done, in a sentence; empty if nothing was.
    """
    done = count_recoveries(folder)
    if done >= recipe.diagnostics.max_recoveries:
        return ""
    _, findings = diagnose_run(folder)
    for finding in findings:
        if finding.triggers_recovery and (changed := _apply_recommendations(recipe, finding)):
            back = (
                0
                if _invalidates_checkpoints(finding) or _is_early_finding(finding, recipe)
                else _last_healthy_checkpoint(folder, finding, recipe)
            )
            _archive_attempt(folder, done + 1, back)
            settings = {advice.setting: advice.value for advice in finding.recommendations}
            line = {"examples": back, "finding": finding.name, "since": finding.since_examples, "settings": settings}
            # in this order: killed in between, the run goes on untreated and is rescued again
            folder.append(RECOVERIES_FILE, line)
            rewrite_recipe(folder, changed)
            folder.rewind(back)
            words = " ".join(advice.as_cli_flag() for advice in finding.recommendations)
            return (
                f"rescue {done + 1} of {recipe.diagnostics.max_recoveries}: {finding.title}, since {finding.since_examples:,} images; back "
                f"to {back:,}, and on with {words}"
            )
    return ""


def can_recover(folder: RunFolder, recipe: Recipe, finding: Finding) -> bool:
    """Whether a rescue is allowed once more, and has something to change."""
    return (
        count_recoveries(folder) < recipe.diagnostics.max_recoveries
        and _apply_recommendations(recipe, finding) is not None
    )


def _apply_recommendations(recipe: Recipe, finding: Finding) -> Recipe | None:
    """The recipe with the finding's settings; None if they change nothing, or do not go together with the rest."""
    tree = recipe.model_dump(mode="json", exclude_none=True)
    draft = SettingsTree(tree)
    for advice in finding.recommendations:
        _remove_table(draft.tree, advice.setting)
        draft.set(tuple(advice.setting.split(".")), advice.value, f"--{advice.setting}")
    try:
        changed = check_recipe(draft)
    except BadInput:
        return None
    return None if changed == recipe or not finding.recommendations else changed


def _invalidates_checkpoints(finding: Finding) -> bool:
    """Whether other networks or data follow from it, which no checkpoint fits."""
    return any(
        advice.setting.startswith(("generator.", "discriminator.", "latent.", "data.", "optimizer.kind"))
        for advice in finding.recommendations
    )


def _remove_table(tree: dict[str, Any], dotted_name: str) -> None:
    """Let a table that is to be replaced go: what is put would be laid over it."""
    *above, last = dotted_name.split(".")
    place: Any = tree
    for name in above:
        place = place.get(name, {}) if isinstance(place, Mapping) else {}
    if isinstance(place, dict) and isinstance(place.get(last), Mapping):
        del place[last]


def _is_early_finding(finding: Finding, recipe: Recipe) -> bool:
    """Whether it stood so early that the run was never well: then its first checkpoints are not worth keeping."""
    return finding.since_examples <= EARLY_FRACTION * (recipe.training.examples or 0)


def _last_healthy_checkpoint(folder: RunFolder, finding: Finding, recipe: Recipe) -> int:
    """Images of the newest checkpoint from clearly before the finding; 0 where there is none."""
    margin = recipe.diagnostics.every_examples or 0
    images = [int(path.name) for path in folder.checkpoints()]
    return max((each for each in images if each <= finding.since_examples - 2 * margin), default=0)


def _archive_attempt(folder: RunFolder, number: int, rewind_to: int) -> None:
    """Keep what the failed attempt wrote: nothing of a user's training is lost by a rescue."""
    place = folder.path / "rescues" / str(number)
    place.mkdir(parents=True, exist_ok=True)
    late = [path for path in (*folder.checkpoints(), *folder.sample_grids()) if int(path.stem) > rewind_to]
    best = folder.path / "best"
    for path in [*late, *([best] if folder.best_scores().get("examples", 0) > rewind_to else [])]:
        target = place / path.relative_to(folder.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():  # from a rescue that was cut off; what was played again since is the same to the last bit
            shutil.rmtree(target)
        path.replace(target)
    for name in ("log.jsonl", FINDINGS_FILE, "recipe.toml"):
        if (folder.path / name).exists():
            shutil.copy(folder.path / name, place / name)
