"""Draw the pictures in docs/ from a run of the demo.

make demo RUN=runs/demo && make picture RUN=runs/demo
"""

import sys
from pathlib import Path

import zerosum
from zerosum.media.images import make_grid, save_image, to_uint8

HERE = Path(__file__).parent


def main(run: str) -> None:
    """A sheet of 96 samples of seed 0, not picked."""
    generator = zerosum.load(run)
    images = to_uint8(generator.sample(96, seed=0))
    save_image(make_grid(images, columns=16, scale=2), HERE / "digits.png")


if __name__ == "__main__":
    main(sys.argv[1])
