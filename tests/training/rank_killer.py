"""Train on two ranks under torchrun while random ranks are killed, and compare with the undisturbed run.

`python tests/training/rank_killer.py digits 3` kills three times and prints the hashes of both runs' weights.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLES = {"ring": 20_480, "digits": 6_400}
"""Length of the run: long enough to be killed, by dataset."""


def child_processes(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return [int(child) for child in children]


def checkpoints(run: Path) -> list[str]:
    return sorted(path.name for path in (run / "checkpoints").glob("[0-9]*"))


def train_with_kills(data: str, run: Path, kills: int, seed: int = 0) -> subprocess.CompletedProcess[str]:
    """Kill a random rank `kills` times, each after a new checkpoint, and return the result of torchrun."""
    rng, every = random.Random(seed), EXAMPLES[data] // 16 // 256 * 256
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--max-restarts", "3", "--nproc-per-node", "2",
        "-m", "--", "zerosum", "train", data, "--run", str(run), "--or-resume", "--examples", str(EXAMPLES[data]),
        "--training.precision", "float32", "--training.tick_examples", str(every), "--evaluation.features", "none",
        "--training.checkpoint_examples", str(every), "--device", "cpu",
    ]  # fmt: skip
    output = run.with_suffix(".txt")
    with output.open("w") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        former = ""
        for _ in range(kills):
            while not any(name > former for name in checkpoints(run)):  # checkpoints after the last kill
                assert process.poll() is None, f"ended before all kills: {output.read_text()[-3000:]}"
                time.sleep(0.02)
            time.sleep(rng.uniform(0, 0.2))
            former = checkpoints(run)[-1]
            os.kill(rng.choice(child_processes(process.pid)), signal.SIGKILL)
        code = process.wait(timeout=3600)
    return subprocess.CompletedProcess(command, code, output.read_text())


def weights_hash(run: Path) -> str:
    newest = run / "checkpoints" / checkpoints(run)[-1]
    return hashlib.sha256((newest / "networks.safetensors").read_bytes()).hexdigest()


def main(data: str, kills: int) -> None:
    folder = Path(tempfile.mkdtemp())
    for name, count in (("undisturbed", 0), ("killed", kills)):
        result = train_with_kills(data, folder / name, count)
        print(f"{name}: exit {result.returncode}, {count} kills, weights {weights_hash(folder / name)}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
