"""Store the weights of an ONNX model in half precision, and compute in float32: half the size, and hardly an error.

Each weight is followed by a conversion, which ONNX Runtime does once, when it loads the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto

MIN_VALUES = 64
"""Weights with fewer values stay as they are: they take no space."""
LARGEST = 65_504.0
"""Largest number in half precision."""


def halve_weights(model: ModelProto) -> None:
    """Store the weights of a model in half precision, in place; those beyond its range stay as they are."""
    from onnx import TensorProto, helper, numpy_helper

    conversions = []
    for weight in model.graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(weight)
        if values.size < MIN_VALUES or not np.abs(values).max() <= LARGEST:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        conversions.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*conversions, *nodes])
