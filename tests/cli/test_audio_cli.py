"""Sounds on the command line: files of every sort, files that are left out, and folders that are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sounds import hit, noise, write_hits

RUN = Callable[..., tuple[int, str, str]]


def write_odd_files(folder: Path) -> None:
    """Files that can be used, whatever their rate, bits and channels, and files that cannot."""
    stereo = np.stack([0.5 * hit(28_800, 1, 96_000), 0.4 * hit(28_800, 2, 96_000)], 1)
    soundfile.write(folder / "8-bit.wav", 0.5 * hit(2_400, 3, 8_000), 8_000, subtype="PCM_U8")
    soundfile.write(folder / "24-bit.wav", 0.5 * hit(2_400, 4, 8_000), 8_000, subtype="PCM_24")
    soundfile.write(folder / "96-khz-stereo.wav", stereo, 96_000)
    soundfile.write(folder / "short.wav", noise(40, 0), 8_000)  # shorter than a window
    soundfile.write(folder / "length-0.wav", np.zeros(0), 8_000)
    soundfile.write(folder / "nan.wav", np.full(500, np.nan), 8_000, subtype="FLOAT")
    soundfile.write(folder / "silent.wav", np.zeros(2_400), 8_000)
    (folder / "words.wav").write_text("this is no sound")
    (folder / "empty.wav").write_bytes(b"")


def test_odd_files_are_used_or_named(workdir: Path, run_cli: RUN) -> None:
    folder = write_hits(workdir / "hits") / "kick"
    write_odd_files(folder)
    code, out, err = run_cli("data", "hits")
    assert code == 0, err
    assert "20 sounds of" in out or "20 sounds from" in out
    for part in ("WAV PCM_U8 1", "WAV PCM_24 1", "96000 Hz 1", "stereo 1"):
        assert part in out, part
    for name in ("length-0.wav", "nan.wav", "silent.wav", "words.wav", "empty.wav"):
        assert name in out, name
    code, out, err = run_cli("data", "hits", "--json")
    assert (code, json.loads(out)["kind"]) == (0, "audio")


def write_few(folder: Path) -> None:
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", hit(2_400, number, 8_000), 8_000)


def write_silence(folder: Path) -> None:
    for number in range(20):
        soundfile.write(folder / f"{number}.wav", np.zeros(2_400), 8_000)


def write_texts(folder: Path) -> None:
    for number in range(20):
        (folder / f"{number}.wav").write_text(f"text {number}")


@pytest.mark.parametrize(
    ("write", "arguments", "expected"),
    [
        (write_few, (), "only 3 distinct sounds that can be used: add sounds; at least 16"),
        (write_silence, (), "silent"),
        (write_texts, (), "can be read, for example 0.wav (format not recognised)"),
        (write_few, ("--data.seconds", "0"), "--data.seconds"),
        (write_few, ("--data.rate", "5"), "--data.rate"),
    ],
    ids=["few", "silence", "texts", "no-length", "rate"],
)
def test_what_cannot_be_used_is_one_sentence(
    write: Callable[[Path], None], arguments: tuple[str, ...], expected: str, workdir: Path, run_cli: RUN
) -> None:
    (workdir / "sounds").mkdir()
    write(workdir / "sounds")
    code, _, err = run_cli("train", "sounds", *arguments)
    assert code == 2
    assert expected in err
    assert len(err.strip().splitlines()) == 1, err
    assert not Path("runs").exists()
