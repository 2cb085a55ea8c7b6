"""Two gloo ranks train the same as one process on the full batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from one_round_worker import HITS, MOLECULES, ROWS
from PIL import Image
from rank_killer import train_with_kills, weights_hash
from rank_worker import train_and_save
from safetensors.torch import load_file

from fork_server import RunOn
from sounds import write_hits
from zerosum.run_folder import RunFolder

HERE = Path(__file__).parent


def test_two_ranks_equal_one_process(tmp_path: Path, run_on: RunOn) -> None:
    train_and_save(tmp_path)
    result = run_on(2, str(HERE / "rank_worker.py"), str(tmp_path), cwd=tmp_path)
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


def write_rows(path: Path) -> None:
    """Write a table of two numbers and a category."""
    rng = np.random.default_rng(0)
    lines = [f"{x:.2f},{x + y:.1f},{'abc'[int(3 * y)]}" for x, y in rng.random((100, 2))]
    path.write_text("\n".join(["x,y,kind", *lines]))


def test_every_recipe_plays_the_same_game_on_two_ranks(tmp_path: Path, run_on: RunOn) -> None:
    """After a round, the squared gradients of each layer and the statistics of batch norm are those of one process."""
    images, single, double = write_two_classes(tmp_path / "images"), tmp_path / "1", tmp_path / "2"
    for folder in (single, double):
        folder.mkdir()
    write_rows(tmp_path / ROWS)
    write_hits(tmp_path / HITS, per_class=16)
    ends = ["O", "N", "F", "Cl", "Br", "=O", "#N", "S"]
    (tmp_path / MOLECULES).write_text("\n".join("C" * n + end for n in range(1, 8) for end in ends))
    worker = HERE / "one_round_worker.py"
    alone = run_on(1, worker, images, single, cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    shared = run_on(2, worker, images, double, cwd=tmp_path)
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


TRAIN = (
    "-m", "zerosum", "train", "ring", "--recipe", "vanilla", "--training.tick_examples", "960",
    "--training.checkpoint_examples", "100000", "--training.batch_size", "128", "--training.precision", "float32",
)  # fmt: skip
"""A run whose first part ends between two rows of the log."""
CLOCK_KEYS = {"seconds", "examples_per_second"}


def train_in_parts(run_on: RunOn, run: Path, first: int, second: int) -> list[dict]:
    """Train half a run on `first` ranks and half of it on `second` ranks, and return its log."""
    result = run_on(first, *TRAIN, "--run", run.name, "--examples", "2560", cwd=run.parent)
    assert result.returncode == 0, result.stderr
    resumed = run_on(second, "-m", "zerosum", "resume", run.name, "--examples", "5120", cwd=run.parent)
    assert resumed.returncode == 0, resumed.stderr
    return [{k: v for k, v in row.items() if k not in CLOCK_KEYS} for row in RunFolder(run).rows()]


def test_a_run_is_resumed_on_any_number_of_ranks(tmp_path: Path, run_on: RunOn) -> None:
    """The losses are those of the same batches; nothing random is drawn inside these networks."""
    expected = train_in_parts(run_on, tmp_path / "1-1", 1, 1)
    assert [row["examples"] for row in expected] == [1024, 1920, 2944, 3840, 4864]
    for first, second in ((1, 2), (2, 1), (2, 2)):
        found = train_in_parts(run_on, tmp_path / f"{first}-{second}", first, second)
        assert len(found) == len(expected)
        for row, other in zip(found, expected, strict=True):
            assert row.keys() == other.keys()
            for name, value in row.items():
                # a variance is estimated from pairs of neighbors in a batch, and a rank has other neighbors
                if isinstance(value, float) and "variance" not in name and not name.startswith("monitor/"):
                    np.testing.assert_allclose(value, other[name], rtol=1e-3, atol=1e-5, err_msg=name)


def test_ranks_that_do_not_divide_the_batch_are_refused(tmp_path: Path, run_on: RunOn) -> None:
    result = run_on(1, *TRAIN, "--run", "run", "--examples", "256", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    recipe = tmp_path / "run/recipe.toml"
    recipe.write_text(recipe.read_text().replace("batch_size = 128", "batch_size = 129"))
    refused = run_on(2, "-m", "zerosum", "resume", "run", "--examples", "512", cwd=tmp_path)
    assert refused.returncode == 2
    assert "2 processes" in refused.stderr
    assert refused.stderr.count("\n") == 1, refused.stderr


def test_an_interruption_on_two_ranks_changes_no_bit_of_the_log(tmp_path: Path, run_on: RunOn) -> None:
    """With dropout, and with an interruption between two rows of the log, to which both ranks contribute."""
    dropout = ("--discriminator.dropout", "0.3", "--diagnostics.every_examples", "100000")
    for run, examples in (("whole", "5120"), ("parts", "2560")):
        result = run_on(2, *TRAIN, *dropout, "--run", run, "--examples", examples, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    resumed = run_on(2, "-m", "zerosum", "resume", "parts", "--examples", "5120", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    whole, parts = (
        [{k: v for k, v in row.items() if k not in CLOCK_KEYS} for row in RunFolder(tmp_path / run).rows()]
        for run in ("whole", "parts")
    )
    assert whole == parts
    single = run_on(1, "-m", "zerosum", "resume", "parts", "--examples", "6400", cwd=tmp_path)
    assert single.returncode == 0, single.stderr


def test_two_trainings_and_an_evaluation_in_one_process_of_each_rank(tmp_path: Path, run_on: RunOn) -> None:
    script = """
import zerosum
for run in ("a", "b"):
    print(zerosum.train("ring", recipe="vanilla", run=run, examples=1280).state)
print(zerosum.resume("a", examples=2560).state)
zerosum.evaluate("a", features="pixels", num_samples=64)
"""
    script_file = tmp_path / "twice.py"
    script_file.write_text(script)
    result = run_on(2, str(script_file), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[:3] == ["done"] * 3
    assert len(list(RunFolder(tmp_path / "a").rows("scores.jsonl"))) >= 1


@pytest.mark.parametrize("limit", [300, 3_000, 8_000, 20_000])
def test_a_full_disk_ends_all_ranks_with_one_sentence(tmp_path: Path, run_on: RunOn, limit: int) -> None:
    """At the first files, at the log or an image, and at a checkpoint."""
    train = [*TRAIN[2:], "--run", "run", "--examples", "5120"]
    result = run_on(2, str(HERE / "rank_disk_full.py"), str(limit), *train, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "free disk space" in result.stderr or "cannot be created" in result.stderr
    assert list(tmp_path.rglob(".*")) == []
    if (tmp_path / "run").exists():
        assert RunFolder(tmp_path / "run").read_intact_json("status.json").get("state") in {None, "interrupted"}
        resumed = run_on(1, "-m", "zerosum", "resume", "run", cwd=tmp_path)
        assert resumed.returncode == 0, resumed.stderr


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [('OSError(errno.ENOSPC, "full")', 2, "free disk space"), ('RuntimeError("broken")', 1, "broken")],
)
def test_an_evaluation_that_fails_on_one_rank_hangs_no_other(
    tmp_path: Path, run_on: RunOn, error: str, code: int, message: str
) -> None:
    """One rank has no features while the other waits for them: neither goes on."""
    script = f"""
import errno, os
from zerosum.cli import main
from zerosum.evaluation.features.extract import FeatureExtractor

extract_block = FeatureExtractor._extract_block

def fail(*arguments):
    if os.environ["RANK"] == "0" and os.path.exists("run/status.json"):
        raise {error}
    return extract_block(*arguments)

FeatureExtractor._extract_block = fail
main()
"""
    script_file = tmp_path / "failing.py"
    script_file.write_text(script)
    evaluation = ("--evaluation.features", "pixels", "--evaluation.every_examples", "512")
    train = [*TRAIN[2:], *evaluation, "--run", "run", "--examples", "2560"]
    result = run_on(2, str(script_file), *train, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert RunFolder(tmp_path / "run").read_json("status.json")["state"] == "interrupted"


def test_only_rank_zero_writes_and_prints(tmp_path: Path, run_on: RunOn) -> None:
    result = run_on(2, *TRAIN, "--run", "run", "--examples", "2560", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len((tmp_path / "run/log.jsonl").read_text().splitlines()) == 2
    assert result.stdout.count("done: 2,560") == 1


def test_a_killed_rank_is_restarted_and_the_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for run, kills in ((undisturbed, 0), (killed, 1)):
        result = train_with_kills("ring", run, kills)
        assert result.returncode == 0, result.stdout
    assert weights_hash(killed) == weights_hash(undisturbed)
