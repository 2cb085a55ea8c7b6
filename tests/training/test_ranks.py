"""Two gloo ranks train the same as one process on the full batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
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
        torch.testing.assert_close(first[name], tensor, rtol=1e-4, atol=1e-6)


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
