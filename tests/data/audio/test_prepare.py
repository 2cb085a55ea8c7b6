"""Preparing sounds."""

import numpy as np
import pytest
from numpy.typing import NDArray

from sounds import ArraySound, sine
from zerosum.data.audio.codec import MAX_GAIN, PEAK, SpectrogramCodec
from zerosum.data.audio.mono import MonoSound, read_mono
from zerosum.data.audio.prepare import Preparation, trim_silence

CODEC = SpectrogramCodec(rate=8_000, bands=16, frames=16, hop=64, window=256)


def as_sound(values: NDArray[np.float32], rate: int = 8_000) -> MonoSound:
    return read_mono(ArraySound(values.reshape(len(values), -1), rate), CODEC.rate, 60)


def test_stereo_becomes_mono_of_the_length_and_level() -> None:
    left, right = sine(440, 4_000, 8_000, 0.4), np.zeros(4_000, np.float32)
    (item,) = Preparation(CODEC)(as_sound(np.stack((left, right), 1)))
    assert item.shape == (CODEC.length,)
    assert np.abs(item).max() == pytest.approx(PEAK, abs=1e-3)
    assert item[-1] == 0  # faded
    (quiet,) = Preparation(SpectrogramCodec(8_000, 16, 16, 64, 256, normalize=False))(as_sound(left))
    assert np.abs(quiet).max() == pytest.approx(0.4, abs=1e-3)


def test_silence_before_a_sound_is_removed() -> None:
    sound = np.concatenate((np.zeros(3_000, np.float32), sine(440, 500, 8_000)))
    assert abs(len(trim_silence(sound, 8_000)) - 516) <= 2  # from 2 ms before
    kept = Preparation(CODEC, trim=False)(as_sound(sound))
    assert not kept.any()  # the sound starts after the end of an item, so that nothing is left


def test_short_sounds_end_with_silence() -> None:
    for length in (2, 50):
        (item,) = Preparation(CODEC)(as_sound(np.full(length, 0.5, np.float32) * (-1) ** np.arange(length)))
        assert not item[length + 16 :].any()
        assert item.any()


def test_pieces_of_a_long_sound() -> None:
    length = CODEC.length
    sound = as_sound(sine(440, 3 * length + length // 2 + 64, 8_000))
    assert len(Preparation(CODEC)(sound)) == 1
    pieces = Preparation(CODEC, pieces=True)(sound)
    assert pieces.shape == (4, length)  # the last half is kept
    assert pieces[1, 0] == pieces[1, -1] == 0  # and both ends of a piece are faded
    whole = Preparation(CODEC, pieces=True, fades=False)(sound)
    np.testing.assert_allclose(np.abs(whole[:3, -20:]).max(1), 0.9, rtol=0.05)
    gap = np.concatenate((sine(440, length, 8_000), np.zeros(length), sine(440, length, 8_000))).astype(np.float32)
    assert len(Preparation(CODEC, pieces=True)(as_sound(gap))) == 2  # the silent piece is left out


def test_silent_sounds_give_nothing() -> None:
    for silent in (np.zeros(500, np.float32), np.full(500, 0.3, np.float32), np.full(500, 1e-5, np.float32)):
        assert len(Preparation(CODEC)(as_sound(silent))) == 0


def test_generated_sounds_are_kept_as_they_are() -> None:
    silence = Preparation(CODEC).keep(as_sound(np.zeros(500, np.float32)))
    assert silence.shape == (1, CODEC.length)
    assert not silence.any()
    quiet = 0.01 * sine(440, CODEC.length, 8_000).astype(np.float32)
    (kept,) = Preparation(CODEC).keep(as_sound(quiet))
    np.testing.assert_allclose(kept, MAX_GAIN * quiet, rtol=1e-5)  # not to a peak of 0.9, and its end is not faded
    late = np.concatenate((np.zeros(CODEC.length), quiet)).astype(np.float32)
    assert not Preparation(CODEC).keep(as_sound(late)).any()
