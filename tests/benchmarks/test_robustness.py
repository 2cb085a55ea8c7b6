"""Test the data, the measures and the verdicts of the robustness benchmark."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from robustness import cell_order, data_folder
from robustness_data import KINDS, draw_ink, draw_mask, draw_pixel_art, draw_texture
from robustness_measures import ImageSets, image_statistics, measure
from robustness_page import Verdict, draw_sheet, find_verdict, page

from zerosum.run_folder import Row

ALIVE: Row = {
    "recipe": "auto", "kind": "ink", "state": "done", "seconds": 90.0, "finite": True, "flat": 0.0, "real_flat": 0.0,
    "spread": 40.0, "real_spread": 50.0, "movement": 3.0, "gradient": 0.1, "kid": 0.5, "kid_floor": 0.01,
    "dark": 0.1, "real_dark": 0.1, "chroma_detail": 1.0, "real_chroma_detail": 0.0, "checkerboard": 1.0,
    "real_checkerboard": 2.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.OK),
        ({"state": "refused"}, Verdict.REFUSED),
        ({"state": "diverged"}, Verdict.DIVERGED),
        ({"finite": False}, Verdict.DIVERGED),
        ({"flat": 0.9}, Verdict.ONE_COLOR),
        ({"flat": 0.9, "real_flat": 0.9}, Verdict.OK),
        ({"spread": 2.0}, Verdict.ONE_IMAGE),
        ({"movement": 0.0}, Verdict.DEAD),
        ({"movement": None, "gradient": 1e-9}, Verdict.DEAD),
        ({"movement": None, "gradient": None}, Verdict.OK),
        ({"checkerboard": 30.0}, Verdict.NOISY),
    ],
)
def test_verdicts(change: Row, verdict: Verdict) -> None:
    assert find_verdict(ALIVE | change) is verdict


def test_statistics_of_known_images() -> None:
    gray = image_statistics(np.full((4, 8, 8, 1), 30, np.uint8))
    assert (gray["flat"], gray["spread"], gray["dark"], gray["chroma"]) == pytest.approx((1, 0, 1, 0), abs=1e-9)
    checkerboard = np.indices((8, 8)).sum(0) % 2 * 40 + 100
    pattern = image_statistics(np.broadcast_to(checkerboard[None, ..., None], (2, 8, 8, 1)).astype(np.uint8))
    assert pattern["checkerboard"] == pytest.approx(20)
    assert pattern["flat"] == 0
    red = np.zeros((1, 8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert image_statistics(red)["chroma"] == pytest.approx(np.hypot(0.564 * 76.2, 0.713 * 178.8), abs=0.1)


def test_transparent_pixels_are_white() -> None:
    statistics = image_statistics(np.zeros((1, 8, 8, 4), np.uint8))
    assert (statistics["bright"], statistics["dark"]) == (1, 0)


def test_measures_of_the_same_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype(np.uint8)
    row = measure(ImageSets(images[:8], images[:8], images[8:], None, True, 0.0))
    assert row["spread"] == row["real_spread"]
    assert {"kid", "kid_floor", "dark", "checkerboard"} <= row.keys()


@pytest.mark.parametrize("draw", [draw_ink, draw_mask, draw_pixel_art, draw_texture])
def test_drawings_follow_from_the_seed(draw) -> None:
    first, again = (draw(np.random.default_rng(3), 3) for _ in range(2))
    assert first.image.size == first.source.size == (64, 64)
    assert first.image.tobytes() == again.image.tobytes()
    assert first.image.tobytes() != draw(np.random.default_rng(4), 4).image.tobytes()


def test_every_cell_once_and_each_recipe_early() -> None:
    recipes, kinds = [f"recipe-{index}" for index in range(5)], list(KINDS)
    cells = list(cell_order(recipes, kinds))
    assert len(set(cells)) == len(cells) == len(recipes) * len(kinds)
    assert [recipe for recipe, _ in cells[:5]] == recipes


def test_only_recipes_that_need_pairs_get_them() -> None:
    folders = {recipe: data_folder(recipe, Path("kind")).name for recipe in ("auto", "colorize", "pix2pix", "cyclegan")}
    assert folders == {"auto": "images", "colorize": "images", "pix2pix": "pairs", "cyclegan": "pairs"}


def test_page_and_sheet(tmp_path: Path) -> None:
    refused = {"recipe": "cgan", "kind": "ink", "state": "refused", "reason": "there are no classes", "seconds": 90.0}
    results = {"ink": {"auto": ALIVE, "dcgan": ALIVE | {"recipe": "dcgan", "flat": 1.0}, "cgan": refused}}
    text = page(results)
    assert "**one color** 0.50" in text
    assert "- `cgan` (1): there are no classes" in text
    (tmp_path / "ink-auto").mkdir()
    Image.new("RGB", (192, 64)).save(tmp_path / "ink-auto" / "samples.png")
    draw_sheet(results, tmp_path, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").exists()
