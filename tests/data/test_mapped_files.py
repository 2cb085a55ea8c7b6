"""A memory-mapped file that changes while it is used ends the command with one sentence, never with a signal."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zerosum.data.images.load import load_source
from zerosum.data.mapped_files import require_unchanged, watch_file
from zerosum.errors import BadInput


def save_images(path: Path, count: int = 64, seed: int = 0) -> Path:
    np.save(path, np.random.default_rng(seed).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8))
    return path


@pytest.mark.parametrize("change", ["cut", "written anew", "touched"])
def test_a_changed_file_is_noticed_before_it_is_read(tmp_path: Path, change: str) -> None:
    path = save_images(tmp_path / "images.npy")
    dataset = load_source(path, 16, 3, "crop")
    dataset.take(dataset.train[:4])
    if change == "cut":
        os.truncate(path, 1000)
    elif change == "written anew":
        save_images(path, seed=1)
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    else:
        os.utime(path, ns=(0, 0))
    with pytest.raises(BadInput, match=r"images\.npy was changed while it was read: restore it"):
        dataset.take(dataset.train[:4])


def test_a_file_that_was_removed_or_replaced_stays_as_it_was(tmp_path: Path) -> None:
    path = save_images(tmp_path / "images.npy")
    dataset = load_source(path, 16, 3, "crop")
    before = dataset.take(dataset.train)
    save_images(tmp_path / "other.npy", seed=1).replace(path)
    assert (dataset.take(dataset.train) == before).all()
    path.unlink()
    assert (dataset.take(dataset.train) == before).all()
    assert (load_source(save_images(path, seed=1), 16, 3, "crop").take(dataset.train) != before).any()


def test_other_arrays_and_views_of_maps(tmp_path: Path) -> None:
    require_unchanged(np.zeros(3))
    path = save_images(tmp_path / "images.npy")
    mapped = np.load(path, mmap_mode="r")
    require_unchanged(mapped)  # it is not watched
    watch_file(mapped, path)
    view = mapped.transpose(0, 3, 1, 2)[3:]
    require_unchanged(view)
    os.truncate(path, 1000)
    with pytest.raises(BadInput, match="was changed"):
        require_unchanged(view)


def test_training_ends_with_one_sentence(tmp_path: Path) -> None:
    save_images(tmp_path / "images.npy", 2000)
    code = (
        "import os, sys, zerosum.cli\n"
        "from zerosum.data.dataset import Dataset\n"
        "take, calls = Dataset.take, []\n"
        "def cut_then_take(self, rows):\n"
        "    calls.append(rows)\n"
        "    if len(calls) == 30: os.truncate('images.npy', 200)\n"
        "    return take(self, rows)\n"
        "Dataset.take = cut_then_take\n"
        "sys.argv = ['zerosum', *sys.argv[1:]]\n"
        "zerosum.cli.main()\n"
    )
    settings = ["--recipe", "dcgan", "--examples", "20k", "--generator.width", "4", "--discriminator.width", "4",
                "--evaluation.features", "none", "--training.batch_size", "32"]  # fmt: skip
    command = [sys.executable, "-c", code, "train", "images.npy", "--run", "run", *settings]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert [line for line in result.stderr.splitlines() if "was changed while it was read" in line]
    assert "Traceback" not in result.stderr
