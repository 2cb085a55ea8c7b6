"""`zerosum sample` of many samples, and of a model folder, from the command line."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import zerosum

SETTINGS = {
    "generator.width": 4, "discriminator.width": 4, "evaluation.features": "none", "training.precision": "float32",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A class-conditional run on digits."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    return zerosum.train("digits", recipe="cgan", run=path, examples=32, batch_size=16, settings=SETTINGS).path


def zerosum_command(*arguments: object) -> list[str]:
    script = "import sys; from zerosum.__main__ import main; sys.exit(main())"
    return [sys.executable, "-c", script, *map(str, arguments)]


def test_ctrl_c_leaves_whole_files_and_says_how_to_go_on(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    process = subprocess.Popen(
        zerosum_command("sample", run, "-n", 1_000_000, "--into", folder), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and len(list(folder.glob("*.png"))) < 64:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=300)
    assert (process.returncode, output) == (130, "")
    ((_, end),) = json.loads((folder / "samples.json").read_text())["samples"]
    assert errors.splitlines()[-1] == (
        f"stopped: {folder} holds samples 0 to {end - 1:,}; go on with --first {end}, --num-samples {1_000_000 - end}, "
        f"--into {folder} and the other options as here"
    )
    files = sorted(path.name for path in folder.iterdir() if path.name[0].isdigit())
    assert files == [f"{number:05d}.png" for number in range(end)]
    for name in files:
        with Image.open(folder / name) as image:
            image.load()
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_model_folder_in_place_of_a_run(
    run: Path, workdir: Path, run_cli: Callable[..., tuple[int, str, str]]
) -> None:
    assert run_cli("export", str(run), "--to", "hub", "--into", "model")[:2] == (0, "model\n")
    sampled = run_cli("sample", "model", "--each", "2", "--seed", "7")
    assert sampled[:2] == (0, "outputs/model/00000032-seed7-each2\n")
    assert len((workdir / "outputs/model/00000032-seed7-each2/labels.csv").read_text().splitlines()) == 21
    code, _, errors = run_cli("evaluate", "model")
    assert code == 2
    assert "evaluate their folder as --fake with real data as --real" in errors
    (workdir / "model/pytorch_model.bin").write_bytes(b"")
    code, _, errors = run_cli("sample", "model")
    assert code == 2
    assert "pytorch_model.bin, which may be a pickle" in errors
