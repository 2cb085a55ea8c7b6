"""Frames as an H.264 film in an MP4 file: a tenth of a GIF's size, and with all colours."""

from __future__ import annotations

import importlib
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.errors import BadInput
from zerosum.media.images import Images, make_grid
from zerosum.run_folder import write_atomically

MIN_FRAME_SIDE_PIXELS = 256
"""Pixels: frames whose longer side is below this are enlarged, since players show a film as large as it is."""
CRF = 16
"""x264's constant rate factor: 0 is exact, 18 looks exact, 23 is the usual choice for long films."""
BT709 = 1
"""The number of ITU-R BT.709 for matrix, primaries and transfer alike: what browsers take an unmarked film to be."""


def save_mp4(
    images: Images, path: Path, seconds_per_frame: float = 1 / 12, *, ping_pong: bool = False, scale: int = 0
) -> None:
    """Write a film that every browser and phone plays (H.264, yuv420p); the file is whole or absent.

    Alpha is laid over white. An odd width or height grows by a pixel, which the format asks for.

    Args:
        images: uint8 (N, H, W, C), one a frame.
        path: where to, `*.mp4`.
        seconds_per_frame: from 1/240 to 60; 1/12 is calm.
        ping_pong: play backwards to the first frame, instead of ending on the last.
        scale: whole factor of enlargement, nearest neighbour; 0 enlarges frames under 256 pixels.

    Raises:
        BadInput: PyAV is not installed, the suffix or the time is none, or there are no images.
    """
    if path.suffix.lower() != ".mp4":
        raise BadInput(f"{path.name}: a film is written as .mp4, not as {path.suffix!r}; give it that name")
    if not 1 / 240 <= seconds_per_frame <= 60:
        raise BadInput(f"seconds per frame must be from 1/240 to 60, not {seconds_per_frame}; 1/12 is calm")
    pyav = _import_pyav()
    scale = scale or _display_scale(images)
    order = [*range(len(images)), *range(len(images) - 2, 0, -1)] if ping_pong else range(len(images))
    height, width, _ = _to_rgb_frame(images[:1], scale).shape
    rate = Fraction(1 / seconds_per_frame).limit_denominator(1000)

    def write(part: Path) -> None:
        # the index before the pictures: a browser then begins to play before all of it has come
        with pyav.open(str(part), "w", options={"movflags": "+faststart"}) as film:
            loader = _add_video_stream(film, rate, height, width)
            for place in order:
                film.mux(loader.encode(_to_yuv_frame(pyav, _to_rgb_frame(images[place : place + 1], scale))))
            film.mux(loader.encode())

    write_atomically(path, write)


def check_mp4_support() -> None:
    """See that films can be written here.

    Raises:
        BadInput: PyAV is not installed.
    """
    _import_pyav()


def _import_pyav() -> Any:
    """The library, which few need: with FFmpeg inside it takes 100 MB of disk."""
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise BadInput('an MP4 film needs PyAV: pip install "zerosum[video]" (a .gif works without)') from error


def _display_scale(images: Images) -> int:
    longer = max(images.shape[1:3], default=0)
    return math.ceil(MIN_FRAME_SIDE_PIXELS / max(longer, 1))


def _to_rgb_frame(image: Images, scale: int) -> NDArray[np.uint8]:
    """One image (1, H, W, C) as RGB bytes (H', W', 3) of even sides."""
    picture = make_grid(image, columns=1, scale=scale, gap=0).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    colors = np.asarray(Image.alpha_composite(paper, picture).convert("RGB"))
    return np.pad(colors, ((0, picture.height % 2), (0, picture.width % 2), (0, 0)), "edge")


def _add_video_stream(container: Any, rate: Fraction, height: int, width: int) -> Any:
    """A film's stream of pictures, marked with what its colours mean."""
    loader = container.add_stream("libx264", rate=rate, options={"crf": str(CRF)})
    loader.height, loader.width, loader.pix_fmt = height, width, "yuv420p"
    context = loader.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = 1  # 16 to 235, as films have it
    return loader


def _to_yuv_frame(pyav: Any, rgb: NDArray[np.uint8]) -> Any:
    """RGB bytes (H, W, 3) as a frame of brightness and, at half the size, colour."""
    frame = pyav.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
