"""Programs of torch.export take any batch and size, and compute the same after they are loaded."""

from pathlib import Path

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.export.exported_program import ProgramRunner, trace
from zerosum.inference.export.graph import BATCH, HEIGHT, WIDTH, Graph, translator_graph
from zerosum.inference.export.parity import measure_parity
from zerosum.inference.translator import Translator
from zerosum.networks.configs.unet import UNetGeneratorConfig

SPEC = TensorSpec((1, 16, 16), bounded=True)
SIZES = [{BATCH: 1, HEIGHT: 8, WIDTH: 8}, {BATCH: 5, HEIGHT: 37, WIDTH: 53}]


@pytest.fixture(scope="module")
def graph() -> Graph:
    torch.manual_seed(0)
    network = UNetGeneratorConfig(width=4, max_width=4, depth=2).build(8, SPEC, 0, SPEC).eval().requires_grad_(False)
    return translator_graph(Translator(network, SPEC.shape, SPEC.shape, "0"))


def test_a_translator_takes_any_size(graph: Graph, tmp_path: Path) -> None:
    torch.export.save(trace(graph, "pt2"), tmp_path / "model.pt2")
    assert measure_parity(graph, ProgramRunner(tmp_path / "model.pt2"), SIZES).error == 0


def test_a_branch_on_the_size_is_refused(graph: Graph) -> None:
    class Branches(torch.nn.Module):
        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor]:
            return (inputs[0] * len(inputs[0]),)

    with pytest.raises(BadInput, match="`to` pt2: this network computes differently at different sizes \\(Constraints"):
        trace(Graph(Branches(), graph.inputs, graph.outputs), "pt2")
