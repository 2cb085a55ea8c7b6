"""`apply` as a Python function: translate image files."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.data.images.pixels import unit_to_bytes
from zerosum.errors import BadInput


def write_image(path: Path, size: tuple[int, int] = (16, 16), mode: str = "RGB", seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return path


def test_a_file_holds_the_output_of_the_translator(pairs_run: Path, tmp_path: Path) -> None:
    source = write_image(tmp_path / "image.png")
    (path,) = zerosum.apply(pairs_run, source)
    assert path == pairs_run / "outputs/00000016-image/image.png"
    pixels = torch.from_numpy(np.asarray(Image.open(source)).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    expected = unit_to_bytes(zerosum.load_translator(pairs_run)(pixels))[0]
    np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)


def test_the_default_folder_has_no_characters_that_file_systems_refuse(pairs_run: Path, tmp_path: Path) -> None:
    source = write_image(tmp_path / "my image?.png")
    assert zerosum.apply(pairs_run, source) == [pairs_run / "outputs/00000016-my_image_/my image?.png"]


def test_a_folder_is_translated_and_completed_later(trained_pairs: Path, tmp_path: Path) -> None:
    photos, into = tmp_path / "photos", tmp_path / "translated"
    sizes = {"a.jpg": (16, 16), "deep/b.png": (24, 16), "deep/c.bmp": (16, 16)}
    for name, size in sizes.items():
        write_image(photos / name, size)
    write_image(photos / ".thumbnails/a.png")  # hidden, so passed over as in training
    paths = zerosum.apply(trained_pairs, photos, into=into)
    assert {str(path.relative_to(into)) for path in paths} == {"a.png", "deep/b.png", "deep/c.png"}
    assert Image.open(into / "deep/b.png").size == (24, 16)
    write_image(photos / "d.png")
    with pytest.raises(BadInput, match="`skip_existing`"):
        zerosum.apply(trained_pairs, photos, into=into)
    assert zerosum.apply(trained_pairs, photos, into=into, skip_existing=True) == [into / "d.png"]
    assert zerosum.apply(trained_pairs, photos, into=into, skip_existing=True) == []


def test_images_of_one_name_keep_their_suffix(trained_pairs: Path, tmp_path: Path) -> None:
    for name in ("cat.png", "cat.jpg"):
        write_image(tmp_path / "photos" / name)
    paths = zerosum.apply(trained_pairs, tmp_path / "photos", into=tmp_path / "out")
    assert {path.name for path in paths} == {"cat.png.png", "cat.jpg.png"}


def test_unreadable_images_are_skipped_and_reported(trained_pairs: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "photos/good.png")
    (tmp_path / "photos/bad.png").write_text("not an image")
    reporter = RecordingReporter()
    paths = zerosum.apply(trained_pairs, tmp_path / "photos", into=tmp_path / "out", reporter=reporter)
    assert [path.name for path in paths] == ["good.png"]
    (message,) = [message for message in reporter.messages if message.startswith("skipped")]
    assert "bad.png" in message
    (tmp_path / "photos/good.png").write_text("not an image either")
    with pytest.raises(BadInput, match="none of the 2 images"):
        zerosum.apply(trained_pairs, tmp_path / "photos", into=tmp_path / "none")


def test_images_are_scaled_on_request(trained_pairs: Path, tmp_path: Path) -> None:
    source = write_image(tmp_path / "large.png", (64, 32))
    (path,) = zerosum.apply(trained_pairs, source, into=tmp_path / "small.png", shorter_side=16)
    assert Image.open(path).size == (32, 16)


@pytest.mark.parametrize(
    ("source", "arguments"),
    [
        ("missing.png", {}),
        ("empty", {}),
        ("photos", {"into": "one.png"}),
        ("photos", {"into": "photos/inside"}),
        ("photos/a.png", {"into": "out.jpg"}),
        ("photos/a.png", {"mask": "photos/a.png"}),
        ("photos/a.png", {"reverse": True}),
        ("photos/a.png", {"network_interpolation": 0.5}),
    ],
)
def test_wrong_options_are_refused(
    trained_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, arguments: dict
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_image(tmp_path / "photos/a.png")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(BadInput):
        zerosum.apply(trained_pairs, source, **arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_generator_of_latents_does_not_translate(trained_ring: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        zerosum.apply(trained_ring, write_image(tmp_path / "image.png"))


def test_only_masked_pixels_are_filled(inpainting_run: Path, tmp_path: Path) -> None:
    source = write_image(tmp_path / "photos/a.png", seed=1)
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "masks/a.png")
    (path,) = zerosum.apply(inpainting_run, source, mask=tmp_path / "masks", into=tmp_path / "by-mask")
    original, filled = np.asarray(Image.open(source)), np.asarray(Image.open(path))
    changed = (original != filled).any(2)
    assert changed[4:8, 4:8].any()
    assert not changed[mask == 0].any()

    transparent = Image.open(source).convert("RGBA")
    transparent.putalpha(Image.fromarray(255 - mask))
    transparent.save(tmp_path / "transparent.png")
    (path,) = zerosum.apply(inpainting_run, tmp_path / "transparent.png", into=tmp_path / "by-alpha.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)), filled)


def test_wrong_masks_are_refused(inpainting_run: Path, tmp_path: Path) -> None:
    source = write_image(tmp_path / "photos/a.png")
    write_image(tmp_path / "large/a.png", (20, 20), "L")
    write_image(tmp_path / "other/b.png", mode="L")
    with pytest.raises(BadInput, match="`mask`"):  # none
        zerosum.apply(inpainting_run, source, into=tmp_path / "out")
    for mask, problem in (("large", "size mismatch"), ("other", "no mask"), ("missing", "`mask`")):
        with pytest.raises(BadInput, match=problem):
            zerosum.apply(inpainting_run, source, mask=tmp_path / mask, into=tmp_path / "out")
    with pytest.raises(BadInput, match="`degrade`"):
        zerosum.apply(inpainting_run, source, mask=tmp_path / "other", degrade=True, into=tmp_path / "out")


def test_degraded_targets_are_translated_reproducibly(inpainting_run: Path, tmp_path: Path) -> None:
    source = write_image(tmp_path / "a.png")
    shutil.copy(source, tmp_path / "b.png")
    outputs = [
        zerosum.apply(inpainting_run, tmp_path / name, degrade=True, into=tmp_path / "out" / name)[0].read_bytes()
        for name in ("a.png", "b.png")
    ]
    assert outputs[0] == outputs[1], "the mask follows from the pixels, not from the name"
