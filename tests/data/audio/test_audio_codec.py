"""The codec of sounds."""

import json

import numpy as np
import pytest
import torch

from sounds import hit, noise
from zerosum.data.audio.codec import INT16_SCALE, PEAK, SpectrogramCodec

CODEC = SpectrogramCodec(rate=8_000, bands=16, frames=16, hop=64, window=256)


def hits(count: int) -> np.ndarray:
    sounds = np.stack([hit(CODEC.length, seed, CODEC.rate) for seed in range(count)])
    return np.asarray(PEAK * sounds / np.abs(sounds).max(1, keepdims=True), np.float32)


def test_raw_examples_are_items_and_samples() -> None:
    sounds = hits(3)
    samples = CODEC.encode_sounds(sounds)
    raw = {
        "sound": torch.from_numpy((sounds * INT16_SCALE).round().astype(np.int16)),
        "spectrogram": samples[:, 0].half(),
    }
    assert np.abs(CODEC.items(raw) - sounds).max() < 2e-5
    assert (CODEC.encode(raw) - samples).abs().max() < 1e-3
    assert samples.shape[1:] == CODEC.spec.shape


def test_generated_sounds_have_the_level_of_training_sounds() -> None:
    sounds = CODEC.decode(CODEC.encode_sounds(hits(3) / 3), torch.arange(3))
    assert np.allclose(np.abs(sounds).max(1), PEAK, atol=1e-5)
    quiet = CODEC.decode(CODEC.encode_sounds(hits(1) / 100), torch.arange(1))
    assert np.abs(quiet).max() < 0.1  # almost silent, and heard as such


def test_level_is_kept_without_normalize_and_never_above_1() -> None:
    codec = SpectrogramCodec(8_000, 16, 16, 64, 256, normalize=False)
    quiet = hits(1) / 3
    assert np.abs(codec.decode(codec.encode_sounds(quiet), torch.arange(1))).max() < 0.5
    loud = codec.decode(torch.ones(1, 1, 16, 16), torch.arange(1))
    assert np.abs(loud).max() <= 1


def test_any_values_are_decoded() -> None:
    samples = torch.tensor([float("nan"), 7.0, -7.0]).view(3, 1, 1, 1).expand(3, 1, 16, 16)
    sounds = CODEC.decode(samples, torch.arange(3))
    assert sounds.shape == (3, CODEC.length)
    assert np.isfinite(sounds).all()
    assert not sounds[0].any()
    assert CODEC.decode(samples[:0], torch.arange(0)).shape == (0, CODEC.length)


def test_sounds_do_not_depend_on_their_batch() -> None:
    samples = CODEC.encode_sounds(hits(70))
    together = CODEC.decode(samples, torch.arange(70))
    assert np.allclose(CODEC.decode(samples[66:67], torch.tensor([66]))[0], together[66], atol=1e-3)


def test_samples_are_drawn_without_making_sounds_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, seeds = CODEC.encode_sounds(hits(3)), torch.arange(3)
    of_sounds = CODEC.preview(hits(3))
    monkeypatch.setattr(SpectrogramCodec, "decode", None)
    assert np.array_equal(CODEC.preview_samples(samples, seeds), of_sounds)
    assert not CODEC.preview_samples(torch.full_like(samples, float("nan")), seeds).any()


def test_preview_is_the_spectrogram_with_high_frequencies_on_top() -> None:
    image = CODEC.preview(hits(1))
    assert image.shape == (1, 16, 16, 1)
    assert image[0, 8:].mean() > image[0, :8].mean()  # a sine of 200 Hz
    assert image[0, :, :8].mean() > image[0, :, 8:].mean()  # that fades


def test_codec_is_saved() -> None:
    codec = SpectrogramCodec(8_000, 16, 32, 64, 256, normalize=False)
    assert SpectrogramCodec.restore(json.loads(json.dumps(codec.settings()))) == codec


def test_features_differ_between_sounds() -> None:
    sounds = np.stack((hits(1)[0], noise(CODEC.length, 3)))
    features = CODEC.embed(CODEC.encode_sounds(sounds))
    assert features.shape == (2, 64)
    assert (features[0] - features[1]).abs().max() > 0.1
