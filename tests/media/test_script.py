"""Scripts for exported models: their lines depend on what a model has."""

import ast

import pytest

from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.pixels import PixelType
from zerosum.data.images.value_range import Range
from zerosum.media.images_script import sample_script, translation_script
from zerosum.media.script import render

TEXT = "a\nb  #: one\nc  #: not one\nd  #: one two\n  #: two\ne {name} {other}"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), "a\nc\ne x {other}"),
        (("one",), "a\nb\ne x {other}"),
        (("one", "two"), "a\nb\nd\n\ne x {other}"),
        (("two",), "a\nc\n\ne x {other}"),
    ],
)
def test_render(words: tuple[str, ...], expected: str) -> None:
    assert render(TEXT, words, {"name": "x"}) == expected


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 8])
@pytest.mark.parametrize(
    ("dtype", "value_range"),
    [("uint8", (0, 255)), ("uint16", (0, 4095)), ("int16", (-1024, 3071)), ("float32", (0, 1))],
)
@pytest.mark.parametrize("has_mask", [False, True])
def test_scripts_are_python(channels: int, dtype: PixelType, value_range: Range, has_mask: bool) -> None:
    codec = ImageCodec((channels, 8, 8), dtype, value_range)
    for part in (sample_script(codec), translation_script(codec, codec, has_mask and dtype == "uint8", False)):
        assert "#:" not in part.source
        names = {node.name for node in ast.walk(ast.parse(part.source)) if isinstance(node, ast.FunctionDef)}
        assert {"decode", "save", "write"} <= names
        assert all(f"{name}." not in part.source for name in ("ImageOps", "Image") if name not in "".join(part.imports))
