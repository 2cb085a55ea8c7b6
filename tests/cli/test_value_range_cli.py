"""One meaning of the values of a scanner from the command line to a translated image."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

RunCli = Callable[..., tuple[int, str, str]]
QUICK = [
    "--recipe", "pix2pix", "--examples", "16", "--data.size", "32", "--generator.width", "4", "--discriminator.width",
    "4", "--evaluation.features", "none",
]  # fmt: skip


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Pairs of CT slices of 32-bit integers, each with other extremes."""
    for name in ("A", "B"):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for number in range(20):
            values = np.random.default_rng(number).integers(-1024, 1000 + 100 * number, (32, 32), dtype=np.int32)
            Image.fromarray(values).save(tmp_path / "scans" / name / f"{number:02d}.tif")
    return tmp_path / "scans"


def test_apply_reads_files_by_the_range_of_the_run(run_cli: RunCli, workdir: Path, scans: Path) -> None:
    code, _, err = run_cli("train", "scans", "--run", "run", *QUICK, "--data.range", "-1024,3071")
    assert code == 0, err
    assert tomllib.loads(Path("run/recipe.toml").read_text())["data"]["range"] == [-1024, 3071]
    plain = np.asarray(Image.open(scans / "A" / "00.tif")).copy()
    hot, beyond = plain.copy(), plain.copy()
    beyond[0, 0], hot[0, 0] = 3071, 60_000
    for name, values in {"hot": hot, "beyond": beyond}.items():
        Image.fromarray(values).save(f"{name}.tif")
        code, out, err = run_cli("apply", "run", f"{name}.tif", "--into", f"{name}.out.tif")
        assert code == 0, err
        assert ("1 values of 1 image" in out + err) == (name == "hot")
    assert Path("hot.out.tif").read_bytes() == Path("beyond.out.tif").read_bytes()


def test_a_wrong_range_is_refused(run_cli: RunCli, workdir: Path, scans: Path) -> None:
    for value in ("5", "7,2", "a,b"):
        code, _, err = run_cli("train", "scans", "--run", "run", *QUICK, "--data.range", value)
        assert (code, "range" in err, "Traceback" in err) == (2, True, False)
        assert not Path("run").exists()
