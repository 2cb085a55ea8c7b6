"""Draw docs/digits.png from a run of the demo.

make demo RUN=runs/demo && make images RUN=runs/demo
"""

import argparse
from pathlib import Path

import zerosum
from zerosum.media.raster import as_images, make_grid, save_image

HERE = Path(__file__).parent


def main() -> None:
    """Draw a grid of the first 96 samples of seed 0, without selection."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    generator = zerosum.load(parser.parse_args().run)
    images = as_images(generator.decode(generator.sample(96, seed=0)))
    save_image(make_grid(images, columns=16, scale=2), HERE / "digits.png")


if __name__ == "__main__":
    main()
