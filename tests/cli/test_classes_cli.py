"""Classes, styles and editing directions on the command line."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.cli import app, run_safely
from zerosum.run_folder import RunFolder

QUICK = ["--examples", "64", "--batch-size", "16", "--evaluation.features", "none", "--training.precision", "float32"]
TINY = ["--generator.width", "4", "--discriminator.width", "4"]


@pytest.fixture(scope="module")
def cats_and_dogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with dark images of class cat and bright images of class dog."""
    folder, rng = tmp_path_factory.mktemp("pets"), np.random.default_rng(0)
    for name, brightness in (("cat", 70), ("dog", 180)):
        (folder / name).mkdir()
        for number in range(60):
            pixels = np.clip(rng.normal(brightness, 40, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_samples_of_a_requested_class(workdir: Path, run_cli, cats_and_dogs: Path) -> None:
    code, out, err = run_cli("train", str(cats_and_dogs), "--recipe", "cgan", "--run", "r", *QUICK, *TINY)
    assert code == 0, err
    assert "classes (2): cat 60, dog 60" in out
    assert "--augment.kind none" in out

    code, out, err = run_cli("sample", "r", "-n", "6", "--class", "dog")
    assert code == 0, err
    folder = Path(out.strip())
    assert folder.name.endswith("-dog")
    assert len(list(folder.glob("0*.png"))) == 6
    assert not (folder / "classes.png").exists()

    code, out, err = run_cli("sample", "r", "-n", "6")
    assert code == 0, err
    grid = Image.open(Path(out.strip()) / "classes.png")
    assert grid.height < grid.width

    code, out, err = run_cli("walk", "r", "--class", "cat", "--to", "dog", "--keyframes", "3", "--steps", "4")
    assert code == 0, err
    assert all(Path(line).exists() for line in out.split())

    run = RunFolder(workdir / "r")  # as if all dogs had been held out
    record = run.read_toml("recipe.toml")
    run.write_toml("recipe.toml", record | {"metadata": record["metadata"] | {"class_priors": [1.0, 0.0]}})
    for arguments, expected in (
        (["sample", "r", "--class", "dgo"], "dog?"),
        (["sample", "r", "--class", "cow"], "cat, dog"),
        (["sample", "r", "--class", "dog"], "--class dog"),
        (["walk", "r", "--to", "cat"], "--class"),
        (["mix", "r", "--rows", "0", "--columns", "1"], "stylegan2"),
    ):
        code, _, err = run_cli(*arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert expected in err


def test_evaluation_reports_the_class_accuracy(workdir: Path, run_cli, cats_and_dogs: Path) -> None:
    assert run_cli("train", str(cats_and_dogs), "--recipe", "acgan", "--run", "r", *QUICK, *TINY)[0] == 0
    code, out, err = run_cli("evaluate", "r", "--features", "classifier", "-n", "64")
    assert code == 0, err
    assert "requested class" in out


def test_unused_classes_are_reported(workdir: Path, run_cli, cats_and_dogs: Path) -> None:
    code, out, err = run_cli("train", str(cats_and_dogs), "--recipe", "dcgan", "--run", "r", *QUICK, *TINY)
    assert code == 0, err
    assert "the 2 classes are not used (--recipe cgan" in out
    code, _, err = run_cli("sample", "r", "--class", "cat")
    assert code == 2
    assert "--class" in err


def test_a_class_conditional_recipe_needs_classes(workdir: Path, run_cli) -> None:
    (workdir / "plain").mkdir()
    for number in range(70):
        Image.fromarray(np.full((16, 16), number, np.uint8)).save(workdir / "plain" / f"{number}.png")
    code, _, err = run_cli("train", "plain", "--recipe", "cgan", "--run", "r", *QUICK, *TINY)
    assert (code, err.count("\n")) == (2, 1)
    assert "classes" in err
    assert not (workdir / "r").exists()


def test_any_recipe_can_be_made_class_conditional(workdir: Path, run_cli, cats_and_dogs: Path) -> None:
    settings = ["--generator.condition", "concat", "--discriminator.condition", "projection"]
    code, _, err = run_cli("train", str(cats_and_dogs), "--run", "r", *settings, *QUICK, *TINY)
    assert code == 0, err
    assert run_cli("sample", "r", "--class", "cat")[0] == 0
    code, _, err = run_cli("train", str(cats_and_dogs), "--run", "s", "--generator.condition", "concat", *QUICK)
    assert code == 2
    assert "set --discriminator.condition" in err


@pytest.fixture(scope="module")
def style_run(tmp_path_factory: pytest.TempPathFactory, cats_and_dogs: Path) -> Path:
    """A run of StyleGAN2."""
    return _train(tmp_path_factory.mktemp("styles") / "r", cats_and_dogs, "stylegan2", [])


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory, cats_and_dogs: Path) -> Path:
    """A run whose generator has no styles, with unbounded latents."""
    return _train(tmp_path_factory.mktemp("plain") / "r", cats_and_dogs, "dcgan", [*TINY, "--latent.kind", "normal"])


def _train(run: Path, data: Path, recipe: str, settings: list[str]) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["zerosum", "train", str(data), "--recipe", recipe, "--run", str(run), *QUICK, *settings]
        )
        assert run_safely(app) == 0
    return run


def test_style_mixing_editing_and_inversion(workdir: Path, run_cli, style_run: Path, cats_and_dogs: Path) -> None:
    run = str(style_run)
    code, out, err = run_cli("mix", run, "--rows", "3,5", "--columns", "7,12,2")
    assert code == 0, err
    grid = Image.open(out.strip())
    assert grid.width > grid.height
    for direction in ("sefa:0", "pca:1", "class:dog"):
        into = f"{direction.replace(':', '')}.png"
        # class:dog needs samples of both classes, which those of an untrained StyleGAN2 are by their brightness
        code, out, err = run_cli("edit", run, "--direction", direction, "--sample-indices", "0,1", "--into", into)
        assert code == 0, err
        assert Image.open(workdir / into).width > Image.open(workdir / into).height
    image = str(cats_and_dogs / "cat" / "0.png")
    code, out, err = run_cli("encode", run, image, "--steps", "10", "--into", "e.png")
    assert code == 0, err
    assert np.load(workdir / "e.npy").ndim == 2
    code, _, err = run_cli("encode", run, image, "--steps", "10", "--into", "e.png")
    assert code == 2
    assert "--into e.png" in err


def test_bad_arguments_of_mix_edit_and_encode(workdir: Path, run_cli, style_run: Path) -> None:
    run = str(style_run)
    (workdir / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    for arguments, expected in (
        (["edit", run, "--direction", "up"], "--direction up"),
        (["edit", run, "--direction", "class:cow"], "cat, dog"),
        (["edit", run, "--direction", "sefa:0", "--sample-indices", "x"], "--sample-indices x"),
        (["mix", run, "--rows", "0", "--columns", "1", "--layers", "9:99"], "--layers"),
        (["encode", run, "nothing.png"], "nothing.png"),
        (["encode", run, "eps.png"], "eps.png"),
        (["encode", run, "eps.png", "--into", "x.jpg"], "--into x.jpg"),
        (["mix", run, "--rows", "9" * 30, "--columns", "1"], "9" * 30),
        (["edit", run, "--direction", "sefa:0", "--truncation", "-1"], "--truncation -1"),
    ):
        code, _, err = run_cli(*arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert expected in err


def test_edit_does_not_truncate_latents_by_default(workdir: Path, run_cli, plain_run: Path) -> None:
    for name, truncation in (("default", []), ("large", ["--truncation", "100"]), ("one", ["--truncation", "1"])):
        arguments = ["edit", str(plain_run), "--direction", "sefa:0", "--into", f"{name}.png", *truncation]
        code, _, err = run_cli(*arguments)
        assert code == 0, err
    assert (workdir / "default.png").read_bytes() == (workdir / "large.png").read_bytes()
    assert (workdir / "default.png").read_bytes() != (workdir / "one.png").read_bytes()
