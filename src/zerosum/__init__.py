"""Zerosum: train every classic GAN on your own data, on any machine.

    import zerosum

    run = zerosum.train("photos/", budget="5m")
    images = zerosum.load(run.path).sample(16, seed=7)

Public names are imported on first use, so `import zerosum` does not import PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zerosum.api import (
        Run,
        apply,
        compare,
        diagnose,
        edit,
        encode,
        evaluate,
        evaluate_folders,
        export,
        inspect_dataset,
        load,
        load_translator,
        mix,
        optimize,
        profile,
        resume,
        sample,
        trace_nan,
        train,
        walk,
    )
    from zerosum.errors import BadInput

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "Run",
    "__version__",
    "apply",
    "compare",
    "diagnose",
    "edit",
    "encode",
    "evaluate",
    "evaluate_folders",
    "export",
    "inspect_dataset",
    "load",
    "load_translator",
    "mix",
    "optimize",
    "profile",
    "resume",
    "sample",
    "trace_nan",
    "train",
    "walk",
]


def __getattr__(name: str) -> object:
    if name == "BadInput":
        from zerosum.errors import BadInput

        return BadInput
    if name in __all__:
        from zerosum import api

        return vars(api)[name]
    raise AttributeError(f"module 'zerosum' has no attribute {name!r}")
