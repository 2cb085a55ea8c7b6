"""torchvision, which the peers' scripts need: found here, and any script run with it.

    python benchmarks/vision.py SCRIPT [ARGUMENTS]      # as `python SCRIPT [ARGUMENTS]`

The wheels of torchvision on PyPI are built for PyTorch with CUDA. Beside a PyTorch for CPUs their own operators (boxes,
decoding) cannot be loaded, and the import then fails because it registers shapes for operators nobody has declared.
Data sets, transforms and `save_image` use none of them, so where that is what fails the names are declared first.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
UNDECLARED = ("nms", "qnms")
"""Operators whose shapes torchvision registers whether or not they are there."""


def find() -> str:
    """The version of torchvision, which can be imported from now on; empty where there is none."""
    try:
        torchvision = importlib.import_module("torchvision")
    except ImportError:
        return ""
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        torchvision = _declared()
    # a package of that name with nothing in it is no torchvision
    return str(getattr(torchvision, "__version__", "")) if hasattr(torchvision, "transforms") else ""


def _declared() -> ModuleType:
    """torchvision without its own operators."""
    import torch

    for name in UNDECLARED:
        torch.library.define(f"torchvision::{name}", SIGNATURE)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # what the failed import left
    return importlib.import_module("torchvision")


def main() -> None:
    """Run a script as if Python had been told to."""
    if not find():
        raise SystemExit(f"{sys.executable} has no torchvision: name another by --python, or its folder by --site")
    sys.argv = sys.argv[1:]
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
