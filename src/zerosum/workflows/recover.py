"""Recover a run from a finding: rewind it to before the finding, and change its settings as recommended.

A run is recovered if it diverged, or after a severe finding, or a mild one whose remedy cannot harm.

Each recovery is recorded: a row in `recoveries.jsonl`, the log and the findings of the failed attempt in
`recoveries/N/`, and the new settings in `recipe.toml`, which `zerosum resume` uses.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from zerosum.diagnosis.diagnose import diagnose_run
from zerosum.diagnosis.finding import Finding
from zerosum.errors import BadInput
from zerosum.inference.load import rewrite_recipe
from zerosum.recipes.files import check_recipe
from zerosum.recipes.parsing import NestedSettings, SettingsTree
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import FINDINGS_FILE, RECOVERIES_FILE, RunFolder

EARLY_FRACTION = 1 / 3
"""Fraction of the run before which a finding is taken to exist since the beginning."""
_OF_CHECKPOINTS = (
    "generator.", "discriminator.", "autoencoder.", "game.autoencoder.", "latent.", "data.", "optimizer.kind",
)  # fmt: skip
CHECKPOINTS_KEPT = 8
"""Number of newest checkpoints to keep in a run that may be rewound to one of them."""


def count_recoveries(folder: RunFolder) -> int:
    """Return how often the run was recovered, by its recipe.

    A recovery counts once recipe.toml holds its settings: if it was killed before, it will be made again. Rows without
    a number are of earlier releases, which did not count in the recipe.
    """
    counted = folder.read_toml("recipe.toml").get("metadata", {}).get("recoveries")
    return counted if isinstance(counted, int) else sum("number" not in row for row in folder.rows(RECOVERIES_FILE))


def recover_run(folder: RunFolder, recipe: Recipe) -> str:
    """Recover a run that diverged or was stopped by a finding, if it may be recovered and has a setting to change.

    The run is rewound to the last checkpoint before the finding, or to the beginning, and its recipe is changed.

    Returns:
        A sentence about what was done; "" if nothing was.
    """
    count = count_recoveries(folder)
    if count >= recipe.diagnostics.max_recoveries:
        return ""
    _, findings = diagnose_run(folder)
    for finding in findings:
        if finding.triggers_recovery and (changed := _apply_recommendations(recipe, finding)):
            must_restart = _invalidates_checkpoints(finding) or _is_early_finding(finding, recipe)
            rewind_to = 0 if must_restart else _last_healthy_checkpoint(folder, finding, recipe)
            _archive_attempt(folder, count + 1, rewind_to)
            settings = {change.setting: change.value for change in finding.recommendations}
            row = {
                "number": count + 1, "examples": rewind_to, "finding": finding.name, "since": finding.since_examples,
                "settings": settings,
            }  # fmt: skip
            # in this order: if killed in between, the run continues with its old settings and is recovered again
            earlier = [old for old in folder.rows(RECOVERIES_FILE) if old.get("number", 0) <= count]
            folder.write_rows(RECOVERIES_FILE, [*earlier, row])
            rewrite_recipe(folder, changed, {"recoveries": count + 1})
            folder.rewind(rewind_to)
            changes = ", ".join(f"`{name}` {value}" for name, value in settings.items())
            return (
                f"recovery {count + 1} of {recipe.diagnostics.max_recoveries}: {finding.title}, since "
                f"{finding.since_examples:,} examples; rewound to {rewind_to:,} examples, and continued with {changes}"
            )
    return ""


def can_recover(folder: RunFolder, recipe: Recipe, finding: Finding) -> bool:
    """Return whether another recovery is allowed, and the finding recommends a change that can be made."""
    return (
        count_recoveries(folder) < recipe.diagnostics.max_recoveries
        and _apply_recommendations(recipe, finding) is not None
    )


def _apply_recommendations(recipe: Recipe, finding: Finding) -> Recipe | None:
    """Return the recipe with the recommended settings; None if they change nothing or conflict with other settings."""
    settings_tree = SettingsTree(recipe.model_dump(mode="json", exclude_none=True))
    for change in finding.recommendations:
        _remove_table(settings_tree.tree, change.setting)
        settings_tree.set(tuple(change.setting.split(".")), change.value, f"`{change.setting}`")
    try:
        changed = check_recipe(settings_tree)
    except BadInput:
        return None
    return None if changed == recipe or not finding.recommendations else changed


def _invalidates_checkpoints(finding: Finding) -> bool:
    """Return whether the recommended settings change the networks, the data, the optimizer or a stage that is over."""
    return any(change.setting.startswith(_OF_CHECKPOINTS) for change in finding.recommendations)


def _remove_table(tree: NestedSettings, dotted_name: str) -> None:
    """Remove a table that a new one replaces, since setting the new one would merge the two."""
    *parents, last = dotted_name.split(".")
    table: object = tree
    for name in parents:
        table = table.get(name, {}) if isinstance(table, Mapping) else {}
    if isinstance(table, dict) and isinstance(table.get(last), Mapping):
        del table[last]


def _is_early_finding(finding: Finding, recipe: Recipe) -> bool:
    """Return whether the finding appeared so early that even the first checkpoints are not worth keeping."""
    return finding.since_examples <= EARLY_FRACTION * (recipe.training.examples or 0)


def _last_healthy_checkpoint(folder: RunFolder, finding: Finding, recipe: Recipe) -> int:
    """Return the examples of the newest checkpoint at least two probes before the finding; 0 if there is none."""
    margin = recipe.diagnostics.every_examples or 0
    saved = [int(path.name) for path in folder.checkpoints()]
    return max((examples for examples in saved if examples <= finding.since_examples - 2 * margin), default=0)


def _archive_attempt(folder: RunFolder, number: int, rewind_to: int) -> None:
    """Move what the failed attempt wrote after `rewind_to` examples to `recoveries/<number>`, and copy its logs."""
    archive = folder.path / "recoveries" / str(number)
    archive.mkdir(parents=True, exist_ok=True)
    late = [path for path in (*folder.checkpoints(), *folder.sample_grids()) if int(path.stem) > rewind_to]
    best = folder.path / "best"
    for path in [*late, *([best] if folder.best_scores().get("examples", 0) > rewind_to else [])]:
        target = archive / path.relative_to(folder.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():  # left by a recovery that was killed; what was trained again since is bit-identical
            shutil.rmtree(target)
        path.replace(target)
    for name in ("log.jsonl", FINDINGS_FILE, "recipe.toml"):
        if (folder.path / name).exists():
            shutil.copy(folder.path / name, archive / name)
