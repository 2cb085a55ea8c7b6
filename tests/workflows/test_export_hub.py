"""Model folders: written, read back exactly, on the hub too, and never executed."""

import json
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hub_server import HubServer
from PIL import Image
from safetensors.torch import load_file, save_file
from workflow_helpers import IMAGES, have_equal_weights

import zerosum
from zerosum.errors import BadInput
from zerosum.inference import hub
from zerosum.inference.load import open_model
from zerosum.inference.start import open_start


@pytest.fixture(scope="module")
def digits_model(trained_digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of the run on digits. Tests must not write into it."""
    return zerosum.export(trained_digits, "hub", into=tmp_path_factory.mktemp("models") / "digits")


@pytest.fixture
def model(digits_model: Path, tmp_path: Path) -> Path:
    """A copy of the model folder."""
    return Path(shutil.copytree(digits_model, tmp_path / "model"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A hub on this machine, with an empty cache of its client."""
    from huggingface_hub import constants

    running = HubServer()
    for name, value in {
        "ENDPOINT": running.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": running.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_TOKEN_PATH": str(tmp_path / "token"),
    }.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    hub.download_model.cache_clear()
    yield running
    running.shutdown()
    running.server_close()
    hub.download_model.cache_clear()


def change_config(model: Path, **changes: object) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | changes))


def change_tensors(model: Path, change: object) -> None:
    tensors = load_file(model / "model.safetensors")
    name = next(name for name in tensors if name.endswith("weight"))
    if change is None:
        del tensors[name]
    else:
        tensors[name] = torch.zeros(change)
    save_file(tensors, model / "model.safetensors")


def test_a_generator_is_read_back_exactly(trained_digits: Path, model: Path) -> None:
    first, second = (zerosum.load(path) for path in (trained_digits, model))
    assert torch.equal(first.sample(5, seed=3), second.sample(5, seed=3))
    assert (first.classes, first.class_priors, first.codec, first.checkpoint) == (
        second.classes, second.class_priors, second.codec, second.checkpoint,
    )  # fmt: skip


@pytest.mark.parametrize("run", ["trained_ring", "styles_run", "trained_pairs", "inpainting_run"])
def test_every_kind_of_model_is_read_back_exactly(run: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path: Path = request.getfixturevalue(run)
    model = zerosum.export(path, "hub", into=tmp_path / "model")
    if open_model(path).recipe.is_translation:
        first, second = (zerosum.load_translator(each) for each in (path, model))
        inputs = torch.rand(2, *first.input_shape) * 2 - 1
        assert torch.equal(first(inputs), second(inputs))
    else:
        generators = [zerosum.load(each) for each in (path, model)]
        items = [generator.decode(generator.sample(5, seed=3), seed=3) for generator in generators]
        assert np.array_equal(*items)


def test_commands_write_the_same_files_as_from_the_run(
    trained_digits: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in model.iterdir()}
    folders = [zerosum.sample(trained_digits, 3, into=tmp_path / "of-run"), zerosum.sample(model, 3)]
    assert folders[1] == Path("outputs/model/00000064-seed0-n3")
    names = {path.name for path in folders[0].iterdir()}
    assert names == {path.name for path in folders[1].iterdir()}
    for name in names - {"samples.json"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    assert zerosum.walk(model, keyframes=2, steps=2)[0].parent == Path("outputs/model")
    assert zerosum.edit(model, "pca:0", sample_indices=[0], steps=2).parent == Path("outputs/model")
    image = zerosum.encode(model, folders[0] / "00000.png", steps=1)
    assert image.parent == Path("outputs/model")
    assert {path: path.read_bytes() for path in model.iterdir()} == before, "a model folder stays as it is"


def test_images_are_translated_as_by_the_run(
    trained_pairs: Path, image_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = zerosum.export(trained_pairs, "hub", into=tmp_path / "model")
    shutil.copy(image_pairs / "A/00.png", tmp_path / "input.png")
    paths = [
        zerosum.apply(trained_pairs, tmp_path / "input.png", into=tmp_path / "of-run"),
        zerosum.apply(model, tmp_path / "input.png"),
    ]
    assert paths[1] == [Path("outputs/model/00000016-input/input.png")]
    assert paths[0][0].read_bytes() == paths[1][0].read_bytes()


def test_a_run_starts_from_a_model_folder_as_from_the_run(
    trained_images: Path, image_pairs: Path, tmp_path: Path
) -> None:
    model = zerosum.export(trained_images, "hub", into=tmp_path / "model")
    settings = {**IMAGES, "data.size": 16, "diagnostics.probe": False}
    runs = [
        zerosum.train(
            image_pairs / "B", start_from=start, run=tmp_path / name, examples=16, batch_size=16, settings=settings
        )
        for start, name in ((trained_images, "of-run"), (model, "of-model"))
    ]
    assert have_equal_weights(runs[0].path, runs[1].path)


def test_the_folder_holds_data_and_a_card(digits_model: Path, trained_digits: Path) -> None:
    assert {path.name for path in digits_model.iterdir()} == {
        "README.md", "config.json", "model.safetensors", "training.safetensors", "samples.png",
    }  # fmt: skip
    config = json.loads((digits_model / "config.json").read_text())
    assert (config["library_name"], config["pipeline_tag"]) == ("zerosum", "unconditional-image-generation")
    assert str(Path.home()) not in json.dumps(config), "no paths of this machine"
    card = (digits_model / "README.md").read_text()
    header, _, text = card.removeprefix("---\n").partition("\n---\n")
    assert "library_name: zerosum" in header
    assert "pipeline_tag: unconditional-image-generation" in header
    assert not any(line.startswith("license:") for line in header.splitlines())
    for part in ("![Samples of seed 0](samples.png)", "zerosum.load(", "| held out |", "## License", "not evaluated"):
        assert part in text
    with Image.open(digits_model / "samples.png") as sheet:
        assert min(sheet.size) > 500
    generating, others = (load_file(digits_model / f"{name}.safetensors") for name in ("model", "training"))
    whole = load_file(trained_digits / "checkpoints/00000064/networks.safetensors")
    assert whole.keys() == generating.keys() | others.keys()
    assert all(torch.equal(whole[name], tensor) for name, tensor in (generating | others).items())


def test_a_card_states_scores_with_floor_and_protocol(trained_ring: Path, tmp_path: Path) -> None:
    model = zerosum.export(trained_ring, "hub", into=tmp_path / "model", best=True)
    card = (model / "README.md").read_text()
    score = json.loads((trained_ring / "best/score.json").read_text())
    assert f"| kid\\_pixels | {score['scores']['kid_pixels']['value']:.4g} " in card
    assert "real points against real ones" in card
    assert "Protocol: pixels" in card
    assert "pipeline_tag" not in card, "the hub has no task for points"
    assert zerosum.load(model).checkpoint == "best"


def test_a_card_names_the_folder_as_it_is_called(
    digits_model: Path, trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands work where the folder is, whatever the run is called."""
    assert 'zerosum.load("digits")' in (digits_model / "README.md").read_text()
    monkeypatch.chdir(tmp_path)
    card = (zerosum.export(trained_digits, "hub", into="my model") / "README.md").read_text()
    assert f"# {trained_digits.name}\n" in card
    assert 'zerosum.load("my model")' in card
    (command,) = (line for line in card.splitlines() if line.startswith("zerosum sample"))
    _, _, folder, _, count = shlex.split(command)
    assert zerosum.sample(folder, int(count)).parent == Path("outputs/my model")


def test_a_translator_shows_no_data_of_the_user(trained_pairs: Path, tmp_path: Path) -> None:
    model = zerosum.export(trained_pairs, "hub", into=tmp_path / "model")
    assert not (model / "samples.png").exists()
    assert "pipeline_tag: image-to-image" in (model / "README.md").read_text()


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "weights.pt", "sub/folder/G.PKL", "modeling.py", ".hidden/a.pth"]
)
def test_a_folder_with_pickles_or_code_is_refused(model: Path, name: str) -> None:
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_bytes(b"raise SystemExit")
    with pytest.raises(BadInput, match="runs on your machine"):
        zerosum.load(model)
    with pytest.raises(BadInput, match="runs on your machine"):
        zerosum.sample(model, 2)


def test_settings_that_name_code_are_refused(model: Path) -> None:
    recipe = json.loads((model / "config.json").read_text())["recipe"]
    recipe["evaluation"]["features"] = "os:getcwd"
    change_config(model, recipe=recipe)
    with pytest.raises(BadInput, match=r"`evaluation\.features` os:getcwd names code"):
        zerosum.load(model)


def test_a_plan_in_a_model_folder_is_not_read(model: Path) -> None:
    plan = {"request": {"settings": {"evaluation": {"features": "os:system"}}}, "recipe_settings": {"augment": {}}}
    (model / "plan.json").write_text(json.dumps(plan), "utf8")
    start = open_start(model)
    assert (start.requested, start.file_settings) == (None, None)


@pytest.mark.parametrize(("change", "found"), [(None, "none"), ((3, 3), r"\[3, 3\]")])
def test_tensors_of_other_names_or_sizes_are_refused(model: Path, change: object, found: str) -> None:
    change_tensors(model, change)
    with pytest.raises(BadInput, match=rf"tensor .*: the settings ask for \[.*\], and the file has {found}"):
        zerosum.load(model)


def test_settings_of_a_network_that_fills_the_memory_are_refused_before_it_is_built(model: Path) -> None:
    recipe = json.loads((model / "config.json").read_text())["recipe"]
    recipe["generator"] |= {"width": 4_096, "max_width": 4_096}
    change_config(model, recipe=recipe)
    with pytest.raises(BadInput, match="the settings ask for"):
        zerosum.load(model)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"library_name": "timm"}, "is no model of Zerosum"),
        ({"format": 99}, "has model format 99"),
        ({"recipe": [1]}, "`recipe` is no table"),
        ({"recipe": {"name": "auto", "generator": {"kind": "nothing"}}}, r"config\.json: .*generator"),
        ({"classes": [1]}, "a key is missing or damaged"),
        ({"examples": float("inf")}, "a key is missing or damaged"),
        ({"classes": {"a": 0, "b": 0}}, "`classes`: their fractions"),
        ({"classes": {"a": 1.5, "b": -0.5}}, "`classes`: their fractions"),
        ({"classes": {"a": 1, "b": float("nan")}}, "`classes`: their fractions"),
        ({"classes": {"a": float("nan"), "b": 1}}, "`classes`: their fractions"),
        ({"classes": {"a": 1, "b": float("inf")}}, "`classes`: their fractions"),
        ({"checkpoint": "/elsewhere/x"}, "`checkpoint` '/elsewhere/x': a number of examples, or best"),
        ({"checkpoint": "../64"}, "a number of examples, or best"),
        ({"checkpoint": "64\n"}, "a number of examples, or best"),
        ({"codec": {}}, "the codec cannot be read"),
        ({"codec": {"kind": "os:system", "settings": {}, "input_spec": None}}, "there is no such kind of data"),
    ],
)
def test_a_damaged_config_is_refused(model: Path, changes: dict, problem: str) -> None:
    change_config(model, **changes)
    with pytest.raises(BadInput, match=problem):
        zerosum.load(model)


def test_a_translator_without_a_specification_of_inputs_is_refused(trained_pairs: Path, tmp_path: Path) -> None:
    model = zerosum.export(trained_pairs, "hub", into=tmp_path / "model")
    codec = json.loads((model / "config.json").read_text())["codec"]
    change_config(model, codec=codec | {"input_spec": None})
    with pytest.raises(BadInput, match="`input_spec` of the codec is missing"):
        zerosum.load_translator(model)


def test_damaged_files_are_refused(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"\x80\x04pickle")
    with pytest.raises(BadInput, match=r"model\.safetensors cannot be read"):
        zerosum.load(model)
    for content in ("{", "[" * 100_000, "7"):
        (model / "config.json").write_text(content)
        with pytest.raises(BadInput, match=r"config\.json"):
            zerosum.load(model)


def test_options_that_a_model_folder_does_not_have_are_refused(model: Path, trained_pairs: Path) -> None:
    with pytest.raises(BadInput, match="`best`"):
        zerosum.sample(model, 2, best=True)
    with pytest.raises(BadInput, match="`raw_weights`"):
        zerosum.load(model, raw_weights=True)
    with pytest.raises(BadInput, match="takes no inputs"):
        zerosum.load_translator(model)
    with pytest.raises(BadInput, match="`push`: `to` onnx has no such option"):
        zerosum.export(trained_pairs, "onnx", push="me/model")


@pytest.mark.parametrize(
    "verb", [zerosum.evaluate, zerosum.resume, zerosum.diagnose, zerosum.trace_nan, lambda run: zerosum.compare([run])]
)
def test_what_needs_the_run_itself_says_so(model: Path, verb: object) -> None:
    with pytest.raises(BadInput, match="is a model folder"):
        verb(model)


def test_other_forms_are_exported_from_a_model_folder(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = zerosum.export(model, "pt2")
    assert folder == Path("outputs/model/00000064-pt2")
    assert json.loads((folder / "config.json").read_text())["checkpoint"] == "00000064"
    with pytest.raises(BadInput, match="is a model folder already"):
        zerosum.export(model, "hub")


def test_a_model_is_pushed_and_read_back(
    server: HubServer, trained_digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also without a connection, from the cache, and without the files that only training needs the second time."""
    folder = zerosum.export(trained_digits, "hub", push="me/digits", into=tmp_path / "model")
    files = server.models["me/digits"]
    assert {name: content for name, content in files.items() if name != ".gitattributes"} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert "me/digits" in server.private
    assert 'zerosum.load("hf:me/digits")' in files["README.md"].decode()
    monkeypatch.chdir(tmp_path)
    samples = zerosum.load("hf:me/digits").sample(4, seed=2)
    assert torch.equal(samples, zerosum.load(trained_digits).sample(4, seed=2))
    start = open_start("hf:me/digits")
    assert (start.name, start.address) == ("hf:me/digits", "hf:me/digits"), "not the folder of the cache"
    assert "README.md" not in server.reads
    assert zerosum.sample("hf:me/digits", 2) == Path("outputs/digits/00000064-seed0-n2")
    assert zerosum.export("hf:me/digits", "pt2") == Path("outputs/digits/00000064-pt2")
    with pytest.raises(BadInput, match="`push` me/digits: exists and holds"):
        zerosum.export(trained_digits, "hub", push="me/digits", into=tmp_path / "again")
    assert not (tmp_path / "again").exists()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    hub.download_model.cache_clear()
    assert torch.equal(zerosum.load("hf:me/digits").sample(4, seed=2), samples)
    with pytest.raises(BadInput, match="cannot be reached"):
        zerosum.load("hf:me/other")


def test_weights_are_pushed_to_private_repositories_alone(
    server: HubServer, trained_digits: Path, tmp_path: Path
) -> None:
    server.models |= {"me/public": {".gitattributes": b""}, "me/private": {".gitattributes": b""}}
    server.private.add("me/private")
    with pytest.raises(BadInput, match="`push` me/public: exists and is public"):
        zerosum.export(trained_digits, "hub", push="me/public", into=tmp_path / "first")
    assert not (tmp_path / "first").exists()
    assert list(server.models["me/public"]) == [".gitattributes"]
    zerosum.export(trained_digits, "hub", push="me/private", into=tmp_path / "second")
    assert "model.safetensors" in server.models["me/private"]
    with pytest.raises(BadInput, match="is named hf:user/name"):
        zerosum.export(trained_digits, "hub", push="me/a--b", into=tmp_path / "third")


def test_models_on_the_hub_that_cannot_be_used_are_refused(server: HubServer, digits_model: Path) -> None:
    files = {path.name: path.read_bytes() for path in digits_model.iterdir()}
    server.models |= {"me/pickled": files | {"pytorch_model.bin": b""}, "me/other": {"config.json": b"{}"}}
    with pytest.raises(BadInput, match=r"hf:me/pickled holds pytorch_model\.bin"):
        zerosum.load("hf:me/pickled")
    assert server.reads == [], "nothing was downloaded"
    with pytest.raises(BadInput, match="is no model of Zerosum"):
        zerosum.load("hf:me/other")
    with pytest.raises(BadInput, match="there is no such model on the hub"):
        zerosum.load("hf:me/missing")
    refused = ("hf:me/a--b", "hf:me/x.git", "hf:me/a..b", f"hf:me/{'a' * 97}")
    for name in ("hf:digits", "hf:a/b/c", "hf:../x", "hf:me/x@", *refused):
        with pytest.raises(BadInput, match="is named hf:user/name"):
            zerosum.load(name)


def test_without_the_client_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    hub.download_model.cache_clear()
    with pytest.raises(BadInput, match=r'pip install "zerosum\[hub\]"'):
        zerosum.load("hf:me/digits")


def test_the_extra_names_the_client() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert any(name.startswith("huggingface_hub") for name in project["optional-dependencies"]["hub"])
