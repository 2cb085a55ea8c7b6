"""Import torchvision, which the peers' scripts need, and run a script with it.

    python benchmarks/vision.py SCRIPT [ARGUMENTS]      # as `python SCRIPT [ARGUMENTS]`

torchvision's wheels on PyPI are built for PyTorch with CUDA. With a PyTorch for CPUs their compiled operators (boxes,
decoding) cannot be loaded, and the import fails because it registers shapes for operators that were never declared.
Datasets, transforms and `save_image` use none of these operators, so if that is the failure, the operators are declared
first.
"""

from __future__ import annotations

import argparse
import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType

SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
UNDECLARED = ("nms", "qnms")
"""Operators whose shapes torchvision registers even if they do not exist."""


def torchvision_version() -> str:
    """Import torchvision and return its version; "" if it is not installed."""
    try:
        torchvision = importlib.import_module("torchvision")
    except ImportError:
        return ""
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        torchvision = _import_with_declared_operators()
    # an empty package of that name is not torchvision
    return str(getattr(torchvision, "__version__", "")) if hasattr(torchvision, "transforms") else ""


def _import_with_declared_operators() -> ModuleType:
    """Import torchvision without its compiled operators."""
    import torch

    for name in UNDECLARED:
        torch.library.define(f"torchvision::{name}", SIGNATURE)
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # left behind by the failed import
    return importlib.import_module("torchvision")


def main() -> None:
    """Run a script as Python itself would."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not torchvision_version():
        raise SystemExit(
            f"{sys.executable} has no torchvision: name another interpreter by --python, or its folder by --site"
        )
    sys.argv = [options.script, *options.arguments]
    sys.path[0] = str(Path(options.script).resolve().parent)
    runpy.run_path(options.script, run_name="__main__")


if __name__ == "__main__":
    main()
