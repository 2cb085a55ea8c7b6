"""Networks by name: pixels, the user's own, published weights that are fetched, and what is said when it fails."""

import hashlib
import importlib
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features.base import FeatureOutput
from zerosum.evaluation.features.custom import CustomFeatures, validate_output
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.features.registry import FEATURE_NETWORK_NAMES, load_feature_network
from zerosum.evaluation.features.resample import resize_bicubic_antialiased
from zerosum.evaluation.features.weights import deterministic_inference, download_weights

CPU = torch.device("cpu")
CONTENT = bytes(range(256)) * 9000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def images(n: int = 3, side: int = 8) -> torch.Tensor:
    return torch.rand(n, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1


# ---------------------------------------------------------------------- by name


def test_names_give_networks() -> None:
    assert isinstance(load_feature_network("pixels", 32, CPU), PixelFeatures)
    for side, looks_at in ((28, 96), (96, 96), (97, 224), (512, 224)):
        network = load_feature_network("lite0", side, CPU)
        assert isinstance(network, EfficientNetFeatures)
        assert network.image_size == looks_at


@pytest.mark.parametrize(("name", "near"), [("lite", "lite0"), ("Inceptoin", "inception"), ("label", "labels")])
def test_an_unknown_name_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(
        BadInput, match=rf"--features {name}: there is no such network; did you mean {near}\?"
    ) as caught:
        load_feature_network(name, 32, CPU)
    assert ", ".join(FEATURE_NETWORK_NAMES) in str(caught.value)


def test_a_name_like_no_other_gets_the_list() -> None:
    with pytest.raises(BadInput, match=r"no such network\. Networks: lite0, inception, pixels, labels, or for one"):
        load_feature_network("qqq", 32, CPU)


# ---------------------------------------------------------------------- pixels


def test_pixels_are_the_values_themselves() -> None:
    small, large, points = images(side=32), images(side=33), torch.randn(5, 2)
    assert torch.equal(PixelFeatures()(small).features, small.flatten(1))
    assert torch.equal(PixelFeatures()(large).features, resize_bicubic_antialiased(large, 32).flatten(1))
    assert torch.equal(PixelFeatures()(points).features, points)
    assert PixelFeatures()(points).probabilities is None


# ---------------------------------------------------------------------- the user's own

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
    """The current folder, with a module in it that tests may change."""
    (tmp_path / "own_features.py").write_text(MODULE)
    (tmp_path / "broken_features.py").write_text("import nothing_of_this_name")
    (tmp_path / "empty_features").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path.copy())
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    yield tmp_path
    forget()


def forget() -> None:
    for name in [name for name in sys.modules if name.endswith("_features")]:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.mark.usefixtures("folder")
def test_a_users_network_is_used_as_it_should_be() -> None:
    network = load_feature_network("own_features:net", 8, CPU)
    assert isinstance(network, CustomFeatures)
    seen = network(images())
    assert seen.features.shape == (3, 4)
    assert torch.equal(seen.features, network(images()).features), "it is not in evaluation mode"
    assert not seen.features.requires_grad
    assert seen.probabilities is None
    assert network.name == "own_features:net"
    pair = CustomFeatures.load("own_features:pair", CPU)(images())
    assert pair.probabilities is not None
    assert torch.equal(pair.features.softmax(1), pair.probabilities)


def test_the_version_follows_weights_and_source(folder: Path) -> None:
    def version(factory: str) -> str:
        forget()
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
    ("path", "said"),
    [
        ("absent_features:net", r"absent_features cannot be imported \(ModuleNotFoundError: No module named 'absent"),
        ("broken_features:net", r"broken_features cannot be imported \(ModuleNotFoundError: No module named 'nothing_"),
        (":net", "cannot be imported"),
        ("own_features:absent", "own_features has no function 'absent'"),
        ("own_features:number", "own_features has no function 'number'"),
        ("own_features:", "own_features has no function ''"),
        ("empty_features:net", "empty_features has no function 'net'"),
        ("own_features:fails", r"the factory fails \(RuntimeError: no weights here\); "),
        ("own_features:nothing", "the factory gives nothing;"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_sentence(path: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        CustomFeatures.load(path, CPU)
    assert str(caught.value).startswith(f"--features {path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("words", r"--features own_features:words gives a list; let it return a tensor"),
        ("triple", r"gives a tuple; let it return a tensor of features \(N, D\), or a pair"),
        ("flat", r"the features of own_features:flat have the shape \(3,\) for 3 images"),
        ("cubic", r"the features of own_features:cubic have the shape \(3, 3, 8, 8\) for 3 images"),
        ("half", r"the features of own_features:half have the shape \(2, 192\) for 3 images"),
        ("infinite", "the features of own_features:infinite are not finite"),
        ("scores", "the chances of own_features:scores are no probabilities"),
        ("shapes", r"fails on images \(3, 3, 8, 8\) \(RuntimeError: "),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(factory: str, said: str) -> None:
    network = CustomFeatures.load(f"own_features:{factory}", CPU)
    with pytest.raises(BadInput, match=said) as caught:
        network(images())
    assert "\n" not in str(caught.value)


def test_checked_results_are_float32_and_probabilities() -> None:
    features, chances = torch.zeros(2, 3), torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    seen = validate_output(FeatureOutput(features.double(), chances.half()), 2, "it")
    assert seen.probabilities is not None
    assert seen.features.dtype == seen.probabilities.dtype == torch.float32
    refused = {
        "features of it have the shape": FeatureOutput(features[:, :0]),
        "chances of it have the shape": FeatureOutput(features, chances[:1]),
        "chances of it are no probabilities": FeatureOutput(features, chances * torch.tensor([1.0, torch.nan])),
        "features of it are not finite": FeatureOutput(features + torch.tensor([0.0, 0.0, torch.nan])),
    }
    for said, wrong in refused.items():
        with pytest.raises(BadInput, match=said):
            validate_output(wrong, 2, "it")
    for chances in ([[-0.5, 1.5], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.6]]):
        with pytest.raises(BadInput, match="no probabilities"):
            validate_output(FeatureOutput(features, torch.tensor(chances)), 2, "it")


# ---------------------------------------------------------------------- weights


def test_looking_exactly_leaves_no_trace() -> None:
    cudnn = torch.backends.cudnn

    def state() -> tuple[bool, ...]:
        return cudnn.deterministic, cudnn.allow_tf32, torch.is_inference_mode_enabled()

    before = state()
    assert before == (False, True, False)
    with deterministic_inference():
        assert state() == (True, False, True)
    assert state() == before


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *said: object) -> None:
        pass


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where a server on this machine holds a file of weights."""
    (tmp_path / "net.pth").write_bytes(CONTENT)
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    with HTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/net.pth"
        server.shutdown()
        thread.join()


def test_weights_are_fetched_once(url: str, tmp_path: Path) -> None:
    conditioning: list[tuple[int, int]] = []
    place = download_weights(url, SHA256[:8], "net-1.pth", lambda done, total: conditioning.append((done, total)))
    assert place == tmp_path / "cache" / "weights" / "net-1.pth"
    assert place.read_bytes() == CONTENT
    assert conditioning[-1] == (len(CONTENT), len(CONTENT))
    assert len(conditioning) > 1
    (tmp_path / "net.pth").unlink()
    assert download_weights(url, SHA256, "net-1.pth") == place, "it is asked for a second time"
    assert list(place.parent.iterdir()) == [place]


def test_a_damaged_file_in_the_cache_is_fetched_anew(url: str) -> None:
    place = download_weights(url, SHA256, "net.pth")
    place.write_bytes(CONTENT[:-1])
    assert download_weights(url, SHA256, "net.pth").read_bytes() == CONTENT


def test_another_file_than_asked_for_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=rf"not the file asked for \(its sha256 begins {SHA256[:8]}\); put the file at"):
        download_weights(url, "00000000", "net.pth")
    assert not list((tmp_path / "cache" / "weights").iterdir())


@pytest.mark.parametrize(("change", "why"), [("net.pth", "Connection refused"), ("other.pth", "File not found")])
def test_what_cannot_be_downloaded_is_said_with_a_way_out(url: str, tmp_path: Path, change: str, why: str) -> None:
    unreachable = url.replace("net.pth", change)
    if change == "net.pth":  # a port that nobody listens at
        with HTTPServer(("127.0.0.1", 0), Quiet) as gone:
            unreachable = f"http://127.0.0.1:{gone.server_port}/net.pth"
    with pytest.raises(BadInput, match=why) as caught:
        download_weights(unreachable, SHA256, "net.pth")
    place = tmp_path / "cache" / "weights" / "net.pth"
    assert str(caught.value).startswith(f"{unreachable} cannot be downloaded (")
    assert f"put the file at {place} by hand, or use --features lite0, which needs no download" in str(caught.value)
    assert not list(place.parent.iterdir())
