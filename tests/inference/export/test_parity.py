"""The comparison of an exported model with its network finds what is wrong with it."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from zerosum.data.points.kind import PointCodec
from zerosum.errors import BadInput
from zerosum.game.latent import Normal
from zerosum.inference.export.graph import Graph, generator_graph
from zerosum.inference.export.parity import (
    CHECKED_SIZES,
    TRACED_SIZES,
    compare,
    compare_shown,
    measure_parity,
    require_parity,
)
from zerosum.inference.generator import Generator


class _Linear(nn.Linear):
    def forward(self, latent: Tensor) -> Tensor:
        return super().forward(latent)


@pytest.fixture
def graph() -> Graph:
    torch.manual_seed(0)
    return generator_graph(Generator(_Linear(4, 2).requires_grad_(False), Normal(size=4), "points", PointCodec(2), "0"))


def exact(graph: Graph) -> Callable[[tuple[Tensor, ...]], list[NDArray[np.float32]]]:
    return lambda inputs: [output.numpy() for output in graph(inputs)]


def test_the_network_equals_itself(graph: Graph) -> None:
    parity = measure_parity(graph, exact(graph))
    assert parity.error == 0
    assert parity.decibels == math.inf
    assert parity.facts() == {"error": 0.0, "compared_at": [{"batch": 1}, {"batch": 5}]}


def test_a_model_of_the_traced_batch_alone_is_found(graph: Graph) -> None:
    def constant(inputs: tuple[Tensor, ...]) -> list[NDArray[np.float32]]:
        return [np.zeros((TRACED_SIZES["batch"], 2), np.float32)]

    parity = measure_parity(graph, constant)
    assert parity.error == math.inf
    with pytest.raises(BadInput, match="nothing was written"):
        require_parity(parity, "onnx")


def test_the_error_is_relative_to_the_largest_value() -> None:
    true = np.array([[100.0, 1.0]])
    assert compare(true + np.array([[0.0, 0.01]]), true) == pytest.approx(1e-4)
    assert compare(true * np.nan, true) == math.inf
    assert compare(true[0], true) == math.inf


def test_shown_values_are_compared_as_they_are_clipped() -> None:
    true = np.array([[3.0, -0.1, 0.1]])
    assert compare_shown(np.array([[1.5, -0.1, 0.1]]), true) == 0, "both are shown as 1"
    assert compare_shown(np.array([[3.0, -0.1, 0.12]]), true) == pytest.approx(0.02), "not of the largest value, 3"
    assert compare_shown(true * 0.01, true * 0.02) == pytest.approx(0.03), "not of the largest value, 0.06"
    assert compare_shown(true * np.nan, true) == math.inf
    assert compare_shown(true[0], true) == math.inf


@pytest.mark.parametrize(("different", "passes"), [(4, True), (5, False)])
def test_sequences_of_tokens_are_compared_as_wholes(graph: Graph, different: int, passes: bool) -> None:
    def flipped(inputs: tuple[Tensor, ...]) -> list[NDArray[np.float32]]:
        (output,) = exact(graph)(inputs)
        output[len(output) - different * (len(output) > 1) :, 0] += 1
        return [output]

    parity = measure_parity(replace(graph, draws_tokens=True), flipped)
    assert parity.error == different / 200
    assert parity.facts()["compared_at"] == [{"batch": 1}, {"batch": 200}]
    if passes:
        require_parity(parity, "onnx")
        assert parity.describe() == "2.0% of the samples differ, of 2% allowed"
    else:
        with pytest.raises(BadInput, match="of the samples"):
            require_parity(parity, "onnx")


@pytest.mark.parametrize(("error", "passes"), [(0.9e-4, True), (1.1e-4, False)])
def test_the_bound(graph: Graph, error: float, passes: bool) -> None:
    def shifted(inputs: tuple[Tensor, ...]) -> list[NDArray[np.float32]]:
        (output,) = exact(graph)(inputs)
        return [output + error * np.abs(output).max()]

    parity = measure_parity(graph, shifted)
    if passes:
        require_parity(parity, "onnx")
    else:
        with pytest.raises(BadInput):
            require_parity(parity, "onnx")


def test_no_compared_size_is_a_traced_one() -> None:
    for sizes in CHECKED_SIZES:
        assert all(sizes[axis] != TRACED_SIZES[axis] for axis in TRACED_SIZES)
