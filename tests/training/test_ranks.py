"""Two gloo ranks train the same as one process on the full batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rank_killer import train_with_kills, weights_hash
from rank_worker import train_and_save
from safetensors.torch import load_file

HERE = Path(__file__).parent
HANG_SECONDS = 3600
"""Far above the seconds that a process needs, so that only hanging ends it."""


def torchrun(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run two processes with the environment that torchrun sets up."""
    with socket.socket() as free_socket:
        free_socket.bind(("127.0.0.1", 0))
        port = free_socket.getsockname()[1]
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    processes = [
        subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=HANG_SECONDS) for process in processes]
    code = max(abs(process.returncode) for process in processes)
    return subprocess.CompletedProcess(arguments, code, outputs[0][0], outputs[0][1] + outputs[1][1])


def test_two_ranks_equal_one_process(tmp_path: Path) -> None:
    train_and_save(tmp_path)
    result = torchrun(str(HERE / "rank_worker.py"), str(tmp_path), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    single = load_file(tmp_path / "1-0.safetensors")
    first, second = (load_file(tmp_path / f"2-{rank}.safetensors") for rank in range(2))
    for name, tensor in single.items():
        assert torch.equal(first[name], second[name]), f"the ranks differ in {name}"
        # a variance is estimated from pairs of neighbors in a batch, and a rank has other neighbors
        rtol = 0.5 if name == "logged variances" else 1e-4
        torch.testing.assert_close(first[name], tensor, rtol=rtol, atol=1e-6)


def write_two_classes(folder: Path) -> Path:
    """Write small gray images of two classes, dark and light."""
    rng = np.random.default_rng(0)
    for name, brightness in (("dark", 60), ("light", 190)):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            pixels = np.clip(rng.normal(brightness, 30, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_every_recipe_plays_the_same_game_on_two_ranks(tmp_path: Path) -> None:
    """After a round, the squared gradients of each layer and the statistics of batch norm are those of one process."""
    images, single, double = write_two_classes(tmp_path / "images"), tmp_path / "1", tmp_path / "2"
    for folder in (single, double):
        folder.mkdir()
    worker = [str(HERE / "one_round_worker.py"), str(images)]
    alone = subprocess.run([sys.executable, *worker, single], text=True, capture_output=True, check=False)
    assert alone.returncode == 0, alone.stderr
    shared = torchrun(*worker, str(double), cwd=tmp_path)
    assert shared.returncode == 0, shared.stderr
    assert not list(single.glob("*.refused"))
    for refusal in double.glob("*.refused"):
        assert "uses whole batches" in refusal.read_text(), refusal.name
    files = sorted(double.glob("*.safetensors"))
    assert len(files) >= 25
    with_batch_norm = set()
    for path in files:
        expected, found = load_file(single / path.name), load_file(path)
        assert expected.keys() == found.keys(), path.name
        largest = max(moments.norm() for moments in expected.values())
        for name, moments in expected.items():
            # the gradient of a bias before batch norm is 0 but for rounding
            error = (found[name] - moments).norm() / moments.norm().clamp(min=1e-6 * largest)
            assert error < 0.01, f"{path.stem}: {name} is {error:.1%} off"
            if name.endswith("running_var"):
                with_batch_norm.add(path.stem)
    assert len(with_batch_norm) >= 5, with_batch_norm


def test_train_and_resume_on_two_ranks_from_the_command_line(tmp_path: Path) -> None:
    """Only rank 0 writes and prints. The run resumes on two ranks and refuses any other number."""
    arguments = (
        "-m",
        "zerosum",
        "train",
        "ring",
        "--recipe",
        "vanilla",
        "--examples",
        "2560",
        "--training.tick_examples",
        "1280",
    )
    result = torchrun(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = (tmp_path / "runs/ring/log.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert result.stdout.count("done: 2,560") == 1
    resumed = torchrun("-m", "zerosum", "resume", "runs/ring", "--examples", "5120", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    single = subprocess.run(
        [sys.executable, "-m", "zerosum", "resume", "runs/ring", "--examples", "9000"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert single.returncode == 2
    assert "resume with the same number of processes" in single.stderr


def test_a_killed_rank_is_restarted_and_the_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for run, kills in ((undisturbed, 0), (killed, 1)):
        result = train_with_kills("ring", run, kills)
        assert result.returncode == 0, result.stdout
    assert weights_hash(killed) == weights_hash(undisturbed)
