"""aiSFX features: the spectrogram is that of the package, and weights are read from its wheel."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features.aisfx import AisfxFeatures, build_aisfx, cut_blocks, resample

CPU = torch.device("cpu")


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with random weights in the cache, in the form of the published file."""
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    torch.manual_seed(0)
    state = {f"embedding_net.{name}": value for name, value in build_aisfx().state_dict().items()}
    (tmp_path / "weights").mkdir()
    torch.save((state | {"fc.0.weight": torch.zeros(2)}, {"UCS": (0, 5)}), tmp_path / "checkpoint.pth")
    wheel = tmp_path / "weights/aisfx-0.1.2-py2.py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.write(tmp_path / "checkpoint.pth", "aisfx/models/checkpoint.pth")
    return wheel


def test_spectrograms_are_those_of_the_package(weights: Path) -> None:
    """The numbers are those of aisfx 0.1.2 with librosa 0.11, of the same sound."""
    time = np.arange(44_100) / 44_100
    chirp = (0.6 * np.sin(2 * np.pi * (200 * time + 2000 * time**2)) * np.exp(-3 * time)).astype(np.float32)
    found = AisfxFeatures.load(44_100, CPU).spectrograms(torch.from_numpy(chirp)[None])[0].numpy()
    assert found.shape == (44, 96)
    expected = [
        [7.5257683e-01, 7.8452921e-01, 7.0571887e-01, 3.9110106e-01, 1.4653063e-01],
        [7.5034583e-03, 1.2933975e-02, 1.4669560e-01, 8.6390070e-04, 0.0],
        [3.8699504e-06, 4.0067889e-06, 5.4572479e-06, 1.7590761e-03, 3.2843953e-08],
        [1.9183554e-01, 1.9189401e-01, 1.9244830e-01, 2.0332488e-01, 2.2383231e-01],
    ]
    assert found[[0, 5, 20, 43]][:, [0, 3, 10, 30, 60]] == pytest.approx(np.array(expected), abs=5e-5)


def test_resampled_spectrograms_are_those_of_the_package(weights: Path) -> None:
    """The numbers are those of aisfx 0.1.2 with librosa 0.11, which resamples by soxr."""
    time = np.arange(16_000) / 16_000
    chirp = (0.6 * np.sin(2 * np.pi * (200 * time + 2000 * time**2)) * np.exp(-3 * time)).astype(np.float32)
    found = AisfxFeatures.load(16_000, CPU).spectrograms(torch.from_numpy(chirp)[None])[0].numpy()
    assert found.shape == (44, 96)
    expected = [
        [0.7525614, 0.7845194, 0.7057523, 0.3920937, 0.1641344],
        [0.0075133, 0.0129364, 0.1467021, 0.0008637, 0.0],
        [3.8426e-06, 3.9794e-06, 5.4791e-06, 0.0017592, 3.2844e-08],
        [0.1808851, 0.1809499, 0.1815615, 0.1935152, 0.2336844],
    ]
    assert found[[0, 5, 20, 43]][:, [0, 3, 10, 30, 60]] == pytest.approx(np.array(expected), abs=1e-3)


def test_features_of_spectrograms_are_those_of_the_package() -> None:
    """The numbers are those of the network of aisfx 0.1.2, with the same weights and the same input."""
    network = build_aisfx().eval()
    for place, (name, value) in enumerate(sorted(network.state_dict().items())):
        if value.is_floating_point():
            wave = torch.sin(0.7 * torch.arange(value.numel(), dtype=torch.float64) + place).float().view_as(value)
            is_scale = "running_var" in name or ("bn" in name and "weight" in name)
            value.copy_(1 + 0.5 * wave if is_scale else (0.05 if value.dim() == 4 else 0.1) * wave)
    blocks = (0.5 + 0.5 * torch.sin(0.013 * torch.arange(2 * 100 * 96, dtype=torch.float64))).float()
    with torch.inference_mode():
        features = network(blocks.view(2, 1, 100, 96))
    assert features.shape == (2, 512)
    expected = [[9522.0752, 7612.4448, 7535.5796, 3682.9485], [7955.5464, 6303.1343, 6102.5483, 3721.5950]]
    assert features[:, [0, 1, 17, 511]].numpy() == pytest.approx(np.array(expected), rel=1e-4)


def test_each_sound_has_512_features(weights: Path) -> None:
    features = AisfxFeatures.load(16_000, CPU)(torch.randn(2, 4_000) * 0.1).features
    assert features.shape == (2, 512)
    assert (features >= 0).all()
    silence = AisfxFeatures.load(16_000, CPU)(torch.zeros(1, 4_000)).features
    assert torch.isfinite(silence).all()


def test_long_sounds_are_heard_in_blocks_and_short_ones_are_filled_up() -> None:
    assert cut_blocks(torch.ones(2, 44, 96)).shape == (2, 1, 100, 96)
    assert cut_blocks(torch.ones(2, 44, 96)).sum() == 2 * 44 * 96
    frames = torch.arange(260.0)[None, :, None].expand(1, 260, 96)
    assert cut_blocks(frames)[0, :, 0, 0].tolist() == [0, 50, 100, 150]


def test_a_sine_stays_itself_at_another_rate() -> None:
    sine = torch.sin(2 * torch.pi * 440 * torch.arange(8_000) / 16_000)[None] * torch.hann_window(8_000)
    expected = torch.sin(2 * torch.pi * 440 * torch.arange(22_050) / 44_100)[None] * torch.hann_window(22_050)
    assert torch.allclose(resample(sine, 16_000, 44_100), expected, atol=1e-3)


def test_without_weights_the_message_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZEROSUM_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BadInput, match="pip install --no-deps aisfx"):
        AisfxFeatures.load(16_000, CPU)


def test_damaged_weights_are_refused(weights: Path) -> None:
    weights.write_bytes(b"no wheel")
    with pytest.raises(BadInput, match="cannot be read"):
        AisfxFeatures.load(16_000, CPU)
