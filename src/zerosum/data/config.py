"""Settings of the training data."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from zerosum.data.degradations.catalog import check_degradations
from zerosum.settings import Settings


def _split_commas(names: Any) -> Any:
    """Split a string of comma-separated names into a list; return any other value unchanged."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else names


class Data(Settings):
    """Settings of the training data."""

    source: str = ""
    """A folder, .zip, .npz or .npy of images, or the name of a built-in dataset."""
    size: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Side of the square training images in pixels. Default: chosen by inspecting the data."""
    channels: Annotated[int, Field(ge=1, le=4)] | None = None
    """1 gray, 2 gray with alpha, 3 RGB, 4 RGB with alpha. Default: chosen by inspecting the data."""
    fit: Literal["crop", "pad", "resize", "tiles"] | None = None
    """How images become squares; tiles cuts them into unscaled squares. Default: chosen by inspecting the data."""
    hflip: bool | None = None
    """Flip each image left to right with probability 0.5. Default: chosen by inspecting the data."""
    rotate90: bool = False
    """Rotate each image by 0, 90, 180 or 270 degrees: for images without a direction of up or of light."""
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    """Number of threads that prefetch batches; 0: no prefetching."""
    pairs: Literal["none", "paired", "unpaired"] = "none"
    """For image-to-image translation: whether the inputs and the targets come in pairs."""
    input: str = "A"
    """Subfolder of the input images. Of two images side by side in one file, A is the left half."""
    target: str = "B"
    """Subfolder of the target images."""
    target_source: str = ""
    """A second source, which holds the target images; `source` then holds the input images."""
    degrade: Annotated[tuple[str, ...], BeforeValidator(_split_commas)] = ()
    """Make each input from its target by these degradations in order: gray, edges, down2, down4, down8, masks, blur,
    jpeg, noise, scratches."""

    @model_validator(mode="after")
    def _check_degradations(self) -> Data:
        if self.degrade:
            check_degradations(self.degrade)
        return self
