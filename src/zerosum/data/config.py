"""The settings of the data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zerosum.data.degradations.catalog import check_degradations
from zerosum.settings import Settings


def _split_commas(names: Any) -> Any:
    """One name, or several separated by commas, as a list of names."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


class Data(Settings):
    """What is trained on."""

    source: str = ""
    """A folder, a zip, an .npz or .npy, or the name of a built-in set."""
    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Pixels a side; left out: chosen by looking at the data."""
    channels: Annotated[int, Field(ge=1, le=4)] | None = None
    """1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha; left out: chosen by looking at the data."""
    fit: Literal["crop", "pad", "resize", "tiles"] | None = None
    """How other shapes become squares; left out: chosen by looking at the data. tiles: cut into squares, unscaled."""
    hflip: bool | None = None
    """Mirror half of the pictures left to right; left out: chosen by looking at the data."""
    rotate90: bool = False
    """Turn pictures by 0, 90, 180 or 270 degrees: for those that have no up, and no light from one side."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Threads that fetch batches ahead."""
    pairs: Literal["none", "paired", "unpaired"] = "none"
    """For games that turn pictures into others: what is given and what is wanted come in pairs, or they do not."""
    input: str = "A"
    """The sub-folder of the pictures that are given; of pictures side by side, A is the left half."""
    target: str = "B"
    """The sub-folder of the pictures that are wanted."""
    target_source: str = ""
    """A second folder, of the wanted pictures; `source` is then that of the given ones."""
    degrade: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = ()
    """What is given is made from what is wanted, by these one after the other: grey, edges, down2, down4, down8, masks,
    blur, jpeg, noise, scratches."""

    @model_validator(mode="after")
    def _check_degradations(self) -> Data:
        if self.degrade:
            check_degradations(self.degrade)
        return self
