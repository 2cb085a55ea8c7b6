"""Settings of images."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from zerosum.data.config import DataConfig
from zerosum.data.images.size import ImageSize, parse_size
from zerosum.data.images.value_range import Range

Channels = Annotated[int, Field(ge=1, le=4)]

SizeSetting = Annotated[
    ImageSize, BeforeValidator(parse_size), PlainSerializer(lambda size: size.setting, return_type=int | str)
]


def _split_commas(values: object) -> object:
    """Split a string of comma-separated numbers into a list; return any other value unchanged."""
    return values.strip(" []()").split(",") if isinstance(values, str) else values


def _check_order(value_range: Range) -> Range:
    low, high = value_range
    if low >= high:
        raise ValueError(f"the first value, {low:g}, must be less than the second, {high:g}")
    return value_range


ValueRange = Annotated[Range, BeforeValidator(_split_commas), AfterValidator(_check_order)]


class ImageDataConfig(DataConfig):
    """Images in a folder, an archive or an array."""

    kind: Literal["images"] = "images"
    source: str = ""
    """A folder, .zip, .npz or .npy of images, or the name of a built-in dataset."""
    size: SizeSetting | None = None
    """Size of the training images in pixels: the side of squares (64), or WIDTHxHEIGHT (96x64). Default: chosen by
    inspecting the data."""
    channels: Channels | None = None
    """1 gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha. Default: chosen by inspecting the data."""
    fit: Literal["crop", "pad", "resize", "tiles"] | None = None
    """How images get the size; tiles cuts them into unscaled parts of it. Default: chosen by inspecting the data."""
    range: ValueRange | None = None
    """The values (low, high) that are black and white in images with more than 8 bits per value; others are clipped.
    Default: chosen by inspecting the data, once for all images. Values of 8 bits are 0 to 255."""
    hflip: bool | None = None
    """Flip each image left to right with probability 0.5. Default: chosen by inspecting the data."""
    rotate90: bool = False
    """Rotate each image by 0, 90, 180 or 270 degrees: for square images without a direction of up or of light."""

    @model_validator(mode="after")
    def _check_rotation(self) -> Self:
        if self.rotate90 and self.size and not self.size.is_square:
            raise ValueError(
                f"`data.rotate90`: an image of {self.size} pixels that is turned by 90 degrees has another size; set "
                f"`data.size` to {min(self.size.height, self.size.width)}, or leave `data.rotate90` out"
            )
        return self

    @property
    def range_of_inputs(self) -> Range | None:
        """The range of the input images: that of all images."""
        return self.range
