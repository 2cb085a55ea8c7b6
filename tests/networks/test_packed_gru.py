"""The gated recurrent unit of packed sequences, against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from zerosum.networks.packed_gru import PackedGRU

LENGTHS = torch.tensor([3, 7, 1, 5, 7])


def _pack(inputs: Tensor) -> PackedSequence:
    return pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)


@pytest.mark.parametrize("has_state", [True, False])
def test_states_and_all_gradients_are_those_of_torch(has_state: bool) -> None:
    torch.manual_seed(0)
    packed, own = PackedGRU(8, 16).double(), nn.GRU(8, 16, batch_first=True).double()
    own.load_state_dict(packed.state_dict())
    inputs = torch.randn(5, 7, 8, dtype=torch.float64, requires_grad=True)
    first = torch.randn(1, 5, 16, dtype=torch.float64, requires_grad=True) if has_state else None
    results = []
    for gru in (packed, own):
        states, last = gru(_pack(inputs), first)
        wanted = [inputs, *gru.parameters(), *([] if first is None else [first])]
        gradients = torch.autograd.grad(states.data.sin().sum() + last.cos().sum(), wanted)
        results.append((states.data, last, *gradients))
        assert states.batch_sizes.tolist() == [5, 4, 4, 3, 3, 2, 2]
    for value, expected in zip(*results, strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)


def test_without_gradients_and_on_padded_inputs_it_is_the_one_of_torch() -> None:
    torch.manual_seed(0)
    gru = PackedGRU(8, 16)
    inputs = torch.randn(5, 7, 8)
    with torch.no_grad():
        expected = gru(_pack(inputs))[0].data
    torch.testing.assert_close(gru(_pack(inputs))[0].data, expected)
    last = gru(inputs)[1]
    assert last.shape == (1, 5, 16)
    last.sum().backward()


def test_autocast_computes_in_bfloat16_and_gradients_have_the_type_of_the_weights() -> None:
    torch.manual_seed(0)
    gru = PackedGRU(8, 16)
    inputs = torch.randn(5, 7, 8, requires_grad=True)
    expected = gru(_pack(inputs))[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        states, last = gru(_pack(inputs))
    assert (states.data.dtype, last.dtype) == (torch.bfloat16, torch.bfloat16)
    torch.testing.assert_close(last.float(), expected, rtol=0.05, atol=0.05)
    last.float().sum().backward()
    assert inputs.grad is not None
    assert {parameter.grad.dtype for parameter in gru.parameters() if parameter.grad is not None} == {torch.float32}
    assert all(parameter.grad is not None for parameter in gru.parameters())
