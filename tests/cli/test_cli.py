"""Commands that train and sample, and the errors of the command line."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zerosum
from zerosum.recipes import files

QUICK = ["--training.batch_size", "16", "--generator.width", "4", "--discriminator.width", "4", "--examples", "160"]


def make_images(folder: Path, count: int = 80, size: tuple[int, int] = (40, 36), mode: str = "RGB") -> Path:
    """Write images of uniform noise into a folder, and return the folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(count)
    for number in range(count):
        shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number:03d}.png")
    return folder


# ---------------------------------------------------------------------- training and its run folder


def test_train_with_default_settings_then_sample_walk_and_resume(workdir: Path, run_cli) -> None:
    make_images(workdir / "photos")
    code, out, err = run_cli("train", "photos", *QUICK)
    assert code == 0, err
    for word in ("32 px", "channels", "color", "hflip", "duration", "zerosum resume runs/photos", "report.html"):
        assert word in out
    run = workdir / "runs/photos"
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "recipe.toml", "data.json", "plan.json", "log.jsonl", "samples", "checkpoints", "report.html", "status.json",
    }  # fmt: skip
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert (run / "report.html").stat().st_size > 10_000

    code, out, _ = run_cli("sample", "runs/photos", "-n", "5", "--seed", "7", "--truncation", "0.7")
    assert code == 0
    names = sorted(path.name for path in Path(out.strip()).iterdir())
    assert names == ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png", "grid.png", "samples.json"]
    assert Image.open(Path(out.strip()) / "00000.png").size == (32, 32)

    code, out, _ = run_cli("walk", "runs/photos", "--keyframes", "3", "--steps", "4", "--interpolation", "lerp")
    assert code == 0
    strip, video = (Image.open(line) for line in out.split())
    assert video.n_frames == 12
    assert strip.size[0] > strip.size[1]

    assert run_cli("resume", "runs/photos")[0] == 2
    assert run_cli("resume", "runs/photos", "--examples", "320")[0] == 0


def test_samples_do_not_depend_on_batch_size_or_count(workdir: Path, run_cli) -> None:
    make_images(workdir / "photos")
    assert run_cli("train", "photos", *QUICK)[0] == 0
    generator = zerosum.load("runs/photos")
    few, many = generator.sample(3, seed=5), generator.sample(70, seed=5, batch_size=16)
    torch.testing.assert_close(few, many[:3], rtol=1e-5, atol=1e-6)
    assert many.shape == (70, 3, 32, 32)
    assert many.abs().max() <= 1
    start, end = generator.draw_latents(2, seed=1)
    frames = generator.interpolate(start, end, steps=10)
    assert frames.shape == (10, 3, 32, 32)
    torch.testing.assert_close(frames[[0, -1]], generator.generate(torch.stack([start, end])), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("source", ["ring", "grid", "spiral"])
def test_train_and_sample_points(workdir: Path, run_cli, source: str) -> None:
    assert run_cli("train", source, "--examples", "768")[0] == 0
    assert Image.open(workdir / f"runs/{source}/samples/00000768.png").size[0] >= 256
    code, out, _ = run_cli("sample", f"runs/{source}", "-n", "9")
    assert code == 0
    assert len((Path(out.strip()) / "points.csv").read_text().split()) == 9
    assert run_cli("walk", f"runs/{source}")[0] == 2
    code, _, err = run_cli("train", source, "--data.rotate90", "true", "--run", "rotated")
    assert code == 2
    assert "--data.rotate90: is a setting of images and image-pairs, and these data are points" in err


@pytest.mark.parametrize("name", ["auto", "vanilla", "r3gan", "progan"])
def test_a_finished_run_can_be_extended(workdir: Path, run_cli, name: str) -> None:
    make_images(workdir / "gray", size=(16, 16), mode="L")
    size = ["--size", "nano"] if "nano" in files.RecipeFile(name).variants else []
    assert run_cli("train", "gray", "--recipe", name, "--examples", "64", "--batch-size", "8", *size)[0] == 0
    assert run_cli("resume", "runs/gray", "--examples", "128")[0] == 0


def test_train_on_a_zip_an_npz_and_the_bundled_digits(workdir: Path, run_cli) -> None:
    folder = make_images(workdir / "all/a", 40, (16, 16), "L")
    with zipfile.ZipFile("all.zip", "w") as file:
        for path in folder.iterdir():
            file.write(path, f"a/{path.name}")
    np.savez("table.npz", images=np.random.default_rng(0).integers(0, 256, (50, 16, 16), dtype=np.uint8))
    for source in ("all.zip", "table.npz", "digits"):
        assert run_cli("train", source, *QUICK)[0] == 0
    code, out, _ = run_cli("data", "digits", "--json")
    assert code == 0
    assert len(json.loads(out)["classes"]) == 10


def test_train_by_a_recipe_file_of_the_user(workdir: Path, run_cli) -> None:
    code, out, _ = run_cli("recipes", "wgan-gp")
    assert code == 0
    (workdir / "mine.toml").write_text(out.replace("weight = 10", "weight = 3"))
    make_images(workdir / "photos")
    assert run_cli("train", "photos", "--recipe", "mine.toml", *QUICK)[0] == 0
    assert "weight = 3.0" in (workdir / "runs/photos/recipe.toml").read_text()
    assert "discriminator/gradient_penalty" in (workdir / "runs/photos/log.jsonl").read_text()
    (workdir / "bad.toml").write_text(out.replace("weight = 10", 'weight = "x"').replace("beta2", "beta3"))
    line = 1 + out.splitlines().index("weight = 10")
    code, _, err = run_cli("train", "photos", "--recipe", "bad.toml", "--run", "other")
    assert code == 2
    assert f'bad.toml line {line}: terms.gradient_penalty.weight = "x"' in err
    assert "optimizer.beta3: there is no such setting; did you mean --optimizer.beta2?" in err
    assert not (workdir / "other").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("variant = 3", "[variant.nano.generator]"),
        ("[variant]\nnano = 3", "[variant.nano.generator]"),
        ("[variant.nanoo.generator]\nwidth = 3", "mine.toml line 1: variant.nanoo: there is no such variant"),
        (
            'generator.kind = "mlp"\ndiscriminator.kind = "mlp"\n[variant.small.generator]\nwidht = 3',
            "mine.toml line 4: generator.widht",
        ),
        ("[generator", "not valid TOML"),
    ],
)
def test_invalid_recipe_files(workdir: Path, run_cli, text: str, expected: str) -> None:
    make_images(workdir / "photos", 20)
    (workdir / "mine.toml").write_text(text)
    code, _, err = run_cli("train", "photos", "--recipe", "mine.toml")
    assert code == 2
    assert expected in err
    (workdir / "mine.toml").write_bytes(b"\xff\xfe")
    assert run_cli("train", "photos", "--recipe", "mine.toml")[0] == 2


def test_a_run_folder_inside_the_data_is_not_read_as_data(
    workdir: Path, run_cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(make_images(workdir / "photos"))
    assert run_cli("train", ".", *QUICK)[0] == 0
    assert run_cli("resume", "runs/photos", "--examples", "320")[0] == 0
    _, out, _ = run_cli("data", ".", "--json")
    assert json.loads(out)["count"] == 80


def test_tensorboard_must_be_installed(workdir: Path, run_cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from zerosum.training import loggers

    make_images(workdir / "photos", 20)
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    code, _, err = run_cli("train", "photos", "--logger", "tensorboard")
    assert code == 2
    assert 'pip install "zerosum[tensorboard]"' in err
    assert not (workdir / "runs").exists()


def test_tensorboard_logger_writes_events(workdir: Path, run_cli) -> None:
    make_images(workdir / "photos")
    assert run_cli("train", "photos", *QUICK, "--logger", "tensorboard", "--training.tick_examples", "32")[0] == 0
    [events] = (workdir / "runs/photos/tensorboard").iterdir()
    assert events.stat().st_size > 500


def test_recipes_are_listed(run_cli) -> None:
    code, out, _ = run_cli("recipes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == files.list_recipes()
    assert {"auto", "dcgan", "r3gan", "vanilla", "wgan-gp"} <= set(files.list_recipes())


def test_divergence_exits_with_code_3(workdir: Path, run_cli) -> None:
    make_images(workdir / "photos")
    settings = ["--training.tick_examples", "160", "--optimizer.lr", "1e30", "--training.checkpoint_examples", "16"]
    code, out, _ = run_cli(
        "train", "photos", "--recipe", "vanilla", "--batch-size", "16", "--examples", "1600", *settings
    )
    assert code == 3
    assert "diverged" in out


# ---------------------------------------------------------------------- invalid input


INVALID_INPUT = {
    "missing path": (["train", "nowhere"], "nowhere"),
    "no data": (["train"], "--data.source"),
    "two sources": (["train", "three", "b"], "no file, folder or dataset 'b'"),
    "three sources": (["train", "a", "b", "c", "--recipe", "pix2pix"], "3 data sources"),
    "unknown recipe": (["train", "photos", "--recipe", "dcgun"], "did you mean dcgan"),
    "recipe file missing": (["train", "photos", "--recipe", "my.toml"], "no such file"),
    "unknown size": (["train", "photos", "--size", "huge"], "--size huge"),
    "unknown setting": (["train", "photos", "--generator.widht", "3"], "did you mean --generator.width"),
    "flag of a setting without its section": (["train", "photos", "--lr", "3"], "did you mean --optimizer.lr"),
    "misspelled flag": (["train", "photos", "--buget", "3"], "did you mean --budget"),
    "no value": (["train", "photos", "--optimizer.lr"], "needs a value"),
    "bad number": (["train", "photos", "--terms.r1.weight", "x"], "--terms.r1.weight x"),
    "negative": (["train", "photos", "--optimizer.lr", "-1"], "--optimizer.lr -1"),
    "bad kind": (["train", "photos", "--generator.kind", "dcgann"], "did you mean dcgan"),
    "bad time": (["train", "photos", "--budget", "soon"], "--budget"),
    "bad count": (["train", "photos", "--examples", "many"], "--examples"),
    "bad device": (["train", "photos", "--device", "tpu"], "--device tpu"),
    "bad logger": (["train", "photos", "--logger", "paper"], "--logger paper: no such logger"),
    "bad image size": (["train", "photos", "--data.size", "50"], "--data.size"),
    "uneven micro-batches": (
        ["train", "photos", "--batch-size", "9", "--training.accumulate", "2"],
        "--training.batch_size 9: must be a multiple of --training.accumulate 2",
    ),
    "three images": (["train", "three"], "3"),
    "empty folder": (["train", "empty"], "empty"),
    "text named .png": (["train", "text"], "text"),
    "no examples": (["train", "photos", "--examples", "0"], "--examples 0"),
    "no time": (["train", "photos", "--budget", "0s"], "--budget"),
    "batch too large": (["train", "photos", "--batch-size", "4000"], "--training.batch_size 4000"),
    "unknown player": (
        ["train", "photos", "--optimizer.lr_multipliers.discriminatr", "4"],
        "--optimizer.lr_multipliers.discriminatr: there is no such player",
    ),
    "beta2 of one": (["train", "photos", "--optimizer.beta2", "1"], "beta2"),
    "term named objective": (["train", "photos", "--terms.objective.kind", "r1"], "--terms.objective: "),
    "infinite bias range": (
        ["train", "photos", "--recipe", "vanilla", "--generator.bias_range", "inf"],
        "--generator.bias_range",
    ),
    "seed too large": (["train", "photos", "--seed", "18446744073709552"], "--seed 18446744073709552"),
    "seed is not a number": (["train", "photos", "--seed", "x"], "--seed"),
    "unknown short flag": (["train", "photos", "-x", "3"], "-x: there is no such flag"),
    "run is a file": (["train", "photos", "--run", "photos/000.png"], "photos/000.png"),
    "run below a file": (["train", "photos", "--run", "photos/000.png/x"], "is a file"),
    "data given twice": (["train", "photos", "--data.source", "three"], "--data.source three"),
    "no run": (["sample", "nowhere"], "nowhere does not exist"),
    "not a run": (["resume", "photos"], "photos is not a run"),
    "data that do not exist": (["data", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", INVALID_INPUT)
def test_invalid_input_prints_one_line_and_writes_nothing(workdir: Path, run_cli, case: str) -> None:
    make_images(workdir / "photos", 60, (16, 16))
    make_images(workdir / "three", 3)
    (workdir / "empty").mkdir()
    (workdir / "text").mkdir()
    (workdir / "text/note.png").write_text("not an image")
    before = sorted(workdir.rglob("*"))
    arguments, expected = INVALID_INPUT[case]
    code, _, err = run_cli(*arguments)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    assert sorted(workdir.rglob("*")) == before


def test_all_invalid_settings_are_reported_at_once(workdir: Path, run_cli) -> None:
    make_images(workdir / "photos", 20)
    settings = ["--optimizer.lr", "x", "--training.batch_size", "0", "--data.fit", "stretch", "--foo.bar", "1"]
    code, _, err = run_cli("train", "photos", *settings)
    assert code == 2
    assert {line.split()[1] for line in err.splitlines()} == {
        "--data.fit", "`foo.bar`:", "--optimizer.lr", "--training.batch_size",
    }  # fmt: skip


# ---------------------------------------------------------------------- fast start


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["recipes"], ["train", "x", "--optimizer.lrr", "1"]]
)
def test_help_and_errors_do_not_import_torch(tmp_path: Path, arguments: list[str]) -> None:
    lines = ["import sys", "from zerosum.cli import app, run_safely", "sys.argv = ['zerosum', *sys.argv[1:]]"]
    program = "\n".join([*lines, "run_safely(app)", "print('torch' in sys.modules)"])
    process = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.stdout.splitlines()[-1] == "False", process.stdout + process.stderr


def test_importing_the_package_imports_no_large_library() -> None:
    program = "import sys, zerosum; print({'torch', 'numpy', 'pydantic', 'PIL', 'rich'} & set(sys.modules))"
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "set()"


def test_version(run_cli) -> None:
    assert run_cli("--version")[1].strip() == f"zerosum {zerosum.__version__}"


def test_profile_prints_the_time_of_each_part_and_writes_nothing(workdir: Path, run_cli) -> None:
    make_images(workdir / "photos")
    few_rounds = ("--terms.r1.every_rounds", "1", "--data.size", "16")  # a multiple of the interval is profiled
    code, out, err = run_cli("train", "photos", "--profile", *QUICK, *few_rounds)
    assert code == 0, err
    for word in ("a round takes", "discriminator: backward", "generator: losses", "generator: step", "ema"):
        assert word in out
    assert "operators:" in out
    assert not (workdir / "runs").exists()
    settings = {"training.batch_size": 16, "generator.width": 4, "discriminator.width": 4, "data.size": 16}
    profile = zerosum.profile("photos", settings=settings | {"terms.r1.every_rounds": 1})
    assert sum(profile.parts.values()) == pytest.approx(profile.seconds)
    assert 0 < max(profile.operators.values()) < profile.seconds
    code, _, err = run_cli("train", "nowhere", "--profile")
    assert code == 2
