"""The command line, as a user meets it."""

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


def pictures(folder: Path, n: int = 80, size: tuple[int, int] = (40, 36), mode: str = "RGB") -> Path:
    folder.mkdir(parents=True)
    dice = np.random.default_rng(n)
    for number in range(n):
        shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
        Image.fromarray(dice.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{number:03d}.png")
    return folder


# ---------------------------------------------------------------------- a run, from beginning to end


def test_train_with_no_settings_then_every_verb(here: Path, say) -> None:
    pictures(here / "photos")
    code, out, err = say("train", "photos", *QUICK)
    assert code == 0, err
    for word in (
        "chosen, and why",
        "size",
        "32 px",
        "colour",
        "mirror",
        "takes",
        "zerosum resume runs/photos",
        "report.html",
    ):
        assert word in out
    run = here / "runs/photos"
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "recipe.toml",
        "data.json",
        "plan.json",
        "log.jsonl",
        "samples",
        "checkpoints",
        "report.html",
        "status.json",
    }
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert (run / "report.html").stat().st_size > 10_000

    code, out, _ = say("sample", "runs/photos", "-n", "5", "--seed", "7", "--truncation", "0.7")
    assert code == 0
    files = sorted(path.name for path in Path(out.strip()).iterdir())
    assert files == ["00000.png", "00001.png", "00002.png", "00003.png", "00004.png", "sheet.png"]
    assert Image.open(Path(out.strip()) / "00000.png").size == (32, 32)

    code, out, _ = say("walk", "runs/photos", "--keyframes", "3", "--steps", "4", "--interpolation", "lerp")
    assert code == 0
    strip, film = (Image.open(line) for line in out.split())
    assert film.n_frames == 12
    assert strip.size[0] > strip.size[1]

    assert say("resume", "runs/photos")[0] == 2
    assert say("resume", "runs/photos", "--examples", "320")[0] == 0


def test_samples_are_the_same_again_whatever_is_drawn_beside_them(here: Path, say) -> None:
    pictures(here / "photos")
    assert say("train", "photos", *QUICK)[0] == 0
    generator = zerosum.load("runs/photos")
    few, many = generator.sample(3, seed=5), generator.sample(70, seed=5, batch_size=16)
    torch.testing.assert_close(few, many[:3], rtol=1e-5, atol=1e-6)
    assert many.shape == (70, 3, 32, 32)
    assert many.abs().max() <= 1
    a, b = generator.draw_latents(2, seed=1)
    way = generator.interpolate(a, b, steps=10)
    assert way.shape == (10, 3, 32, 32)
    torch.testing.assert_close(way[[0, -1]], generator.generate(torch.stack([a, b])), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("source", ["ring", "grid", "spiral"])
def test_points(here: Path, say, source: str) -> None:
    assert say("train", source, "--examples", "768")[0] == 0
    assert Image.open(here / f"runs/{source}/samples/00000768.png").size[0] >= 256
    code, out, _ = say("sample", f"runs/{source}", "-n", "9")
    assert code == 0
    assert len((Path(out.strip()) / "points.csv").read_text().split()) == 9
    assert say("walk", f"runs/{source}")[0] == 2
    code, _, err = say("train", source, "--data.rotate90", "true", "--run", "turned")
    assert code == 2
    assert "--data.rotate90: turns pictures, and these data are points" in err


@pytest.mark.parametrize("name", ["auto", "vanilla", "r3gan", "progan"])
def test_a_finished_run_is_trained_longer(here: Path, say, name: str) -> None:
    pictures(here / "grey", size=(16, 16), mode="L")
    small = (
        ["--examples", "64", "--batch-size", "8", "--size", "nano"]
        if "nano" in files.RecipeFile(name).variants
        else ["--examples", "64", "--batch-size", "8"]
    )
    assert say("train", "grey", "--recipe", name, *small)[0] == 0
    assert say("resume", "runs/grey", "--examples", "128")[0] == 0


def test_a_zip_an_npz_and_the_bundled_digits(here: Path, say) -> None:
    folder = pictures(here / "all/a", 40, (16, 16), "L")
    with zipfile.ZipFile("all.zip", "w") as file:
        for path in folder.iterdir():
            file.write(path, f"a/{path.name}")
    np.savez("table.npz", images=np.random.default_rng(0).integers(0, 256, (50, 16, 16), dtype=np.uint8))
    for source in ("all.zip", "table.npz", "digits"):
        assert say("train", source, *QUICK)[0] == 0
    code, out, _ = say("data", "digits", "--json")
    assert code == 0
    assert len(json.loads(out)["classes"]) == 10


def test_a_recipe_of_ones_own(here: Path, say) -> None:
    code, out, _ = say("recipes", "wgan-gp")
    assert code == 0
    (here / "mine.toml").write_text(out.replace("weight = 10", "weight = 3"))
    pictures(here / "photos")
    assert say("train", "photos", "--recipe", "mine.toml", *QUICK)[0] == 0
    assert "weight = 3.0" in (here / "runs/photos/recipe.toml").read_text()
    (here / "bad.toml").write_text(out.replace("weight = 10", 'weight = "x"').replace("beta2", "beta3"))
    line = 1 + out.splitlines().index("weight = 10")
    code, _, err = say("train", "photos", "--recipe", "bad.toml", "--run", "other")
    assert code == 2
    assert f'bad.toml line {line}: terms.gradient-penalty.weight = "x"' in err
    assert "optimizer.beta3: there is no such setting; did you mean --optimizer.beta2?" in err
    assert not (here / "other").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("when = 3", "holds tables"),
        ("[when]\nnano = 3", "holds tables"),
        ("[when.nanoo.generator]\nwidth = 3", "line 1: when.nanoo: there is no such case"),
        (
            'generator.kind = "mlp"\ndiscriminator.kind = "mlp"\n[when.small.generator]\nwidht = 3',
            "line 4: generator.widht",
        ),
        ("[generator", "not valid TOML"),
    ],
)
def test_wrong_recipe_files(here: Path, say, text: str, expected: str) -> None:
    pictures(here / "photos", 20)
    (here / "mine.toml").write_text(text)
    code, _, err = say("train", "photos", "--recipe", "mine.toml")
    assert code == 2
    assert expected in err
    (here / "mine.toml").write_bytes(b"\xff\xfe")
    assert say("train", "photos", "--recipe", "mine.toml")[0] == 2


def test_a_folder_that_trains_on_itself(here: Path, say, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run lands among the pictures, and is not taken for some of them."""
    monkeypatch.chdir(pictures(here / "photos"))
    assert say("train", ".", *QUICK)[0] == 0
    assert say("resume", "runs/photos", "--examples", "320")[0] == 0
    _, out, _ = say("data", ".", "--json")
    assert json.loads(out)["images"] == 80


def test_tensorboard_is_an_extra(here: Path, say, monkeypatch: pytest.MonkeyPatch) -> None:
    from zerosum.training import loggers

    pictures(here / "photos", 20)
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    code, _, err = say("train", "photos", "--logger", "tensorboard")
    assert code == 2
    assert 'pip install "zerosum[tensorboard]"' in err
    assert not (here / "runs").exists()


def test_tensorboard_listens(here: Path, say) -> None:
    pictures(here / "photos")
    assert say("train", "photos", *QUICK, "--logger", "tensorboard", "--training.tick_examples", "32")[0] == 0
    [events] = (here / "runs/photos/tensorboard").iterdir()
    assert events.stat().st_size > 500


def test_recipes_are_listed(say) -> None:
    code, out, _ = say("recipes")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == files.list_recipes()
    assert {"auto", "dcgan", "r3gan", "vanilla", "wgan-gp"} <= set(files.list_recipes())


def test_divergence_ends_the_run_with_code_3(here: Path, say) -> None:
    pictures(here / "photos")
    settings = ["--training.tick_examples", "160", "--optimizer.lr", "1e30", "--training.checkpoint_examples", "16"]
    code, out, _ = say("train", "photos", "--recipe", "vanilla", "--batch-size", "16", "--examples", "1600", *settings)
    assert code == 3
    assert "diverged" in out


# ---------------------------------------------------------------------- bad input


BAD = {
    "missing path": (["train", "nowhere"], "nowhere"),
    "nothing named": (["train"], "what shall be trained on"),
    "two sources": (["train", "a", "b"], "makes pictures of noise"),
    "unknown recipe": (["train", "photos", "--recipe", "dcgun"], "did you mean dcgan"),
    "recipe file missing": (["train", "photos", "--recipe", "my.toml"], "no such file"),
    "unknown size": (["train", "photos", "--size", "huge"], "--size huge"),
    "unknown setting": (["train", "photos", "--generator.widht", "3"], "did you mean --generator.width"),
    "lonely flag": (["train", "photos", "--lr", "3"], "did you mean --optimizer.lr"),
    "flag misspelt": (["train", "photos", "--buget", "3"], "did you mean --budget"),
    "no value": (["train", "photos", "--optimizer.lr"], "needs a value"),
    "bad number": (["train", "photos", "--terms.r1.weight", "x"], "--terms.r1.weight x"),
    "negative": (["train", "photos", "--optimizer.lr", "-1"], "--optimizer.lr -1"),
    "bad kind": (["train", "photos", "--generator.kind", "dcgann"], "did you mean dcgan"),
    "bad time": (["train", "photos", "--budget", "soon"], "--budget"),
    "bad count": (["train", "photos", "--examples", "many"], "--examples"),
    "bad device": (["train", "photos", "--device", "tpu"], "--device tpu"),
    "bad tracker": (["train", "photos", "--logger", "paper"], "--logger paper"),
    "bad pixels": (["train", "photos", "--data.size", "48"], "--data.size 32` or"),
    "uneven parts": (["train", "photos", "--batch-size", "9", "--training.accumulate", "2"], "9"),
    "three images": (["train", "three"], "3"),
    "empty folder": (["train", "empty"], "empty"),
    "text named .png": (["train", "text"], "text"),
    "no images": (["train", "photos", "--examples", "0"], "--examples 0"),
    "no time": (["train", "photos", "--budget", "0s"], "--budget"),
    "batch too large": (["train", "photos", "--batch-size", "4000"], "--training.batch_size 4000"),
    "unknown player": (["train", "photos", "--optimizer.lr_multipliers.discriminatr", "4"], "there is no such player"),
    "beta2 of one": (["train", "photos", "--optimizer.beta2", "1"], "must be below 1"),
    "term named score": (["train", "photos", "--terms.score.kind", "r1"], "objective's own"),
    "reach beyond all": (
        ["train", "photos", "--recipe", "vanilla", "--generator.bias_range", "inf"],
        "--generator.bias_range",
    ),
    "seed too large": (["train", "photos", "--seed", "18446744073709552"], "--seed 18446744073709552"),
    "seed no number": (["train", "photos", "--seed", "x"], "--seed"),
    "unknown short flag": (["train", "photos", "-x", "3"], "-x: there is no such flag"),
    "run is a file": (["train", "photos", "--run", "photos/000.png"], "photos/000.png"),
    "run below a file": (["train", "photos", "--run", "photos/000.png/x"], "is a file"),
    "two data": (["train", "photos", "--data.source", "three"], "are two"),
    "no run": (["sample", "nowhere"], "nowhere does not exist"),
    "not a run": (["resume", "photos"], "is not a run"),
    "unknown verb's data": (["data", "nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_clear_sentence(here: Path, say, case: str) -> None:
    pictures(here / "photos", 60, (16, 16))
    pictures(here / "three", 3)
    (here / "empty").mkdir()
    (here / "text").mkdir()
    (here / "text/note.png").write_text("not a picture")
    before = sorted(here.rglob("*"))
    arguments, expected = BAD[case]
    code, _, err = say(*arguments)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    assert sorted(here.rglob("*")) == before, "nothing is left behind"


def test_every_settings_error_at_once(here: Path, say) -> None:
    pictures(here / "photos", 20)
    code, _, err = say(
        "train",
        "photos",
        "--optimizer.lr",
        "x",
        "--training.batch_size",
        "0",
        "--data.fit",
        "stretch",
        "--foo.bar",
        "1",
    )
    assert code == 2
    assert [line.split()[1] for line in sorted(err.splitlines())] == [
        "--data.fit",
        "--foo.bar:",
        "--optimizer.lr",
        "--training.batch_size",
    ]


# ---------------------------------------------------------------------- quick answers


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["recipes"], ["train", "x", "--optimizer.lrr", "1"]]
)
def test_quick_answers_do_not_import_torch(tmp_path: Path, arguments: list[str]) -> None:
    lines = ["import sys", "from zerosum.cli import app, run_safely", "sys.argv = ['zerosum', *sys.argv[1:]]"]
    program = "\n".join([*lines, "run_safely(app)", "print('torch' in sys.modules)"])
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.stdout.splitlines()[-1] == "False", ran.stdout + ran.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, zerosum; print({'torch', 'numpy', 'pydantic', 'PIL', 'rich'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_version(say) -> None:
    assert say("--version")[1].strip() == f"zerosum {zerosum.__version__}"


def test_a_profile_says_where_the_time_goes_and_leaves_nothing(here: Path, say) -> None:
    pictures(here / "photos")
    code, out, err = say("train", "photos", "--profile", *QUICK)
    assert code == 0, err
    for word in ("a round takes", "discriminator: backward", "generator: terms", "generator: step", "averages"):
        assert word in out
    assert "operators:" in out
    assert not (here / "runs").exists()
    found = zerosum.profile(
        "photos", settings={"training.batch_size": 16, "generator.width": 4, "discriminator.width": 4}
    )
    assert sum(found.parts.values()) == pytest.approx(found.seconds)
    assert 0 < max(found.operators.values()) < found.seconds
    code, _, err = say("train", "nowhere", "--profile")
    assert code == 2
