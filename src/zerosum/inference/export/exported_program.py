"""Networks as programs of `torch.export`, which PyTorch runs without the code of the network."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx.experimental import _config as fx_config

from zerosum.errors import BadInput
from zerosum.inference.export.graph import Graph
from zerosum.inference.export.parity import TRACED_SIZES


def trace(graph: Graph, to: str) -> ExportedProgram:
    """Return a network as a program with free batch and image sizes; `to` is the form it is for, in messages.

    Raises:
        BadInput: the network computes differently at different sizes, so no program holds for all of them.
    """
    shapes = tuple(dict.fromkeys(axes, Dim.DYNAMIC) for axes in graph.free_axes)
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what is wrong becomes the message
    try:
        # sizes 0 and 1 are no special cases: else programs of translators would not take the smallest feature maps
        with fx_config.patch(backed_size_oblivious=graph.has_free_sizes):  # type: ignore[attr-defined]
            return torch.export.export(graph.module, graph.example(TRACED_SIZES), dynamic_shapes=(shapes,))
    except (torch._dynamo.exc.UserError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(
            f"`to` {to}: this network computes differently at different sizes ({reason}); use the run itself"
        ) from error
    finally:
        logger.setLevel(level)


class ProgramRunner:
    """Runs a saved program."""

    def __init__(self, path: Path) -> None:
        """Load a program from its file."""
        self._module = torch.export.load(path).module()

    @torch.no_grad()
    def __call__(self, inputs: tuple[Tensor, ...]) -> list[NDArray[np.float32]]:
        """Return the outputs for inputs in the order of the graph."""
        return [output.float().numpy() for output in self._module(*inputs)]
