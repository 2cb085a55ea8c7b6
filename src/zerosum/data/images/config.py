"""Settings of images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from zerosum.data.config import DataConfig

Channels = Annotated[int, Field(ge=1, le=4)]


class ImageDataConfig(DataConfig):
    """Images in a folder, an archive or an array."""

    kind: Literal["images"] = "images"
    source: str = ""
    """A folder, .zip, .npz or .npy of images, or the name of a built-in dataset."""
    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Side of the square training images in pixels. Default: chosen by inspecting the data."""
    channels: Channels | None = None
    """1 gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha. Default: chosen by inspecting the data."""
    fit: Literal["crop", "pad", "resize", "tiles"] | None = None
    """How images become squares; tiles cuts them into unscaled squares. Default: chosen by inspecting the data."""
    hflip: bool | None = None
    """Flip each image left to right with probability 0.5. Default: chosen by inspecting the data."""
    rotate90: bool = False
    """Rotate each image by 0, 90, 180 or 270 degrees: for images without a direction of up or of light."""
