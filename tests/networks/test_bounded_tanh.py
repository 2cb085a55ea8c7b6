"""Test the value and the gradients of the tanh that generators end with."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from zerosum.networks.bounded_tanh import RETURN_SLOPE, BoundedTanh


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_value_and_gradient_are_those_of_tanh_away_from_the_ends(dtype: torch.dtype) -> None:
    inputs = torch.linspace(-3, 3, 41).to(dtype).requires_grad_()
    ours, theirs = BoundedTanh()(inputs), inputs.tanh()
    assert torch.equal(ours, theirs)
    upstream = torch.randn(41).to(dtype)
    assert torch.equal(*(torch.autograd.grad(output, inputs, upstream)[0] for output in (ours, theirs)))


def test_derivatives_are_right_away_from_the_ends() -> None:
    inputs = torch.linspace(-3, 3, 9, dtype=torch.float64).requires_grad_()
    assert gradcheck(BoundedTanh(), (inputs,))
    assert gradgradcheck(BoundedTanh(), (inputs,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_gradients_that_lead_back_from_the_ends_differ(dtype: torch.dtype) -> None:
    inputs = torch.tensor([6.0, 6.0, -6.0, -6.0, 20.0], dtype=dtype, requires_grad=True)
    upstream = torch.tensor([1.0, -1.0, -1.0, 1.0, 1.0], dtype=dtype)  # descent follows the negative gradient
    (gradient,) = torch.autograd.grad(BoundedTanh()(inputs), inputs, upstream)
    torch.testing.assert_close(gradient[[0, 2, 4]], RETURN_SLOPE * upstream[[0, 2, 4]])
    assert (gradient[[1, 3]].abs() < 1e-4).all()


def test_evaluation_mode_is_plain_tanh() -> None:
    inputs = torch.tensor([6.0, -1.0], requires_grad=True)
    module = BoundedTanh().eval()
    (gradient,) = torch.autograd.grad(module(inputs).sum(), inputs)
    (plain,) = torch.autograd.grad(inputs.tanh().sum(), inputs)
    assert torch.equal(gradient, plain)


def test_it_works_under_torch_func() -> None:
    inputs = torch.tensor([6.0, 0.5])
    gradient = torch.func.grad(lambda values: BoundedTanh()(values).sum())(inputs)
    torch.testing.assert_close(gradient, torch.tensor([RETURN_SLOPE, 1 - torch.tanh(torch.tensor(0.5)).item() ** 2]))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_saturated_network_comes_back(precision: torch.dtype) -> None:
    """A network whose outputs are all white learns to be gray; with plain tanh it never would."""

    def train(activation: nn.Module) -> float:
        torch.manual_seed(0)
        network = nn.Linear(4, 1)
        nn.init.constant_(network.bias, 12.0)
        optimizer = torch.optim.SGD(network.parameters(), 0.5)
        for _ in range(2000):
            loss: torch.Tensor = activation(network(torch.randn(8, 4)).to(precision)).float().square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    assert train(nn.Tanh()) > 0.9
    assert train(BoundedTanh()) < 0.01
