"""Recovery: a run that diverges is rewound, and its settings are changed."""

import errno
import json
from pathlib import Path

import pytest
from workflow_helpers import log_rows, train_ring

import zerosum
from zerosum.diagnosis.finding import Finding, Recommendation, Severity
from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
from zerosum.run_folder import RunFolder
from zerosum.workflows import recover

DIVERGING = {"diagnostics.every_examples": 256, "diagnostics.duality_gap_every": 2, "optimizer.lr": 1e30}
"""Settings whose weights overflow within two rounds."""


@pytest.fixture(scope="module")
def diverged_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that diverged, and was not recovered. Tests must not write into it."""
    run = train_ring(tmp_path_factory.mktemp("diverged") / "run", DIVERGING, examples=12_800)
    assert run.state == "diverged"
    return run.path


def finding_with(*recommendations: Recommendation, since: int = 0) -> Finding:
    return Finding("a-finding", Severity.SEVERE, 1.0, since, "a title", "", (), recommendations)


def test_a_diverged_run_names_the_first_nonfinite_weight(diverged_run: Path) -> None:
    folder = RunFolder(diverged_run)
    findings = {row["name"]: row for row in folder.rows("findings.jsonl")}
    found = findings["nonfinite-values"]
    assert found["severity"] == "severe"
    assert {change["setting"]: change["value"] for change in found["recommendations"]}["optimizer.lr"] == 2e-4
    assert log_rows(diverged_run)[-1]["first_nonfinite_weight"].startswith(("generator", "discriminator"))


def test_a_recovered_run_is_rewound_and_its_settings_are_changed(tmp_path: Path) -> None:
    """The user's settings give way to the recipe's; the recovery is recorded; nothing else is changed."""
    run = train_ring(tmp_path / "run", DIVERGING, examples=12_800, recover=True)
    assert run.state == "done"
    folder = RunFolder(run.path)
    recoveries = list(folder.rows("recoveries.jsonl"))
    assert 1 <= len(recoveries) <= 3
    assert recoveries[0]["settings"]["optimizer.lr"] == 2e-4
    assert recoveries[0]["examples"] == 0, "there was no checkpoint from before"
    recipe = folder.read_toml("recipe.toml")
    assert recipe["optimizer"]["lr"] == 2e-4
    assert recipe["generator"]["widths"] == [16]
    failed = (run.path / "recoveries/1/log.jsonl").read_text().splitlines()
    assert "first_nonfinite_weight" in json.loads(failed[-1])
    assert log_rows(run.path)[-1]["examples"] == 12_800
    assert all(value is not None for row in log_rows(run.path) for value in row.values())


def test_a_recovery_on_a_full_disk_ends_with_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On several processes, the others wait for the first one to recover the run."""

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space")

    monkeypatch.setattr(RunFolder, "write_rows", fail)
    with pytest.raises(BadInput, match=r"\(No space\); free disk space, .*resume"):
        train_ring(tmp_path / "run", DIVERGING, examples=12_800, recover=True)


def test_without_permission_nothing_is_recovered(diverged_run: Path) -> None:
    folder = RunFolder(diverged_run)
    assert recover.count_recoveries(folder) == 0
    assert recover.recover_run(folder, read_recipe(folder)) == ""
    assert not (diverged_run / "recoveries.jsonl").exists()


def test_a_recovery_needs_a_recommendation_that_changes_the_recipe(ring_run: Path) -> None:
    folder = RunFolder(ring_run)
    recipe = read_recipe(folder)
    permitted = recipe.model_copy(update={"diagnostics": recipe.diagnostics.model_copy(update={"max_recoveries": 1})})
    useful = finding_with(Recommendation("optimizer.lr", 1e-5, ""))
    assert recover.can_recover(folder, permitted, useful)
    assert not recover.can_recover(folder, recipe, useful), "not permitted"
    for useless in (
        finding_with(),
        finding_with(Recommendation("training.batch_size", recipe.training.batch_size, "")),
        finding_with(Recommendation("optimizer.no_such_setting", 1, "")),
        finding_with(Recommendation("optimizer.lr", -1, "")),
    ):
        assert not recover.can_recover(folder, permitted, useless)
    folder.append("recoveries.jsonl", {"examples": 0})
    assert not recover.can_recover(folder, permitted, useful), "no recovery is left"


def test_a_run_is_rewound_to_a_checkpoint_from_clearly_before_the_finding(
    ring_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints are at 1,792 and 2,048 examples; the margin is two probes of 64 examples."""
    folder = RunFolder(ring_run)
    recipe = read_recipe(folder)
    diagnostics = recipe.diagnostics.model_copy(update={"max_recoveries": 1, "every_examples": 64})
    permitted = recipe.model_copy(update={"diagnostics": diagnostics})
    finding = finding_with(Recommendation("optimizer.lr", 1e-5, ""), since=1_920)
    monkeypatch.setattr(recover, "diagnose_run", lambda folder: (None, [finding]))
    message = recover.recover_run(folder, permitted)
    assert "rewound to 1,792 examples" in message
    assert "`optimizer.lr` 1e-05" in message
    assert [path.name for path in folder.checkpoints()] == ["00001792"]
    assert log_rows(ring_run)[-1]["examples"] == 1_792
    assert read_recipe(folder).optimizer.lr == 1e-5
    archive = ring_run / "recoveries/1"
    assert (archive / "checkpoints/00002048/state.json").is_file()
    assert len((archive / "log.jsonl").read_text().splitlines()) == 16


@pytest.mark.parametrize(
    ("setting", "since"), [("generator.widths", 1_920), ("optimizer.lr", 512)], ids=["other networks", "early"]
)
def test_a_run_restarts_if_no_checkpoint_fits(
    ring_run: Path, monkeypatch: pytest.MonkeyPatch, setting: str, since: int
) -> None:
    folder = RunFolder(ring_run)
    recipe = read_recipe(folder)
    permitted = recipe.model_copy(update={"diagnostics": recipe.diagnostics.model_copy(update={"max_recoveries": 1})})
    value = [32] if setting == "generator.widths" else 1e-5
    finding = finding_with(Recommendation(setting, value, ""), since=since)
    monkeypatch.setattr(recover, "diagnose_run", lambda folder: (None, [finding]))
    assert "rewound to 0 examples" in recover.recover_run(folder, permitted)
    assert folder.checkpoints() == []
    assert log_rows(ring_run) == []


@pytest.mark.parametrize("killed_at", ["write_rows", "rewrite_recipe", "rewind"])
def test_a_recovery_that_was_killed_is_counted_once(
    ring_run: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str
) -> None:
    """Killed before its settings were in the recipe, it is made again; killed after that, it is not."""
    folder = RunFolder(ring_run)
    recipe = read_recipe(folder)
    permitted = recipe.model_copy(update={"diagnostics": recipe.diagnostics.model_copy(update={"max_recoveries": 2})})
    finding = finding_with(Recommendation("optimizer.lr", 1e-5, ""), since=1_920)
    monkeypatch.setattr(recover, "diagnose_run", lambda folder: (None, [finding]))

    def kill(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(recover if killed_at == "rewrite_recipe" else RunFolder, killed_at, kill)
        with pytest.raises(KeyboardInterrupt):
            recover.recover_run(folder, permitted)
    was_made = killed_at == "rewind"
    assert recover.count_recoveries(folder) == was_made
    if not was_made:
        assert "recovery 1 of 2" in recover.recover_run(folder, permitted)
        assert recover.count_recoveries(folder) == 1
    assert [row["number"] for row in folder.rows("recoveries.jsonl")] == [1]
    assert zerosum.resume(ring_run).state == "done"
    assert recover.count_recoveries(folder) == 1
    changed = read_recipe(folder)
    finding = finding_with(Recommendation("optimizer.lr", 2e-5, ""), since=1_920)
    assert "recovery 2 of 2" in recover.recover_run(
        folder, changed.model_copy(update={"diagnostics": permitted.diagnostics})
    )
    assert [row["number"] for row in folder.rows("recoveries.jsonl")] == [1, 2]
    assert (ring_run / "recoveries/2").is_dir()
