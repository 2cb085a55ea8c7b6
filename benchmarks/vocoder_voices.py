"""Recordings of one voice for benchmarks/vocoder.py, from a Debian package.

    apt-get download asterisk-core-sounds-en-g722        # version 1.6.1-1, CC BY-SA 3.0: the voice of Allison Smith
    dpkg-deb -x asterisk-core-sounds-en-g722_*.deb PACKAGE
    python benchmarks/vocoder_voices.py PACKAGE FOLDER

writes the 568 recordings (25 minutes, 16 kHz) to FOLDER/train and FOLDER/test as WAV files. One in ten is a test
recording, as the SHA-1 hash of its name says. Needs PyAV and soundfile, extras of Zerosum. Nothing of it is committed.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 16_000


def read_recording(path: Path) -> np.ndarray:
    """Return the samples (T,) int16 of a file of G.722."""
    with av.open(str(path), format="g722") as container:
        return np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])


def is_test(name: str) -> bool:
    """Return whether a recording is one of the test recordings."""
    return int(hashlib.sha1(name.encode()).hexdigest(), 16) % 10 == 0


def main(package: Path, folder: Path) -> None:
    """Write the recordings of an unpacked package."""
    sounds = package / "usr/share/asterisk/sounds/en_US_f_Allison"
    for path in sorted(sounds.rglob("*.g722")):
        name = "_".join(path.relative_to(sounds).with_suffix(".wav").parts)
        out = folder / ("test" if is_test(name) else "train") / name
        out.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(out, read_recording(path), RATE)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
