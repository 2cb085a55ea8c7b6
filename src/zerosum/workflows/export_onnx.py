"""Export a generator as an ONNX model, in a folder with a script that runs it without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path

from zerosum.inference.export.folder import write_facts
from zerosum.inference.export.onnx_model import OPSET, build_checked_model, check_onnx_support
from zerosum.inference.export.parity import MAX_HALF_ERROR
from zerosum.inference.export.source import ExportSource, Facts, open_source
from zerosum.workflows.export_request import ExportRequest

MODEL_FILE, SCRIPT_FILE = "model.onnx", "infer.py"


def write_onnx(request: ExportRequest, folder: Path) -> None:
    """Write model.onnx, config.json, infer.py and README.md, and conditions.npz if the network takes conditions.

    Raises:
        BadInput: a package is missing, the run cannot be used, or the model does not compute what the network computes.
    """
    check_onnx_support()
    source = open_source(request.run, best=request.best, reverse=request.reverse)
    model, facts = make_onnx(source, request)
    (folder / MODEL_FILE).write_bytes(model)
    (folder / SCRIPT_FILE).write_text(source.script, "utf8")
    write_facts(source, facts, "onnx", folder)


def make_onnx(source: ExportSource, request: ExportRequest) -> tuple[bytes, Facts]:
    """Return a checked ONNX model, and the facts about it, which are its metadata too.

    Raises:
        BadInput: the network cannot be exported, or the model does not compute what it computes.
    """
    reporter = request.reporter
    reporter.message("exporting the network, which takes some seconds to a minute")
    model, parity = build_checked_model(source.graph, "onnx", half=request.half)
    if request.half:
        reporter.message(
            f"checked with ONNX Runtime: with weights in half precision the error is {parity.error:.1e}, "
            f"{parity.decibels:.0f} dB, of {MAX_HALF_ERROR:.1e} allowed"
        )
    else:
        reporter.message(f"checked with ONNX Runtime: {parity.describe()}")
    precision = "float16" if request.half else "float32"
    facts = source.facts | {"opset": OPSET, "weights": precision, "parity": parity.facts()}
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    return model.SerializeToString(), facts
