"""Export a generator as a program that PyTorch runs without Zerosum."""

from __future__ import annotations

from pathlib import Path

import torch

from zerosum.errors import BadInput
from zerosum.inference.export.exported_program import ProgramRunner, trace
from zerosum.inference.export.folder import write_facts
from zerosum.inference.export.parity import measure_parity, require_parity
from zerosum.inference.export.source import open_source
from zerosum.workflows.export_request import ExportRequest

MODEL_FILE = "model.pt2"


def write_pt2(request: ExportRequest, folder: Path) -> None:
    """Write model.pt2, config.json and README.md, and conditions.npz if the network takes conditions.

    Raises:
        BadInput: the run cannot be used, the network has no program for all sizes, or the program computes something
            else after it is loaded.
    """
    source = open_source(request.run, best=request.best, reverse=request.reverse)
    request.reporter.message("exporting the network, which takes some seconds to a minute")
    torch.export.save(trace(source.graph, "pt2"), folder / MODEL_FILE)
    try:
        parity = measure_parity(source.graph, ProgramRunner(folder / MODEL_FILE))
    except (AssertionError, RuntimeError) as error:  # of a guard: the program holds for some sizes only
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"`to` pt2: the program does not take all sizes ({reason}); choose onnx") from error
    require_parity(parity, "pt2")
    request.reporter.message(f"checked after loading: {parity.describe()}")
    facts = source.facts | {"torch": torch.__version__, "parity": parity.facts()}
    write_facts(source, facts, "pt2", folder)
