"""Choose the type in which images are trained on, with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zerosum.data.images.example_format import smallest_type
from zerosum.data.images.value_range import Extremes, Range, choose_range
from zerosum.errors import BadInput
from zerosum.settings import Decision

if TYPE_CHECKING:
    from zerosum.data.images.inspect import ImageInspection
    from zerosum.data.images.pixels import PixelType


def choose_types(table: dict[str, object], inspection: ImageInspection) -> list[Decision]:
    """Choose the types of all images or of targets, and that of inputs, once their ranges are chosen.

    Raises:
        BadInput: a type of more than 8 bits is set for images of 8 bits.
    """
    of_inputs = inspection.input_extremes if inspection.has_given_inputs else inspection.extremes
    wanted = {"dtype": inspection.extremes, "input_dtype": of_inputs}
    for name, extremes in wanted.items():
        if table.get(name) not in (None, "uint8") and extremes is None:
            raise BadInput(
                f"`data.{name}` {table[name]}: the images in {inspection.source} have 8 bits per value; leave it out, "
                "or save the images with 16 bits or as floats"
            )
    if table.get("dtype") is not None or not (inspection.extremes or inspection.input_extremes):
        return []
    dtype = "uint8" if table.get("degrade") else _choose_type(inspection.extremes, table.get("range"))
    table["dtype"] = dtype
    decisions = [_decide("dtype", dtype, inspection.extremes, bool(table.get("degrade")))]
    if inspection.has_given_inputs and table.get("input_dtype") is None:
        value_range = table.get("input_range") or table.get("range")
        if (input_dtype := _choose_type(inspection.input_extremes, value_range)) != dtype:
            table["input_dtype"] = input_dtype
            decisions.append(_decide("input_dtype", input_dtype, inspection.input_extremes, degraded=False))
    return decisions


def _choose_type(extremes: Extremes | None, value_range: object) -> PixelType:
    """Return the type of images of these extremes: uint8 if they have 8 bits or fit into them, else that of the range.

    Values outside of the range are clipped, so that the type need not hold them.
    """
    if extremes is None:
        return "uint8"
    known: Range = choose_range(extremes) if value_range is None else _as_range(value_range)
    return smallest_type(known, extremes.floating)


def _as_range(value: object) -> Range:
    from zerosum.data.images.config import ImageDataConfig

    value_range = ImageDataConfig.model_validate({"range": value}).range
    assert value_range is not None, "it was given"
    return value_range


def _decide(name: str, dtype: PixelType, extremes: Extremes | None, degraded: bool) -> Decision:
    if degraded:
        return Decision(name, dtype, "the inputs are made from the targets as image files of 8 bits")
    if extremes is None:
        return Decision(name, dtype, "the images have 8 bits per value")
    if dtype == "uint8":
        return Decision(name, dtype, "the values of the images fit into 8 bits")
    return Decision(name, dtype, f"that of the images, at their own precision (`data.{name}` uint8 takes 8 bits)")
