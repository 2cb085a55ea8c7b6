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


def test_a_missing_package_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadInput, match=r"onnxruntime, which is not installed: pip install \"zerosum\[export\]\""):
        zerosum.export(run, into=tmp_path / "new")
    assert not (tmp_path / "new").exists()
