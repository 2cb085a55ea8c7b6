"""Reading sounds as the mean of their channels, block by block."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sounds import ArraySound, noise, sine
from zerosum.data.audio import resampling
from zerosum.data.audio.mono import read_mono
from zerosum.data.audio.resampling import resample
from zerosum.data.content_hash import hash_content


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "BLOCK_NUMBERS", 2_000)


def stereo(length: int) -> NDArray[np.float32]:
    return np.stack((noise(length, 0), sine(300, length, 44_100)), 1)


@pytest.mark.parametrize("new_rate", [8_000, 44_100, 48_000])
def test_blocks_give_what_the_whole_gives(new_rate: int) -> None:
    values = stereo(20_001)
    sound = read_mono(ArraySound(values, 44_100), new_rate, 10)
    np.testing.assert_allclose(sound.values, resample(values.mean(1), 44_100, new_rate), rtol=0, atol=1e-6)
    assert sound.content_hash == hash_content("sound 44100 2 20001", values.tobytes())
    assert not sound.is_clipped
    assert not sound.is_silent


def test_only_the_start_is_read_and_hashed() -> None:
    values = stereo(20_001)
    sound = read_mono(ArraySound(values, 44_100), 44_100, 0.1)
    np.testing.assert_array_equal(sound.values, values[:4_411].mean(1))
    assert sound.content_hash == hash_content("sound 44100 2 20001", values[:4_411].tobytes())
    long = np.concatenate((noise(130, 0), noise(50, 1)))[:, None]  # at 2 Hz, of which a minute is hashed
    assert read_mono(ArraySound(long, 2), 2, 100).content_hash == hash_content("sound 2 1 180", long[:120].tobytes())


@pytest.mark.parametrize("place", [0, 998, 999, 1_500, 20_000 - 3])
def test_three_numbers_at_full_scale_are_clipped_wherever_blocks_end(place: int) -> None:
    values = 0.5 * stereo(20_000)
    values[place : place + 2, 1] = -1
    assert not read_mono(ArraySound(values, 44_100), 44_100, 10).is_clipped
    values[place + 2, 1] = -1
    for rate in (44_100, 8_000):
        assert read_mono(ArraySound(values, 44_100), rate, 10).is_clipped


def test_constants_are_silence_without_steps() -> None:
    constant = np.full((5_000, 2), 0.3, np.float32)
    sound = read_mono(ArraySound(constant, 44_100), 8_000, 10)
    assert sound.is_silent
    assert np.abs(sound.values).max() < 1e-6
    constant[4_999] = 0.4
    assert not read_mono(ArraySound(constant, 44_100), 8_000, 10).is_silent
