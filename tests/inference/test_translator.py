"""Signals of any length are translated in pieces, with little more to compute than for the whole."""

import pytest
import torch
from torch import Tensor, nn

from zerosum.inference import translator as translator_module
from zerosum.inference.translator import Translator

RADIUS = 12


class Smoothing(nn.Module):
    """A mean over positions, which records how many of them it computes."""

    condition_inputs: tuple[str, ...] = ()
    receptive_field_radius, size_multiple = RADIUS, 4

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.computed = nn.Parameter(torch.ones(())), 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.computed += inputs.shape[2]
        return self.scale * nn.functional.avg_pool1d(inputs, 2 * RADIUS + 1, 1, RADIUS)


@pytest.mark.parametrize("piece_values", [1, 40 * RADIUS])
def test_a_batch_of_long_signals_is_translated_in_pieces(piece_values: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pixels an image of one piece may have: signals of so many values were cut into far smaller tiles."""
    monkeypatch.setattr(translator_module, "PIECE_VALUES", piece_values)
    monkeypatch.setattr(translator_module, "MAX_WHOLE_PIXELS", 16)
    network, length = Smoothing(), 100 * RADIUS
    inputs = 0.5 * torch.randn(3, 1, length, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    outputs = Translator(network, (1, 64), (1, 64), "0")(inputs)
    assert length < network.computed <= 1.25 * length
    torch.testing.assert_close(outputs, network(inputs).detach(), rtol=0, atol=1e-6)
