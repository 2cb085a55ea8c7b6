"""Networks as ONNX models with free batch and image sizes, checked against the network itself.

The exporter is PyTorch's of `torch.export` programs. That it succeeds says little: a length that happened to be fixed
in tracing is fixed in the model without a word. So every model is run at other batches and sizes than those traced.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.export.exported_program import trace
from zerosum.inference.export.graph import Graph
from zerosum.inference.export.half_weights import halve_weights
from zerosum.inference.export.parity import (
    MAX_HALF_ERROR,
    Parity,
    compare,
    compare_shown,
    measure_parity,
    require_parity,
)

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET = 20
"""Version of ONNX's operators: the first with all that the networks need, and run by ONNX Runtime since 1.17."""
MAX_MODEL_BYTES = 1_900_000_000
"""Largest weights in one file: the format ends at 2 GiB."""


def check_onnx_support(to: str = "onnx") -> None:
    """Check that ONNX models can be written and run; `to` is the form they are for, in messages.

    Raises:
        BadInput: a package is not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise BadInput(
            f'`to` {to}: needs {error.name}, which is not installed: pip install "zerosum[export]"'
        ) from error


def build_checked_model(graph: Graph, to: str, *, half: bool) -> tuple[ModelProto, Parity]:
    """Return a network as an ONNX model that computes the same, and how far it is from the network.

    Args:
        graph: the network.
        to: the form that the model is for, in messages.
        half: store the weights in half precision, after the model with full ones was compared.

    Raises:
        BadInput: the network cannot be exported, or the model does not compute what it computes, or with weights in
            half precision would draw other categories.
    """
    if half and graph.draws_categories:
        raise BadInput(
            "`half`: this network draws categories or tokens, of which weights in half precision would draw others; "
            "leave it out"
        )
    model = build_onnx_model(graph, to)
    parity = measure_parity(graph, OnnxRunner(model.SerializeToString(), to=to))
    require_parity(parity, to)
    if half:
        halve_weights(model)
        compare_outputs = compare_shown if graph.is_bounded else compare
        runner = OnnxRunner(model.SerializeToString(), to=to)
        parity = measure_parity(graph, runner, compare_outputs=compare_outputs)
        require_parity(parity, f"{to} with `half`", MAX_HALF_ERROR)
    return model, parity


def build_onnx_model(graph: Graph, to: str = "onnx") -> ModelProto:
    """Return a network as an ONNX model, not yet compared with it; `to` is the form that it is for, in messages.

    Raises:
        BadInput: the weights do not fit into one file, or the network uses what ONNX does not have.
    """
    from torch.onnx.errors import OnnxExporterError

    size = sum(weight.numel() * weight.element_size() for weight in graph.module.state_dict().values())
    if size > MAX_MODEL_BYTES:
        raise BadInput(f"`to` {to}: weights of {size / 2**30:.1f} GiB do not fit into one ONNX file; choose pt2")
    traced = trace(graph, to)
    try:
        with _quiet():
            program = torch.onnx.export(
                traced, dynamo=True, opset_version=OPSET, input_names=[each.name for each in graph.inputs],
                output_names=[name for name, _ in graph.outputs], external_data=False, verbose=False,
                custom_translation_table=_translations(),
            )  # fmt: skip
    except OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise BadInput(f"`to` {to}: this network cannot be exported ({reason}); choose pt2") from error
    assert program is not None, "with dynamo, the exporter returns a program"
    model: ModelProto = program.model_proto
    _name_axes(model, graph, to)
    _forget_origin(model)
    _remove_unused(model.graph)
    return model


class OnnxRunner:
    """Runs an ONNX model with ONNX Runtime on the CPU."""

    def __init__(self, model: bytes, threads: int = 0, to: str = "onnx") -> None:
        """Load a model, to run on so many threads; 0: as many as there are cores. `to` is its form, in messages.

        Raises:
            BadInput: ONNX Runtime cannot load it.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised
        options.intra_op_num_threads = threads
        self._to = to
        with _explained(to, "load"):
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [each.name for each in self._session.get_inputs()]

    def __call__(self, inputs: tuple[Tensor, ...]) -> list[NDArray[np.float32]]:
        """Return the outputs for inputs in the order of the graph.

        Raises:
            BadInput: ONNX Runtime cannot run the model with them, such as for another batch than the only one it takes.
        """
        feeds = {name: value.numpy() for name, value in zip(self._names, inputs, strict=True)}
        with _explained(self._to, "run"):
            outputs: list[NDArray[np.float32]] = self._session.run(None, feeds)
        return outputs


@contextmanager
def _explained(to: str, what: str) -> Iterator[None]:
    """Turn errors of ONNX Runtime, which are no subclasses of Python's, into one sentence.

    Raises:
        BadInput: ONNX Runtime has raised one.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as runtime  # type: ignore[import-untyped]

    try:
        yield
    except (
        runtime.EPFail, runtime.Fail, runtime.InvalidArgument, runtime.InvalidGraph, runtime.InvalidProtobuf,
        runtime.NotImplemented, runtime.RuntimeException,
    ) as error:  # fmt: skip
        reason = str(error).strip().splitlines()[0]
        raise BadInput(
            f"`to` {to}: ONNX Runtime cannot {what} the exported model ({reason}), so nothing was written; choose pt2"
        ) from error


def _name_axes(model: ModelProto, graph: Graph, to: str) -> None:
    """Give the free axes their names in place of numbered symbols.

    Raises:
        BadInput: the exporter has fixed the length of one.
    """
    shapes = {each.name: each.axes for each in graph.inputs} | dict(graph.outputs)
    for value in (*model.graph.input, *model.graph.output):
        for dimension, axis in zip(value.type.tensor_type.shape.dim, shapes[value.name], strict=True):
            if isinstance(axis, int):
                continue
            if dimension.HasField("dim_value"):
                raise BadInput(f"`to` {to}: the {axis} of {value.name} cannot be left open in this network; choose pt2")
            dimension.dim_param = axis


def _forget_origin(model: ModelProto) -> None:
    """Remove what the exporter notes at every node: the lines of code, with the folders of the machine it ran on."""
    del model.metadata_props[:], model.graph.metadata_props[:]
    model.graph.doc_string = ""
    for each in (
        *model.graph.node, *model.graph.value_info, *model.graph.initializer, *model.graph.input, *model.graph.output
    ):  # fmt: skip
        del each.metadata_props[:]
        each.doc_string = ""


def _remove_unused(graph: GraphProto) -> None:
    """Remove constants that nothing reads, about which ONNX Runtime prints warnings; those of loops, too."""
    used = {value.name for value in graph.output}
    for node in graph.node:
        used.update(node.input)
        for inner in (attribute.g for attribute in node.attribute if attribute.HasField("g")):
            _remove_unused(inner)
            used.update(name for each in inner.node for name in each.input)
            used.update(value.name for value in inner.output)
    for index in reversed([place for place, each in enumerate(graph.initializer) if each.name not in used]):
        del graph.initializer[index]


def _translations() -> dict[Callable[..., object], Callable[..., object]]:
    """Return how operators are translated that the exporter does not know."""
    from zerosum.inference.export.onnx_operators import erfinv

    return {torch.ops.aten.erfinv.default: erfinv}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes about packages and versions away from the user."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
