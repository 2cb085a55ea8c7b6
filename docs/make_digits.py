"""Make src/zerosum/data/bundled/digits.npz: the first 1,000 training images of each MNIST digit.

    python docs/make_digits.py MNIST/train OUT.npz

MNIST/train/<digit>/<number>.png holds each training image under its number in the original file. The result is the
same to the byte on every run with the same zlib. Deflate (1.6 MB, loads in 0.04 s) was chosen over LZMA (1.4 MB, 0.1 s)
and WebP (1.5 MB, 0.13 s).
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES_PER_CLASS = 1_000


def make_digits(folder: Path, out: Path) -> None:
    """Write the bundled dataset: `images` (10000, 28, 28) uint8 and `labels` (10000,) uint8."""
    numbered = [
        (int(path.stem), digit, path)
        for digit in range(10)
        for path in sorted((folder / str(digit)).glob("*.png"), key=lambda path: int(path.stem))[:IMAGES_PER_CLASS]
    ]
    numbered.sort()  # the original order, which mixes the digits
    images = np.stack([np.asarray(Image.open(path)) for _, _, path in numbered])
    labels = np.array([digit for _, digit, _ in numbered], dtype=np.uint8)
    assert images.shape == (10 * IMAGES_PER_CLASS, 28, 28)
    assert images.dtype == np.uint8
    np.savez_compressed(out, images=images, labels=labels)
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Write the dataset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with a subfolder of PNG files for each digit")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    make_digits(options.folder, options.out)


if __name__ == "__main__":
    main()
