"""`mix`, `edit` and `encode` as Python functions."""

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workflow_helpers import RecordingReporter

import zerosum
from zerosum.errors import BadInput
from zerosum.inference.load import read_recipe
from zerosum.run_folder import RunFolder


@pytest.mark.parametrize("direction", ["pca:0", "sefa:1"])
def test_samples_are_moved_along_a_direction(digits_run: Path, direction: str) -> None:
    reporter = RecordingReporter()
    path = zerosum.edit(digits_run, direction, sample_indices=[0, 1], steps=3, reporter=reporter)
    assert path == digits_run / f"outputs/00000064-edit-{direction.replace(':', '_')}-all-seed0-samples0+1-steps3.png"
    with Image.open(path) as grid:
        assert grid.width > grid.height, "two rows of three images"
    assert any(direction in message for message in reporter.messages)


def test_the_middle_of_a_row_is_the_sample_itself(digits_run: Path, tmp_path: Path) -> None:
    grids = [
        np.asarray(Image.open(zerosum.edit(
            digits_run, "pca:0", sample_indices=[0], steps=3, max_sigma=sigma, into=tmp_path / f"{sigma}.png"
        )))
        for sigma in (1.0, 3.0)
    ]  # fmt: skip
    width = grids[0].shape[1]
    middle = slice(width // 2 - width // 8, width // 2 + width // 8)
    np.testing.assert_array_equal(grids[0][:, middle], grids[1][:, middle])
    assert not np.array_equal(*grids)


@pytest.mark.parametrize(
    ("direction", "arguments"),
    [
        ("pca", {}), ("pca:first", {}), ("smile:0", {}), ("pca:100000", {}), ("class:cat", {}),
        ("pca:0", {"layers": "9:3"}),
        ("pca:0", {"sample_indices": []}), ("pca:0", {"sample_indices": [-1]}), ("pca:0", {"truncation": 0.0}),
        ("pca:0", {"into": "grid.jpg"}), ("pca:0", {"label": "cat"}), ("sefa:" + "9" * 5000, {}),
        ("pca:0", {"layers": "0:" + "9" * 5000}), ("pca:0", {"steps": 1}), ("pca:0", {"steps": 10**12}),
        ("pca:0", {"max_sigma": float("nan")}), ("pca:0", {"max_sigma": 1e300}), ("pca:0", {"seed": -1}),
        ("pca:0", {"seed": 2**32}), ("pca:0", {"truncation": float("nan")}),
    ],
)  # fmt: skip
def test_wrong_options_of_edit_are_refused(digits_run: Path, direction: str, arguments: dict) -> None:
    with pytest.raises(BadInput):
        zerosum.edit(digits_run, direction, **arguments)
    assert not list(digits_run.glob("outputs/*.png"))


@pytest.mark.parametrize("kind", ["pca", "sefa"])
def test_a_component_beyond_the_last_is_refused_with_the_valid_ones(digits_run: Path, kind: str) -> None:
    size = read_recipe(RunFolder(digits_run)).latent.size
    with pytest.raises(BadInput, match=rf"`direction` {kind}:{size}: there are {size} components, 0 to {size - 1}"):
        zerosum.edit(digits_run, f"{kind}:{size}")


def test_a_direction_to_a_class_needs_classes(styles_run: Path, digits_run: Path, trained_ring: Path) -> None:
    with pytest.raises(BadInput, match="choose one of 0, 1"):
        zerosum.edit(digits_run, "class:ten")
    with pytest.raises(BadInput, match="points, not images"):
        zerosum.edit(trained_ring, "pca:0")


def test_latents_without_styles_are_not_truncated_by_default(digits_run: Path, tmp_path: Path) -> None:
    paths = [
        zerosum.edit(digits_run, "sefa:0", sample_indices=[0], steps=2, into=tmp_path / f"{name}.png", **arguments)
        for name, arguments in {"default": {}, "none": {"truncation": 1e9}, "strong": {"truncation": 0.1}}.items()
    ]
    default, untruncated, truncated = (path.read_bytes() for path in paths)
    assert default == untruncated
    assert default != truncated


def test_styles_are_mixed(styles_run: Path, tmp_path: Path) -> None:
    path = zerosum.mix(styles_run, [0, 1], [2, 3, 4], into=tmp_path / "mix.png")
    with Image.open(path) as grid:
        assert grid.width > grid.height, "three rows of four images, edges included"
    with pytest.raises(BadInput, match="`into`"):
        zerosum.mix(styles_run, [0, 1], [2, 3, 4], into=path)


def test_mixing_needs_styles_and_valid_indices(digits_run: Path, styles_run: Path) -> None:
    with pytest.raises(BadInput, match="stylegan2"):
        zerosum.mix(digits_run, [0], [1])
    with pytest.raises(BadInput, match="`rows`"):
        zerosum.mix(styles_run, [], [1])
    with pytest.raises(BadInput, match="`columns`"):
        zerosum.mix(styles_run, [0], [2**31])


def test_an_image_is_encoded(digits_run: Path, tmp_path: Path) -> None:
    Image.new("L", (40, 30), 90).save(tmp_path / "gray.png")
    reporter = RecordingReporter()
    path = zerosum.encode(digits_run, tmp_path / "gray.png", steps=5, reporter=reporter)
    assert path.name == "00000064-encode-gray-seed0-steps5.png"
    code = np.load(path.with_suffix(".npy"))
    assert code.ndim == 2
    assert np.isfinite(code).all()
    with Image.open(path) as pair:
        assert pair.width > pair.height, "the target and its reconstruction"
    assert any("error" in message for message in reporter.messages)


def test_a_file_that_is_no_image_is_refused(digits_run: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("not an image")
    for file in (tmp_path / "text.png", tmp_path / "missing.png"):
        with pytest.raises(BadInput, match="cannot be read"):
            zerosum.encode(digits_run, file, steps=5)


def test_nothing_is_overwritten(digits_run: Path, styles_run: Path, tmp_path: Path) -> None:
    kept: dict[Path, bytes] = {}
    for name, level in (("one", 90), ("two", 200)):
        (tmp_path / name).mkdir()
        Image.new("L", (30, 30), level).save(tmp_path / name / "gray.png")
    makers = [
        *(partial(zerosum.encode, digits_run, tmp_path / name / "gray.png", steps=2) for name in ("one", "two")),
        *(partial(zerosum.edit, digits_run, "pca:0", sample_indices=[0], max_sigma=sigma) for sigma in (1, 2, 2)),
        *(partial(zerosum.mix, styles_run, [0], [1], truncation=truncation) for truncation in (1.0, 0.5, 0.5)),
    ]
    for make in makers:
        path = make()
        assert path not in kept
        assert all(old.read_bytes() == content for old, content in kept.items()), "earlier results are unchanged"
        kept[path] = path.read_bytes()
    assert {path.stem for path in kept if "encode" in path.name} == {
        "00000064-encode-gray-seed0-steps2", "00000064-encode-gray-seed0-steps2-2",
    }  # fmt: skip


def test_a_code_next_to_the_requested_image_is_not_overwritten(digits_run: Path, tmp_path: Path) -> None:
    Image.new("L", (30, 30), 90).save(tmp_path / "gray.png")
    (tmp_path / "out.npy").write_text("mine")
    with pytest.raises(BadInput, match=r"out\.npy exists"):
        zerosum.encode(digits_run, tmp_path / "gray.png", steps=2, into=tmp_path / "out.png")


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no FIFOs")
def test_a_fifo_or_device_is_not_encoded(digits_run: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for file in (tmp_path / "pipe.png", Path("/dev/zero"), tmp_path):
        with pytest.raises(BadInput, match="not a regular file"):
            zerosum.encode(digits_run, file, steps=2)
