"""An exported folder runs without us: its script gives the samples of the run, bit for bit or nearly so."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import zerosum
from zerosum.errors import BadInput
from zerosum.game.latent import BinaryNormal, Latent, Normal, Uniform
from zerosum.game.seeded_rng import derive_seeds
from zerosum.inference.export.source import SCRIPTS
from zerosum.media.script import render

SETTINGS: dict[str, object] = {
    "generator.condition": "concat", "discriminator.condition": "projection", "evaluation.features": "none",
    "data.size": 16, "data.conditions": ["angle", "color"],
}  # fmt: skip
WITHOUT_US = "import sys; sys.modules['zerosum'] = sys.modules['torch'] = None; import runpy; {}"
"""What a process runs in which neither can be imported."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A conditional run on images of two classes, with an angle and a color each."""
    folder, rng = tmp_path_factory.mktemp("export"), np.random.default_rng(0)
    rows = ["file,label,angle,color"]
    (folder / "data").mkdir()
    for number in range(48):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"data/{number}.png")
        rows.append(
            f"{number}.png,{'cat' if number % 3 else 'dog'},{number * 7 % 45},{'red' if number % 2 else 'blue'}"
        )
    (folder / "data/labels.csv").write_text("\n".join(rows))
    zerosum.train(folder / "data", run=folder / "run", size="nano", examples=32, batch_size=16, settings=SETTINGS)
    return folder / "run"


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zerosum.export(run, "onnx", into=tmp_path_factory.mktemp("to") / "onnx")


def infer(folder: Path, into: Path, *arguments: str) -> NDArray[np.int64]:
    words = ["infer.py", *arguments, "--into", str(into)]
    command = WITHOUT_US.format(
        f"sys.argv = {words!r}; runpy.run_path({str(folder / 'infer.py')!r}, run_name='__main__')"
    )
    subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
    return read(into)


def read(folder: Path) -> NDArray[np.int64]:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))]).astype(np.int64)


def test_the_files_and_the_facts(exported: Path) -> None:
    import onnx

    assert {path.name for path in exported.iterdir()} == {
        "model.onnx", "config.json", "infer.py", "README.md", "conditions.npz"
    }  # fmt: skip
    facts = json.loads((exported / "config.json").read_text())
    assert facts["kind"] == "images"
    assert facts["classes"] == ["cat", "dog"]
    assert list(facts["inputs"]) == ["latent", "label", "condition"]
    assert facts["parity"]["error"] < 1e-4
    metadata = {each.key: each.value for each in onnx.load(exported / "model.onnx").metadata_props}
    assert metadata.keys() == facts.keys()
    assert json.loads(metadata["class_priors"]) == facts["class_priors"]
    assert "`condition`" in (exported / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("--seed", "7", "-n", "8"), {"seed": 7, "num_samples": 8}),
        (
            ("-n", "3", "--label", "dog", "--truncation", "0.7", "--condition", "angle=12,color=blue"),
            {"num_samples": 3, "label": "dog", "truncation": 0.7, "condition": {"angle": 12, "color": "blue"}},
        ),
    ],
)
def test_the_script_gives_the_samples_of_the_run(
    run: Path, exported: Path, tmp_path: Path, arguments: tuple[str, ...], options: dict[str, object]
) -> None:
    ours = read(zerosum.sample(run, into=tmp_path / "ours", **options))
    theirs = infer(exported, tmp_path / "theirs", *arguments)
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).max() <= 1
    assert ours.std() > 1


@pytest.mark.parametrize(
    ("latent", "words"),
    [
        (Normal(size=64), {"normal"}),
        (Uniform(size=64), {"uniform"}),
        (BinaryNormal(size=64, binary_dims=5), {"normal", "binary"}),
    ],
)
@pytest.mark.parametrize("truncation", [None, 0.6])
def test_the_latents_of_the_script(latent: Latent, words: set[str], truncation: float | None, tmp_path: Path) -> None:
    text = render((SCRIPTS / "generator.py.txt").read_text(), words, {"functions": "", "imports": ""})
    (tmp_path / "infer.py").write_text(text)
    (tmp_path / "config.json").write_text(json.dumps({"latent": latent.model_dump(mode="json")}))
    script = runpy.run_path(str(tmp_path / "infer.py"))
    seeds = derive_seeds(2**32 - 1, 3, 500)
    assert np.array_equal(script["derive_seeds"](2**32 - 1, 3, 500).view(np.int64), seeds.numpy())
    expected = latent.sample(seeds, **({} if truncation is None else {"truncation": truncation})).numpy()
    found = script["draw_latents"](script["derive_seeds"](2**32 - 1, 3, 500), truncation)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 3e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--truncation", "0"), "--truncation 0.0: give a number above 0"),
        (("--truncation", "nan"), "--truncation nan: give a number above 0"),
        (("--seed", str(2**64)), "a seed and a first number from 0 to"),
        (("--first", str(2**32)), "a seed and a first number from 0 to"),
        (("--condition", "angle"), "--condition angle=: there is no such condition or value"),
        (("--condition", "angle=x"), "--condition angle=x: there is no such condition or value"),
        (("--condition", "angle=nan"), "--condition angle=nan: there is no such condition or value"),
        (("--condition", "color=green"), "--condition color=green: there is no such condition or value"),
        (("--label", "horse"), "--label horse: choose one of cat, dog"),
    ],
)
def test_what_the_script_refuses(
    exported: Path,
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert message in refuse(exported, monkeypatch, capsys, *arguments, "--into", str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_the_script_leaves_a_folder_as_it_is(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").mkdir()
    assert "exists; name a new folder" in refuse(exported, monkeypatch, capsys, "--into", str(tmp_path / "taken"))
    assert not any((tmp_path / "taken").iterdir())


def refuse(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the script of an export in this process, and return the message with which it ends."""
    monkeypatch.setattr(sys, "argv", ["infer.py", *arguments])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(folder / "infer.py"), run_name="__main__")
    return stop.value.code if isinstance(stop.value.code, str) else capsys.readouterr().err


def test_the_script_takes_plain_numbers(tmp_path: Path) -> None:
    text = render(
        (SCRIPTS / "generator.py.txt").read_text(), {"numbers", "condition"}, {"functions": "", "imports": ""}
    )
    (tmp_path / "infer.py").write_text(text)
    (tmp_path / "config.json").write_text(json.dumps({"inputs": {"condition": {"shape": ["batch", 2]}}}))
    read_numbers = runpy.run_path(str(tmp_path / "infer.py"))["read_numbers"]
    assert read_numbers("0.5,-1").tolist() == [0.5, -1]
    for wrong in ("0.5", "0.5,x", "1,2,3", "", "nan,1"):
        with pytest.raises(SystemExit, match=f"--condition {wrong}: give 2 numbers"):
            read_numbers(wrong)


@pytest.fixture(scope="module")
def translator(trained_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zerosum.export(trained_pairs, "onnx", into=tmp_path_factory.mktemp("to") / "pairs")


@pytest.fixture(scope="module")
def inpainter(inpainting_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return zerosum.export(inpainting_run, "onnx", into=tmp_path_factory.mktemp("to") / "inpainting")


def draw(path: Path, width: int, height: int, mode: str = "RGB") -> Path:
    """Write an image of noise; with alpha, its left third is transparent."""
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, len(mode)), np.uint8)
    if mode == "RGBA":
        pixels[:, : width // 3, 3] = 0
    Image.fromarray(pixels).save(path)
    return path


def assert_script_is_apply(run: Path, exported: Path, folder: Path, photos: list[Path], *arguments: str) -> None:
    for path in photos:
        zerosum.apply(run, path, into=folder / "ours" / f"{path.stem}.png")
    words = ["infer.py", *map(str, photos), *arguments, "--into", str(folder / "theirs")]
    command = WITHOUT_US.format(
        f"sys.argv = {words!r}; runpy.run_path({str(exported / 'infer.py')!r}, run_name='__main__')"
    )
    subprocess.run([sys.executable, "-c", command], check=True, capture_output=True)
    for path in photos:
        ours, theirs = (
            np.asarray(Image.open(folder / side / f"{path.stem}.png")).astype(int) for side in ("ours", "theirs")
        )
        assert theirs.shape == ours.shape
        assert np.abs(theirs - ours).max() <= 1
        assert ours.std() > 1


def test_the_script_of_a_translator_is_apply(trained_pairs: Path, translator: Path, tmp_path: Path) -> None:
    photos = [draw(tmp_path / "odd.png", 37, 21), draw(tmp_path / "holes.png", 20, 16, "RGBA")]
    assert_script_is_apply(trained_pairs, translator, tmp_path, photos)


def test_the_script_of_an_inpainter_is_apply_in_tiles_too(
    inpainting_run: Path, inpainter: Path, tmp_path: Path
) -> None:
    facts = json.loads((inpainter / "config.json").read_text())
    assert facts["receptive_radius"] is not None
    assert facts["max_whole_pixels"] < 530 * 500
    assert "def translate(" in (inpainter / "infer.py").read_text()
    photos = [draw(tmp_path / "small.png", 33, 18, "RGBA"), draw(tmp_path / "large.png", 530, 500, "RGBA")]
    assert_script_is_apply(inpainting_run, inpainter, tmp_path, photos)


def test_the_script_of_a_translator_overwrites_nothing(
    translator: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = draw(tmp_path / "photo.png", 16, 16)
    (tmp_path / "b").mkdir()
    other, before = draw(tmp_path / "b/photo.jpg", 16, 16), photo.read_bytes()
    new = str(tmp_path / "new")
    for message, arguments in {
        "photo.png exists; name another folder": (str(photo), "--into", str(tmp_path)),
        "another input has the same result": (str(photo), str(other), "--into", new),
        "there is no such file": (str(photo), str(tmp_path / "lost.png"), "--into", new),
    }.items():
        assert message in refuse(translator, monkeypatch, capsys, *arguments)
    assert photo.read_bytes() == before
    assert not Path(new).exists()


def test_what_is_refused_writes_nothing(run: Path, tmp_path: Path) -> None:
    for message, options in {
        "`to` tflite: there is no such form": {"to": "tflite"},
        "`half`: `to` pt2 has no such option": {"to": "pt2", "half": True},
        "translates nothing": {"reverse": True},
    }.items():
        with pytest.raises(BadInput, match=message):
            zerosum.export(run, into=tmp_path / "new", **options)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").touch()
    with pytest.raises(BadInput, match="not empty"):
        zerosum.export(run, into=tmp_path / "taken")
    assert not (tmp_path / "new").exists()


def test_a_model_that_computes_something_else_is_not_written(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zerosum.inference.export.graph.Graph.__call__", lambda self, inputs: [torch.zeros(1)])
    with pytest.raises(BadInput, match="nothing was written"):
        zerosum.export(run, "pt2", into=tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("to", "suffix"), [("onnx", ""), ("web", ".html")])
def test_a_missing_package_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, suffix: str
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    message = rf"`to` {to}: needs onnxruntime, which is not installed: pip install \"zerosum\[export\]\""
    with pytest.raises(BadInput, match=message):
        zerosum.export(run, to, into=tmp_path / f"new{suffix}", ort=tmp_path if to == "web" else None)
    assert not (tmp_path / "new").exists()
