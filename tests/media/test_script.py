"""Scripts for exported models: their lines depend on what a model has."""

import ast
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, ImageSequence

from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.page_files import PageReader
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


def draw(mode: str, folder: Path) -> Path:
    """Write an image of a mode, turned by its EXIF orientation, as lossless as its format."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (9, 14, 4), np.uint8)).convert("RGBA")
    image.putalpha(image.getchannel("A").point(lambda level: 0 if level < 90 else level))
    exif = Image.Exif()
    exif[0x0112] = 6
    path = folder / f"{mode}.png"
    (image if mode == "RGBA" else image.convert(mode)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_script_reads_images_as_zerosum_does(mode: str, channels: int, tmp_path: Path) -> None:
    path, codec = draw(mode, tmp_path), ImageCodec((channels, 8, 8))
    functions: dict[str, object] = {"np": np, "Image": Image, "ImageOps": ImageOps}
    exec(translation_script(codec, codec, False, False).source, functions)
    reader = PageReader(channels, None)
    page = reader.load(path).pages[0]
    expected, _ = reader.to_tensor(page, page.image.size)
    values, alpha = functions["read"](path)
    assert values.dtype == np.float32
    assert np.abs(values - expected.numpy()).max() < 1e-6
    assert (alpha is not None) == page.has_alpha


def test_a_script_reads_bands_as_zerosum_does(tmp_path: Path) -> None:
    codec = ImageCodec((2, 8, 8), "int16", (-100, 300))
    functions: dict[str, object] = {"np": np, "Image": Image, "ImageSequence": ImageSequence}
    functions["CONFIG"] = {"input": {"range": [-100, 300], "channels": 2}}
    exec(translation_script(codec, codec, False, False).source, functions)
    np.save(tmp_path / "a.npy", np.random.default_rng(0).integers(-200, 400, (9, 14, 2)).astype(np.int16))
    reader = PageReader(2, (-100, 300), "int16")
    page = reader.load(tmp_path / "a.npy").pages[0]
    expected, _ = reader.to_tensor(page, page.image.size)
    assert np.abs(functions["read"](tmp_path / "a.npy")[0] - expected.numpy()).max() < 1e-6
