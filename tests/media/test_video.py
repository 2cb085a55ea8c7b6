import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zerosum.errors import BadInput
from zerosum.media.video import save_mp4


def read(path: Path) -> tuple[np.ndarray, Fraction, str]:
    """Frames (N, H, W, 3) as a player shows them, frames a second, and the pixels' format."""
    av = pytest.importorskip("av")  # the extra `film`: `make test` installs it, a bare install has none
    with av.open(str(path)) as film:
        loader = film.streams.video[0]
        assert loader.codec_context.name == "h264"
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(loader)])
        return frames, loader.average_rate, loader.codec_context.pix_fmt


def middles(frames: np.ndarray, side: int) -> np.ndarray:
    """The colours in the middle of squares of this side."""
    return frames[:, side // 2 :: side, side // 2 :: side].astype(int)


def test_a_film_has_every_frame_and_colour(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `film`: `make test` installs it, a bare install has none
    images = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    save_mp4(images, tmp_path / "walk.mp4", 1 / 12)
    frames, rate, pixels = read(tmp_path / "walk.mp4")
    assert frames.shape == (7, 256, 256, 3)  # enlarged 32 times
    assert rate == 12
    assert pixels == "yuv420p"
    # a wrong matrix (BT.601 for BT.709) is 30 levels off
    assert np.abs(middles(frames, 32) - images).max() <= 6
    assert [path.name for path in tmp_path.iterdir()] == ["walk.mp4"]


def test_there_and_back_plays_to_the_first_frame(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `film`: `make test` installs it, a bare install has none
    levels = [0, 60, 120, 180]
    images = np.array(levels, np.uint8)[:, None, None, None].repeat(16, 1).repeat(16, 2)
    save_mp4(images, tmp_path / "walk.mp4", 0.5, ping_pong=True, scale=2)
    frames, rate, _ = read(tmp_path / "walk.mp4")
    assert frames.shape == (6, 32, 32, 3)
    assert rate == 2
    assert np.abs(frames[:, 16, 16, 0] - np.array([0, 60, 120, 180, 120, 60])).max() <= 3


def test_odd_sides_grow_by_a_pixel_and_alpha_lies_over_white(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `film`: `make test` installs it, a bare install has none
    images = np.zeros((2, 33, 19, 4), np.uint8)
    images[1, ..., 3] = 255
    save_mp4(images, tmp_path / "odd.mp4", scale=1)
    frames, _, _ = read(tmp_path / "odd.mp4")
    assert frames.shape == (2, 34, 20, 3)
    assert frames[0].min() >= 252
    assert frames[1].max() <= 3


def test_grey_frames_stay_grey(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `film`: `make test` installs it, a bare install has none
    images = np.arange(0, 256, 4, dtype=np.uint8).reshape(1, 8, 8, 1)
    save_mp4(images, tmp_path / "grey.mp4")
    frames, _, _ = read(tmp_path / "grey.mp4")
    assert np.abs(middles(frames, 32) - images).max() <= 3


def test_without_pyav_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BadInput, match=r'pip install "zerosum\[film\]"'):
        save_mp4(np.zeros((1, 8, 8, 1), np.uint8), tmp_path / "walk.mp4")
    assert not list(tmp_path.iterdir())


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    images = np.zeros((1, 8, 8, 1), np.uint8)
    with pytest.raises(BadInput, match=r"\.mp4"):
        save_mp4(images, tmp_path / "walk.avi")
    with pytest.raises(BadInput, match="1/240"):
        save_mp4(images, tmp_path / "walk.mp4", 0)


def test_no_images_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `film`: `make test` installs it, a bare install has none
    with pytest.raises(BadInput, match="no images"):
        save_mp4(np.zeros((0, 8, 8, 1), np.uint8), tmp_path / "walk.mp4")
