"""Reading sound files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import noise, sine
from zerosum.data.audio.sound_file import SoundReader, UnreadableSound, is_sound_file, refuse_unreadable
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
    with SoundReader(tmp_path / name) as sound:
        assert np.abs(sound.read(0, RATE)[:, 0] - SOUND).max() <= error
        assert (sound.rate, sound.channels, sound.total) == (RATE, 1, len(SOUND))
        assert subtype in sound.format
    assert is_sound_file(name)


@pytest.mark.parametrize("name", ["a.ogg", "a.mp3"])
def test_formats_with_loss(tmp_path: Path, name: str) -> None:
    stereo = np.stack((SOUND, SOUND / 2), 1)
    soundfile.write(tmp_path / name, stereo, RATE)
    with SoundReader(tmp_path / name) as sound:
        assert sound.channels == 2
        assert sound.seconds == pytest.approx(0.25, abs=0.05)
        assert np.abs(sound.read(0, RATE)[:, 0]).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.ogg", "a.mp3"])
def test_parts_one_after_the_other_are_those_of_the_whole(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, np.stack((noise(90_000, 0), noise(90_000, 1)), 1), RATE)
    with SoundReader(tmp_path / name) as sound:
        whole = sound.read(0, 90_000)
    with SoundReader(tmp_path / name) as sound:
        for start, stop in (
            (0, 30_000),
            (29_900, 60_000),
            (40_000, 50_000),
            (60_000, 95_000),
            (95_000, 96_000),
            (0, 99),
        ):
            np.testing.assert_array_equal(sound.read(start, stop), whole[start:stop])


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff"])
def test_any_part_is_that_of_the_whole(tmp_path: Path, name: str) -> None:
    values = np.stack((noise(90_000, 0), noise(90_000, 1)), 1)
    soundfile.write(tmp_path / name, values, RATE)
    with SoundReader(tmp_path / name) as sound:
        for start, stop in ((50_000, 50_003), (70_000, 80_000), (0, 10), (5, 20), (89_990, 95_000), (95_000, 96_000)):
            np.testing.assert_allclose(sound.read(start, stop), values[start:stop], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "the file is empty"), (b"these are words\n" * 99, "format not recognised"), (b"RIFF\x00\x00", "")],
)
def test_files_that_are_no_sounds(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UnreadableSound) as info:
        SoundReader(path)
    assert reason in str(info.value).lower()
    assert str(tmp_path) not in str(info.value)
    with pytest.raises(BadInput, match=r"a\.wav: cannot be read as a sound"), refuse_unreadable(path):
        SoundReader(path)


def test_sounds_of_length_0_and_of_nan(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SOUND[:0], RATE)
    with pytest.raises(UnreadableSound, match="length 0"):
        SoundReader(tmp_path / "a.wav")
    soundfile.write(tmp_path / "b.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    with pytest.raises(UnreadableSound, match="NaN"):
        SoundReader(tmp_path / "b.wav")


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "none.wav", "cannot be read as a sound"), (tmp_path, "not a regular file")):
        with pytest.raises(BadInput, match=message), refuse_unreadable(path):
            SoundReader(path)


def test_a_sound_that_does_not_fit_in_memory_is_one_sentence(tmp_path: Path) -> None:
    message = r"a\.wav: this sound does not fit in memory; cut it"
    with pytest.raises(BadInput, match=message), refuse_unreadable(tmp_path / "a.wav"):
        raise MemoryError
