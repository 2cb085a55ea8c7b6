"""Classes, styles and directions through the command line, as a user meets them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.run_folder import RunFolder

QUICK = ["--examples", "64", "--batch-size", "16", "--evaluation.features", "none", "--training.precision", "float32"]
TINY = ["--generator.width", "4", "--discriminator.width", "4"]


@pytest.fixture(scope="module")
def cats_and_dogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("pets"), np.random.default_rng(0)
    for name, level in (("cat", 70), ("dog", 180)):
        (folder / name).mkdir()
        for number in range(60):
            pixels = np.clip(random.normal(level, 40, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_samples_of_the_class_asked_for(here: Path, say, cats_and_dogs: Path) -> None:
    code, out, err = say("train", str(cats_and_dogs), "--recipe", "cgan", "--run", "r", *QUICK, *TINY)
    assert code == 0, err
    assert "classes (2): cat 60, dog 60" in out
    assert "few: what both are judged by is varied" in out.replace("\n", " ")

    code, out, err = say("sample", "r", "-n", "6", "--class", "dog")
    assert code == 0, err
    folder = Path(out.strip())
    assert folder.name.endswith("-dog")
    assert len(list(folder.glob("0*.png"))) == 6
    assert not (folder / "classes.png").exists()

    code, out, err = say("sample", "r", "-n", "6")
    assert code == 0, err
    assert Image.open(Path(out.strip()) / "classes.png").height < Image.open(Path(out.strip()) / "classes.png").width

    code, out, err = say("walk", "r", "--class", "cat", "--to", "dog", "--keyframes", "3", "--steps", "4")
    assert code == 0, err
    assert all(Path(line).exists() for line in out.split())

    run = RunFolder(here / "r")  # as if all dogs had been held out
    record = run.read_toml("recipe.toml")
    run.write_toml("recipe.toml", record | {"made": record["made"] | {"shares": [1.0, 0.0]}})
    for arguments, said in (
        (["sample", "r", "--class", "dgo"], "did you mean dog?"),
        (["sample", "r", "--class", "cow"], "there are cat, dog"),
        (["sample", "r", "--class", "dog"], "held out of training; choose one of cat"),
        (["walk", "r", "--to", "cat"], "from which class?"),
        (["mix", "r", "--from", "0", "--styles", "1"], "--recipe stylegan2"),
    ):
        code, _, err = say(*arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert said in err


def test_a_judgement_says_how_many_are_of_the_class_asked_for(here: Path, say, cats_and_dogs: Path) -> None:
    assert say("train", str(cats_and_dogs), "--recipe", "acgan", "--run", "r", *QUICK, *TINY)[0] == 0
    code, out, err = say("evaluate", "r", "--features", "labels", "-n", "64")
    assert code == 0, err
    assert "are of the class asked for" in out


def test_classes_that_are_not_used_are_named(here: Path, say, cats_and_dogs: Path) -> None:
    code, out, err = say("train", str(cats_and_dogs), "--recipe", "dcgan", "--run", "r", *QUICK, *TINY)
    assert code == 0, err
    assert "the 2 classes are not used" in out
    code, _, err = say("sample", "r", "--class", "cat")
    assert code == 2
    assert "knows no classes" in err


def test_a_recipe_of_classes_needs_classes(here: Path, say) -> None:
    (here / "plain").mkdir()
    for number in range(70):
        Image.fromarray(np.full((16, 16), number, np.uint8)).save(here / "plain" / f"{number}.png")
    code, _, err = say("train", "plain", "--recipe", "cgan", "--run", "r", *QUICK, *TINY)
    assert (code, err.count("\n")) == (2, 1)
    assert "has no classes" in err
    assert not (here / "r").exists()


def test_any_recipe_becomes_conditional(here: Path, say, cats_and_dogs: Path) -> None:
    settings = ["--generator.condition", "concat", "--discriminator.condition", "projection"]
    code, _, err = say("train", str(cats_and_dogs), "--run", "r", *settings, *QUICK, *TINY)
    assert code == 0, err
    assert say("sample", "r", "--class", "cat")[0] == 0
    code, _, err = say("train", str(cats_and_dogs), "--run", "s", "--generator.condition", "concat", *QUICK)
    assert code == 2
    assert "nobody would tell" in err


def test_styles_are_mixed_edited_and_found_again(here: Path, say, cats_and_dogs: Path) -> None:
    code, _, err = say("train", str(cats_and_dogs), "--recipe", "stylegan2", "--run", "r", *QUICK)
    assert code == 0, err
    code, out, err = say("mix", "r", "--from", "3,5", "--styles", "7,12,2")
    assert code == 0, err
    sheet = Image.open(out.strip())
    assert sheet.width > sheet.height
    for direction in ("sefa:0", "pca:1", "class:dog"):
        into = f"{direction.replace(':', '')}.png"
        # for class:dog the samples must be of both classes: a new StyleGAN2's are, as bright as chance has it
        code, out, err = say("edit", "r", "--direction", direction, "--sample-indices", "0,1", "--into", into)
        assert code == 0, err
        assert Image.open(here / into).width > Image.open(here / into).height
    code, out, err = say("encode", "r", str(cats_and_dogs / "cat" / "0.png"), "--steps", "10", "--into", "e.png")
    assert code == 0, err
    assert np.load(here / "e.npy").ndim == 2
    code, _, err = say("encode", "r", str(cats_and_dogs / "cat" / "0.png"), "--steps", "10", "--into", "e.png")
    assert code == 2
    assert "nothing is overwritten" in err
    (here / "eps.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n")
    for arguments, said in (
        (["edit", "r", "--direction", "up"], "sefa:0, pca:0"),
        (["edit", "r", "--direction", "class:cow"], "there are cat, dog"),
        (["edit", "r", "--direction", "sefa:0", "--sample-indices", "x"], "whole numbers"),
        (["mix", "r", "--from", "0", "--styles", "1", "--layers", "9:99"], "layers"),
        (["encode", "r", "nothing.png"], "cannot be read as an image"),
        (["encode", "r", "eps.png"], "cannot be read as an image"),
        (["encode", "r", "eps.png", "--into", "x.jpg"], "ends in .png"),
        (["mix", "r", "--from", "9" * 30, "--styles", "1"], "give the numbers of samples"),
        (["edit", "r", "--direction", "sefa:0", "--truncation", "-1"], "above 0"),
    ):
        code, _, err = say(*arguments)
        assert (code, err.count("\n")) == (2, 1), err
        assert said in err
