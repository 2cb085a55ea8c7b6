"""Feature networks by name: pixels, custom networks, downloads of published weights, and their error messages."""

import hashlib
import importlib
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.summary import ImageSummary
from zerosum.errors import BadInput
from zerosum.evaluation.features import weights
from zerosum.evaluation.features.base import FeatureNetwork, FeatureOutput
from zerosum.evaluation.features.custom import CustomFeatures, validate_output
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.features.registry import load_feature_network
from zerosum.evaluation.features.resample import resize_bicubic_antialiased
from zerosum.evaluation.features.weights import deterministic_inference, download_weights
from zerosum.evaluation.kinds.images import IMAGE_EVALUATION

CPU = torch.device("cpu")
CONTENT = bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def make_images(n: int = 3, size: int = 8) -> torch.Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def make_dataset(size: int = 8) -> Dataset:
    """One image of this size."""
    values, index = np.zeros((1, size, size, 3), np.uint8), np.arange(1)
    summary, codec = ImageSummary("photos", "images", 1), ImageCodec((3, size, size))
    return Dataset(values, index, (), index.astype(np.uint64), index, index[:0], summary, codec)


def load_network(name: str, size: int = 8) -> FeatureNetwork:
    """Load a feature network for images of this size."""
    return load_feature_network(name, IMAGE_EVALUATION.networks, make_dataset(size), CPU)


# ---------------------------------------------------------------------- by name


def test_load_feature_network_by_name() -> None:
    assert isinstance(load_network("pixels", 32), PixelFeatures)
    for image_size, input_size in ((28, 96), (96, 96), (97, 224), (512, 224)):
        network = load_network("lite0", image_size)
        assert isinstance(network, EfficientNetFeatures)
        assert network.image_size == input_size


@pytest.mark.parametrize(
    ("name", "suggestion"), [("lite", "lite0"), ("Inceptoin", "inception"), ("clasifier", "classifier")]
)
def test_an_unknown_name_is_refused_with_the_most_similar_one(name: str, suggestion: str) -> None:
    with pytest.raises(BadInput, match=rf"`features` {name}: .*did you mean {suggestion}\?") as error:
        load_network(name)
    assert ", ".join(IMAGE_EVALUATION.networks) in str(error.value)


def test_a_name_without_a_similar_one_is_refused_with_the_list() -> None:
    with pytest.raises(BadInput, match="lite0, inception, pixels, classifier") as error:
        load_network("qqq")
    assert "did you mean" not in str(error.value)


# ---------------------------------------------------------------------- pixels


def test_pixel_features_are_flattened_values() -> None:
    small, large, points = make_images(size=32), make_images(size=33), torch.randn(5, 2)
    assert torch.equal(PixelFeatures()(small).features, small.flatten(1))
    assert torch.equal(PixelFeatures()(large).features, resize_bicubic_antialiased(large, 32).flatten(1))
    assert torch.equal(PixelFeatures(max_size=None)(points).features, points)
    assert PixelFeatures()(small).probabilities is None


# ---------------------------------------------------------------------- custom networks

MODULE = """
import torch
class Net(torch.nn.Module):
    def __init__(self, width=4):
        super().__init__()
        torch.manual_seed(width)
        self.layer = torch.nn.Linear(192, 4)
        self.drop = torch.nn.Dropout(0.5)
    def forward(self, images):
        return self.drop(self.layer(images.flatten(1)))
def net(): return Net()
def other(): return Net(5)
def mean(): return lambda images: images.mean((2, 3))
def pair(): return lambda images: (images.mean((2, 3)), images.mean((2, 3)).softmax(1))
def fails(): raise RuntimeError("no weights here\\nand more")
def nothing(): return None
def words(): return lambda images: ["a"] * len(images)
def triple(): return lambda images: (images,) * 3
def flat(): return lambda images: images.mean((1, 2, 3))
def cubic(): return lambda images: images
def half(): return lambda images: images[1:].flatten(1)
def infinite(): return lambda images: images.flatten(1) / 0
def scores(): return lambda images: (images.flatten(1), images.mean((2, 3)))
def shapes(): return lambda images: images @ images.flatten(1)
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with modules in it that tests may change."""
    (tmp_path / "own_features.py").write_text(MODULE)
    (tmp_path / "broken_features.py").write_text("import nothing_of_this_name")
    (tmp_path / "empty_features").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path.copy())
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    yield tmp_path
    unload_test_modules()


def unload_test_modules() -> None:
    for name in [name for name in sys.modules if name.endswith("_features")]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.usefixtures("folder")
def test_a_custom_network_runs_in_evaluation_mode_without_gradients() -> None:
    network = load_network("own_features:net")
    assert isinstance(network, CustomFeatures)
    output = network(make_images())
    assert output.features.shape == (3, 4)
    assert torch.equal(output.features, network(make_images()).features), "dropout is active"
    assert not output.features.requires_grad
    assert output.probabilities is None
    assert network.name == "own_features:net"
    pair = CustomFeatures.load("own_features:pair", CPU)(make_images())
    assert pair.probabilities is not None
    assert torch.equal(pair.features.softmax(1), pair.probabilities)


def test_version_depends_on_weights_and_source(folder: Path) -> None:
    def version(factory: str) -> str:
        unload_test_modules()
        return CustomFeatures.load(f"own_features:{factory}", CPU).version

    first, other, function = version("net"), version("other"), version("mean")
    assert first == version("net")
    assert function == version("mean")
    assert len({first, other, function}) == 3
    (folder / "own_features.py").write_text(MODULE.replace("mean((2, 3))", "amax((2, 3))"))
    assert version("mean") != function
    assert version("net") != first


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("absent_features:net", r"absent_features cannot be imported \(ModuleNotFoundError: No module named 'absent"),
        ("broken_features:net", r"broken_features cannot be imported \(ModuleNotFoundError: No module named 'nothing_"),
        (":net", "cannot be imported"),
        ("own_features:absent", "own_features has no function 'absent'"),
        ("own_features:number", "own_features has no function 'number'"),
        ("own_features:", "own_features has no function ''"),
        ("empty_features:net", "empty_features has no function 'net'"),
        ("own_features:fails", "the factory raises RuntimeError: no weights here: "),
        ("own_features:nothing", "the factory returns nothing:"),
    ],
)
def test_a_custom_network_that_cannot_be_loaded_is_refused(path: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as error:
        CustomFeatures.load(path, CPU)
    assert str(error.value).startswith(f"`features` {path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("words", "`features` own_features:words returns a list: return a tensor"),
        ("triple", r"returns a tuple: return a tensor of features \(N, D\), or a pair"),
        ("flat", r"the features of own_features:flat have the shape \(3,\) for 3 images"),
        ("cubic", r"the features of own_features:cubic have the shape \(3, 3, 8, 8\) for 3 images"),
        ("half", r"the features of own_features:half have the shape \(2, 192\) for 3 images"),
        ("infinite", "the features of own_features:infinite are not finite"),
        ("scores", "the probabilities of own_features:scores are negative or do not add up to 1"),
        ("shapes", r"raises RuntimeError: .* for images of shape \(3, 3, 8, 8\)"),
    ],
)
def test_invalid_output_of_a_custom_network_is_refused(factory: str, message: str) -> None:
    network = CustomFeatures.load(f"own_features:{factory}", CPU)
    with pytest.raises(BadInput, match=message) as error:
        network(make_images())
    assert "\n" not in str(error.value)


def test_validate_output_converts_to_float32_and_checks_values() -> None:
    features, probabilities = torch.zeros(2, 3), torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    output = validate_output(FeatureOutput(features.double(), probabilities.half()), 2, "net")
    assert output.probabilities is not None
    assert output.features.dtype == output.probabilities.dtype == torch.float32
    invalid_outputs = [
        ("features", FeatureOutput(features[:, :0])),
        ("features", FeatureOutput(features + torch.tensor([0.0, 0.0, torch.nan]))),
        ("probabilities", FeatureOutput(features, probabilities[:1])),
        ("probabilities", FeatureOutput(features, probabilities * torch.tensor([1.0, torch.nan]))),
        ("probabilities", FeatureOutput(features, torch.tensor([[-0.5, 1.5], [0.0, 1.0]]))),
        ("probabilities", FeatureOutput(features, torch.tensor([[0.5, 0.5], [0.5, 0.6]]))),
    ]
    for kind, output in invalid_outputs:
        with pytest.raises(BadInput, match=f"the {kind} of net"):
            validate_output(output, 2, "net")


# ---------------------------------------------------------------------- weights


def test_deterministic_inference_restores_the_settings() -> None:
    cudnn = torch.backends.cudnn

    def state() -> tuple[bool, ...]:
        return cudnn.deterministic, cudnn.allow_tf32, torch.is_inference_mode_enabled()

    before = state()
    assert before == (False, True, False)
    with deterministic_inference():
        assert state() == (True, False, True)
    assert state() == before


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a file of weights on a local server."""
    monkeypatch.setattr(weights, "TIMEOUT_SECONDS", 3600.0)
    (tmp_path / "net.pth").write_bytes(CONTENT)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    with HTTPServer(("127.0.0.1", 0), partial(SilentHandler, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/net.pth"
        server.shutdown()
        thread.join()


def test_weights_are_downloaded_once(url: str, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    path = download_weights(url, SHA256[:8], "net-1.pth", lambda done, total: progress.append((done, total)))
    assert path == tmp_path / "cache" / "weights" / "net-1.pth"
    assert path.read_bytes() == CONTENT
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert len(progress) > 1
    (tmp_path / "net.pth").unlink()
    assert download_weights(url, SHA256, "net-1.pth") == path, "it was downloaded a second time"
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_file_in_the_cache_is_downloaded_again(url: str) -> None:
    path = download_weights(url, SHA256, "net.pth")
    path.write_bytes(CONTENT[:-1])
    assert download_weights(url, SHA256, "net.pth").read_bytes() == CONTENT


def test_a_file_with_another_hash_is_refused_and_removed(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=f"SHA-256 mismatch.*{SHA256[:8]}.*00000000"):
        download_weights(url, "00000000", "net.pth")
    assert not list((tmp_path / "cache" / "weights").iterdir())


@pytest.mark.parametrize(("filename", "reason"), [("net.pth", "Connection refused"), ("other.pth", "File not found")])
def test_a_failed_download_is_refused_with_the_alternatives(
    url: str, tmp_path: Path, filename: str, reason: str
) -> None:
    unreachable = url.replace("net.pth", filename)
    if filename == "net.pth":  # the port of a server that is closed
        with HTTPServer(("127.0.0.1", 0), SilentHandler) as closed_server:
            unreachable = f"http://127.0.0.1:{closed_server.server_port}/net.pth"
    with pytest.raises(BadInput, match=reason) as error:
        download_weights(unreachable, SHA256, "net.pth")
    path = tmp_path / "cache" / "weights" / "net.pth"
    assert str(error.value).startswith(f"{unreachable} cannot be downloaded (")
    assert f"download it by hand to {path}, or choose `features` lite0" in str(error.value)
    assert not list(path.parent.iterdir())
