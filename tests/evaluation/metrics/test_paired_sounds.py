"""Metrics of paired sounds against closed forms."""

import math

import numpy as np
import pytest
import torch

from zerosum.data.audio.log_mel import LogMel
from zerosum.errors import BadInput
from zerosum.evaluation.kinds.audio_pairs import SoundPairMetrics
from zerosum.evaluation.metrics.paired_sounds import (
    MAX_SDR,
    mel_cepstral_distance,
    mel_l1,
    multi_resolution_stft,
    si_sdr,
)


def noise(count: int, length: int, seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(count, length, generator=torch.Generator().manual_seed(seed))


def test_a_change_of_level_has_a_known_stft_distance() -> None:
    """Of a c times louder sound, the convergence is c - 1, and the logarithms differ by ln c."""
    target = noise(3, 8192)
    expected = (1.5 - 1) + math.log(1.5)
    assert torch.allclose(multi_resolution_stft(1.5 * target, target), torch.full((3,), expected).double(), atol=1e-3)
    assert (multi_resolution_stft(target, target) < 1e-3).all()


def test_what_is_below_silence_makes_no_difference() -> None:
    silence = torch.zeros(1, 4096)
    hum = 1e-6 * torch.sin(torch.arange(4096) / 5)[None]
    hit = silence.clone()
    hit[0, :1000] = noise(1, 1000)
    assert multi_resolution_stft(hit + hum, hit).item() < 0.01


def test_distortion_at_a_known_ratio_has_this_si_sdr_at_any_level() -> None:
    target, other = noise(2, 4096), noise(2, 4096, seed=1)
    orthogonal = other - (other * target).sum(1, keepdim=True) / target.square().sum(1, keepdim=True) * target
    distortion = orthogonal * (target.norm(dim=1) / orthogonal.norm(dim=1) * 10 ** (-12 / 20))[:, None]
    for level in (1, 0.1, -3):
        decibels = si_sdr(level * (target + distortion), target)
        assert torch.allclose(decibels, torch.full((2,), 12.0).double(), atol=1e-3)
    assert si_sdr(target, target).tolist() == [MAX_SDR, MAX_SDR]
    assert si_sdr(target, torch.zeros(2, 4096)).isnan().all()


def test_mel_distances_of_known_differences() -> None:
    mel = -40 * torch.rand(2, 32, 10, generator=torch.Generator().manual_seed(0))
    assert mel_l1(mel + 3, mel).tolist() == pytest.approx([3, 3], abs=1e-5)
    assert mel_cepstral_distance(mel + 3, mel).tolist() == pytest.approx([0, 0], abs=1e-5)  # the level alone
    places = (torch.arange(32) + 0.5) / 32
    tilt = 4 * torch.cos(2 * math.pi * places)[:, None]  # the second coefficient alone: its root mean square
    assert mel_cepstral_distance(mel + tilt, mel).tolist() == pytest.approx([4 / math.sqrt(2)] * 2, abs=1e-4)
    ripple = 4 * torch.cos(20 * math.pi * places)[:, None]  # finer than the coefficients express
    assert mel_cepstral_distance(mel + ripple, mel).tolist() == pytest.approx([0, 0], abs=1e-4)


def test_pairs_of_other_lengths_are_refused() -> None:
    for metric in (multi_resolution_stft, si_sdr):
        with pytest.raises(BadInput, match="shape mismatch"):
            metric(noise(1, 4096), noise(1, 4095))


def test_batches_of_pairs_are_accumulated() -> None:
    log_mel = LogMel(rate=8_000, bands=16, frames=64, hop=64, window=256)
    metrics, target = SoundPairMetrics(log_mel), noise(4, 4096)[:, None]
    metrics.update(0.5 * target[:1], target[:1])
    metrics.update(0.5 * target[1:], target[1:])
    scores = metrics.compute(np.arange(4))
    assert list(scores) == ["mel_l1", "mel_cepstral", "multi_resolution_stft", "si_sdr"]
    assert scores["mel_l1"][0] == pytest.approx(20 * math.log10(2), rel=0.01)
    assert scores["mel_cepstral"][0] == pytest.approx(0, abs=0.1)
    assert scores["si_sdr"][0] == MAX_SDR
