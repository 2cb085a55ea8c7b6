"""A run on images that are almost one constant says so at intake and in its first lines of the monitor."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RunCli = Callable[..., tuple[int, str, str]]
QUICK = [
    "--recipe", "dcgan", "--examples", "2k", "--data.size", "16", "--generator.width", "4",
    "--discriminator.width", "4", "--evaluation.features", "none", "--training.batch_size", "32",
]  # fmt: skip


@pytest.mark.parametrize(("high", "found"), [(1, True), (255, False)])
def test_masks_of_0_and_1_are_called_constant_data(run_cli: RunCli, workdir: Path, high: int, found: bool) -> None:
    (workdir / "masks").mkdir()
    for number in range(64):
        mask = np.random.default_rng(number).integers(0, 2, (16, 16), dtype=np.uint8) * np.uint8(high)
        Image.fromarray(mask).save(workdir / "masks" / f"{number}.png")
    code, out, err = run_cli("train", "masks", "--run", "run", *QUICK)
    assert "Traceback" not in err
    assert code in (0, 3), err
    assert ("the values in masks are only 0 to 1 of 0 to 255" in out) is found
    assert ("All training examples are almost the same" in out) is found
    code, out, err = run_cli("diagnose", "run")
    assert ("the values of the images span 0.4% of their range" in out) is found
