"""Two gloo ranks make one process on the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from rank_worker import play
from safetensors.torch import load_file

HERE = Path(__file__).parent


def torchrun(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What torchrun sets up, for two processes on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    both = [
        subprocess.Popen(
            [sys.executable, *arguments], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120) for process in both]
    code = max(abs(process.returncode) for process in both)
    return subprocess.CompletedProcess(arguments, code, said[0][0], said[0][1] + said[1][1])


def test_two_ranks_are_one_process(tmp_path: Path) -> None:
    play(tmp_path)
    ran = torchrun(str(HERE / "rank_worker.py"), str(tmp_path), cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    alone = load_file(tmp_path / "1-0.safetensors")
    first, second = (load_file(tmp_path / f"2-{rank}.safetensors") for rank in range(2))
    for name, tensor in alone.items():
        assert torch.equal(first[name], second[name]), f"ranks drifted apart in {name}"
        torch.testing.assert_close(first[name], tensor, rtol=1e-4, atol=1e-6)


def test_a_run_on_two_ranks_by_the_command_line(tmp_path: Path) -> None:
    """Only rank 0 writes and speaks; the run resumes with the same ranks and refuses other numbers of them."""
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
    ran = torchrun(*arguments, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    lines = (tmp_path / "runs/ring/log.jsonl").read_text().splitlines()
    assert len(lines) == 2
    assert ran.stdout.count("done: 2,560 images") == 1
    more = torchrun("-m", "zerosum", "resume", "runs/ring", "--examples", "5120", cwd=tmp_path)
    assert more.returncode == 0, more.stderr
    alone = subprocess.run(
        [sys.executable, "-m", "zerosum", "resume", "runs/ring", "--examples", "9000"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 2
    assert "resume with the same number of processes" in alone.stderr
