"""Write frames as an H.264 video in an MP4 file: a tenth of the size of a GIF, and with all colors."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.media.raster import Images, make_grid

if TYPE_CHECKING:
    from av import VideoFrame, VideoStream
    from av.container import OutputContainer

MIN_FRAME_SIDE_PIXELS = 256
"""Frames whose longer side has fewer pixels are enlarged, since players show videos at their own size."""
CRF = 16
"""x264's constant rate factor: 0 is lossless, 18 looks lossless, 23 is x264's default."""
BT709 = 1
"""Code of ITU-R BT.709 for matrix, primaries and transfer alike. Browsers assume it for videos without color tags."""


def save_mp4(
    images: Images, path: Path, seconds_per_frame: float = 1 / 12, *, ping_pong: bool = False, scale: int = 0
) -> None:
    """Write a video that every browser and phone plays (H.264, yuv420p), atomically.

    Alpha is composited on white. Odd widths and heights are padded by one pixel, as the format requires.

    Args:
        images: uint8 (N, H, W, C), the frames.
        path: output file, `*.mp4`.
        seconds_per_frame: from 1/240 to 60; 1/12 suits latent walks.
        ping_pong: play backwards to the first frame instead of ending at the last.
        scale: integer factor of nearest-neighbor enlargement; 0 enlarges frames below 256 pixels.

    Raises:
        BadInput: if PyAV is not installed, the suffix is not .mp4, `seconds_per_frame` is out of range, or there are
            no images.
    """
    if path.suffix.lower() != ".mp4":
        raise BadInput(f"{path.name}: the suffix of a video must be .mp4, not {path.suffix!r}")
    if not 1 / 240 <= seconds_per_frame <= 60:
        raise BadInput(
            f"`seconds_per_frame` {seconds_per_frame}: give a number from 1/240 to 60; 1/12 suits latent walks"
        )
    check_mp4_support()
    import av

    scale = scale or _display_scale(images)
    order = [*range(len(images)), *range(len(images) - 2, 0, -1)] if ping_pong else range(len(images))
    height, width, _ = _to_rgb_frame(images[:1], scale).shape
    rate = Fraction(1 / seconds_per_frame).limit_denominator(1000)

    def write(part: Path) -> None:
        # faststart puts the index before the frames, so that browsers start to play before the download ends
        with av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
            video_stream = _add_video_stream(container, rate, height, width)
            for index in order:
                frame = _to_yuv_frame(_to_rgb_frame(images[index : index + 1], scale))
                container.mux(video_stream.encode(frame))
            container.mux(video_stream.encode())

    write_atomically(path, write)


def check_mp4_support() -> None:
    """Check that videos can be written. PyAV is an optional dependency: it contains FFmpeg and takes 100 MB of disk.

    Raises:
        BadInput: if PyAV is not installed.
    """
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise BadInput(
            'MP4 videos need PyAV, which is not installed: pip install "zerosum[video]", or write a .gif instead'
        ) from error


def _display_scale(images: Images) -> int:
    longer = max(images.shape[1:3], default=0)
    return math.ceil(MIN_FRAME_SIDE_PIXELS / max(longer, 1))


def _to_rgb_frame(image: Images, scale: int) -> NDArray[np.uint8]:
    """Convert one image (1, H, W, C) to RGB bytes (H', W', 3) with even sides."""
    frame = make_grid(image, columns=1, scale=scale, gap=0).convert("RGBA")
    background = Image.new("RGBA", frame.size, "white")
    rgb = np.asarray(Image.alpha_composite(background, frame).convert("RGB"))
    return np.pad(rgb, ((0, frame.height % 2), (0, frame.width % 2), (0, 0)), "edge")


def _add_video_stream(container: OutputContainer, rate: Fraction, height: int, width: int) -> VideoStream:
    """Add an H.264 video stream with color tags to a container."""
    video_stream = container.add_stream("libx264", rate=rate, options={"crf": str(CRF)})
    video_stream.height, video_stream.width, video_stream.pix_fmt = height, width, "yuv420p"
    context = video_stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = BT709
    context.color_range = 1  # limited range, 16 to 235
    return video_stream


def _to_yuv_frame(rgb: NDArray[np.uint8]) -> VideoFrame:
    """Convert RGB bytes (H, W, 3) to a yuv420p frame, whose chroma has half the resolution."""
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
