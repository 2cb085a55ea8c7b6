"""Draw docs/styles.png from a run of recipe stylegan2: style mixing grids, and samples edited along three directions.

    python docs/make_styles.py RUN [sefa:0 pca:0 class:NAME]

The samples are the first ones of seed 0, without selection.
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import zerosum

HERE = Path(__file__).parent
LINE_HEIGHT, GAP = 20, 12
TEXT_COLOR = (40, 44, 50)


def stack_grids(grids: dict[str, Path], path: Path) -> None:
    """Draw images below each other, each with its caption."""
    images = {caption: Image.open(grid).convert("RGB") for caption, grid in grids.items()}
    height = sum(image.height + LINE_HEIGHT + GAP for image in images.values())
    page = Image.new("RGB", (max(image.width for image in images.values()), height), "white")
    canvas, font, top = ImageDraw.Draw(page), ImageFont.load_default(13), 0
    for caption, image in images.items():
        canvas.text((2, top + 2), caption, TEXT_COLOR, font)
        page.paste(image, (0, top + LINE_HEIGHT))
        top += image.height + LINE_HEIGHT + GAP
    page.save(path)


def main() -> None:
    """Mix and edit samples, and draw the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("directions", nargs="*", default=["sefa:0", "pca:0", "pca:1"])
    options = parser.parse_args()
    grids = {}
    with tempfile.TemporaryDirectory() as scratch:
        for layers in ("coarse", "fine"):
            path = Path(scratch, f"{layers}.png")
            grid = zerosum.mix(options.run, [0, 1, 2], [3, 4, 5, 6, 7], layers=layers, into=path)
            grids[f"samples (left) with the {layers} styles of the samples above"] = grid
        for direction in options.directions:
            path = Path(scratch, f"{direction.replace(':', '')}.png")
            grids[f"samples along {direction}"] = zerosum.edit(
                options.run, direction, sample_indices=[0, 1, 2], into=path
            )
        stack_grids(grids, HERE / "styles.png")


if __name__ == "__main__":
    main()
