"""Decoding large images takes bounded memory, and bands change no pixel."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zerosum.data.content_hash import hash_content
from zerosum.data.images import bands, memory
from zerosum.data.images.decode import FITS, decode_image
from zerosum.data.images.files import load_image, open_image
from zerosum.data.images.load import load_source
from zerosum.data.images.memory import DecodingBudget, decoding_bytes
from zerosum.data.images.size import ImageSize
from zerosum.errors import BadInput

MODES = ("1", "L", "P", "LA", "PA", "RGB", "RGBA", "CMYK", "I;16", "I", "F")


def noise_image(mode: str, width: int = 37, height: int = 53) -> Image.Image:
    rng = np.random.default_rng(0)
    if mode in ("I;16", "I", "F"):
        values = rng.integers(0, 65536, (height, width))
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        return Image.fromarray((values / 65535 if mode == "F" else values).astype(dtype))
    image = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8))
    if mode in ("P", "PA"):
        return image.convert("RGB").quantize(16).convert(mode)
    return image.convert("RGB").convert(mode) if mode in ("1", "CMYK") else image.convert(mode)


@pytest.mark.parametrize("fit", sorted(FITS))
@pytest.mark.parametrize("mode", MODES)
def test_an_image_in_bands_is_the_same(monkeypatch: pytest.MonkeyPatch, mode: str, fit: str) -> None:
    for channels in (1, 2, 3, 4):
        whole = decode_image(noise_image(mode), ImageSize.square(16), channels, fit)
        with monkeypatch.context() as patch:
            patch.setattr(bands, "BAND_PIXELS", 200)  # 5 rows, and 3 in the last band
            banded = decode_image(noise_image(mode), ImageSize.square(16), channels, fit)
        assert banded.content_hash == whole.content_hash
        np.testing.assert_array_equal(banded.examples, whole.examples)


def test_the_content_hash_is_that_of_all_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND_PIXELS", 200)
    image = noise_image("RGB")
    assert decode_image(image, ImageSize.square(16), 3, "crop").content_hash == hash_content(
        "RGB 37x53", image.tobytes()
    )


def test_a_palette_with_a_transparent_color_is_the_same_in_bands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise_image("P").save(tmp_path / "a.png", transparency=3)
    whole = load_image(tmp_path / "a.png")
    monkeypatch.setattr(bands, "BAND_PIXELS", 200)
    banded = load_image(tmp_path / "a.png")
    assert banded.mode == whole.mode == "RGBA"
    assert banded.tobytes() == whole.tobytes()


def test_images_that_exceed_the_budget_together_are_decoded_one_after_another() -> None:
    image = Image.new("RGB", (100, 100))
    budget = DecodingBudget(max_images=8, max_bytes=2.5 * decoding_bytes(image))
    large = Image.new("RGB", (1000, 1000))  # larger than the budget: decoded alone
    active, peaks = [], []

    def decode(each: Image.Image) -> None:
        with budget.reserve(each):
            active.append(each)
            peaks.append((sum(one is large for one in active), len(active)))
            time.sleep(0.01)
            active.remove(each)

    threads = [threading.Thread(target=decode, args=(large if index % 5 == 2 else image,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(count for _, count in peaks) == 2
    assert {count for larges, count in peaks if larges} == {1}


def test_an_image_beyond_half_of_the_memory_is_refused_with_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (1000, 2000)).save(tmp_path / "a.png")
    monkeypatch.setattr(memory, "physical_memory_bytes", lambda: 30 * 2**20)
    reason = r"too many pixels: 1000x2000 take 0\.0 GiB to decode, more than half of the memory of 0\.0 GiB"
    with pytest.raises(BadInput, match=reason):
        load_image(tmp_path / "a.png")
    with pytest.raises(BadInput, match=reason):
        load_source(tmp_path, 16, 3, "crop")


def test_the_pixel_limit_of_pillow_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"x")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99)
    open_image(tmp_path / "a.png").close()  # larger than the limit of the caller's program
    with pytest.raises(BadInput):
        load_image(tmp_path / "b.png")
    assert Image.MAX_IMAGE_PIXELS == 99


MEASURE = """
import resource, sys
from pathlib import Path
from zerosum.data.images.load import load_source

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dataset = load_source(sys.argv[1], 64, 1, "tiles", min_images=1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(dataset), dataset.summary.unreadable)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the peak is counted in other units")
def test_an_image_beyond_the_limit_of_pillow_is_cut_into_tiles_in_little_memory(tmp_path: Path) -> None:
    """Of 196 megapixels with one byte each, no copy of all pixels is made."""
    for number in range(4):
        image = Image.new("L", (14_000, 14_000), number)
        image.save(tmp_path / f"{number}.png", compress_level=1)
    output = subprocess.run([sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True)
    peak, count, unreadable = output.stdout.split(maxsplit=2)
    assert (int(count), unreadable.strip()) == (4 * 128, "[]")
    assert int(peak) < 1.2 * 2**20, "KiB"  # four images at once, and nothing else
