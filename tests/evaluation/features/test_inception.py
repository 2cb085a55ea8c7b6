"""The Inception network of the FID equals torch-fidelity's, with random weights under the published names."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from zerosum.evaluation.features import inception
from zerosum.evaluation.features.inception import InceptionFeatures

CPU = torch.device("cpu")


def draw_weight(name: str, parameter: Tensor, generator: torch.Generator) -> Tensor:
    """A weight that preserves the variance of its layer's input; values near the usual ones for batch norm."""
    if parameter.dim() > 1:
        return torch.randn(parameter.shape, generator=generator) * (2 / parameter[0].numel()) ** 0.5
    if parameter.dim() == 0:
        return parameter
    if name.endswith(("bn.weight", "running_var")):
        return torch.rand(parameter.shape, generator=generator) + 0.5
    return torch.randn(parameter.shape, generator=generator) / 5


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = torch.Generator().manual_seed(0)
    state_dict = inception.build_inception().state_dict()
    weights = {name: draw_weight(name, parameter, generator) for name, parameter in state_dict.items()}
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def reference(weights_file: Path) -> FeatureExtractorInceptionV3:
    return FeatureExtractorInceptionV3(
        "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights_file)
    )


@pytest.fixture(scope="module")
def network(weights_file: Path) -> InceptionFeatures:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "download_weights", lambda *arguments: weights_file)
        return InceptionFeatures.load(CPU)


@pytest.mark.parametrize("size", [32, 64])
def test_features_and_logits_equal_torch_fidelity(
    size: int, network: InceptionFeatures, reference: FeatureExtractorInceptionV3
) -> None:
    images = torch.randint(0, 256, (2, 3, size, size), generator=torch.Generator().manual_seed(size)).byte()
    features, logits = reference(images)
    assert 0.1 < features.std() < 100, "degenerate features would make the comparison meaningless"
    output = network(images / 127.5 - 1)
    assert (output.features - features).abs().max() < 1e-5 * features.abs().max()
    assert output.probabilities is not None
    log_probabilities = output.probabilities.log()
    log_probabilities += (logits - log_probabilities).mean(1, keepdim=True)  # logits up to a constant per image
    assert (log_probabilities - logits).abs().max() < 1e-5 * logits.abs().max()


def test_name_version_and_resize_mode(network: InceptionFeatures) -> None:
    assert (network.name, network.version) == ("inception", "6726825d")
    assert inception.WEIGHTS_URL.endswith(f"{network.version}.pth")
    assert network.resize_mode == "bilinear as in TensorFlow 1, to 299 px"
    assert not any(parameter.requires_grad for parameter in network.backbone.parameters())
