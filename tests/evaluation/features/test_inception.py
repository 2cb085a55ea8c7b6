"""The FID's network equals torch-fidelity's, with random weights of the published names."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from zerosum.evaluation.features import inception
from zerosum.evaluation.features.inception import InceptionFeatures

CPU = torch.device("cpu")


def drawn(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    """A weight that carries variance through its layer; a batch norm's numbers around their usual ones."""
    if like.dim() > 1:
        return torch.randn(like.shape, generator=generator) * (2 / like[0].numel()) ** 0.5
    if like.dim() == 0:
        return like
    if name.endswith(("bn.weight", "running_var")):
        return torch.rand(like.shape, generator=generator) + 0.5
    return torch.randn(like.shape, generator=generator) / 5


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = torch.Generator().manual_seed(0)
    weights = {name: drawn(name, like, generator) for name, like in inception.build_inception().state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def authority(file: Path) -> FeatureExtractorInceptionV3:
    wanted = ["2048", "logits_unbiased"]
    return FeatureExtractorInceptionV3("inception", wanted, feature_extractor_weights_path=str(file))


@pytest.fixture(scope="module")
def network(file: Path) -> InceptionFeatures:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inception, "fetched", lambda url, sha256, name, progress: file)
        return InceptionFeatures.load(CPU)


@pytest.mark.parametrize("side", [32, 64])
def test_it_is_the_network_of_the_fid(
    side: int, network: InceptionFeatures, authority: FeatureExtractorInceptionV3
) -> None:
    images = torch.randint(0, 256, (2, 3, side, side), generator=torch.Generator().manual_seed(side)).byte()
    features, scores = authority(images)
    assert 0.1 < features.std() < 100, "the comparison would say nothing"
    seen = network(images / 127.5 - 1)
    assert (seen.features - features).abs().max() < 1e-5 * features.abs().max()
    assert seen.probabilities is not None
    ours = seen.probabilities.log()
    ours += (scores - ours).mean(1, keepdim=True)  # probabilities leave the scores' sum open
    assert (ours - scores).abs().max() < 1e-5 * scores.abs().max()


def test_it_says_what_it_is(network: InceptionFeatures) -> None:
    assert (network.name, network.version) == ("inception", "6726825d")
    assert inception.WEIGHTS_URL.endswith(f"{network.version}.pth")
    assert network.resize_mode == "bilinear as in TensorFlow 1, to 299 px"
    assert not any(parameter.requires_grad for parameter in network.backbone.parameters())
