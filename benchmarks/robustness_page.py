"""The page and the sheet of benchmarks/robustness.py, made from its results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from zerosum.media.raster import save_image
from zerosum.run_folder import Row

Results = dict[str, dict[str, Row]]
"""Cells by kind and recipe."""
SHOWN, THUMBNAIL = 3, 40
"""Images of a cell in the sheet, and pixels of the side of one."""
NOISY_LEVEL = 4.0
"""Root mean square of a checkerboard, 0 to 255, beyond three times that of real images, from which images are noisy."""
LABEL_WIDTH, LINE = 110, 18
"""Pixels for the name of a recipe, and for the names of the kinds."""


class Verdict(Enum):
    """What became of a cell."""

    OK = "ok"
    NOISY = "noisy"
    REFUSED = "refused"
    ERROR = "error"
    DIVERGED = "NaN"
    ONE_COLOR = "one color"
    ONE_IMAGE = "one image"
    DEAD = "dead"

    @property
    def is_fault(self) -> bool:
        """Whether the recipe fails on this kind of images."""
        return self not in (Verdict.OK, Verdict.NOISY, Verdict.REFUSED)


def find_verdict(cell: Row) -> Verdict:
    """Return the verdict on a cell; one color and one image are relative to the real images."""
    if cell["state"] in ("refused", "error"):
        return Verdict(cell["state"])
    if cell["state"] == "diverged" or not cell.get("finite", False):
        return Verdict.DIVERGED
    if cell["flat"] > 0.5 + 0.5 * cell["real_flat"]:
        return Verdict.ONE_COLOR
    if cell["spread"] < 0.15 * cell["real_spread"]:
        return Verdict.ONE_IMAGE
    stands_still = cell["movement"] is not None and cell["movement"] < 0.02
    if stands_still or (cell["gradient"] is not None and cell["gradient"] < 1e-6):
        return Verdict.DEAD
    return Verdict.NOISY if cell["checkerboard"] > NOISY_LEVEL + 3 * cell["real_checkerboard"] else Verdict.OK


NOTES = """Every recipe at size nano on nine kinds of images of 64 px that no setting was tuned on: emoji, road signs,
photographs of food, gray photographs of solar cells, and, drawn by a script, ink on paper, masks of flat colors, pixel
art on flat and transparent backgrounds, mostly dark images and textures. Recipes of translation get pairs of each kind
(sketches to images, bold ink to thin, noise to masks, normal exposure to dark) or degrade its images themselves. A cell
is a fault if training diverges, more than half of the images are of one color, the deviation between images is under
15% of that of real ones (one image), or samples no longer change in the second half of the run or the generator's
gradient is below 1e-6 (dead). Noisy are images with three times the checkerboard of real ones, which is no fault: most
recipes begin like this. A recipe that refuses the data names the reason (below). In so little time on one core images
are not good yet: the figures tell whether a recipe works at all."""
FIGURES = {"dark": "share of dark pixels", "chroma_detail": "detail of the color differences",
           "checkerboard": "energy of a checkerboard", "spread": "deviation between images"}  # fmt: skip


def page(results: Results) -> str:
    """Return the page as Markdown."""
    kinds, recipes = list(results), sorted({recipe for cells in results.values() for recipe in cells})
    cells = [cell for kind in results.values() for cell in kind.values()]
    counts = Counter(find_verdict(cell).value for cell in cells)
    summary = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    times = Counter(f"{cell['seconds']:g} s" for cell in cells if cell["state"] != "refused")
    lines = ["# Robustness", "", "Made by `python benchmarks/robustness.py` from `benchmarks/robustness.json`.", "",
             NOTES, "", f"{len(cells)} cells: {summary}. Training time of a cell on one core: "
             f"{', '.join(f'{time} ({count})' for time, count in times.most_common())}.", "",
             "![three images of each cell](robustness.png)", "", "## Verdict and kernel distance", "",
             "The kernel distance (lite0, 256 images) to real images, below each kind's name the floor (real to real).",
             ""]  # fmt: skip
    floors = [f"{kind} ({_floor(results[kind]):.2f})" for kind in kinds]
    lines += [_line(["recipe", *floors]), _line(["---"] * (len(kinds) + 1))]
    lines += [_line([recipe, *(_verdict_cell(results[kind].get(recipe)) for kind in kinds)]) for recipe in recipes]
    for name, description in FIGURES.items():
        lines += ["", f"## {description.capitalize()}", "", "Divided by that of real images.", ""]
        lines += [_line(["recipe", *kinds]), _line(["---"] * (len(kinds) + 1))]
        lines += [_line([recipe, *(_ratio(results[kind].get(recipe), name) for kind in kinds)]) for recipe in recipes]
    lines += ["", "## Refused", ""]
    reasons = Counter((cell["recipe"], cell["reason"]) for cell in cells if cell["state"] == "refused")
    lines += [f"- `{recipe}` ({count}): {reason}" for (recipe, reason), count in sorted(reasons.items())]
    return "\n".join(lines) + "\n"


def _floor(cells: dict[str, Row]) -> float:
    return max((cell["kid_floor"] for cell in cells.values() if "kid_floor" in cell), default=float("nan"))


def _verdict_cell(cell: Row | None) -> str:
    if cell is None:
        return ""
    verdict, kid = find_verdict(cell), f"{cell['kid']:.2f}" if "kid" in cell else ""
    if verdict.is_fault:
        return f"**{verdict.value}** {kid}"
    return kid if verdict is Verdict.OK else f"{verdict.value} {kid}".strip()


def _ratio(cell: Row | None, name: str) -> str:
    if cell is None or name not in cell:
        return ""
    return f"{cell[name] / cell['real_' + name]:.2f}" if cell["real_" + name] > 1e-3 else f"{cell[name]:.3f} abs."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def draw_sheet(results: Results, folder: Path, path: Path) -> None:
    """Draw images of each cell, a row for each recipe and a column for each kind; `folder` holds the runs."""
    kinds, recipes = list(results), sorted({recipe for cells in results.values() for recipe in cells})
    width, height = SHOWN * THUMBNAIL + 6, THUMBNAIL + 4
    sheet = Image.new("RGB", (LABEL_WIDTH + width * len(kinds), LINE + height * len(recipes)), "white")
    canvas, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for column, kind in enumerate(kinds):
        canvas.text((LABEL_WIDTH + column * width, 2), kind, "black", font)
        for row, recipe in enumerate(recipes):
            cell, corner = results[kind].get(recipe), (LABEL_WIDTH + column * width, LINE + row * height)
            canvas.text((4, corner[1] + 12), recipe, "black", font)
            strip = folder / f"{kind}-{recipe}" / "samples.png"
            if cell is None or cell["state"] in ("refused", "error") or not strip.exists():
                canvas.text((corner[0], corner[1] + 12), cell["state"] if cell else "", "gray", font)
                continue
            sheet.paste(Image.open(strip).resize((SHOWN * THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS), corner)
            if find_verdict(cell).is_fault:
                canvas.rectangle((*corner, corner[0] + width - 7, corner[1] + height - 5), outline="red", width=2)
    save_image(sheet, path)
