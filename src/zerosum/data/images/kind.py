"""Images as a kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import ValidationError

from zerosum.data.config import DataConfig
from zerosum.data.images.config import ImageDataConfig
from zerosum.data.kind import DataKind, Inspection, LoadOptions
from zerosum.errors import BadInput
from zerosum.settings import Decision

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.data.codec import Codec
    from zerosum.data.dataset import Dataset
    from zerosum.data.images.codec import ImageCodec
    from zerosum.run_folder import Json

CLAIM_OF_PATH, CLAIM_OF_ANYTHING = 0.5, 0.1
"""How sure it is that a file or folder holds images, and that anything else, such as a misspelled path, should."""
COLOR_CHANNELS = (3, 4)
"""Numbers of channels of images in color."""


class Images(DataKind):
    """Images in a folder, an archive or an array."""

    name: ClassVar[str] = "images"
    noun: ClassVar[str] = "image"
    class_hint: ClassVar[str] = "put the images of each class into a folder of its own, or add a labels.csv"
    traits: ClassVar[tuple[str, ...]] = ("color",)
    augmentation: ClassVar[str] = "ada"
    builtin: ClassVar[tuple[str, ...]] = ("digits",)
    pipeline_tag: ClassVar[str] = "unconditional-image-generation"

    @property
    def config(self) -> type[DataConfig]:
        """The class of the settings `[data]`."""
        return ImageDataConfig

    def claims(self, table: Mapping[str, object]) -> float:
        """Return a half for a file, a folder or a built-in dataset, and little for anything else."""
        source = str(table.get("source", ""))
        return CLAIM_OF_PATH if source in self.builtin or (source and Path(source).exists()) else CLAIM_OF_ANYTHING

    def inspect(self, data: DataConfig) -> Inspection:
        """Inspect the images: a listing, some headers, a few thumbnails.

        Raises:
            BadInput: there are no images, or none that can be read.
        """
        from zerosum.data.images.inspect import inspect_data

        assert isinstance(data, ImageDataConfig), "the settings are of this kind"
        return inspect_data(data)

    def choose_settings(self, table: dict[str, object], inspection: Inspection, on_cpu: bool) -> list[Decision]:
        """Choose size, channels, fit and horizontal flips."""
        from zerosum.data.images.defaults import choose_image_settings
        from zerosum.data.images.inspect import ImageInspection

        assert isinstance(inspection, ImageInspection), "this kind made the inspection"
        return choose_image_settings(table, inspection, on_cpu)

    def find_traits(self, data: DataConfig) -> tuple[str, ...]:
        """Return "color" for images of three channels, or of four, of which one may be transparency."""
        assert isinstance(data, ImageDataConfig), "the settings are of this kind"
        return self.traits if data.channels in COLOR_CHANNELS and data.bands != "pages" else ()

    def load(self, data: DataConfig, options: LoadOptions, inspection: Inspection | None = None) -> Dataset:
        """Load the images, decoded to one size."""
        from zerosum.data.images.holding_out import ImageSplit
        from zerosum.data.images.inspect import ImageInspection
        from zerosum.data.images.joined import resolve_all_sources
        from zerosum.data.images.load import MIN_IMAGES, load_source
        from zerosum.data.images.size import ImageSize
        from zerosum.data.images.splits import Split
        from zerosum.data.images.symmetries import choose_symmetries

        assert isinstance(data, ImageDataConfig), "the settings are of this kind"
        split = Split.TEST if options.test_split else Split.TRAINING
        resolved = inspection.resolved if isinstance(inspection, ImageInspection) else None
        dataset = load_source(
            resolved or resolve_all_sources(data, split), data.size or ImageSize(0, 0), data.channels or 0,
            data.fit or "", value_range=data.range, dtype=data.dtype or "uint8",
            pages=data.bands == "pages", preview_bands=data.preview_bands, progress=options.progress,
            min_images=1 if options.for_evaluation else MIN_IMAGES,
            split_images=ImageSplit.of_options(options, data.groups),
            conditions=() if options.for_evaluation else data.conditions, former=options.former,
        )  # fmt: skip
        return replace(dataset, symmetries=choose_symmetries(bool(data.hflip), data.rotate90))

    def choose_common_settings(self, sources: Mapping[str, str], given: Mapping[str, object]) -> DataConfig:
        """Return the size and the channels of all sources, and a fit for those that are larger."""
        from zerosum.data.images.common_format import choose_common_format

        try:
            settings = ImageDataConfig.model_validate(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
            message = first["msg"].removeprefix("Value error, ")
            reason = message[0].lower() + message[1:]
            field = f"`{first['loc'][0]}` {first['input']}: " if first["loc"] else ""
            raise BadInput(field + reason) from None
        return choose_common_format(sources, settings)

    def load_file(self, data: DataConfig, path: Path, codec: Codec) -> Tensor:
        """Load an image file in the shape of a run's samples: (1, C, H, W) in [-1, 1]."""
        import torch

        from zerosum.data.images.codec import ImageCodec
        from zerosum.data.images.decoding import decode_file
        from zerosum.data.images.example_format import ExampleFormat
        from zerosum.data.images.size import ImageSize

        assert isinstance(data, ImageDataConfig), "the settings are of this kind"
        assert isinstance(codec, ImageCodec), "and so is the codec"
        channels, height, width = codec.shape
        form = ExampleFormat(
            ImageSize(height, width), channels, data.fit or "crop", data.range, codec.dtype, data.bands == "pages"
        )
        return codec.encode(torch.from_numpy(decode_file(path, form).examples[:1].copy()))

    def restore_codec(self, settings: Mapping[str, Json], tensors: Mapping[str, Tensor]) -> ImageCodec:
        """Return the codec of images of the saved shape, type and range; runs of before there were types have bytes."""
        from zerosum.data.condition_columns import Conditions
        from zerosum.data.images.codec import BYTE_RANGE, ImageCodec
        from zerosum.data.images.pixels import parse_pixel_type

        channels, height, width = np.asarray(settings["shape"], int).tolist()
        low, high = np.asarray(settings.get("range", BYTE_RANGE), float).tolist()
        bands = np.asarray(settings.get("preview_bands", ()), int).tolist()
        dtype = parse_pixel_type(str(settings.get("dtype", "uint8")))
        conditions = Conditions.restore(settings.get("conditions"), tensors)
        return ImageCodec((channels, height, width), dtype, (low, high), tuple(bands), conditions)


IMAGES = Images()
