"""Scripts that read and write images without Zerosum, with Pillow and numpy alone."""

from __future__ import annotations

from pathlib import Path

from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.decode import PIL_MODES
from zerosum.media.image_files import PNG_CHANNELS, image_suffix
from zerosum.media.script import ScriptPart, load_script, render
from zerosum.run_folder import Json

_SCRIPT = Path(__file__).with_name("scripts") / "images.py.txt"


def sample_script(codec: ImageCodec) -> ScriptPart:
    """Return how scripts write samples: as `media.image_files.save_each` does."""
    suffix = image_suffix(codec.dtype, codec.shape[0])
    conditions = _conditions_of_output(codec, suffix)
    source = render(load_script(_SCRIPT), conditions, {"suffix": suffix})
    facts: dict[str, Json] = {"sample": image_facts(codec)}
    if suffix == ".npy":
        return ScriptPart(source, facts=facts)
    return ScriptPart(source, ("from PIL import Image",), ("Pillow",), facts)


def translation_script(inputs: ImageCodec, outputs: ImageCodec, has_mask: bool, pages_are_bands: bool) -> ScriptPart:
    """Return how scripts read the inputs of a translation and write its outputs: as `zerosum apply` does.

    Args:
        inputs: the codec of inputs, without the channel of the mask.
        outputs: the codec of outputs.
        has_mask: whether a mask of what is to be filled is the last channel of an input.
        pages_are_bands: whether the pages of a file are the bands of one image.
    """
    channels, suffix = inputs.shape[0], image_suffix(outputs.dtype, outputs.shape[0])
    holds = {
        "read": True,
        "bytes": inputs.dtype == "uint8" and channels in PIL_MODES,
        "alpha": channels in (2, PNG_CHANNELS),
        "mask": has_mask,
        "pages": pages_are_bands,
        # as of `OutputWriter.alpha`, for outputs of which a file has room for alpha
        "carried": outputs.dtype == "uint8" and outputs.shape[0] in (1, 3) and not has_mask,
    }
    conditions = _conditions_of_output(outputs, suffix) | {name for name, value in holds.items() if value}
    values = {"suffix": suffix, "mode": PIL_MODES.get(channels, "")}
    names = ["Image", *["ImageOps"] * holds["bytes"], *["ImageSequence"] * (pages_are_bands and not holds["bytes"])]
    facts: dict[str, Json] = {"input": image_facts(inputs) | {"mask": has_mask}, "sample": image_facts(outputs)}
    source = render(load_script(_SCRIPT), conditions, values)
    words = frozenset({"mask"} if has_mask else ())
    return ScriptPart(source, (f"from PIL import {', '.join(names)}",), ("Pillow",), facts, words)


def image_facts(codec: ImageCodec) -> dict[str, Json]:
    """Return what images are: channels, size, type, and the values that are -1 and 1 in the network."""
    channels, height, width = codec.shape
    size = {"channels": channels, "height": height, "width": width}
    return {**size, "type": codec.dtype, "range": list(codec.value_range)}


def _conditions_of_output(codec: ImageCodec, suffix: str) -> set[str]:
    return {codec.dtype, suffix.removeprefix(".")}
