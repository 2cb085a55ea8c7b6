"""A short training on molecules, which the monitor finds to be one: hardly a sample is a molecule."""

import json
from pathlib import Path

import zerosum
from molecule_data import molecule_file
from zerosum.run_folder import RunFolder

SETTINGS = {
    "autoencoder.code_size": 16, "autoencoder.encoder_width": 32, "autoencoder.decoder_width": 48,
    "autoencoder.embedding_size": 16, "generator.width": 32, "discriminator.width": 32, "latent.size": 8,
    "data.properties": ["logp"], "evaluation.features": "none", "training.precision": "float32",
    "diagnostics.every_examples": 400, "diagnostics.samples": 16, "diagnostics.duality_gap_every": 100,
    "training.tick_examples": 400, "game.autoencoder.fraction": 0.5,
}  # fmt: skip


def test_a_short_training_makes_few_molecules(tmp_path: Path) -> None:
    run = tmp_path / "run"
    zerosum.train(molecule_file(), recipe="molecule", run=run, examples=2_400, batch_size=16, settings=SETTINGS)
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
