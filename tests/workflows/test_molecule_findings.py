"""A short training on molecules, which the monitor finds to be one: hardly a sample is a molecule."""

import json
from pathlib import Path

import pytest

import zerosum
from molecule_data import molecule_file
from zerosum.diagnosis.finding import Finding, Recommendation, Severity
from zerosum.inference.load import read_recipe
from zerosum.run_folder import RunFolder
from zerosum.workflows import recover

SETTINGS = {
    "autoencoder.code_size": 16, "autoencoder.encoder_width": 32, "autoencoder.decoder_width": 48,
    "autoencoder.embedding_size": 16, "generator.width": 32, "discriminator.width": 32, "latent.size": 8,
    "data.properties": ["logp"], "evaluation.features": "none", "training.precision": "float32",
    "diagnostics.every_examples": 400, "diagnostics.samples": 16, "diagnostics.duality_gap_every": 100,
    "training.tick_examples": 400, "training.checkpoint_examples": 1_200, "game.autoencoder.fraction": 0.5,
}  # fmt: skip


@pytest.fixture(scope="module")
def short_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("molecules") / "run"
    zerosum.train(molecule_file(), recipe="molecule", run=run, examples=2_400, batch_size=16, settings=SETTINGS)
    return run


def test_a_short_training_makes_few_molecules(short_run: Path) -> None:
    run = short_run
    rows = list(RunFolder(run).rows())
    assert not [row["probe_error"] for row in rows if "probe_error" in row]
    rebuilt = [row["examples"] for row in rows if "monitor/exact_reconstructions" in row]
    valid = [row for row in rows if "monitor/valid" in row]
    assert rebuilt == [400, 800, 1_200], "while the autoencoder alone is trained"
    assert [row["examples"] for row in valid] == [1_600, 2_000, 2_400]
    assert max(row["monitor/valid"] for row in valid) < 0.5
    assert min(row["monitor/diversity"] for row in valid) > 0.5, "of texts, not of their codes"
    events = [json.loads(line) for line in (run / "findings.jsonl").read_text().splitlines()]
    severities = {(event["name"], event["severity"]) for event in events if event["event"] == "appeared"}
    assert {("poor-reconstruction", "mild"), ("invalid-samples", "severe")} <= severities


def test_what_changes_the_stage_of_the_autoencoder_restarts_the_run(
    short_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints from before the finding are of no use: the stage was over then."""
    folder, change = RunFolder(short_run), Recommendation("game.autoencoder.noise", 2.8, "codes carry more detail")
    finding = Finding("poor-reconstruction", Severity.SEVERE, 1.0, 2_400, "a title", "", (), (change,))
    monkeypatch.setattr(recover, "diagnose_run", lambda folder: (None, [finding]))
    recipe = read_recipe(folder)
    diagnostics = recipe.diagnostics.model_copy(update={"max_recoveries": 1, "every_examples": 16})
    assert min(int(path.name) for path in folder.checkpoints()) < 2_000
    message = recover.recover_run(folder, recipe.model_copy(update={"diagnostics": diagnostics}))
    assert "rewound to 0 examples, and continued with `game.autoencoder.noise` 2.8" in message
