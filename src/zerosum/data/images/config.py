"""Settings of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, model_validator

from zerosum.data.config import DataConfig
from zerosum.data.images.example_format import check_range_of_type
from zerosum.data.images.groups import check_pattern, is_pattern
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.raster_image import MAX_CHANNELS
from zerosum.data.images.size import ImageSize, parse_size
from zerosum.data.images.value_range import Range

_MORE = "more_sources."

Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]

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


PreviewBands = Annotated[
    tuple[Channels, ...],
    BeforeValidator(lambda bands: [bands] if isinstance(bands, int) else _split_commas(bands) if bands else ()),
]
ValueRange = Annotated[Range, BeforeValidator(_split_commas), AfterValidator(_check_order)]


def _wrap_string(value: object) -> object:
    """Return a string as a list of one; return any other value unchanged."""
    return [value] if isinstance(value, str) else value


def _split_names(names: object) -> object:
    """Split a string of comma-separated names into a list; return any other value unchanged."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


class ImageDataConfig(DataConfig):
    """Images in a folder, an archive or an array."""

    kind: Literal["images"] = "images"
    source: str = ""
    """A folder, .zip, .npz or .npy of images, or the name of a built-in dataset."""
    more_sources: Annotated[tuple[str, ...], BeforeValidator(_wrap_string)] = ()
    """Further sources, which are one set with `source`; folders of the same name are one class."""
    validation: str = ""
    """A source of its own that is held out; then nothing of the training images is."""
    label: str = ""
    """The column of labels.csv that holds the classes. Left out: label, class, category and the like."""
    conditions: Annotated[tuple[str, ...], BeforeValidator(_split_names)] = ()
    """Columns of labels.csv that samples are asked for, alone or with a class: age,height. Columns of numbers are
    standardized; each text of another column is a number of its own. Both networks need a `condition`."""
    groups: str = ""
    """Images that stay on one side of the split: those with one value of this column of labels.csv, those of one
    folder ("folder"), or those for which a regular expression finds one text, such as (patient[0-9]+), in their
    paths."""
    size: SizeSetting | None = None
    """Size of the training images in pixels: the side of squares (64), or WIDTHxHEIGHT (96x64). Default: chosen by
    inspecting the data."""
    channels: Channels | None = None
    """1 gray, 3 RGB; of 8 bits also 2 gray with alpha and 4 RGB with alpha. Other numbers are of bands, up to 64.
    Default: chosen by inspecting the data."""
    bands: Literal["channels", "pages"] | None = None
    """What the bands of an image are: the channels of its first page, or the pages of its file (TIFF stacks). Default:
    pages where all files have the same number of them."""
    fit: Literal["crop", "pad", "resize", "tiles"] | None = None
    """How images get the size; tiles cuts them into unscaled parts of it. Default: chosen by inspecting the data."""
    range: ValueRange | None = None
    """The values (low, high) that are black and white in images with more than 8 bits per value; others are clipped.
    Default: chosen by inspecting the data, once for all images. Values of 8 bits are 0 to 255."""
    dtype: PixelType | None = None
    """The type of the values in training and in samples: uint8, uint16, int16 or float32. With uint8, values of more
    bits are scaled to 0 to 255 by `data.range`. Default: that of the images; uint8 in runs of before there was a
    choice."""
    preview_bands: PreviewBands = ()
    """The band shown in gray, or the three shown as RGB, counted from 1, in previews and to networks of evaluations.
    Left out: the first three of up to four bands, else the first, the middle and the last."""
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

    source_fields: ClassVar[tuple[str, ...]] = ("source", "validation")
    form_fields: ClassVar[tuple[str, ...]] = (
        "size", "channels", "bands", "fit", "range", "dtype", "preview_bands", "conditions",
    )  # fmt: skip

    @property
    def held_out_fraction(self) -> float:
        """The fraction of the training images that is held out; 0 if there are images for validation."""
        return 0.0 if self.validation else super().held_out_fraction

    @property
    def sources(self) -> dict[str, str]:
        """The sources that are set, by the setting that names them: more_sources.0 for the first of several."""
        more = {f"{_MORE}{index}": source for index, source in enumerate(self.more_sources)}
        return super().sources | more

    @property
    def training_sources(self) -> list[str]:
        """The sources of the training images."""
        return [source for name, source in self.sources.items() if name != "validation"]

    def relocate(self, sources: Mapping[str, str]) -> Self:
        """Return the settings with the same images at other paths, by the names of `sources`."""
        more = [sources.get(f"{_MORE}{index}", source) for index, source in enumerate(self.more_sources)]
        fields: dict[str, object] = {name: path for name, path in sources.items() if not name.startswith(_MORE)}
        return self.model_copy(update=fields | {"more_sources": tuple(more)})

    def with_training_sources(self, sources: Sequence[str]) -> Self:
        """Return the settings with other training images, of one source or of several."""
        return self.model_copy(update={"source": sources[0], "more_sources": tuple(sources[1:])})

    def with_source(self, source: str) -> Self:
        """Return the settings with one other source, in which all images are found, without a split."""
        return super().with_source(source).model_copy(update={"more_sources": (), "groups": ""})

    @model_validator(mode="after")
    def _check_split(self) -> Self:
        if self.validation and self.held_out is not None:
            raise ValueError("`data.held_out`: the images of `data.validation` are held out alone; leave one out")
        if self.groups and not self.held_out_fraction:
            raise ValueError(
                f"`data.groups` {self.groups}: nothing of the training images is held out, so there is no split of "
                "groups; leave it out"
            )
        columns = [name.casefold() for name in (*self.conditions, self.label)]
        if twice := next((name for name in self.conditions if columns.count(name.casefold()) > 1), ""):
            raise ValueError(f"`data.conditions` {twice}: a column is used once, and not also as `data.label`")
        if is_pattern(self.groups):
            check_pattern(self.groups)
        return self

    @model_validator(mode="after")
    def _check_pixels(self) -> Self:
        if len(self.preview_bands) not in (0, 1, 3):
            bands = ",".join(map(str, self.preview_bands))
            raise ValueError(f"`data.preview_bands` {bands}: give one band, or three that are shown as RGB")
        if self.range and self.dtype not in (None, "uint8"):
            check_range_of_type("range", self.range, self.dtype)
        return self

    @property
    def condition_columns(self) -> tuple[str, ...]:
        """The columns that are numeric conditions."""
        return self.conditions

    @property
    def range_of_inputs(self) -> Range | None:
        """The range of the input images: that of all images."""
        return self.range

    @property
    def range_of_outputs(self) -> Range | None:
        """The range of all images, or of the targets."""
        return self.range

    @property
    def dtype_of_outputs(self) -> PixelType:
        """The type of all images, or of the targets."""
        return self.dtype or "uint8"

    @property
    def pages_are_bands(self) -> bool:
        """Whether the pages of a file are the bands of one image."""
        return self.bands == "pages"

    @property
    def dtype_of_inputs(self) -> PixelType:
        """The type of the input images: that of all images."""
        return self.dtype or "uint8"
