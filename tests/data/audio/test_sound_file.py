"""Reading sound files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import sine
from zerosum.data.audio.sound_file import UnreadableSound, is_sound_file, read_one_sound, read_sound
from zerosum.errors import BadInput

RATE = 44_100
SOUND = sine(440, RATE // 4, RATE)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_U8", 0.01),
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "FLOAT", 1e-7),
        ("a.flac", "PCM_16", 1e-4),
        ("a.aiff", "PCM_16", 1e-4),
        ("A.WAV", "DOUBLE", 1e-6),
    ],
)
def test_formats_without_loss(tmp_path: Path, name: str, subtype: str, error: float) -> None:
    soundfile.write(tmp_path / name, SOUND, RATE, subtype=subtype)
    sound = read_sound(tmp_path / name, 10)
    assert np.abs(sound.values[:, 0] - SOUND).max() <= error
    assert (sound.rate, sound.channels, sound.total, sound.is_clipped) == (RATE, 1, len(SOUND), False)
    assert subtype in sound.format
    assert is_sound_file(name)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_formats_with_loss(tmp_path: Path, name: str) -> None:
    stereo = np.stack((SOUND, SOUND / 2), 1)
    soundfile.write(tmp_path / name, stereo, RATE)
    sound = read_sound(tmp_path / name, 10)
    assert sound.channels == 2
    assert sound.seconds == pytest.approx(0.25, abs=0.05)
    assert np.abs(sound.values[:, 0]).max() == pytest.approx(0.5, abs=0.05)


def test_only_the_start_is_read(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SOUND, RATE)
    sound = read_sound(tmp_path / "a.wav", 0.1)
    assert (len(sound.values), sound.seconds) == (4411, 0.25)


def test_clipping(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", (4 * SOUND).clip(-1, 1), RATE)
    assert read_sound(tmp_path / "a.wav", 10).is_clipped


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"these are words\n" * 99, "format not recognised"), (b"RIFF\x00\x00", "")],
)
def test_files_that_are_no_sounds(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UnreadableSound) as info:
        read_sound(path, 10)
    assert reason in str(info.value).lower()
    assert str(tmp_path) not in str(info.value)
    with pytest.raises(BadInput, match=r"a\.wav: cannot be read as a sound"):
        read_one_sound(path, 10)


def test_sounds_of_length_0_and_of_nan(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SOUND[:0], RATE)
    with pytest.raises(UnreadableSound, match="length 0"):
        read_sound(tmp_path / "a.wav", 10)
    soundfile.write(tmp_path / "b.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(UnreadableSound, match="NaN"):
        read_sound(tmp_path / "b.wav", 10)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read as a sound"):
        read_one_sound(tmp_path / "none.wav", 10)
    with pytest.raises(BadInput, match="not a regular file"):
        read_one_sound(tmp_path, 10)
