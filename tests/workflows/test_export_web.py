"""Pages of runs: what is in them, and what is refused."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.errors import BadInput
from zerosum.game import seeded_rng
from zerosum.inference.load import load, load_translator
from zerosum.inference.web import runtime
from zerosum.workflows import export_web
from zerosum.workflows.export import export


@pytest.fixture(scope="module")
def ort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with files under the names of those of ONNX Runtime Web."""
    folder = tmp_path_factory.mktemp("ort")
    for name in (runtime.LIBRARY_FILE, runtime.WASM_FILE):
        (folder / name).write_text(name)
    return folder


@pytest.fixture(autouse=True)
def _known_version(monkeypatch: pytest.MonkeyPatch) -> None:
    names = (runtime.LIBRARY_FILE, runtime.WASM_FILE)
    hashes = runtime.FileHashes(*(hashlib.sha256(name.encode()).hexdigest() for name in names))
    monkeypatch.setattr(runtime, "KNOWN_VERSIONS", {"9.9.9": hashes})


@pytest.fixture
def _no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write pages without their networks, whose export takes seconds and is tested once."""
    monkeypatch.setattr(export_web, "_build_models", lambda graphs, request: dict.fromkeys(graphs, b"model"))


def read_settings(page: Path) -> dict:
    found = re.search(
        r'<script type="application/json" id="settings">(.*?)</script>', page.read_text("utf8"), re.DOTALL
    )
    assert found
    return json.loads(found[1])


def read_model(page: Path, name: str) -> bytes:
    found = re.search(f'id="{name}">([A-Za-z0-9+/=]*)</script>', page.read_text("utf8"))
    assert found
    return gzip.decompress(base64.b64decode(found[1]))


def test_page_of_a_generator_with_classes(trained_digits: Path, ort: Path, tmp_path: Path) -> None:
    reporter = RecordingReporter()
    page = export(trained_digits, "web", ort=ort, half=True, into=tmp_path / "digits.html", reporter=reporter)
    settings, generator = read_settings(page), load(trained_digits, "cpu")
    assert (settings["name"], settings["task"], settings["models"]) == ("digits", "generator", ["generator"])
    assert settings["classes"] == list(generator.classes)
    assert [method["name"] for method in settings["directions"]] == ["sefa", "pca"]
    assert "10 classes" in settings["description"]
    assert any("MB" in message for message in reporter.messages)
    session = onnxruntime.InferenceSession(read_model(page, "generator"))
    latents, labels = generator.draw_latents(5, 7), torch.tensor([0, 3, 3, 9, 5])
    (found,) = session.run(None, {"latent": latents.numpy(), "label": np.eye(10, dtype=np.float32)[labels]})
    np.testing.assert_allclose(found, generator.generate(latents, labels), atol=4 / 255)
    assert list(tmp_path.iterdir()) == [page]


@pytest.mark.usefixtures("_no_models")
def test_page_of_a_generator_with_styles(styles_run: Path, ort: Path, tmp_path: Path) -> None:
    page = export(styles_run, "web", ort=ort, into=tmp_path / "styles.html")
    settings = read_settings(page)
    assert settings["models"] == ["mapping", "synthesis"]
    assert settings["styles"]["size"] == 16
    assert settings["still_seed"] == str(int(seeded_rng.derive_seeds(0, 0, 1))), "that of the network's fixed noise"


@pytest.mark.usefixtures("_no_models")
@pytest.mark.parametrize("best", [True, False])
def test_pages_know_whether_their_networks_are_the_best(
    trained_images: Path, ort: Path, tmp_path: Path, best: bool
) -> None:
    assert read_settings(export(trained_images, "web", ort=ort, best=best, into=tmp_path / "a.html"))["best"] is best


@pytest.mark.usefixtures("_no_models")
def test_page_of_a_translator(inpainting_run: Path, ort: Path, tmp_path: Path) -> None:
    page = export(inpainting_run, "web", ort=ort, into=tmp_path / "inpainting.html")
    settings, translator = read_settings(page), load_translator(inpainting_run, "cpu")
    assert (settings["task"], settings["mask"], settings["models"]) == ("translator", True, ["translator"])
    assert (settings["input_channels"], settings["output_channels"], settings["factor"]) == (4, 3, 1)
    assert (settings["radius"], settings["multiple"]) == (translator.receptive_radius, translator.size_multiple)
    assert "3 channels" not in settings["takes"]
    assert "Paint" in settings["takes"]


@pytest.mark.usefixtures("_no_models")
def test_page_of_texts(trained_molecules: Path, ort: Path, tmp_path: Path) -> None:
    settings = read_settings(export(trained_molecules, "web", ort=ort, into=tmp_path / "molecules.html"))
    codec = load(trained_molecules, "cpu").codec
    assert (settings["task"], settings["models"], settings["takes_wishes"]) == ("texts", ["generator"], True)
    assert [known["name"] for known in settings["properties"]] == list(codec.condition_names)
    assert len(settings["tokens"]) == codec.steps
    assert "may be no molecule" in settings["hint"]
    with pytest.raises(BadInput, match="`reverse`"):
        export(trained_molecules, "web", ort=ort, into=tmp_path / "reverse.html", reverse=True)


@pytest.mark.usefixtures("_no_models")
def test_a_page_of_a_model_folder_is_that_of_the_run(inpainting_run: Path, ort: Path, tmp_path: Path) -> None:
    model = export(inpainting_run, "hub", into=tmp_path / inpainting_run.name)
    pages = [export(run, "web", ort=ort, into=tmp_path / f"{run.parent.name}.html") for run in (inpainting_run, model)]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_runs_without_images_are_refused(trained_ring: Path, ort: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="a web page shows images or texts"):
        export(trained_ring, "web", ort=ort, into=tmp_path / "ring.html")
    assert not list(tmp_path.iterdir())


def test_options_that_a_page_needs_or_does_not_have(trained_digits: Path, ort: Path, tmp_path: Path) -> None:
    into = tmp_path / "digits.html"
    with pytest.raises(BadInput, match="`ort` is missing"):
        export(trained_digits, "web", into=into)
    with pytest.raises(BadInput, match=r"`into` .*html"):
        export(trained_digits, "web", ort=ort, into=tmp_path / "digits.txt")
    with pytest.raises(BadInput, match="`ort`: `to` onnx has no such option"):
        export(trained_digits, "onnx", ort=ort, into=into)
    with pytest.raises(BadInput, match="`reverse`"):
        export(trained_digits, "web", ort=ort, into=into, reverse=True)
    into.write_text("mine")
    with pytest.raises(BadInput, match="exists"):
        export(trained_digits, "web", ort=ort, into=into)
    assert into.read_text() == "mine"


def test_inputs_that_browsers_do_not_read_are_refused(ort: Path, tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "depth"
    for side in ("A", "B"):
        (folder / side).mkdir(parents=True)
        for number in range(24):
            np.save(folder / side / f"{number}.npy", rng.random((16, 16), dtype=np.float32))
    settings = {
        "generator.width": 4, "discriminator.width": 4, "evaluation.features": "none", "data.size": 16,
        "data.input_dtype": "float32", "data.dtype": "float32",
    }  # fmt: skip
    run = zerosum.train(
        folder, recipe="pix2pix", run=tmp_path / "run", examples=16, batch_size=4, settings=settings
    ).path
    with pytest.raises(BadInput, match="gray of float32, and browsers"):
        export(run, "web", ort=ort, into=tmp_path / "depth.html")
