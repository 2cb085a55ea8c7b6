"""Draw docs/styles.png from a run of recipe stylegan2: mixing grids, and samples moved along three directions.

python docs/make_styles.py RUN [sefa:0 pca:0 class:NAME]

The samples are the first ones of seed 0, not picked.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import zerosum

HERE = Path(__file__).parent
LINE, GAP = 20, 12


def together(sheets: dict[str, Path], path: Path) -> None:
    """Sheets under each other, each with its caption."""
    drawn = {caption: Image.open(sheet).convert("RGB") for caption, sheet in sheets.items()}
    tall = sum(sheet.height + LINE + GAP for sheet in drawn.values())
    page = Image.new("RGB", (max(sheet.width for sheet in drawn.values()), tall), "white")
    pen, font, top = ImageDraw.Draw(page), ImageFont.load_default(13), 0
    for caption, sheet in drawn.items():
        pen.text((2, top + 2), caption, (40, 44, 50), font)
        page.paste(sheet, (0, top + LINE))
        top += sheet.height + LINE + GAP
    page.save(path)


def main(run: str, *directions: str) -> None:
    """Mix, edit, put together."""
    sheets = {}
    with tempfile.TemporaryDirectory() as scratch:
        for layers in ("coarse", "fine"):
            sheet = zerosum.mix(run, [0, 1, 2], [3, 4, 5, 6, 7], layers=layers, into=Path(scratch, f"{layers}.png"))
            sheets[f"samples (left) with the {layers} styles of those above"] = sheet
        for direction in directions or ("sefa:0", "pca:0", "pca:1"):
            into = Path(scratch, f"{direction.replace(':', '')}.png")
            sheets[f"samples along {direction}"] = zerosum.edit(run, direction, sample_indices=[0, 1, 2], into=into)
        together(sheets, HERE / "styles.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
