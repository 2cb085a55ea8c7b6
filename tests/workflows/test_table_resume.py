"""Runs on tables: resumed exactly, with more rows, and started from another run."""

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from zerosum import api
from zerosum.errors import BadInput
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer

SETTINGS = {
    "data.ordered": "start,end", "data.sums": "total,net,tax", "generator.widths": [32], "discriminator.widths": [32],
    "evaluation.features": "none", "diagnostics.samples": 64, "training.precision": "float32",
}  # fmt: skip
CLOCK = {"seconds", "examples_per_second"}


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(RunFolder(run).checkpoints()[-1] / "networks.safetensors")


def log_of(run: Path) -> list[dict[str, object]]:
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in RunFolder(run).rows()]


def test_an_interrupted_run_is_resumed_exactly(tmp_path: Path, table_file: Path, monkeypatch) -> None:
    keywords = {"recipe": "table", "examples": 512, "batch_size": 64, "settings": SETTINGS}
    whole = api.train(table_file, run=tmp_path / "whole", **keywords).path
    set_progress = Trainer._set_progress

    def interrupt(self: Trainer, progress) -> None:
        set_progress(self, progress)
        if progress.round == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_set_progress", interrupt)
    assert api.train(table_file, run=tmp_path / "parts", **keywords).state == "interrupted"
    monkeypatch.setattr(Trainer, "_set_progress", set_progress)
    parts = api.resume(tmp_path / "parts").path
    expected, found = weights_of(whole), weights_of(parts)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    assert log_of(parts) == log_of(whole)


def test_a_run_goes_on_with_more_rows(trained_table: Path, table_file: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained_table, tmp_path / "run"))
    text = table_file.read_text("cp1252").splitlines()
    more = [line.replace("A-0", "B-").replace("Wien", "Bern").replace("Österreich", "Schweiz") for line in text[1:60]]
    grown = tmp_path / "grown.csv"
    grown.write_text("\n".join([*text, *more]), "cp1252")
    codec, split = RunFolder(run).read_json("codec.json"), load_file(run / "split.safetensors")
    assert api.resume(run, data=grown, examples=6_784).state == "done"
    assert RunFolder(run).read_json("codec.json") == codec
    kept = load_file(run / str(RunFolder(run).read_json("data.json")["split"]))
    assert kept.keys() == split.keys()
    for side in ("train", "held_out"):
        assert set(split[side].tolist()) <= set(kept[side].tolist()), "known rows stay on their side"
    assert len(kept["train"]) > len(split["train"]), "and new ones come"
    notes = " ".join(RunFolder(run).read_json("data.json")["notes"])
    assert "column city" in notes
    assert "with a value that the run does not know, taken as missing" in notes


def test_a_run_starts_from_one_whose_columns_mean_the_same(
    trained_table: Path, table_file: Path, tmp_path: Path
) -> None:
    keywords = {"start_from": trained_table, "examples": 64, "batch_size": 64}
    run = api.train(table_file, run=tmp_path / "same", **keywords).path
    taken = RunFolder(run).read_json("plan.json")["start"]["networks"]["generator"]
    assert taken["taken"] == taken["weights"]
    text = table_file.read_text("cp1252")
    for old, new, expected in (
        ("yes", "sim", "category .* is .* there and .* here, so its networks would mean something else"),
        ("age;member", "years;member", "was trained on .*age.* and these data have .*years"),
    ):
        other = tmp_path / "other.csv"
        other.write_text(text.replace(old, new), "cp1252")
        with pytest.raises(BadInput, match=expected):
            api.train(other, run=tmp_path / "changed", **keywords)
    assert not (tmp_path / "changed" / "plan.json").exists()
