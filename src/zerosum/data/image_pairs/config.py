"""Settings of input and target images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, model_validator

from zerosum.data.degradations.catalog import check_degradations
from zerosum.data.images.config import Channels, ImageDataConfig, ValueRange
from zerosum.data.images.example_format import check_range_of_type
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.value_range import Range
from zerosum.errors import BadInput


def _split_commas(names: object) -> object:
    """Split a string of comma-separated names into a list; return any other value unchanged."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


class ImagePairDataConfig(ImageDataConfig):
    """Input and target images for image-to-image translation, paired or unpaired."""

    kind: Literal["image-pairs"] = "image-pairs"  # type: ignore[assignment]
    pairs: Literal["paired", "unpaired"] = "paired"
    """Whether the inputs and the targets come in pairs."""
    input: str = "A"
    """Subfolder of the input images. Of two images side by side in one file, A is the left half."""
    target: str = "B"
    """Subfolder of the target images."""
    target_source: str = ""
    """A second source, which holds the target images; `source` then holds the input images."""
    input_channels: Channels | None = None
    """Channels of the input images; left out: those of the target images."""
    input_range: ValueRange | None = None
    """The range of the input images; left out: that of the target images."""
    input_dtype: PixelType | None = None
    """The type of the values of the input images; left out: that of the target images."""
    degrade: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = ()
    """Make each input from its target by these degradations in order: gray, edges, down2, down4, down8, masks, blur,
    jpeg, noise, scratches."""
    scale_factor: Literal[1, 2, 4, 8] | None = None
    """How many times as large as their inputs the targets of pairs are on each side. Default: found from the sizes of
    the images."""
    source_fields: ClassVar[tuple[str, ...]] = ("source", "target_source", "validation")
    form_fields: ClassVar[tuple[str, ...]] = (
        *ImageDataConfig.form_fields, "pairs", "input", "target", "input_channels", "input_range", "input_dtype",
        "degrade", "scale_factor",
    )  # fmt: skip

    @property
    def has_inputs(self) -> bool:
        """Whether a sample has an input, from which a game of translation generates it."""
        return True

    @property
    def has_targets(self) -> bool:
        """Whether each input has its own target."""
        return self.pairs == "paired"

    @property
    def degradations(self) -> tuple[str, ...]:
        """The degradations by which the inputs are made from the targets, in order; () if inputs are given."""
        return self.degrade

    @property
    def fills_holes(self) -> bool:
        """Whether the last channel of an input is a mask of the hole that is to be filled."""
        return "masks" in self.degrade

    @property
    def factor(self) -> int:
        """How many times as large as their inputs, which are given, the targets are on each side."""
        return self.scale_factor or 1

    @property
    def range_of_inputs(self) -> Range | None:
        """The range of the input images."""
        return self.input_range or self.range

    @property
    def dtype_of_inputs(self) -> PixelType:
        """The type of the input images."""
        return self.input_dtype or self.dtype or "uint8"

    def with_training_sources(self, sources: Sequence[str]) -> Self:
        """Return the settings with other images; where targets have a source of their own, it is the second one.

        Raises:
            BadInput: the settings have another number of sources.
        """
        if self.degrade:
            return super().with_training_sources(sources)
        expected = 2 if self.target_source else 1
        if len(sources) != expected:
            content = "inputs and targets in two sources" if expected == 2 else "inputs and targets in one source"
            raise BadInput(f"`data` {', '.join(sources)}: the run has {content}; give {expected}")
        names = dict(zip(("source", "target_source"), sources, strict=False))
        return self.model_copy(update=dict(names))

    def reversed(self) -> Self:
        """Return the settings with inputs and targets exchanged."""
        changes: dict[str, object] = {"input": self.target, "target": self.input}
        if self.target_source:
            changes |= {"source": self.target_source, "target_source": self.source}
        if self.input_channels:
            changes |= {"channels": self.input_channels, "input_channels": self.channels}
        if self.input_range:
            changes |= {"range": self.input_range, "input_range": self.range}
        if self.input_dtype:
            changes |= {"dtype": self.input_dtype, "input_dtype": self.dtype}
        return self.model_copy(update=changes)

    def as_paired(self) -> Self:
        """Return the settings with each input paired with the target of the same name."""
        return self.model_copy(update={"pairs": "paired"})

    @model_validator(mode="after")
    def _check_scale(self) -> ImagePairDataConfig:
        if self.degrade and self.scale_factor:
            raise ValueError("`data.scale_factor`: the degradations decide it; leave it out")
        if self.factor > 1 and not self.has_targets:
            raise ValueError("`data.scale_factor`: is that of pairs, and these images are unpaired; leave it out")
        if self.factor > 1 and self.fit in ("crop", "pad"):
            raise ValueError(
                f"`data.fit` {self.fit}: may shift targets against inputs that are {self.factor} times smaller; set it "
                "to tiles or resize"
            )
        if self.more_sources and not self.degrade:
            raise ValueError(
                "`data.more_sources`: inputs and targets are one source with two folders, or two sources; name the "
                "second one as `data.target_source`"
            )
        if self.degrade and (self.input, self.target) != ("A", "B"):
            raise ValueError(
                f"`data.degrade`: makes the input images from the targets, so `data.input` {self.input} and "
                f"`data.target` {self.target} would not be read; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _check_combinations(self) -> ImagePairDataConfig:
        try:
            if self.degrade:
                check_degradations(self.degrade)
        except BadInput as error:
            raise ValueError(f"`data.degrade` {','.join(self.degrade)}: {error}") from None
        if self.degrade and self.pairs == "unpaired":
            raise ValueError(
                "`data.degrade`: makes pairs, and this game is unpaired; set `data.pairs` paired, or leave it out"
            )
        if self.degrade and self.target_source:
            raise ValueError(
                f"`data.degrade`: makes the input images from {self.source}; leave out the second folder "
                f"{self.target_source}"
            )
        if self.degrade and self.input_channels:
            raise ValueError("`data.input_channels`: the degradations decide it; leave it out")
        if self.degrade and (self.dtype_of_inputs != "uint8" or self.input_dtype):
            raise ValueError(
                "`data.degrade`: makes inputs of 8 bits per value, as image files have them; set `data.dtype` uint8, "
                "and leave `data.input_dtype` out"
            )
        if self.conditions:
            raise ValueError("`data.conditions`: networks that translate images take no conditions; leave it out")
        if self.input_range and self.dtype_of_inputs != "uint8":
            check_range_of_type("input_range", self.input_range, self.dtype_of_inputs)
        if self.degrade and self.input_range:
            raise ValueError("`data.input_range`: the inputs are made from the targets; set `data.range` alone")
        if self.target_source and (self.input, self.target) != ("A", "B"):
            raise ValueError(
                "`data.input` and `data.target` name subfolders of one folder; of two folders, the first holds the "
                "inputs and the second the targets: name them in that order, and leave these settings out"
            )
        return self
