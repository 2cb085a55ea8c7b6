import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zerosum.errors import BadInput
from zerosum.media.video import save_mp4


def read_video(path: Path) -> tuple[np.ndarray, Fraction, str]:
    """Return frames (N, H, W, 3) as a player shows them, frames per second, and the pixel format."""
    av = pytest.importorskip("av")  # the extra `video`, which `make test` installs
    with av.open(str(path)) as container:
        video_stream = container.streams.video[0]
        assert video_stream.codec_context.name == "h264"
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video_stream)])
        return frames, video_stream.average_rate, video_stream.codec_context.pix_fmt


def center_colors(frames: np.ndarray, side: int) -> np.ndarray:
    """Return the colors at the centers of squares of this side."""
    return frames[:, side // 2 :: side, side // 2 :: side].astype(int)


def test_a_video_has_all_frames_and_colors(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `video`, which `make test` installs
    images = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    save_mp4(images, tmp_path / "walk.mp4", 1 / 12)
    frames, rate, pixels = read_video(tmp_path / "walk.mp4")
    assert frames.shape == (7, 256, 256, 3)  # enlarged 32 times
    assert rate == 12
    assert pixels == "yuv420p"
    # a wrong matrix (BT.601 for BT.709) is 30 levels off
    assert np.abs(center_colors(frames, 32) - images).max() <= 6
    assert [path.name for path in tmp_path.iterdir()] == ["walk.mp4"]


def test_ping_pong_plays_back_to_the_first_frame(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `video`, which `make test` installs
    levels = [0, 60, 120, 180]
    images = np.array(levels, np.uint8)[:, None, None, None].repeat(16, 1).repeat(16, 2)
    save_mp4(images, tmp_path / "walk.mp4", 0.5, ping_pong=True, scale=2)
    frames, rate, _ = read_video(tmp_path / "walk.mp4")
    assert frames.shape == (6, 32, 32, 3)
    assert rate == 2
    assert np.abs(frames[:, 16, 16, 0] - np.array([0, 60, 120, 180, 120, 60])).max() <= 3


def test_odd_sides_are_padded_and_alpha_is_composited_on_white(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `video`, which `make test` installs
    images = np.zeros((2, 33, 19, 4), np.uint8)
    images[1, ..., 3] = 255
    save_mp4(images, tmp_path / "odd.mp4", scale=1)
    frames, _, _ = read_video(tmp_path / "odd.mp4")
    assert frames.shape == (2, 34, 20, 3)
    assert frames[0].min() >= 252
    assert frames[1].max() <= 3


def test_gray_frames_stay_gray(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `video`, which `make test` installs
    images = np.arange(0, 256, 4, dtype=np.uint8).reshape(1, 8, 8, 1)
    save_mp4(images, tmp_path / "gray.mp4")
    frames, _, _ = read_video(tmp_path / "gray.mp4")
    assert np.abs(center_colors(frames, 32) - images).max() <= 3


def test_without_pyav_the_error_names_the_package_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(BadInput, match=r'pip install "zerosum\[video\]"'):
        save_mp4(np.zeros((1, 8, 8, 1), np.uint8), tmp_path / "walk.mp4")
    assert not list(tmp_path.iterdir())


def test_wrong_suffix_and_duration_are_refused(tmp_path: Path) -> None:
    images = np.zeros((1, 8, 8, 1), np.uint8)
    with pytest.raises(BadInput, match=r"\.mp4"):
        save_mp4(images, tmp_path / "walk.avi")
    with pytest.raises(BadInput, match="`seconds_per_frame`"):
        save_mp4(images, tmp_path / "walk.mp4", 0)


def test_no_images_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("av")  # the extra `video`, which `make test` installs
    with pytest.raises(BadInput, match="no images"):
        save_mp4(np.zeros((0, 8, 8, 1), np.uint8), tmp_path / "walk.mp4")
