"""Resampling sounds in parts."""

import numpy as np
import pytest

from sounds import noise, sine
from zerosum.data.audio import resampling
from zerosum.data.audio.resampling import ResampledSound, resample


@pytest.mark.parametrize("rate", [96_000, 44_100, 22_050, 8_000, 5_500])
def test_resampling_keeps_frequency_and_level(rate: int) -> None:
    sound = resample(sine(440, rate, rate), rate, 8_000)
    spectrum = np.abs(np.fft.rfft(sound[:8_000] * np.hanning(len(sound[:8_000]))))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)
    assert np.sqrt(np.square(sound).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_frequencies_above_half_the_rate_are_removed() -> None:
    assert np.abs(resample(sine(7_000, 44_100, 44_100), 44_100, 8_000)[100:-100]).max() < 0.01


@pytest.mark.parametrize(
    ("rate", "new_rate"),
    [(44_100, 16_000), (16_000, 44_100), (48_000, 8_000), (8_000, 48_000), (11_027, 8_000), (8_000, 8_000)],
)
def test_parts_and_blocks_are_those_of_the_whole(rate: int, new_rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.stack((noise(100_001, 0), noise(100_001, 1)), 1)
    whole = np.stack([resample(channel, rate, new_rate) for channel in sound.T], 1)
    resampled = ResampledSound(lambda start, stop: sound[start:stop], 2, rate, new_rate)
    length = resampled.length_of(len(sound))
    assert len(whole) == length
    for start, stop in ((0, 1), (0, length), (777, 3_001), (length // 2, length // 2 + 1), (length - 5, length + 9)):
        np.testing.assert_allclose(resampled.read(start, stop), whole[start:stop], rtol=0, atol=1e-6)
    assert not len(resampled.read(length, length + 10))
    monkeypatch.setattr(resampling, "BLOCK_NUMBERS", 30_000)
    blocks = list(resampled.blocks())
    assert len(blocks) > 5
    np.testing.assert_allclose(np.concatenate(blocks), whole, rtol=0, atol=1e-6)
