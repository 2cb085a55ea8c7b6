"""Export a generator as an ONNX model, in a folder with a script that runs it without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.inference.export.folder import write_facts
from zerosum.inference.export.onnx_model import OPSET, OnnxRunner, build_onnx_model, check_onnx_support
from zerosum.inference.export.parity import MAX_ERROR, MAX_HALF_ERROR, Parity, measure_parity, require_parity
from zerosum.inference.export.source import ExportSource, Facts, open_source
from zerosum.workflows.export_request import ExportRequest

if TYPE_CHECKING:
    from onnx import ModelProto

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
    model = build_onnx_model(source.graph)
    parity = measure_parity(source.graph, OnnxRunner(model.SerializeToString()))
    require_parity(parity, "onnx", MAX_ERROR)
    reporter.message(f"checked with ONNX Runtime: error {parity.error:.1e} of the largest value, of 1e-4 allowed")
    if request.half:
        parity = _halve(source, model)
        reporter.message(f"weights in half precision: error {parity.error:.1e}, {parity.decibels:.0f} dB")
    precision = "float16" if request.half else "float32"
    facts = source.facts | {"opset": OPSET, "weights": precision, "parity": parity.facts()}
    for key, value in facts.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    return model.SerializeToString(), facts


def _halve(source: ExportSource, model: ModelProto) -> Parity:
    """Store the weights in half precision, in place, and return how far the model then is from the network."""
    from zerosum.inference.export.half_weights import halve_weights

    halve_weights(model)
    parity = measure_parity(source.graph, OnnxRunner(model.SerializeToString()))
    require_parity(parity, "onnx with `half`", MAX_HALF_ERROR)
    return parity
