"""Draw the pictures in docs/ from a run of the demo.

make demo RUN=runs/demo && make picture RUN=runs/demo
"""

import sys
from pathlib import Path

import zerosum
from zerosum.deliver import pictures

HERE = Path(__file__).parent


def main(run: str) -> None:
    """A sheet of 96 samples of seed 0, not picked."""
    generator = zerosum.load(run)
    images = pictures.to_uint8(generator.sample(96, seed=0))
    pictures.save_image(pictures.grid(images, columns=16, scale=2), HERE / "digits.png")


if __name__ == "__main__":
    main(sys.argv[1])
