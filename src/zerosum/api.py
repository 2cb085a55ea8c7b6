"""The public functions of the package. Importing them does not import PyTorch."""

from __future__ import annotations

from zerosum.inference.load import load, load_translator
from zerosum.workflows.apply import apply
from zerosum.workflows.compare import compare
from zerosum.workflows.diagnose import diagnose
from zerosum.workflows.edit import edit, encode, mix
from zerosum.workflows.evaluate import evaluate, evaluate_folders
from zerosum.workflows.export import export
from zerosum.workflows.inspect import inspect_dataset
from zerosum.workflows.optimize import optimize
from zerosum.workflows.run import Run
from zerosum.workflows.sample import sample, walk
from zerosum.workflows.trace_nan import trace_nan
from zerosum.workflows.train import profile, resume, train

__all__ = [
    "Run",
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
